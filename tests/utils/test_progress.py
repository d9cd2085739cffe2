"""Bars on a terminal: their width, lines above them, their end; nothing elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ppocr_ft.utils import progress as progress_module
from ppocr_ft.utils.console import captured_stderr
from ppocr_ft.utils.progress import Bar, close_bars, progress
from tests.support import ROOT
from tests.support.terminal import ESCAPE, Terminal, on_terminal, plain, screen

LONG = "a line that is longer than the terminal is wide, and stays one line for who copies it: END"
WORK = f"""
import sys, warnings
from ppocr_ft.utils.progress import Bar, closing_bars, progress
if sys.stderr.isatty() and "--drawn" in sys.argv:
    from ppocr_ft.utils import bars
    bars.REFRESH_S = 0
with closing_bars():
    bar = Bar("epoch 1/3", 30, "step") if "--drawn" in sys.argv else None
    for i in range(30):
        if i == 10:
            print({LONG!r})
            print("\\033[1;31merror\\033[0m in red", file=sys.stderr)
        if i == 15:
            for image in progress(range(200), 200, "larger images: evaluate 800:min"):
                if image == 100:
                    print("one\\n\\nthree")
            for image in progress(range(4), 4, "predict"):
                pass
        if bar:
            names = "loss shrink_maps threshold_maps binary_maps images/s memory lr".split()
            bar.figures = {{name: f"{{i / 7:.4f}}" for name in names}}
            bar.left_s = 3725
            bar.advance()
    print("no newline yet", end="")
    if bar:
        bar.close()
print("done", "rich" in sys.modules)
"""
BAR = re.compile("[━╸╺]+")


@pytest.fixture(autouse=True)
def no_bars_are_left() -> None:
    assert progress_module._bars is None


@pytest.mark.slow
def test_lines_above_the_bars_stay_whole() -> None:
    code, output = on_terminal(["-c", WORK, "--drawn"])
    assert code == 0, output
    shown = screen(output)
    head = [LONG[:80], LONG[80:], "error in red", "one", "", "three"]
    assert shown[: len(head)] == head
    assert shown[len(head) :] == ["no newline yet", "done True"]
    assert f"{ESCAPE}[1;31merror{ESCAPE}[0m in red" in output
    assert LONG in output


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120, 40])
def test_a_bar_keeps_its_width_and_no_line_exceeds_the_terminals(columns: int) -> None:
    _, output = on_terminal(["-c", WORK, "--drawn"], columns=columns)
    drawn = [line for part in output.splitlines() for line in re.split(r"\r|\033\[2K", part)]
    bars = [plain(line) for line in drawn if BAR.search(line)]
    assert len(bars) > 200
    assert max(map(len, bars)) <= columns
    if columns >= 80:
        assert {len("".join(BAR.findall(line))) for line in bars} == {20}
        assert all(re.search(r"\d+/\d+", line) for line in bars)
        assert any("1h2m left" in line for line in bars)
        titles = [line for line in bars if "larger images: evaluate 800:min  " in line]
        assert len(titles) > 100, "a speed gives way to a title"
        assert any("images/s" in line for line in titles) is (columns == 120)
    figures = [plain(line).rstrip() for line in drawn if "shrink_maps" in line]
    assert max(map(len, figures)) <= columns
    names = "  loss  shrink_maps  threshold_maps  binary_maps  images/s  memory      lr"
    assert {*figures} == {names if columns >= 80 else "  loss  shrink_maps  threshold_maps"}


@pytest.mark.slow
@pytest.mark.parametrize("unwanted", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_is_to_be_plain_gets_no_escape_codes(unwanted: dict[str, str]) -> None:
    code, output = on_terminal(
        ["-c", WORK.replace("\\033[1;31m", "").replace("\\033[0m", "")], unwanted
    )
    assert code == 0
    assert ESCAPE not in output
    assert output.splitlines() == [
        LONG, "error in red", "one", "", "three", "no newline yetdone False",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_pipe_gets_lines_alone_and_rich_is_not_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORK], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [LONG, "one", "", "three", "no newline yetdone False"]
    assert done.stderr == f"{ESCAPE}[1;31merror{ESCAPE}[0m in red\n", "as it was written"


@pytest.mark.slow
def test_a_file_gets_what_is_printed_while_the_terminal_has_bars(tmp_path: Path) -> None:
    with (tmp_path / "out.txt").open("wb") as file:
        _, output = on_terminal(["-c", WORK, "--drawn"], stdout=file)
    lines = (tmp_path / "out.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [LONG, "one", "", "three", "no newline yetdone True"]
    assert screen(output) == ["error in red"]


@pytest.mark.slow
def test_ctrl_c_takes_the_bars_away_and_the_cursor_was_never_hidden() -> None:
    work = """
import os, signal, sys, time
from ppocr_ft.commands.common import command
from ppocr_ft.utils.progress import Bar, progress
def main(words):
    bar = Bar("epoch 1/3", 30, "step")
    for image in progress(range(2), 2, "evaluate"):
        print("ready")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
sys.exit(command(main)([]))
"""

    code, output = on_terminal(["-c", work])
    assert code == 130
    assert screen(output) == ["ready", "interrupted"]
    assert f"{ESCAPE}[?25l" not in output


def test_what_breaks_off_within_captured_stderr_leaves_the_streams_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, out = Terminal(), Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", out)
    images = iter(progress(range(3), 3, "look"))

    def look() -> None:
        with captured_stderr():
            next(images)
            assert sys.stderr is not stream
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        look()
    close_bars()
    assert (sys.stderr, sys.stdout) == (stream, out)
    print("after", file=sys.stderr)
    assert screen(stream.getvalue()) == ["after"]
    assert next(images) == 1, "a bar that was taken away counts on in silence"
    assert screen(stream.getvalue()) == ["after"]


def test_a_bar_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    now = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    bar = Bar("epoch 2/3", 50, "step", done=10)
    assert bar.times() == ("", "")
    now[0] += 20
    bar.advance(10)
    assert bar.times() == ("1m left", "0.5 steps/s"), "10 steps in 20 s; 30 are left"
    bar.left_s, bar.speed = 0.1, "3 images/s"
    assert bar.times() == ("1s left", "3 images/s")
    bar.advance(30)
    assert bar.times()[0] == "in 20s"
    bar.close()
    bar.close()

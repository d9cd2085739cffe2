"""The page of a run that goes on: when it is built anew, and what half-written files do to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ppocr_ft.commands.watch import live_page
from ppocr_ft.commands.watch.live_page import LivePage, is_running
from ppocr_ft.utils.files import folder_lock
from tests.support.report_run import rows_of, run_folder

LOSS = "<b>2.5</b>"
"""In the legend, after a first step of training."""


def at_once(folder: Path) -> LivePage:
    """A page that is built anew whenever something has changed."""
    return LivePage(folder, least_pause_s=0, pauses=0)


def append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run after its first evaluation and its first step."""
    rows = [row for row in rows_of({0: {1.5: (0.125, 0.1)}}) if row["step"] < 2]
    return run_folder(tmp_path / "run", rows=rows, boxes=False)


def test_a_run_goes_on_until_its_lock_is_free(folder: Path) -> None:
    page = at_once(folder)
    with folder_lock(folder, "key"):
        going = page.current()
        assert is_running(folder)
    over = page.current()
    assert "data-running" in going.html
    assert "Training is at step 1 of 8." in going.html
    assert "--resume" not in going.html
    assert "data-running" not in over.html
    assert "The run ended after step 1 of 8." in over.html
    assert over.version != going.version


def test_a_run_of_compare_goes_on_under_the_lock_of_the_folder_above(folder: Path) -> None:
    assert not is_running(folder)
    with folder_lock(folder.parent, "key"):
        assert is_running(folder)


def test_no_figures_yet_then_the_first_ones(folder: Path) -> None:
    metrics = folder / "metrics.csv"
    header, *rows = metrics.read_text().splitlines(keepends=True)
    metrics.unlink()
    page = at_once(folder)
    with folder_lock(folder, "key"):
        assert "No figures yet" in page.current().html
        metrics.write_text(header)
        waiting = page.current()
        assert not waiting.has_figures
        metrics.write_text(header + "".join(rows))
        first = page.current()
    assert first.has_figures
    assert LOSS in first.html
    assert first.version != waiting.version


def test_no_figures_and_the_run_is_over(folder: Path) -> None:
    (folder / "metrics.csv").write_text("kind,step\n")
    html = at_once(folder).current().html
    assert "The run is over" in html
    assert "data-running" not in html


def test_a_line_that_is_half_there_waits_for_its_end(folder: Path) -> None:
    page, metrics = at_once(folder), folder / "metrics.csv"
    columns = metrics.read_text().partition("\n")[0].split(",")
    row = {"kind": "train", "step": "2", "epoch": "1", "loss": "2.125"}
    line = ",".join(row.get(column, "") for column in columns) + "\n"
    append(metrics, line[:20])
    assert LOSS in page.current().html
    append(metrics, line[20:])
    html = page.current().html
    assert "<b>2.125</b>" in html
    assert LOSS not in html


def break_line(folder: Path) -> None:
    append(folder / "metrics.csv", b"train,2,\xe4")


def remove(folder: Path) -> None:
    (folder / "metrics.csv").unlink()


def break_evaluation(folder: Path) -> None:
    append(folder / "metrics.csv", "eval,x\n" + "eval,4" + ",1e" * 60 + "\n")
    header = (folder / "metrics.csv").read_text().partition("\n")[0]
    append(folder / "metrics.csv", "eval,4" + ",half" * (header.count(",") - 1) + "\n")


@pytest.mark.parametrize("harm", [break_line, remove, break_evaluation])
def test_where_nothing_can_be_read_the_last_good_page_stays(
    harm: Callable[[Path], None], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = at_once(folder)
    good = page.current()
    harm(folder)
    assert page.current() is good
    assert "Traceback" not in capsys.readouterr().err


def test_files_that_are_broken_are_a_note_on_the_page(folder: Path) -> None:
    append(folder / "verdicts.jsonl", '{"step": 2, "na')
    (folder / "data.json").write_text("{")
    html = at_once(folder).current().html
    assert "verdicts.jsonl: " in html
    assert "data.json: " in html


@pytest.mark.parametrize(
    "name", ["metrics.csv", "train.log", "evaluations/best.jsonl", "evaluations/b/best.jsonl"]
)
def test_it_is_built_anew_where_a_file_has_changed_and_else_not(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_page, "render", lambda run, live: f"{live.version}")
    page, path = at_once(folder), folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    first = page.current()
    assert page.current() is first
    append(path, "\n")
    second = page.current()
    assert second.version != first.version
    assert at_once(folder).current() == second, "a server that is started again agrees"


def test_a_page_has_to_be_old_enough(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_page, "render", lambda run, live: "")
    page = LivePage(folder, least_pause_s=1e9)
    first = page.current()
    append(folder / "train.log", "\n")
    assert page.current() is first


def test_who_asks_while_it_is_built_gets_the_last_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile = []

    def slow(run: object, live: object) -> str:
        meanwhile.append(page.current())
        return ""

    monkeypatch.setattr(live_page, "render", slow)
    page = at_once(folder)
    assert page.current().has_figures
    assert [other.has_figures for other in meanwhile] == [False]

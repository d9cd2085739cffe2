"""The installed program: its help, its version, names mistyped, packages that are missing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ppocr_ft.commands.common import command
from ppocr_ft.commands.main import COMMANDS, main
from ppocr_ft.version import __version__
from tests.support import ROOT
from tests.support.processes import environment, python

CONFIG = str(ROOT / "configs" / "det_v4_ft.yml")
SHIPPED = [path.name for path in (ROOT / "configs").glob("*.yml")]
NEEDS_PADDLE = ["train", "eval", "find-lr", "compare", "fit-postprocess", "export", "predict"]
TERMINATED = """
import signal, sys
from ppocr_ft.commands.common import command, import_paddle

@command
def main(argv):
    import_paddle()
    signal.raise_signal(signal.SIGTERM)

sys.exit(main([]))
"""
WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {modules}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
sys.argv[0] = "ppocr-ft"
from ppocr_ft.commands.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_what_the_system_refuses_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def refused(argv: Sequence[str]) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "out/model")

    assert command(refused)([]) == 1
    said = "stopped: [Errno 28] No space left on device: 'out/model'\n"
    assert capsys.readouterr().err == said


@pytest.mark.slow
def test_sigterm_is_said_after_paddle_is_imported() -> None:
    pytest.importorskip("paddle", reason="paddle is not installed")
    done = python("-c", TERMINATED)
    assert done.returncode == 143, done.stderr
    assert done.stderr == "stopped by SIGTERM\n"


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"]])
def test_the_help_names_commands_and_configs(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: ppocr-ft COMMAND ...\n")
    assert [name for name in [*COMMANDS, *SHIPPED] if f"  {name} " not in said] == []


def test_nothing_is_the_help_and_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["--version"], ["-V"], ["version"]])
def test_the_version(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith(f"ppocr_ft {__version__} (Python 3.")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_says_how_it_is_called(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["help", name])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: ppocr-ft {name} [-h]")
    assert f"\n  ppocr-ft {name}" in said
    assert "tools/" not in said


@pytest.mark.parametrize("name", COMMANDS)
def test_each_has_a_script_in_a_clone(name: str) -> None:
    script = ROOT / "tools" / f"{name.replace('-', '_')}.py"
    assert f'run("{name}")' in script.read_text(encoding="utf-8")


@pytest.mark.parametrize("started", ["tools", "module"])
def test_the_help_shows_what_was_typed(started: str) -> None:
    line = {"tools": ["tools/find_lr.py"], "module": ["-m", "ppocr_ft", "find-lr"]}[started]
    done = subprocess.run(
        [sys.executable, *line, "--help"],
        cwd=ROOT,
        env=environment({"COLUMNS": "200"}),
        capture_output=True,
        text=True,
        check=True,
    )
    typed = f"python {' '.join(line)}"
    assert done.stdout.startswith(f"usage: {typed} [-h] -c FILE")
    assert f"\n  {typed} -c det_v4_ft.yml\n" in done.stdout


@pytest.mark.parametrize(
    ("argv", "meant"),
    [(["trian"], "train"), (["find_lr", "-c", "x"], "find-lr"), (["help", "exprot"], "export")],
)
def test_a_mistyped_command(
    argv: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.endswith(f"; did you mean {meant!r}?\n")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["train", "--dryrun"], "--dry-run"),
        (["train", "--resmue=x"], "--resume"),
        (["predict", "--imgaes", "x", "--images", "x"], "--images"),
        (["make-sample", "--fource", "--out", "x"], "--force"),
    ],
)
def test_a_mistyped_option(argv: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([argv[0], *(["-c", CONFIG] if argv[0] != "make-sample" else []), *argv[1:]])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.endswith(f"; did you mean {meant}?\n")
    assert "set by -o" not in err


@pytest.mark.parametrize("words", [["Global.epoch_num=3"], ["--epochs", "3"]])
def test_a_key_without_its_switch(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "-c", CONFIG, *words])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert f"unrecognized arguments: {' '.join(words)}; a key of the config is set by -o" in err
    with pytest.raises(SystemExit):
        main(["make-sample", "--out", "x", *words])
    assert "set by -o" not in capsys.readouterr().err


def test_a_config_of_the_package_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "-c", "det_v4_ft.yml", "--no-images", "--samples", "0"]) == 0
    err = capsys.readouterr().err
    assert err.count("which comes with the package") == 1
    assert "det_v4_ft.yml" in err


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS_PADDLE)
def test_without_paddle_one_line_says_what_to_install(name: str) -> None:
    more = {
        "predict": ["--images", CONFIG],
        "compare": ["--arm", "a:", "--arm", "b: Global.seed=1"],
    }
    done = python("-c", WITHOUT.format(modules=["paddle"]), name, "-c", CONFIG, *more.get(name, []))
    assert done.returncode == 2
    assert done.stderr == (
        f"paddle is not installed for {sys.executable}: "
        "pip install '.[cpu]' in the clone of ppocr_ft\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "check"),
        ("pydantic", "convert"),
        ("yaml", "eval"),
        ("pooch", "train"),
        ("shapely", "check"),
        ("numba", "train"),
        ("cv2", "predict"),
    ],
)
def test_without_another_package_too(module: str, name: str, tmp_path: Path) -> None:
    more = ["-c", CONFIG, "-o", f"Global.save_model_dir={tmp_path}"]
    if name == "predict":
        more += ["--images", str(ROOT / "docs/images")]
    done = python("-c", WITHOUT.format(modules=[module]), name, *more)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"{module} is not installed for {sys.executable}: pip install . in the clone of ppocr_ft"
    )
    assert "Traceback" not in done.stderr


def test_a_script_outside_the_environment_says_what_to_do(tmp_path: Path) -> None:
    for name in ("train.py", "_run.py"):
        (tmp_path / "tools").mkdir(exist_ok=True)
        text = (ROOT / "tools" / name).read_text(encoding="utf-8")
        (tmp_path / "tools" / name).write_text(text, encoding="utf-8")
    bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-S", str(tmp_path / "tools" / "start.py"), "-c", "x.yml"],
            env=bare,
            capture_output=True,
            text=True,
            check=False,
        )

    # -I leaves the script's folder out of the path, as well as the packages of this environment
    start = f"import sys; sys.path.insert(0, {str(tmp_path / 'tools')!r})\nfrom _run import run\n"
    (tmp_path / "tools" / "start.py").write_text(f"{start}run('train')\n", encoding="utf-8")
    done = run()
    assert done.returncode == 2
    assert done.stderr == (
        f"ppocr_ft is not installed for {sys.executable}: pip install -e '.[cpu]' in {tmp_path}\n"
    )
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    assert f"{tmp_path}/.venv/bin/python " in run().stderr

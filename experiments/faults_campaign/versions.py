"""Fault 15: a state of an older version, an export that is killed, a package that is replaced."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np

import ppocr_ft
from experiments.faults_campaign.line import (
    NotHeldError,
    Ran,
    Trial,
    at_write,
    kill_self,
    line,
    main,
    must,
    training,
)
from ppocr_ft.engine.checkpoints import CHECKSUM, read_state
from ppocr_ft.weights.files import encode_safetensors
from tests.support import ROOT
from tests.support.processes import environment
from tests.support.same_run import assert_same_run, calling

BEFORE_CHECKSUMS = "25466e4^"
"""The last commit whose runs have other files than now; a release's tag goes before it."""
NEWER_FILES = ("previous.pdstate", "latest_metrics.csv")
NEWER_PROGRESS = ("best_file", "metrics", "improved_step")
PACKAGE = Path(ppocr_ft.__file__).parent
BROKEN = "raise RuntimeError('a module of the other version')\n"
EXPORT_WRITES = 3
"""So many files of an export are opened by Python, the others by Paddle."""


@line(
    15,
    "checkpoint of an older version; export killed midway; package replaced during a run",
    "loads; earlier export whole; refused or finished",
)
def versions(trial: Trial) -> None:
    trial.run(training(trial.config("whole")), "whole").ends(0, of="whole")
    older_state(trial)
    if not trial.short:
        older_program(trial)
    killed_exports(trial)
    replaced_package(trial)


def older_state(trial: Trial) -> None:
    """Go on with a state that lacks what the versions before checksums did not write."""
    from ppocr_ft.engine import trainer

    config = trial.config("older")
    run = config.parent / "run"

    def begin() -> int:
        trainer.train_step = calling(6, kill_self)
        return training(config)()

    trial.run(begin, "older")
    arrays = read_state(run / "latest.pdstate")
    about = json.loads(bytes(arrays["progress"]))
    about["progress"] = {k: v for k, v in about["progress"].items() if k not in NEWER_PROGRESS}
    arrays["progress"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    must(CHECKSUM not in arrays, "the state has two checksums")
    (run / "latest.pdstate").write_bytes(encode_safetensors(arrays))
    for name in NEWER_FILES:
        (run / name).unlink(missing_ok=True)
    ran = trial.run(training(config), "a state without checksums")
    ran.ends(0, of="a state without checksums")
    try:
        wanted = trial.folder / "whole" / "run"
        assert (run / "latest.pdparams").read_bytes() == (wanted / "latest.pdparams").read_bytes()
    except AssertionError:
        raise NotHeldError("a state without checksums: other weights at the end") from None
    trial.cases += 1
    trial.tried.append("a state without checksums")


def older_program(trial: Trial) -> None:
    """Go on with a run of the last release, or of the version before checksums if there is none."""
    tags = git("tag", "--list", "v*", "--sort=-version:refname").decode().split()
    version = next(iter(tags), BEFORE_CHECKSUMS)
    archive = git("archive", version, "ppocr_ft", "tests/support")
    if not archive:
        trial.tried.append(f"skipped: this clone hasn't the commit {version}")
        return
    place, old = trial.folder / "of_old", trial.folder / "old"
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(old, filter="data")
    (old / "begin.py").write_text(
        "import sys\nfrom pathlib import Path\n"
        "from tests.support.killed_run import kill_at\n"
        "from ppocr_ft.commands.main import main\nfrom ppocr_ft.engine import trainer\n"
        "import ppocr_ft\nassert Path(ppocr_ft.__file__).parent.parent == Path(sys.argv[2])\n"
        "kill_at(trainer, 'train_step', 6)\nsys.exit(main(['train', '-c', sys.argv[1]]))\n"
    )
    config = trial.config(place.name)
    command = [sys.executable, str(old / "begin.py"), str(config), str(old)]
    variables = environment({"PYTHONPATH": str(old)})
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    must(done.returncode == -signal.SIGKILL, f"{version}: {done.stderr[-300:]}")
    for name in ("latest", "best_accuracy"):
        values = [f"Global.checkpoints={place}/run/{name}"]
        ran = trial.run(lambda: main(["eval", "-c", str(config), "-o", *values]), name)  # noqa: B023
        ran.ends(0, of=f"{version}, {name}.pdparams")
    ran = trial.run(training(config), version)
    ran.ends(0, of=f"a run of {version}")
    must("goes on after step 5" in ran.text, f"a run of {version}: {ran.text[-500:]}")
    trial.cases += 3
    trial.tried.append(f"a run of {version}")


def git(*arguments: str) -> bytes:
    """Return what git prints; nothing where it fails."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else b""


def killed_exports(trial: Trial) -> None:
    """Kill exports into a folder that has one, before writes and at the last moment."""
    from ppocr_ft.export import write

    out = trial.folder / "out" / "model"

    def export(weights: str) -> Callable[[], int]:
        run = trial.folder / "whole" / "run"
        values = (f"Global.checkpoints={run}/{weights}", f"Global.save_inference_dir={out}")
        return lambda: main(["export", "-c", str(run / "config.resolved.yml"), "-o", *values])

    began = time.monotonic()
    trial.run(export("iter_epoch_2"), "an export").ends(0, of="an export")
    seconds, before = time.monotonic() - began, contents(out)
    for _ in range(trial.some(5, 0)):
        process = trial.process(export("iter_epoch_2"))
        if process.wait(trial.rng.uniform(0, seconds)) is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            trial.cases += 1
        must(contents(out) == before, "export killed at a random moment: the folder isn't whole")
    kills: dict[str, Callable[[], object]] = {
        f"before write {count}": lambda count=count: at_write(out.parent, count, kill_self)
        for count in range(trial.some(1, EXPORT_WRITES), EXPORT_WRITES + 1)
    }
    exchange = write.exchange
    kills["before it takes its place"] = lambda: setattr(write, "exchange", lambda *_: kill_self())
    kills["once it has its place"] = lambda: setattr(
        write, "exchange", lambda *places: exchange(*places) and kill_self()
    )
    for case, prepare in kills.items():

        def act(prepare: Callable[[], object] = prepare) -> int:
            prepare()
            return export("latest")()

        ran = trial.run(act, case)
        must(ran.code == -signal.SIGKILL, f"export killed {case}: {ran.last_words}")
        now = contents(out)
        new = now != before
        must(new == (case == "once it has its place"), f"export killed {case}: another export")
        must(now.keys() == before.keys(), f"export killed {case}: has {sorted(now)}")
        trial.cases += 1
    trial.run(export("iter_epoch_2"), "the last export").ends(0, of="the last export")
    must(contents(out)["inference.pdiparams"] == before["inference.pdiparams"], "not replaced")
    left = sorted(path.name for path in out.parent.iterdir())
    must(left == ["model"], f"killed exports leave {left}")
    trial.tried.append("exports killed at any moment, at writes, when they take their place")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def other_version(package: Path) -> None:
    """Put modules, templates and texts in place with which nothing works that reads them."""
    for path in package.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".html", ".json", ".css", ".js"):
            path.write_text(BROKEN if path.suffix == ".py" else "{{ of_another_version }}")


REPLACED: dict[str, Callable[[Path], object]] = {
    "another version": other_version,
    "removed": lambda package: shutil.rmtree(package),
}


def replaced_package(trial: Trial) -> None:
    """Replace the package under a run; it must come to its end as if nothing had been."""
    for name, replace in list(REPLACED.items())[: trial.some(2, 1)]:
        config = trial.config(f"replaced {name}", fit=True)
        ran = replaced_in_step(trial, config, replace)
        case = f"package in mid-run: {name}"
        ran.ends(0, of=case)
        run = config.parent / "run"
        for file in ("fitted.yml", "report.html", "results.png"):
            must((run / file).is_file(), f"{case}: no {file}")
        must("not made" not in ran.text and "not fitted" not in ran.text, f"{case}: {ran.text}")
        must("of_another_version" not in (run / "report.html").read_text(), f"{case}: its page")
        try:
            assert_same_run(run, trial.folder / "whole" / "run")
        except (AssertionError, OSError) as error:
            raise NotHeldError(f"{case}: differs in {str(error)[:100]}") from None
        trial.cases += 1
        trial.tried.append(f"a package in mid-run: {name}, finished")


def replaced_in_step(trial: Trial, config: Path, replace: Callable[[Path], object]) -> Ran:
    """Run the program from a copy of the package, which is replaced once the steps have begun."""
    copy = trial.folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(PACKAGE, copy / "ppocr_ft")
    command = [sys.executable, "-m", "ppocr_ft", "train", "-c", str(config)]
    output, state = trial.folder / "output.txt", config.parent / "run" / "latest.pdstate"
    with output.open("w") as file:
        started = subprocess.Popen(
            command, stdout=file, stderr=file, cwd=copy, env=environment({"PYTHONPATH": str(copy)})
        )
        while not state.exists() and started.poll() is None:
            time.sleep(0.02)
        replace(copy / "ppocr_ft")
        code = started.wait(300)
    return Ran(code, output.read_text(errors="replace"))

"""One fault that was seen: what is run, and what the program must say and do now."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from experiments.faults.inputs import overrides
from ppocr_ft.commands.main import main_of

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "faults"
CONFIG = ROOT / "configs" / "det_v4_ft.yml"


class WrongError(Exception):
    """The program does not do what it should."""


class InputMissingError(Exception):
    """The input of a fault is not on this machine."""


@dataclass(frozen=True)
class Ran:
    """A command that has run: its exit code and all that it printed."""

    code: int
    text: str

    def say(self, pattern: str, code: int | None = None) -> str:
        """Return the first line that matches.

        Raises:
            WrongError: no line does, the exit code is another one, or there is a traceback.
        """
        if "Traceback" in self.text:
            raise WrongError(f"a traceback: {self.text.strip().splitlines()[-1]}")
        lines = self._matching(pattern)
        if not lines:
            raise WrongError(f"nothing printed matches {pattern!r}; exit code {self.code}")
        if code is not None and code != self.code:
            raise WrongError(f"exit code {self.code} instead of {code}: {lines[0]}")
        return lines[0]

    def silent(self, pattern: str) -> None:
        """Raise WrongError if a line matches."""
        if lines := self._matching(pattern):
            raise WrongError(lines[0])

    def _matching(self, pattern: str) -> list[str]:
        """Return the lines that match; what is indented by four or five belongs to the line above.

        So check continues its lines.
        """
        whole = re.sub(r"\n {4,5}(?=\S)", " ", self.text)
        return [
            line.strip() for line in whole.splitlines() if re.search(pattern, line, re.IGNORECASE)
        ]


@dataclass(frozen=True)
class Case:
    """The folder in which a fault is tried; it begins empty."""

    folder: Path

    def given(self, name: str) -> Path:
        """Copy a file or folder of ``../shared/faults`` into the case's folder.

        Raises:
            InputMissingError: it isn't there.
        """
        source, target = SHARED / name, self.folder / Path(name).name
        if not source.exists():
            raise InputMissingError(f"../shared/faults/{name} is not here")
        if source.is_dir():
            shutil.copytree(source, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, target)
        return target

    def check(self, folder: Path, *more: object, train: str = "train.txt") -> Ran:
        """Run ``check`` on a folder with train.txt and val.txt."""
        parts = ("-c", CONFIG, "--no-weights", "--samples", 0, *overrides(folder, [train]))
        return self.run("check", *parts, *more)

    def convert(self, *arguments: object) -> Ran:
        """Run ``convert`` into the folder ``out``."""
        return self.run("convert", *arguments, "--out", "out")

    def run(self, command: str, *arguments: object) -> Ran:
        """Run a command of the program, in this process and in the case's folder."""
        main = main_of(command)
        return captured(lambda: main([str(argument) for argument in arguments]), self.folder)


def captured(action: Callable[[], int], folder: Path) -> Ran:
    """Run ``action`` in a folder and keep what it prints, C libraries' lines included."""
    with tempfile.TemporaryFile() as file, contextlib.ExitStack() as undo:
        before = Path.cwd()
        undo.callback(os.chdir, before)
        os.chdir(folder)
        with _printed_to(file.fileno()):
            try:
                code = action()
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        file.seek(0)
        return Ran(code, file.read().decode(errors="replace"))


@contextlib.contextmanager
def _printed_to(number: int) -> Iterator[None]:
    saved = [(stream, os.dup(stream)) for stream in (1, 2)]
    streams = sys.stdout, sys.stderr
    try:
        for stream, _ in saved:
            os.dup2(number, stream)
        sys.stdout, sys.stderr = (os.fdopen(os.dup(stream), "w", buffering=1) for stream in (1, 2))
        yield
    finally:
        sys.stdout.close()
        sys.stderr.close()
        sys.stdout, sys.stderr = streams
        for stream, copy in saved:
            os.dup2(copy, stream)
            os.close(copy)


@dataclass(frozen=True)
class Fault:
    """``source`` names the report, ``title`` what went wrong; ``attempt`` returns the new words."""

    source: str
    title: str
    attempt: Callable[[Case], str]
    slow: bool = field(default=False)

    @property
    def name(self) -> str:
        return self.attempt.__name__

    def result(self) -> tuple[str, str]:
        """Return what the program says now, and ``right``, ``WRONG`` or ``skipped``."""
        with tempfile.TemporaryDirectory(prefix="ppocr_ft_fault_") as folder:
            try:
                return self.attempt(Case(Path(folder))), "right"
            except InputMissingError as error:
                return str(error), "skipped"
            except WrongError as error:
                return str(error), "WRONG"
            except Exception as error:
                return f"{type(error).__name__}: {error}", "WRONG"


FAULTS: list[Fault] = []


def fault(
    source: str, title: str, *, slow: bool = False
) -> Callable[[Callable[[Case], str]], Callable[[Case], str]]:
    """Enter a function into ``FAULTS``."""

    def enter(attempt: Callable[[Case], str]) -> Callable[[Case], str]:
        FAULTS.append(Fault(source, title, attempt, slow))
        return attempt

    return enter

"""What all commands have in common: options, threads, errors, exit codes, several processes."""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import NoReturn

from ppocr_ft.config import Config, load_config
from ppocr_ft.config.load import find_config, shipped_configs
from ppocr_ft.engine.distributed import (
    PeerFailed,
    PeerLost,
    ProcessGroup,
    is_main_process,
    join_process_group,
    process_count,
)
from ppocr_ft.engine.stop import Terminated, terminable
from ppocr_ft.errors import (
    FAILED,
    INTERRUPTED,
    TERMINATED,
    WRONG_INPUT,
    ConfigError,
    UserInputError,
)
from ppocr_ft.messages import nearest
from ppocr_ft.utils.console import WIDTH, colored, forget_said, severities_colored, wrapped
from ppocr_ft.utils.cpu import tune_cpu
from ppocr_ft.utils.files import NUMBER, numbered_folder
from ppocr_ft.utils.program import as_started, command_line, import_problem
from ppocr_ft.utils.progress import closing_bars


def import_paddle() -> None:
    """Import paddle, without its warnings: of a missing compiler cache, of several threads.

    It takes over SIGTERM, which goes on to mean what it did before.
    """
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import paddle  # noqa: F401
    if threading.current_thread() is threading.main_thread():
        before = signal.getsignal(signal.SIGTERM)  # as Python knows it
        if before is not None:
            signal.signal(signal.SIGTERM, before)


OWN_CONFIG = "ppocr_ft.yml"
REMARK = " " * 8
"""How a line below an example begins that says what it does."""
Main = Callable[[Sequence[str]], int]


def command(main: Main, *, in_group: bool = False) -> Callable[[Sequence[str] | None], int]:
    """Wrap a command's main function: wrong input becomes its message and exit code 2.

    What the system refuses, as where a disk is full, becomes its message and exit code 1.

    If ``paddle.distributed.launch`` has started several processes, those of a command that
    can't work ``in_group`` leave it to process 0; and it ends them in its own way.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        if not (in_group or is_main_process()):
            return 0
        tune_cpu()
        silence_opencv()
        forget_said()
        try:
            ends = terminable() if process_count() == 1 else contextlib.nullcontext()
            with closing_bars(), ends:
                return main(sys.argv[1:] if argv is None else argv)
        except UserInputError as error:
            first, *rest = as_started(str(error)).split("\n")
            print("\n".join([colored(first, "red", sys.stderr), *rest]), file=sys.stderr)
            return WRONG_INPUT
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("ppocr_ft"):
                raise
            print(import_problem(error), file=sys.stderr)
            return WRONG_INPUT
        except Terminated:
            print("stopped by SIGTERM", file=sys.stderr)
            return TERMINATED
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:  # the reader of our output has gone, as head(1) does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except OSError as error:  # a full disk, a folder that has gone
            print(f"stopped: {error}", file=sys.stderr)
            return FAILED

    return run


def silence_opencv() -> None:
    """Silence OpenCV's log: what it can't decode is said with the file's name."""
    with contextlib.suppress(ImportError, AttributeError):  # an OpenCV without that function
        import cv2

        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class _Parser(argparse.ArgumentParser):
    """A parser that names the option that was meant, or ``-o`` to who writes ``--epochs 3``."""

    def error(self, message: str) -> NoReturn:
        head, _, given = message.partition("unrecognized arguments: ")
        if given and not head:
            flags = (word.partition("=")[0] for word in given.split() if word.startswith("--"))
            near = next(filter(None, (nearest(flag, self._flags) for flag in flags)), None)
            if near:
                message += f"; did you mean {near}?"
            elif "-o" in self._option_string_actions:
                message += "; a key of the config is set by -o, as in  -o Global.epoch_num=3"
        super().error(message)

    @property
    def _flags(self) -> list[str]:
        return [flag for flag in self._option_string_actions if flag.startswith("--")]


def bare_parser(command_name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Return a parser whose help shows the examples as this program was started."""
    return _Parser(
        prog=command_line(command_name),
        description=folded(description),
        epilog=folded(as_started(f"examples:\n{examples}")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def folded(text: str) -> str:
    """Break the prose of a help text into lines that a terminal has; commands stay as they are."""
    lines: list[str] = []
    for is_prose, group in groupby(text.split("\n"), lambda line: line[:1].strip() != ""):
        paragraph = list(group)
        if is_prose and max(map(len, paragraph)) > WIDTH:
            paragraph = wrapped(" ".join(paragraph))
        for line in paragraph:
            lines += wrapped(line, other=REMARK) if line.startswith(REMARK) else [line]
    return "\n".join(lines)


def parser(
    command_name: str,
    description: str,
    examples: str,
    *,
    config_required: bool = True,
    begins: bool = False,
) -> argparse.ArgumentParser:
    """Return a parser with ``-c`` and ``-o``.

    A command that ``begins`` with a config takes that of this folder where there is no ``-c``.
    """
    arguments = bare_parser(command_name, description, examples)
    names = ", ".join(path.name for path in shipped_configs())
    own = own_config() if begins and config_required else None
    arguments.add_argument(
        "-c",
        "--config",
        default=own,
        required=config_required and own is None,
        type=_config_name,
        metavar="FILE",
        help=f"a config, PaddleOCR's YAML; one of the package by its name: {names}"
        + (f"; default: {OWN_CONFIG}, which init writes" if begins else ""),
    )
    arguments.add_argument(
        "-o",
        "--override",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="values that go before the config's, as Global.epoch_num=24",
    )
    return arguments


def own_config() -> str | None:
    """Return the config that ``init`` has written into this folder, if it is there."""
    return OWN_CONFIG if Path(OWN_CONFIG).is_file() else None


def _config_name(text: str) -> str:
    """Return the name as it was given, and say so if it names a config of the package."""
    path = find_config(text)
    if text == OWN_CONFIG:
        print(f"config: {text}", file=sys.stderr)
    if path != Path(text):
        print(f"config: {path}, which comes with the package", file=sys.stderr)
    return text


def whole_number(least: int) -> Callable[[str], int]:
    """Return a parser of an option's value: a whole number, ``least`` or more."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"found {text!r}, must be {least} or more")
        return int(text)

    return parse


def config_of(options: argparse.Namespace) -> Config:
    """Load the config and print its warnings to stderr."""
    config = load_config(options.config, options.override)
    for warning in config.warnings:
        text = as_started(f"warning: {warning.describe()}")
        print(severities_colored(text, sys.stderr), file=sys.stderr)
    return config


def with_global(config: Config, **values: object) -> Config:
    """Return the config with other values of ``Global``."""
    return config.model_copy(update={"Global": config.Global.model_copy(update=values)})


def in_numbered_folder(config: Config, resume: str | None = None) -> Config:
    """Return the config with the folder that ``{n}`` in its Global.save_model_dir means.

    ``resume`` is what the command goes on with: None, "latest", or a path in the run's folder.

    Raises:
        ConfigError: it stands in another place, no run is there to go on with, or several processes
            would each count for themselves.
    """
    pattern = config.Global.save_model_dir
    if NUMBER not in pattern:
        return config
    if process_count() > 1:
        message = f"is {pattern}; {NUMBER} is for one process alone, so name the folder"
        raise ConfigError(message, key="Global.save_model_dir")
    import_paddle()
    if resume in (None, "latest"):
        from ppocr_ft.runs.folder import RESOLVED_CONFIG

        folder = numbered_folder(pattern, RESOLVED_CONFIG, last=resume is not None)
    else:
        from ppocr_ft.engine.checkpoints import state_path

        folder = state_path(resume).parent
    return with_global(config, save_model_dir=str(folder))


def beside_runs(config: Config, name: str) -> Config:
    """Return the config with a folder beside the numbered ones, if its own is numbered."""
    pattern = config.Global.save_model_dir
    return with_global(config, save_model_dir=pattern.replace(NUMBER, f"_{name}"))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as the text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def say_not_fitted(configs: Iterable[Config]) -> None:
    """Say on stderr which keys only ``train`` heeds: those that fit a config before the first step.

    They are Global.fit_scale, fit_targets and time_budget.
    """
    keys = ("fit_scale", "fit_targets", "time_budget")
    given = [key for key in keys if any(getattr(config.Global, key) for config in configs)]
    if given:
        named = ", ".join(f"Global.{key}" for key in given)
        text = f"note: {named}: only ppocr-ft train fits a config; here it counts as it stands"
        print(as_started(text), file=sys.stderr)


def run_together(action: Callable[[ProcessGroup], int]) -> int:
    """Return what ``action`` returns in process 0 of those that the launcher has started.

    Whatever goes wrong in one process ends all of them, with the same exit code; process 0
    prints the message.
    """
    os.environ.setdefault("GLOG_minloglevel", "1")  # Paddle tells of its sockets
    import_paddle()
    try:
        group = join_process_group()
    except PeerFailed as error:
        print(f"stopped: {error}", file=sys.__stderr__)
        return FAILED
    try:
        with group.raise_together():
            return group.broadcast(action(group))
    except UserInputError:
        if group.is_main:
            raise
        return WRONG_INPUT
    except (PeerFailed, PeerLost) as error:
        alone = isinstance(error, PeerLost) and error.rank == 0
        print(
            f"stopped: {error}\n--resume goes on with the state that was saved last, if there is "
            "one",
            file=sys.__stderr__ if alone else sys.stderr,
        )
        return FAILED

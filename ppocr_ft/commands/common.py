"""What every command does alike: options, threads, errors."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable, Sequence

from ppocr_ft.commands.exit_codes import INTERRUPTED, WRONG_INPUT
from ppocr_ft.commands.launched import is_first
from ppocr_ft.config import Config, load_config
from ppocr_ft.errors import UserInputError

Main = Callable[[Sequence[str]], int]


def command(main: Main, *, in_team: bool = False) -> Callable[[Sequence[str] | None], int]:
    """A command's main function: wrong input becomes its message and exit code 2.

    Where ``paddle.distributed.launch`` has started several processes, those of a command that
    can't work ``in_team`` leave it to process 0.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        if not (in_team or is_first()):
            return 0
        one_thread_an_operator()
        try:
            return main(sys.argv[1:] if argv is None else argv)
        except UserInputError as error:
            print(error, file=sys.stderr)
            return WRONG_INPUT
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:  # the reader of our output has gone, as head(1) does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1

    return run


def one_thread_an_operator() -> None:
    """Cores work on images side by side (Global.cpu_threads), not on one operator together, unless
    OMP_NUM_THREADS says so; Paddle reads it when it is imported."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def parser(
    description: str, examples: str, *, config_required: bool = True
) -> argparse.ArgumentParser:
    """A parser with ``-c`` and ``-o``."""
    made = argparse.ArgumentParser(
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "-c",
        "--config",
        required=config_required,
        metavar="FILE",
        help="a config, PaddleOCR's YAML",
    )
    made.add_argument(
        "-o",
        "--override",
        nargs="+",
        action="extend",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="values that go before the config's",
    )
    return made


def config_of(options: argparse.Namespace) -> Config:
    """The config, its warnings printed to stderr."""
    config = load_config(options.config, options.override)
    for warning in config.warnings:
        print(f"warning: {warning.describe()}", file=sys.stderr)
    return config

"""What every command does alike: options, threads, errors."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from tqdm import tqdm

from ppocr_ft.config import Config, load_config
from ppocr_ft.errors import UserInputError

WRONG_INPUT = 2
INTERRUPTED = 130
Item = TypeVar("Item")
Main = Callable[[Sequence[str]], int]


def command(main: Main) -> Callable[[Sequence[str] | None], int]:
    """A command's main function: wrong input becomes its message and exit code 2."""

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        use_all_cores()
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


def use_all_cores() -> None:
    """Paddle runs on one core unless told otherwise before it is imported."""
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))


def parser(description: str, examples: str) -> argparse.ArgumentParser:
    """A parser with ``-c`` and ``-o``."""
    made = argparse.ArgumentParser(
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "-c", "--config", required=True, metavar="FILE", help="a config, PaddleOCR's YAML"
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
        print(f"warning: {warning}", file=sys.stderr)
    return config


def progress(items: Iterable[Item], total: int, unit: str, **options: Any) -> Iterable[Item]:
    """A bar on stderr where somebody looks at it."""
    bar: Iterable[Item] = tqdm(
        items, total=total, unit=unit, disable=not sys.stderr.isatty(), **options
    )
    return bar

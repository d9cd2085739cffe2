"""The installed program ``ppocr-ft COMMAND ...`` with all commands."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module

from ppocr_ft.errors import INTERRUPTED, WRONG_INPUT
from ppocr_ft.utils.program import as_started, import_problem
from ppocr_ft.version import __version__

COMMANDS = {
    "init": "write a config for labelled images, or copy the configs of the package",
    "check": "what is wrong with a config, its data and its weights, before any training",
    "convert": "label files of other tools to PaddleOCR's, and back",
    "train": "fine-tune a detector, or train one",
    "eval": "evaluate a detector on labelled images",
    "predict": "find text in images",
    "rank": "which images to label next",
    "find-lr": "find a learning rate by trying many",
    "compare": "short runs of different configs beside each other",
    "fit-postprocess": "thresholds, unclip ratio and resize that suit the data best",
    "export": "an inference model that is proved equal to the trained one",
    "report": "a finished run as one page",
    "watch": "that page of a run that goes on, kept up to date in the browser",
    "make-sample": "copy the sample data set into a folder",
}
HELP, VERSION = ("-h", "--help", "help"), ("-V", "--version", "version")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except KeyboardInterrupt:  # before the command has begun
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "ppocr_ft":
            raise  # a fault of this package, not of the installation
        print(import_problem(error), file=sys.stderr)
        return WRONG_INPUT


def _run(arguments: list[str]) -> int:
    if not arguments:
        print(usage())
        return WRONG_INPUT
    name, *rest = arguments
    if name in VERSION:
        print(version())
        return 0
    if name in HELP:
        if not rest or rest[0] in HELP:
            print(usage())
            return 0
        name, rest = rest[0], ["--help"]
    if name not in COMMANDS:
        from ppocr_ft.messages import suggest

        print(f"ppocr-ft: no command {name!r}{suggest(name, COMMANDS)}", file=sys.stderr)
        return WRONG_INPUT
    return main_of(name)(rest)


def main_of(name: str) -> Callable[[Sequence[str]], int]:
    """Return a command's main function: that of its module, or of cli.py in its folder."""
    module = import_module(f"ppocr_ft.commands.{name.replace('-', '_')}")
    if hasattr(module, "__path__"):
        module = import_module(f"{module.__name__}.cli")
    run: Callable[[Sequence[str]], int] = module.main
    return run


def usage() -> str:
    """Return the commands and the configs that there are."""
    from ppocr_ft.config.load import shipped_configs
    from ppocr_ft.utils.console import wrapped

    configs = {path.name: what for path, what in shipped_configs().items()}
    lines = [
        as_started("usage: ppocr-ft COMMAND ..."),
        as_started("       ppocr-ft help COMMAND"),
        "",
        "commands:",
        *(line for one in COMMANDS for line in wrapped(COMMANDS[one], f"  {one:16}", " " * 18)),
        "",
        "configs, by name for -c, as in  -c det_v4_ft.yml:",
        *(line for one in configs for line in wrapped(configs[one], f"  {one:23}", " " * 25)),
    ]
    return "\n".join(lines)


def version() -> str:
    """Return the version, and those of Python and Paddle, which a bug report needs."""
    paddle = "no Paddle"
    for package in ("paddlepaddle", "paddlepaddle-gpu"):
        with suppress(importlib.metadata.PackageNotFoundError):
            paddle = f"{package} {importlib.metadata.version(package)}"
    return f"ppocr_ft {__version__} (Python {platform.python_version()}, {paddle})"


if __name__ == "__main__":
    sys.exit(main())

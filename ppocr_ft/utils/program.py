"""How the program was started, for the commands that a message tells the user to type."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import sys
from pathlib import Path

EXTRAS = {
    "paddle": "cpu",
    "paddle2onnx": "onnx",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "tensorboard": "tensorboard",
    "visualdl": "visualdl",
    "mlflow": "mlflow",
}
"""The extra of ``setup.py`` that brings an optional package."""
CLONE = Path(__file__).parents[2]
"""Where this package lies: the clone, or what pip installed it into."""
_EXTRA = re.compile(r"""(?: and)? ?extra == ["']([\w-]+)["']""")
_COMMAND = re.compile(r"\bppocr-ft ([a-z][a-z-]*|COMMAND)")


def command_line(name: str) -> str:
    """Return how to type a command here.

    That is ``ppocr-ft find-lr``, ``python -m ppocr_ft find-lr`` or ``python tools/find_lr.py``,
    as this one was started.
    """
    started = Path(sys.argv[0])
    if started.name == "__main__.py" and started.parent.name == "ppocr_ft":
        return f"python -m ppocr_ft {name}"
    if started.suffix == ".py" and started.parent.name == "tools":
        return f"python {started.with_name(name.replace('-', '_') + '.py').as_posix()}"
    return f"ppocr-ft {name}"


def as_started(text: str) -> str:
    """Return the text with each ``ppocr-ft NAME`` as ``command_line`` gives it."""
    typed = _COMMAND.sub(lambda match: command_line(match[1]), text)
    # Paddle's launcher takes a script's path without the interpreter
    return re.sub(r"(paddle\.distributed\.launch .*)python (\S+\.py)", r"\1\2", typed)


def how_to_install(module: str) -> str:
    """Return the pip command that brings a missing module."""
    return how_to_install_extra(EXTRAS.get(module.partition(".")[0]))


def how_to_install_extra(extra: str | None) -> str:
    """Return the pip command for an extra of ``setup.py``, or for the package without one.

    Where a wheel was installed there is no clone to run it in: it then names the packages.
    """
    if not (CLONE / "setup.py").is_file() and (packages := required(extra)):
        return f"pip install {shlex.join(packages)}"
    package = f"'.[{extra}]'" if extra else "."
    return f"pip install {package} in the clone of ppocr_ft"


def required(extra: str | None) -> list[str]:
    """Return the packages that an extra brings, or those of every installation.

    Nothing where the package is not installed.
    """
    try:
        listed = importlib.metadata.requires("ppocr_ft") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    extras = ((text, _EXTRA.search(text)) for text in listed)
    wanted = [text for text, found in extras if (found[1] if found else None) == extra]
    return [_EXTRA.sub("", text).rstrip("; ") for text in wanted]


def import_problem(error: ImportError) -> str:
    """Return why a module can't be imported, and what to do, in one line."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        module = error.name.partition(".")[0]
        return f"{module} is not installed for {sys.executable}: {how_to_install(module)}"
    return f"{error.name or 'a package'} can't be imported by {sys.executable}: {error}"

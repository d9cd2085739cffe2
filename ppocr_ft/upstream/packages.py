"""The PaddleOCR of this process: found, or imported if there is none yet."""

from __future__ import annotations

import sys
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

CHECKOUT = "ppocr"
WHEEL = "paddleocr"
COPY_IN_WHEEL = "paddleocr.ppocr"

_WHAT_WORKS = (
    "needed is PaddleOCR's ppocr package with its data operators: put a checkout of the "
    "PaddleOCR repository on sys.path (the folder that holds ppocr/), or install 'paddleocr<3'"
)


def find_packages() -> list[str]:
    """Return the names of the imported ppocr packages; import one if there is none.

    Importing the wheel loads its files as ``ppocr``, and user code may load them once more as
    ``paddleocr.ppocr``, so both names count then.

    Raises:
        ImportError: there is no PaddleOCR, or one without ppocr, such as the 3.x wheels.
    """
    if not _loaded():
        import_module(_importable())
    return _loaded()


def module_of(package: str, name: str) -> ModuleType:
    """Import ``package.name``.

    Raises:
        ImportError: the package lacks it, or one of PaddleOCR's own requirements is missing.
    """
    try:
        return import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or not f"{package}.{name}.".startswith(f"{error.name}."):
            raise
        raise ImportError(
            f"{package} in {folder_of(package)} has no {error.name}; {_WHAT_WORKS}"
        ) from None


def folder_of(package: str) -> Path:
    """Return the folder of a package."""
    return Path(next(iter(import_module(package).__path__)))


def _loaded() -> list[str]:
    names = [CHECKOUT] if CHECKOUT in sys.modules else []
    return [*names, COPY_IN_WHEEL] if WHEEL in sys.modules and _wheel_has_copy() else names


def _importable() -> str:
    if find_spec(CHECKOUT) is not None:
        return CHECKOUT
    if find_spec(WHEEL) is None:
        raise ImportError(f"no PaddleOCR can be imported; {_WHAT_WORKS}")
    if not _wheel_has_copy():
        raise ImportError(f"paddleocr {_wheel_version()} has no ppocr package; {_WHAT_WORKS}")
    return WHEEL


def _wheel_has_copy() -> bool:
    spec = find_spec(WHEEL)
    folders = (spec and spec.submodule_search_locations) or []
    return any(Path(folder, CHECKOUT, "__init__.py").is_file() for folder in folders)


def _wheel_version() -> str:
    try:
        return metadata.version(WHEEL)
    except metadata.PackageNotFoundError:
        return "of an unknown version"

"""Put the operators into the PaddleOCR of this process, and take them out again."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ppocr_ft.transforms import MakeBorderMap, MakeShrinkMap
from ppocr_ft.upstream.hooks import TrainingHooks

CHECKOUT = "ppocr"
WHEEL = "paddleocr"
COPY_IN_WHEEL = "paddleocr.ppocr"
_WHAT_WORKS = (
    "needed is PaddleOCR's ppocr package with its data operators: put a checkout of the "
    "PaddleOCR repository on sys.path (the folder that holds ppocr/), or install 'paddleocr<3'"
)
_OUR_WARNINGS = r"ppocr_ft\."


class _Place(NamedTuple):
    """A name in a module, and what it stands for."""

    namespace: dict[str, Any]
    name: str
    original: Any
    replacement: Any


_HOOKS = TrainingHooks()
_REPLACED_PLACES: list[_Place] = []
_REPLACED: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("data.imaug.make_border_map", "MakeBorderMap", lambda _: MakeBorderMap),
    ("data.imaug.make_shrink_map", "MakeShrinkMap", lambda _: MakeShrinkMap),
    ("data.imaug", "create_operators", _HOOKS.create_operators),
    ("data", "build_dataloader", _HOOKS.build_dataloader),
    ("utils.save_load", "load_model", _HOOKS.load_model),
)
"""Module within ppocr, what of it is replaced, and by what, given the original."""


def install() -> list[Path]:
    """Make PaddleOCR's own YAML, data sets, loaders and trainer use the pair of this package.

    Every imported copy of PaddleOCR 2.x is served: a checkout's ``ppocr``, the wheel's
    ``paddleocr.ppocr``, and what other modules have imported from them. Call it before
    loaders are built. The clock then advances whenever a loader that ``build_dataloader`` made
    in mode "Train" is iterated again, from 1, or from the epoch at which ``load_model``
    resumes. A second call only serves copies that were imported in between.

    Returns:
        The folders of the ppocr packages served.

    Raises:
        ImportError: no PaddleOCR, or one without the operators (the 3.x wheels).
    """
    packages = _packages()
    originals = [
        (getattr(_module_of(package, module), name), make)
        for package in packages
        for module, name, make in _REPLACED
    ]
    for original, make in originals:
        if not any(place.replacement is original for place in _REPLACED_PLACES):
            _replace(original, make(original))
    _HOOKS.active = True
    # PaddleOCR silences all warnings when it is imported
    warnings.filterwarnings("default", category=UserWarning, module=_OUR_WARNINGS)
    return list(dict.fromkeys(_folder_of(package) for package in packages))


def uninstall() -> None:
    """Put PaddleOCR's own objects back, release the loaders, and reset the clock.

    Names that other code has rebound since are left alone. Operators that a data set has made in
    between stay in it, at the start of their schedule.
    """
    _HOOKS.active = False
    for place in _REPLACED_PLACES:
        if place.namespace.get(place.name) is place.replacement:
            place.namespace[place.name] = place.original
    _REPLACED_PLACES.clear()
    _HOOKS.release()


def _replace(original: Any, replacement: Any) -> None:
    """Replace an object in every loaded module, also where it has another name."""
    for module in list(sys.modules.values()):
        if not issubclass(type(module), ModuleType):
            continue
        # past the module's own lookup, by which a lazily imported one would load itself
        namespace = object.__getattribute__(module, "__dict__")
        for name, value in list(namespace.items()):
            if value is original:
                namespace[name] = replacement
                _REPLACED_PLACES.append(_Place(namespace, name, original, replacement))


def _packages() -> list[str]:
    """Return the names of the imported ppocr packages; import one if there is none.

    Importing the wheel loads its files as ``ppocr``, and user code may load them once more as
    ``paddleocr.ppocr``, so both names count then.

    Raises:
        ImportError: there is no PaddleOCR, or one without ppocr, such as the 3.x wheels.
    """
    if not _loaded():
        import_module(_importable())
    return _loaded()


def _loaded() -> list[str]:
    names = [CHECKOUT] if CHECKOUT in sys.modules else []
    return [*names, COPY_IN_WHEEL] if WHEEL in sys.modules and _wheel_has_copy() else names


def _importable() -> str:
    if find_spec(CHECKOUT) is not None:
        return CHECKOUT
    if find_spec(WHEEL) is None:
        raise ImportError(f"no PaddleOCR can be imported; {_WHAT_WORKS}")
    if _wheel_has_copy():
        return WHEEL
    try:
        version = metadata.version(WHEEL)
    except metadata.PackageNotFoundError:
        version = "of an unknown version"
    raise ImportError(f"paddleocr {version} has no ppocr package; {_WHAT_WORKS}")


def _wheel_has_copy() -> bool:
    spec = find_spec(WHEEL)
    folders = (spec and spec.submodule_search_locations) or []
    return any(Path(folder, CHECKOUT, "__init__.py").is_file() for folder in folders)


def _module_of(package: str, name: str) -> ModuleType:
    """Import ``package.name``; ImportError if it or a requirement of PaddleOCR's is missing."""
    try:
        return import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or not f"{package}.{name}.".startswith(f"{error.name}."):
            raise
        raise ImportError(
            f"{package} in {_folder_of(package)} has no {error.name}; {_WHAT_WORKS}"
        ) from None


def _folder_of(package: str) -> Path:
    return Path(next(iter(import_module(package).__path__)))

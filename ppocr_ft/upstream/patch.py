"""Put the operators into the PaddleOCR of this process, and take them out again."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ppocr_ft.transforms import MakeBorderMap, MakeShrinkMap
from ppocr_ft.upstream.hooks import TrainingHooks
from ppocr_ft.upstream.packages import find_packages, folder_of, module_of
from ppocr_ft.upstream.swaps import Swaps

_HOOKS = TrainingHooks()
_SWAPS = Swaps()
_OUR_WARNINGS = r"ppocr_ft\."

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
    packages = find_packages()
    originals = [
        (getattr(module_of(package, module), name), make)
        for package in packages
        for module, name, make in _REPLACED
    ]
    for original, make in originals:
        _SWAPS.replace(original, make)
    _HOOKS.active = True
    _hear_our_warnings()
    return list(dict.fromkeys(folder_of(package) for package in packages))


def uninstall() -> None:
    """Put PaddleOCR's own objects back, release the loaders, and reset the clock.

    Operators that a data set has made in between stay in it, at the start of their schedule.
    """
    _HOOKS.active = False
    _SWAPS.undo()
    _HOOKS.release()


def _hear_our_warnings() -> None:
    """Show this package's warnings, although PaddleOCR silences all of them when it is imported."""
    warnings.filterwarnings("default", category=UserWarning, module=_OUR_WARNINGS)

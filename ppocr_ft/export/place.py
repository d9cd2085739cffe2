"""The folder of an export, which is complete or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ppocr_ft.errors import ConfigError
from ppocr_ft.utils.files import flush_folder

FILES = frozenset(
    {
        *(f"inference.{kind}" for kind in ("json", "pdmodel", "pdiparams", "yml", "onnx")),
        "parity.json",
        "model_card.md",
    }
)
CACHE = ".cache"
"""PaddleX makes it in the folder of the model that it runs."""
KEY = "Global.save_inference_dir"


def earlier_export(folder: Path) -> bool:
    """Return whether the folder holds an export, which a new one may replace.

    Raises:
        ConfigError: it holds other things, which must not be lost.
    """
    if not folder.exists():
        return False
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [folder.name]
    others = [name for name in names if not folder.is_dir() or name not in {*FILES, CACHE}]
    if others:
        raise ConfigError(
            f"{folder} has other things than an export ({', '.join(others[:3])}"
            f"{', ...' if len(others) > 3 else ''}); name a folder of its own",
            key=KEY,
        )
    return bool(names)


@contextmanager
def atomic_dir(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``folder`` at the end; an error removes it.

    An earlier export in ``folder`` stays until then.

    Raises:
        ConfigError: ``folder`` has other things, or can't be made or written to.
    """
    folder = folder.expanduser().resolve()
    earlier_export(folder)
    ground = next(parent for parent in folder.parents if parent.exists())
    aside = ground / f".{folder.name}.{os.getpid()}.part"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
    except OSError as error:
        raise ConfigError(f"{ground} can't be written to: {error.strerror}", key=KEY) from None
    try:
        yield aside
        _move(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _move(aside: Path, folder: Path) -> None:
    old = aside.with_suffix(".old")
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        folder.rename(old)
    try:
        aside.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    flush_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)

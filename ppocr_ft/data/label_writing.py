"""PPOCRLabel's label file of boxes that were found, to be corrected there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import DataError

UNREAD_TEXT = "TEMPORARY"
"""What PPOCRLabel writes for a box whose text nobody has read yet. A box without text ("###") would
be ignored in training."""
Polygons = Sequence[NDArray[Any]]
WriteLabel = Callable[[str, Polygons], None]
"""Writes the line of the image at a path with its boxes (k, 2), px."""


@contextmanager
def label_writer(label_file: Path | None) -> Iterator[WriteLabel]:
    """Write a line of PPOCRLabel's per image; the file appears when all of them are in it.

    Without a file nothing is written. Points are pixels of the image's file.

    Raises:
        DataError: the file is there already, or can't be written.
    """
    if label_file is None:
        yield lambda path, polygons: None
        return
    if label_file.exists():
        raise DataError(
            "is there already, and may hold corrections; name another file", path=label_file
        )
    with whole_file(label_file) as lines:

        def write(path: str, polygons: Polygons) -> None:
            texts = [
                {"transcription": UNREAD_TEXT, "points": points.tolist(), "difficult": False}
                for points in map(np.asarray, polygons)
            ]
            name = image_name(path, label_file)
            lines.write(f"{name}\t{json.dumps(texts, ensure_ascii=False)}\n")

        yield write


def image_name(path: str, label_file: Path) -> str:
    """Name an image as PPOCRLabel does: from the name of the folder of the label file.

    That is relative to the folder above, which is the ``data_dir`` to train with. An image that
    is elsewhere has its whole path.
    """
    folder = label_file.absolute().parent
    image = Path(path).absolute()
    return (image.relative_to(folder.parent) if image.is_relative_to(folder) else image).as_posix()


@contextmanager
def whole_file(path: Path, folder: Path | None = None) -> Iterator[TextIO]:
    """Open a text file that appears at ``path`` when it is whole.

    A ``folder`` is made if it isn't there; an error names it in place of the file.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with aside.open("w", encoding="utf-8", newline="\n") as lines:
            yield lines
        aside.replace(path)
    except OSError as error:
        raise DataError(f"can't be written: {error.strerror}", path=folder or path) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)

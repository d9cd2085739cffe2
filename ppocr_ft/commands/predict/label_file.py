"""Predicted boxes as a label file, to be corrected in PPOCRLabel and trained on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ppocr_ft.commands.predict.predictions import Write
from ppocr_ft.errors import DataError
from ppocr_ft.postprocess.db import ImageBoxes

UNREAD_TEXT = "TEMPORARY"
"""What PPOCRLabel writes for a box whose text nobody has read yet. A box without text ("###") would
be ignored in training."""


def label_line(image: str, boxes: ImageBoxes) -> str:
    """``image``, a tab and the JSON list; points are source pixels."""
    texts = [
        {
            "transcription": UNREAD_TEXT,
            "points": np.asarray(points).tolist(),
            "difficult": False,
        }
        for points in boxes["points"]
    ]
    return f"{image}\t{json.dumps(texts, ensure_ascii=False)}\n"


def image_name(path: str, label_file: Path) -> str:
    """An image as PPOCRLabel names it: from the name of the folder that the label file lies in.

    That is relative to the folder above, which is the ``data_dir`` to train with. An image that
    lies elsewhere has its whole path.
    """
    folder = label_file.absolute().parent
    image = Path(path).absolute()
    return (image.relative_to(folder.parent) if image.is_relative_to(folder) else image).as_posix()


@contextmanager
def label_writer(label_file: Path | None) -> Iterator[Write]:
    """Writes a line for each image; the file is there when all of them are in it.

    Without a file it writes nothing.

    Raises:
        DataError: the file is there already, or can't be written.
    """
    if label_file is None:
        yield lambda path, boxes: None
        return
    if label_file.exists():
        raise DataError(
            "is there already, and may hold corrections; name another file", path=label_file
        )
    aside = label_file.with_name(f".{label_file.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as lines:

            def write(path: str, boxes: ImageBoxes) -> None:
                lines.write(label_line(image_name(path, label_file), boxes))

            yield write
        aside.replace(label_file)
    except OSError as error:
        raise DataError(f"can't be written: {error.strerror}", path=label_file) from error
    finally:
        aside.unlink(missing_ok=True)

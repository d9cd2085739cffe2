"""Write predictions: JSON lines, drawn pictures and PaddleOCR's label file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

import cv2
import numpy as np

from ppocr_ft.errors import DataError
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.transforms.image_ops import decode
from ppocr_ft.utils.draw import draw_polygons

BOXES_FILE = "boxes.jsonl"


class Write(Protocol):
    """Writes the boxes of an image."""

    def __call__(self, path: str, boxes: ImageBoxes) -> None: ...


def prediction(path: str, boxes: ImageBoxes) -> dict[str, Any]:
    """Return ``{"image": path, "boxes": [{"points": [[x, y], ...], "score": s}, ...]}``."""
    boxes_found = [
        {"points": np.asarray(points).tolist(), "score": round(float(score), 4)}
        for points, score in zip(boxes["points"], boxes["scores"], strict=True)
    ]
    return {"image": path, "boxes": boxes_found}


@contextmanager
def prediction_folder(out: Path | None, *, scores: bool = True) -> Iterator[Write]:
    """Write a picture per image and ``boxes.jsonl`` into ``out``, in place when whole.

    Without a folder nothing is written; without ``scores`` the pictures have boxes alone.

    Raises:
        DataError: the folder can't be made or written to.
    """
    if out is None:
        yield lambda path, boxes: None
        return
    aside = out / f".{BOXES_FILE}.{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with aside.open("w", encoding="utf-8") as lines:
            yield _Writer(out, lines, scores)
        aside.replace(out / BOXES_FILE)
    except OSError as error:
        raise DataError(f"can't be written: {error.strerror}", path=out) from error
    finally:
        aside.unlink(missing_ok=True)


class _Writer:
    def __init__(self, out: Path, lines: TextIO, scores: bool) -> None:
        self._out = out
        self._lines = lines
        self._scores = scores
        self._names: dict[str, int] = {}

    def __call__(self, path: str, boxes: ImageBoxes) -> None:
        line = json.dumps(prediction(path, boxes), ensure_ascii=False)
        self._lines.write(line + "\n")
        picture = decode(Path(path).read_bytes(), cv2.IMREAD_COLOR, path)
        scores = boxes["scores"].tolist() if self._scores else None
        drawn = draw_polygons(picture, boxes["points"], scores=scores)
        encoded = cv2.imencode(".jpg", drawn)[1]
        (self._out / self._name(Path(path).stem)).write_bytes(encoded.tobytes())

    def _name(self, stem: str) -> str:
        """Return a free file name; images of one name may come from several folders."""
        self._names[stem] = count = self._names.get(stem, 0) + 1
        return f"{stem}.jpg" if count == 1 else f"{stem}_{count}.jpg"


UNREAD_TEXT = "TEMPORARY"
"""What PPOCRLabel writes for a box whose text nobody has read yet. A box without text ("###") would
be ignored in training."""


def label_line(image: str, boxes: ImageBoxes) -> str:
    """Return ``image``, a tab and the JSON list; points are source pixels."""
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
    """Name an image as PPOCRLabel does: from the name of the folder of the label file.

    That is relative to the folder above, which is the ``data_dir`` to train with. An image that
    is elsewhere has its whole path.
    """
    folder = label_file.absolute().parent
    image = Path(path).absolute()
    return (image.relative_to(folder.parent) if image.is_relative_to(folder) else image).as_posix()


@contextmanager
def label_writer(label_file: Path | None) -> Iterator[Write]:
    """Write a label line per image; the file appears when all of them are in it.

    Without a file nothing is written.

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

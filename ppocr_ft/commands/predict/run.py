"""Find text with a config's network or an exported model, and write what was found."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import cv2
import numpy as np

from ppocr_ft.config import Config
from ppocr_ft.data.images import EvalSample, ImageSet, ImageSource, find_images, unlabelled
from ppocr_ft.errors import DataError
from ppocr_ft.export.runtime import open_model
from ppocr_ft.factory.objects import image_files, network, predict
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.transforms.image_ops import decode
from ppocr_ft.utils.draw import draw_polygons
from ppocr_ft.utils.system import cores

Found = Iterator[tuple[str, ImageBoxes]]
"""Each image's path and boxes."""
Write = Callable[[str, ImageBoxes], None]
"""Writes the boxes of the image at a path."""
READ_AHEAD_THREADS = 2
BOXES_FILE = "boxes.jsonl"
UNREAD_TEXT = "TEMPORARY"
"""What PPOCRLabel writes for a box whose text nobody has read yet. A box without text ("###") would
be ignored in training."""


class Predictor(NamedTuple):
    """A predictor: ``predict`` takes prepared ``images``; ``about`` names the weights."""

    images: ImageSet
    predict: Callable[[Iterable[EvalSample]], Found]
    about: str


def config_predictor(
    config: Config, patterns: Sequence[ImageSource], batch_size: int | None = None
) -> Predictor:
    """Predict for files, folders or patterns with the config's network.

    ``batch_size`` goes before the config's for ``Eval``.

    Raises:
        DataError, WeightsError, ConfigError: as ``image_files`` and ``network``.
    """
    images = image_files(config, patterns)
    detector, coverage = network(config)
    return Predictor(
        images, lambda items: predict(config, detector, items, batch_size), coverage.summary()
    )


def model_predictor(
    where: str | Path, patterns: Sequence[ImageSource], batch_size: int | None = None
) -> Predictor:
    """Predict with an exported folder, ONNX file or OpenVINO's .xml, by its own ``inference.yml``.

    Raises:
        WeightsError, ConfigError: as ``ppocr_ft.export.runtime.open_model``.
        DataError: naming every pattern that no image fits.
    """
    model = open_model(where, cores())
    found, notes = find_images(patterns)
    read = unlabelled(found, model.operators)
    images = ImageSet(read, len(found), READ_AHEAD_THREADS, notes=notes)

    def run(items: Iterable[EvalSample]) -> Found:
        for image, boxes in model.detect(items, batch_size or 1):
            yield image.path, boxes

    return Predictor(images, run, f"model: {model.where}")


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
    counts = Counter[str]()
    with _whole_file(out / BOXES_FILE, folder=out) as lines:

        def write(path: str, boxes: ImageBoxes) -> None:
            lines.write(json.dumps(prediction(path, boxes), ensure_ascii=False) + "\n")
            picture = decode(Path(path).read_bytes(), cv2.IMREAD_COLOR, path)
            shown_scores = boxes["scores"].tolist() if scores else None
            drawn = draw_polygons(picture, boxes["points"], scores=shown_scores)
            stem = Path(path).stem
            counts[stem] += 1  # images of one name may come from several folders
            name = f"{stem}.jpg" if counts[stem] == 1 else f"{stem}_{counts[stem]}.jpg"
            (out / name).write_bytes(cv2.imencode(".jpg", drawn)[1].tobytes())

        yield write


@contextmanager
def label_writer(label_file: Path | None) -> Iterator[Write]:
    """Write a line of PPOCRLabel's per image; the file appears when all of them are in it.

    Without a file nothing is written. Points are pixels of the image's file.

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
    with _whole_file(label_file) as lines:

        def write(path: str, boxes: ImageBoxes) -> None:
            texts = [
                {"transcription": UNREAD_TEXT, "points": points.tolist(), "difficult": False}
                for points in map(np.asarray, boxes["points"])
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
def _whole_file(path: Path, folder: Path | None = None) -> Iterator[TextIO]:
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

"""Find text with a config's network or an exported model, and write what was found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from ppocr_ft.config import Config
from ppocr_ft.data.images import EvalSample, ImageSet, ImageSource, find_images, unlabelled
from ppocr_ft.data.label_writing import whole_file
from ppocr_ft.errors import ConfigError
from ppocr_ft.export.runtime import RuntimeModel, open_model
from ppocr_ft.factory.objects import image_files, network, predict
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.transforms.image_ops import decode_color
from ppocr_ft.transforms.tiles import AUTO_TILES, TileRule, Tiles, with_tiles
from ppocr_ft.utils.draw import draw_polygons
from ppocr_ft.utils.system import cores

Found = Iterator[tuple[str, ImageBoxes]]
"""Each image's path and boxes."""
Write = Callable[[str, ImageBoxes], None]
"""Writes the boxes of the image at a path."""
READ_AHEAD_THREADS = 2
BOXES_FILE = "boxes.jsonl"
JPEG_MOST_PX = 65500
"""A JPEG has no longer side."""


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
    where: str | Path,
    patterns: Sequence[ImageSource],
    batch_size: int | None = None,
    tiles: Tiles = None,
) -> Predictor:
    """Predict with an exported folder, ONNX file or OpenVINO's .xml, by its own ``inference.yml``.

    ``tiles`` as Eval.tiles of a config.

    Raises:
        WeightsError, ConfigError: as ``ppocr_ft.export.runtime.open_model``.
        DataError: naming every pattern that no image fits.
    """
    model = open_model(where, cores())
    rule = _own_rule(model) if tiles == AUTO_TILES else TileRule.at(tiles)
    found, notes = find_images(patterns)
    read = unlabelled(found, with_tiles(model.operators, rule))
    threads = 0 if rule else READ_AHEAD_THREADS  # pages may fill the memory one by one
    images = ImageSet(read, len(found), threads, notes=notes)

    def run(items: Iterable[EvalSample]) -> Found:
        for image, boxes in model.detect(items, batch_size or 1):
            yield image.path, boxes

    return Predictor(images, run, f"model: {model.where}")


def _own_rule(model: RuntimeModel) -> TileRule:
    if model.settings.tiles is None:
        raise ConfigError(
            "says nothing of the scale of training, which tiles auto asks for; give a factor: 0.5 "
            "for pages that are to be looked at in half their size, or export the model anew, "
            "where the images of Train can be read",
            path=model.where,
        )
    return model.settings.tiles


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
    with whole_file(out / BOXES_FILE, folder=out) as lines:

        def write(path: str, boxes: ImageBoxes) -> None:
            lines.write(json.dumps(prediction(path, boxes), ensure_ascii=False) + "\n")
            picture = decode_color(Path(path).read_bytes(), path)
            shown_scores = boxes["scores"].tolist() if scores else None
            drawn = draw_polygons(picture, boxes["points"], scores=shown_scores, copy=False)
            shrunk = JPEG_MOST_PX / max(drawn.shape)
            if shrunk < 1:
                drawn = cv2.resize(drawn, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
            stem = Path(path).stem
            counts[stem] += 1  # images of one name may come from several folders
            name = f"{stem}.jpg" if counts[stem] == 1 else f"{stem}_{counts[stem]}.jpg"
            (out / name).write_bytes(cv2.imencode(".jpg", drawn)[1].tobytes())

        yield write

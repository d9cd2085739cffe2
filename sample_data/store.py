"""A drawn data set on disk: pictures, PaddleOCR label files and a manifest."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from ppocr_ft.data.sample_set import SampleSet, new_sample_set
from ppocr_ft.errors import DataError
from ppocr_ft.utils.progress import progress
from sample_data.patch import Field
from sample_data.photo import photograph
from sample_data.scene import compose


@dataclass(frozen=True)
class Parameters:
    """What decides every byte of the data set; the defaults are those of the shipped one."""

    seed: int = 0
    train_images: int = 120
    val_images: int = 40
    quality: int = 65
    """Of the JPEG files, at most 100."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise DataError(f"must be at least 0, found {self.seed}", key="seed")
        for key in ("train_images", "val_images"):
            if getattr(self, key) < 1:
                raise DataError(f"must be at least 1, found {getattr(self, key)}", key=key)
        if not 1 <= self.quality <= 100:
            raise DataError(f"must be 1 to 100, found {self.quality}", key="quality")


def draw_sample(
    out: Path, parameters: Parameters | None = None, *, force: bool = False
) -> SampleSet:
    """Draw a sample data set into the folder ``out``.

    ``out`` then holds ``images/*.jpg``, ``train.txt`` and ``val.txt``, a PaddleOCR label line
    ``path<TAB>[{"transcription", "points"}, ...]`` for each picture. The same parameters give the
    same label bytes and pixels (on one version of the drawing libraries), and a picture does not
    depend on how many there are. ``force`` replaces a sample data set, and nothing else.

    Raises:
        DataError: ``out`` holds something, or can't be written to.
    """
    parameters = parameters or Parameters()
    counts = (parameters.train_images, parameters.val_images)
    with new_sample_set(out, asdict(parameters), force=force) as files:
        labels = (files.train_label, files.val_label)
        for split, (label_file, count) in enumerate(zip(labels, counts, strict=True)):
            lines = []
            for index in progress(range(count), count, label_file.stem):
                name = f"images/{label_file.stem}_{index:04d}.jpg"
                rng = np.random.default_rng([parameters.seed, split, index])
                lines.append(_draw_image(files.data_dir / name, name, rng, parameters.quality))
            label_file.write_text("".join(lines), encoding="utf-8", newline="\n")
    return SampleSet.at(Path(out))


def _draw_image(path: Path, name: str, rng: np.random.Generator, quality: int) -> str:
    """Draw one picture and return its label line."""
    picture, fields = photograph(rng, compose(rng))
    flags = (cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1)
    _, encoded = cv2.imencode(".jpg", picture, flags)
    path.write_bytes(encoded.tobytes())
    labels = [_label(field, picture.shape) for field in fields]
    return f"{name}\t{json.dumps(labels, ensure_ascii=False)}\n"


def _label(field: Field, shape: tuple[int, ...]) -> dict[str, object]:
    corners = np.clip(field.corners, 0.0, (shape[1] - 1, shape[0] - 1)).astype(float)
    return {"transcription": field.text, "points": np.round(corners, 1).tolist()}

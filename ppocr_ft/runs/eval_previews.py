"""Pictures of what a detector finds, before training and at its best."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ppocr_ft.engine.batches import EvalImage
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.report.contact_sheet import (
    Marked,
    as_jpeg,
    contact_sheet,
    read_picture,
    side_by_side,
)
from ppocr_ft.runs.eval_records import take_over_boxes
from ppocr_ft.utils.draw import Picture
from ppocr_ft.utils.files import write_whole

BEFORE, BEST, BOTH = "val_before.jpg", "val_best.jpg", "before_after.jpg"
SHOWN_IMAGES = 4


def picture_of(image: EvalImage) -> Picture:
    """What the network saw, (h, w, 3): each channel stretched to 0..255, since an image that has
    passed KeepKeys knows neither its file nor how it was normalised."""
    pixels = image.image.transpose(1, 2, 0)
    low, high = pixels.min(axis=(0, 1)), pixels.max(axis=(0, 1))
    stretched = (pixels - low) * (255 / np.maximum(high - low, 1e-6))
    return np.ascontiguousarray(np.round(stretched).astype(np.uint8))


@dataclass
class Pictures:
    """Gathers some images of each evaluation; ``indices`` says which."""

    folder: Path
    indices: Collection[int]
    _seen: int = 0
    _kept: list[Marked] = field(default_factory=list)

    def begin(self) -> None:
        """An evaluation begins."""
        self._seen, self._kept = 0, []

    def take(self, image: EvalImage, boxes: ImageBoxes) -> None:
        """The evaluation's next image."""
        if self._seen in self.indices:
            labels = [p for p, no in zip(image.polygons, image.ignored, strict=True) if not no]
            height, width = image.image.shape[1:]
            factors = np.array([width, height]) / image.shape[[1, 0]]
            found, truth = ([p * factors for p in each] for each in (boxes["points"], labels))
            self._kept.append(Marked(picture_of(image), found, truth))
        self._seen += 1

    def save(self, step: int, hmean: float) -> None:
        """The evaluation was the best so far: its sheet, and beside the first one.

        Nothing changes where no image was taken, since another run's verdict was taken over.
        """
        if not self._kept:
            return
        when = "before training" if step == 0 else f"after {step} steps"
        sheet = as_jpeg(contact_sheet(self._kept, f"{when}: hmean {hmean:.3f}"))
        if step == 0:
            write_whole(self.folder / BEFORE, sheet)
        write_whole(self.folder / BEST, sheet)
        both = [read_picture(self.folder / name) for name in (BEFORE, BEST)]
        known = [picture for picture in both if picture is not None]
        write_whole(self.folder / BOTH, as_jpeg(side_by_side(known)))


def take_over(source: Path, folder: Path) -> bool:
    """What another run's folder has from before training: the pictures, as ``save`` makes them, and
    the boxes. False where there are no pictures."""
    before = source / BEFORE
    sheet = read_picture(before)
    if sheet is None:
        return False
    for name in (BEFORE, BEST):
        write_whole(folder / name, before.read_bytes())
    write_whole(folder / BOTH, as_jpeg(side_by_side([sheet, sheet])))
    take_over_boxes(source, folder)
    return True

"""The operator that cuts a random window around texts without cutting through one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.transforms.geometric import GeometricOperator
from ppocr_ft.transforms.matrices import scaling, translation
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.sample import Sample, Size
from ppocr_ft.transforms.window import Window, reach_into

Boxes = NDArray[np.float64]
Pixels = NDArray[np.int64]


@register
class EastRandomCropData(GeometricOperator[Window]):
    """PaddleOCR 2.10.0's operator, with the same distribution of windows.

    A window's edges lie in rows and columns that no text crosses. That includes a habit of
    the original: of several such bands of rows (or columns) the last one, below the lowest
    text, is never chosen, so the lowest and the rightmost texts enter the network only where
    the whole image is taken. ScaledCrop has no such habit.

    Unlike the original, texts that reach over the left or upper border count as well, and with
    ``keep_ratio`` off the polygons follow the pixels.

    Args:
        size: width and height of the crop, px.
        max_tries: draws before the whole image is taken.
        min_crop_side_ratio: least side of the window as a share of the image's.
        keep_ratio: keep the aspect ratio and leave the rest, right or below, black.
    """

    FINAL = True

    def __init__(
        self,
        size: Sequence[int] = (640, 640),
        max_tries: int = 10,
        min_crop_side_ratio: float = 0.1,
        keep_ratio: bool = True,
    ) -> None:
        self.size: Size = size[0], size[1]
        self.max_tries = max_tries
        self.min_crop_side_ratio = min_crop_side_ratio
        self.keep_ratio = keep_ratio

    def draw(self, rng: np.random.Generator, sample: Sample) -> Window:
        w, h = sample.size_px
        boxes = sample.boxes()[~sample.texts.ignored]
        across, down = _free(boxes[:, 0::2], w), _free(boxes[:, 1::2], h)
        whole = Window(0, 0, w, h)
        if len(across.pixels) == 0 or len(down.pixels) == 0 or len(boxes) == 0:
            return whole
        least_w, least_h = (max(self.min_crop_side_ratio * side, 1) for side in (w, h))
        for _ in range(self.max_tries):
            left, right = across.draw(rng)
            top, bottom = down.draw(rng)
            if right - left < least_w or bottom - top < least_h:
                continue
            window = Window(left, top, right - left, bottom - top)
            if reach_into(window, boxes).any():
                return window
        return whole

    def apply(self, drawn: Window, sample: Sample) -> Sample:
        w, h = self.size
        x, y = w / drawn.width, h / drawn.height
        filled = self.size
        if self.keep_ratio:
            x = y = min(x, y)
            filled = max(int(drawn.width * x), 1), max(int(drawn.height * y), 1)
        matrix = scaling(x, y) @ translation(-drawn.left, -drawn.top)
        return sample.moved(matrix, self.size).within(filled)


@dataclass(frozen=True)
class _Free:
    """The rows, or columns, that no text crosses; ``bands`` of neighbouring ones."""

    pixels: Pixels
    bands: list[Pixels]

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """Two of them, the lower one first."""
        if len(self.bands) > 1:
            chosen = [self.bands[i] for i in rng.integers(len(self.bands), size=2)]
            ends = [int(band[rng.integers(len(band))]) for band in chosen]
        else:
            ends = self.pixels[rng.integers(len(self.pixels), size=2)].tolist()
        return min(ends), max(ends)


def _free(spans: Boxes, side_px: int) -> _Free:
    """What spans (n, 2), from and to, leave free of 0 .. side_px - 1."""
    taken = np.zeros(side_px + 1, np.int64)
    first, end = np.clip(np.round(spans), 0, side_px).astype(np.int64).T
    np.add.at(taken, first, 1)
    np.add.at(taken, end, -1)
    pixels = np.flatnonzero(np.cumsum(taken[:-1]) == 0)
    return _Free(pixels, np.split(pixels, np.flatnonzero(np.diff(pixels) != 1) + 1)[:-1])

"""PP-OCRv6's crop, which may cut texts: their outlines are cut with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.geometry import areas, box_sides, parts_inside
from ppocr_ft.transforms.crops import WindowCrop
from ppocr_ft.transforms.labels import LEAST_POINTS
from ppocr_ft.transforms.polygons import TextPolygons
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.sample import Sample, Window, reach_into, scaling, translation

Flags = NDArray[np.bool_]
Ring = NDArray[np.float64]

LARGEST_WINDOW = 3
"""The longest side of a window, in sides of the crop."""
LEAST_AREA_PX2 = 80
"""Less of a cut text is dropped, px^2 before the crop is scaled."""
LEAST_SIDE_RATIO = 0.35
"""So is what is thinner than this share of the text's own height."""


@dataclass(frozen=True)
class PlacedWindow:
    """The window, px of the canvas, and how much of the black space goes left and above, 0 to 1."""

    window: Window
    left_share: float
    top_share: float


@register
class RandomCrop(WindowCrop[PlacedWindow]):
    """Cut a window of any size and place; a larger one than ``size`` is shrunk, none is enlarged.

    PP-OCRv6's operator (PaddleOCR 3.7). Sides are uniform between ``min_crop_side_ratio`` of the
    image and three times ``size``. At least one text is in the window; a text that it cuts keeps
    the outline of its part inside. A part that is under 80 px^2 or thinner than 0.35 of the text's
    height is dropped, and becomes background. Where there is space, the window lies anywhere in
    it.

    Unlike the original, a cut text keeps all its points instead of the nearest four, texts that
    cross themselves are cut as well, and with ``keep_ratio`` off the polygons follow the pixels.

    Args:
        size: width and height of the crop that enters the network, px.
        max_tries: draws before the whole image is taken.
        min_crop_side_ratio: smallest side of the window, as a share of the image's.
        keep_ratio: whether the aspect ratio is kept; the rest around the window is black.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def draw(self, rng: np.random.Generator, sample: Sample) -> PlacedWindow:
        window = self._window(rng, sample)
        left_share, top_share = rng.random(2).tolist()
        return PlacedWindow(window, left_share, top_share)

    def _window(self, rng: np.random.Generator, sample: Sample) -> Window:
        """Return a window that shows a text; the whole canvas if none is found."""
        learnt = sample.select(~sample.texts.ignored)
        for _ in range(self.max_tries if len(learnt.texts) else 0):
            (left, width), (top, height) = (
                self._span(rng, side, target)
                for side, target in zip(sample.size_px, self.size, strict=True)
            )
            window = Window(left, top, width, height)
            if len(cut(learnt, window).texts):
                return window
        return Window(0, 0, *sample.size_px)

    def _span(self, rng: np.random.Generator, side: int, target: int) -> tuple[int, int]:
        """Return start and length along one side of the canvas."""
        least = max(min(int(side * self.min_crop_side_ratio), target), 1)
        length = min(int(rng.integers(least, LARGEST_WINDOW * target + 1)), side)
        return int(rng.integers(side - length + 1)), length

    def apply(self, drawn: PlacedWindow, sample: Sample) -> Sample:
        window, (w, h) = drawn.window, self.size
        x, y, filled = self.factors(window, largest=1.0)
        start = (
            int(drawn.left_share * (w - filled[0] + 1)),
            int(drawn.top_share * (h - filled[1] + 1)),
        )
        matrix = translation(*start) @ scaling(x, y) @ translation(-window.left, -window.top)
        return cut(sample, window).moved(matrix, self.size).within(filled, start)


def cut(sample: Sample, window: Window) -> Sample:
    """Return the sample with the texts' parts inside the window; those of enough size.

    Ignored texts keep their outline as long as they touch the window.
    """
    boxes, texts = sample.boxes(), sample.texts
    kept = reach_into(window, boxes)
    inside = (boxes[:, :2] >= (window.left, window.top)).all(axis=1) & (
        boxes[:, 2:] <= (window.right, window.bottom)
    ).all(axis=1)
    across = np.flatnonzero(kept & ~inside & ~texts.ignored)
    if len(across) == 0:
        return sample.select(kept)
    rings = [texts.polygons[i] for i in range(len(texts))]
    whole = [rings[i] for i in across]
    parts = parts_inside(whole, (window.left, window.top, window.right, window.bottom))
    enough = _is_enough(parts, box_sides(whole)[0])
    for i, part, is_enough in zip(across.tolist(), parts, enough, strict=True):
        kept[i] = is_enough
        rings[i] = part.astype(rings[i].dtype) if is_enough else rings[i]
    return replace(sample, texts=replace(texts, polygons=TextPolygons.of(rings))).select(kept)


def _is_enough(parts: list[Ring], heights: NDArray[np.float64]) -> Flags:
    """Flag (n,) the parts that are large enough beside the heights (n,) of their texts, px."""
    enough = np.array([len(part) >= LEAST_POINTS for part in parts])
    rings = [part for part in parts if len(part) >= LEAST_POINTS]
    if not rings:
        return enough
    least = LEAST_SIDE_RATIO * heights[enough]
    thin = box_sides(rings)[0] < least
    shortest = np.array([_shortest_side(ring) for ring in rings])
    thin |= (shortest < least) & np.array([len(ring) == 4 for ring in rings])
    enough[enough] = (areas(rings) >= LEAST_AREA_PX2) & ~thin
    return enough


def _shortest_side(ring: Ring) -> float:
    return float(np.linalg.norm(ring - np.roll(ring, -1, axis=0), axis=1).min())

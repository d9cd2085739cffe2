"""The operators that cut out the crop that enters the network."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.declaration import PositiveFloat, PositiveInt, Rising, Share
from ppocr_ft.transforms.geometric import Drawn, GeometricOperator
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.resize import LimitType, StridedSize, limited_size
from ppocr_ft.transforms.sample import Sample, Size, Window, reach_into, scaling, translation

Boxes = NDArray[np.float64]
Pixels = NDArray[np.int64]


class WindowCrop(GeometricOperator[Drawn]):
    """A crop of a random window, resized and padded to one size: what PaddleOCR's two share."""

    FINAL = True

    def __init__(
        self,
        size: StridedSize = (640, 640),
        max_tries: PositiveInt = 10,
        min_crop_side_ratio: Share = 0.1,
        keep_ratio: bool = True,
    ) -> None:
        self.size: Size = size
        self.max_tries = max_tries
        self.min_crop_side_ratio = min_crop_side_ratio
        self.keep_ratio = keep_ratio

    def factors(self, window: Window, largest: float = math.inf) -> tuple[float, float, Size]:
        """Return the factors of width and height, and the size that the window then has."""
        x, y = self.size[0] / window.width, self.size[1] / window.height
        if not self.keep_ratio:
            return x, y, self.size
        x = min(x, y, largest)
        return x, x, (max(int(window.width * x), 1), max(int(window.height * x), 1))


@register
class EastRandomCropData(WindowCrop[Window]):
    """Cut a random crop around texts that cuts none, resized and padded to ``size``.

    PaddleOCR 2.10.0's operator, with the same distribution of windows. A window's edges are in
    rows and columns that no text crosses. That includes a habit of the original: of several such
    bands of rows (or columns) the last one, below the lowest text, is never chosen, so the lowest
    and the rightmost texts enter the network only if the whole image is taken. ScaledCrop has
    no such habit.

    Unlike the original, texts that reach over the left or upper border count as well, and with
    ``keep_ratio`` off the polygons follow the pixels.

    Args:
        size: width and height of the crop that enters the network, px.
        max_tries: draws before the whole image is taken.
        min_crop_side_ratio: smallest side of the window, as a share of the image's.
        keep_ratio: whether the aspect ratio is kept; the rest, right or below, is left black.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

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
        x, y, filled = self.factors(drawn)
        matrix = scaling(x, y) @ translation(-drawn.left, -drawn.top)
        return sample.moved(matrix, self.size).within(filled)


@dataclass(frozen=True)
class _Free:
    """The rows, or columns, that no text crosses; ``bands`` of neighbouring ones."""

    pixels: Pixels
    bands: list[Pixels]

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """Draw two of them, the lower one first."""
        if len(self.bands) > 1:
            chosen = [self.bands[i] for i in rng.integers(len(self.bands), size=2)]
            ends = [int(band[rng.integers(len(band))]) for band in chosen]
        else:
            ends = self.pixels[rng.integers(len(self.pixels), size=2)].tolist()
        return min(ends), max(ends)


def _free(spans: Boxes, side_px: int) -> _Free:
    """Return the parts of 0 .. side_px - 1 outside the spans (n, 2), from and to."""
    taken = np.zeros(side_px + 1, np.int64)
    first, end = np.clip(np.round(spans), 0, side_px).astype(np.int64).T
    np.add.at(taken, first, 1)
    np.add.at(taken, end, -1)
    pixels = np.flatnonzero(np.cumsum(taken[:-1]) == 0)
    return _Free(pixels, np.split(pixels, np.flatnonzero(np.diff(pixels) != 1) + 1)[:-1])


Floats = NDArray[np.float64]


MOST_PAPER = 0.75
"""So much of its width and height a crop reaches beyond the page at most."""


@dataclass(frozen=True)
class ScaledWindow:
    """Factors of width and height, and the window's upper left corner after scaling, px.

    ``on_paper``: whether what it shows beyond the page is of the colour of the page's edges.
    """

    scale_x: float
    scale_y: float
    left: float
    top: float
    on_paper: bool = False


@register
class ScaledCrop(GeometricOperator[ScaledWindow]):
    """Cut a crop at the scale at which evaluation sees the page; PaddleOCR has none.

    The page is scaled as DetResizeForTest would, times a random factor, uniform in its
    logarithm. The network then sees text in training as large as in evaluation, which a crop
    that is blown up to a fixed size does not give. A page smaller than the crop is left whole,
    black to the right and below. Crops on paper reach beyond the page, and show paper of the colour
    of its edges there: crops full of text don't show that there is nothing on an empty page.

    Args:
        size: width and height of the crop, px.
        limit_side_len: as DetResizeForTest has it in Eval, px.
        limit_type: as DetResizeForTest has it in Eval.
        scale_range: lowest and highest factor on that scale.
        text_p: probability that the crop is drawn around a text; otherwise it is anywhere.
        min_visible_ratio: a text of which less is inside, in either direction, is masked out of
            the loss, as a share of its shorter side; the others are cut at the edge.
        paper_p: probability that the crop reaches beyond the page, by up to 3/4 of its sides.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    FINAL = True

    def __init__(
        self,
        size: StridedSize = (640, 640),
        limit_side_len: PositiveInt = 960,
        limit_type: LimitType = "max",
        scale_range: Rising[PositiveFloat] = (1.0, 1.0),
        text_p: Share = 0.9,
        min_visible_ratio: Share = 0.5,
        paper_p: Share = 0.0,
    ) -> None:
        self.size: Size = size
        self.limit_side_len = limit_side_len
        self.limit_type = limit_type
        self.scale_range = scale_range
        self.text_p = text_p
        self.min_visible_ratio = min_visible_ratio
        self.paper_p = paper_p

    def draw(self, rng: np.random.Generator, sample: Sample) -> ScaledWindow:
        w, h = sample.size_px
        to_h, to_w = limited_size((h, w), self.limit_side_len, self.limit_type)
        factor = float(np.exp(rng.uniform(*np.log(self.scale_range))))
        scale = np.array([to_w / w, to_h / h]) * factor
        room = np.maximum(scale * (w, h) - self.size, 0)
        left, top = self._corner(rng, sample, scale, room).tolist()
        on_paper = self.paper_p > 0 and bool(rng.random() < self.paper_p)
        if on_paper:
            page = scale * (w, h)
            least = (1 - MOST_PAPER) * np.minimum(self.size, page)
            shift = rng.uniform(-MOST_PAPER, MOST_PAPER, 2) * self.size
            corner = np.clip(np.add((left, top), shift), least - self.size, page - least)
            left, top = np.round(corner).tolist()
        return ScaledWindow(float(scale[0]), float(scale[1]), left, top, on_paper)

    def _corner(
        self, rng: np.random.Generator, sample: Sample, scale: Floats, room: Floats
    ) -> Floats:
        """Return (2,) within 0 and ``room``; the window holds a text's middle, or is anywhere."""
        boxes = sample.boxes()[~sample.texts.ignored]
        lowest, highest = np.zeros(2), room
        if len(boxes) and rng.random() < self.text_p:
            box = boxes[rng.integers(len(boxes))]
            middle = (box[:2] + box[2:]) / 2 * scale
            lowest = np.clip(middle - self.size, 0, room)
            highest = np.clip(middle, lowest, room)
        return rng.uniform(lowest, highest)

    def apply(self, drawn: ScaledWindow, sample: Sample) -> Sample:
        w, h = sample.size_px
        x, y = max(round(-drawn.left), 0), max(round(-drawn.top), 0)
        filled = (
            min(self.size[0] - x, max(int(w * drawn.scale_x - max(drawn.left, 0)), 1)),
            min(self.size[1] - y, max(int(h * drawn.scale_y - max(drawn.top, 0)), 1)),
        )
        matrix = translation(-drawn.left, -drawn.top) @ scaling(drawn.scale_x, drawn.scale_y)
        moved = sample.moved(matrix, self.size).within(filled, (x, y))
        moved = replace(moved, on_paper=drawn.on_paper)
        return moved.ignoring(self._barely_visible(moved))

    def _barely_visible(self, sample: Sample) -> NDArray[np.bool_]:
        """Flag (n,) the texts of which the window's edge cuts off too much."""
        boxes = sample.boxes()
        start = np.array(sample.filled_from * 2)
        visible = np.clip(boxes, start, start + sample.filled_px * 2)
        sides, visible_sides = boxes[:, 2:] - boxes[:, :2], visible[:, 2:] - visible[:, :2]
        least = self.min_visible_ratio * sides.min(axis=1, initial=np.inf)
        return np.asarray(visible_sides.min(axis=1, initial=np.inf) < least)

"""The operator that cuts a crop at the scale at which evaluation sees the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.det_resize_for_test import LimitType, limited_size
from ppocr_ft.transforms.geometric import GeometricOperator
from ppocr_ft.transforms.matrices import scaling, translation
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.sample import Sample, Size
from ppocr_ft.transforms.window import Window

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScaledWindow:
    """Factors of width and height, and the window's upper left corner after scaling, px."""

    scale_x: float
    scale_y: float
    left: float
    top: float


@register
class ScaledCrop(GeometricOperator[ScaledWindow]):
    """Scales the page as DetResizeForTest would, times a random factor, and cuts ``size`` out.

    The network then sees text in training as large as in evaluation, which a crop that is
    blown up to a fixed size does not give. This operator is this project's own.

    Args:
        size: width and height of the crop, px. A page smaller than it is left whole, black to
            the right and below.
        limit_side_len: as evaluation's DetResizeForTest has it, px.
        limit_type: likewise.
        scale_range: lowest and highest factor on evaluation's scale, uniform in its logarithm.
        text_p: probability that the window is drawn around a text; otherwise it is anywhere.
        min_visible_ratio: a text of which less than this share of its shorter side is inside,
            in either direction, is masked out of the loss; the others are cut at the edge.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    FINAL = True

    def __init__(
        self,
        size: Sequence[int] = (640, 640),
        limit_side_len: int = 960,
        limit_type: LimitType = "max",
        scale_range: Sequence[float] = (1.0, 1.0),
        text_p: float = 0.9,
        min_visible_ratio: float = 0.5,
    ) -> None:
        if limit_type not in get_args(LimitType):
            known = ", ".join(get_args(LimitType))
            raise ConfigError(f"found {limit_type!r}; expected one of {known}", key="limit_type")
        if len(scale_range) != 2 or not 0 < scale_range[0] <= scale_range[1]:
            raise ConfigError(
                f"found {scale_range!r}; expected [lowest, highest] above 0", key="scale_range"
            )
        self.size: Size = size[0], size[1]
        self.limit_side_len = limit_side_len
        self.limit_type = limit_type
        self.scale_range = scale_range[0], scale_range[1]
        self.text_p = text_p
        self.min_visible_ratio = min_visible_ratio

    def draw(self, rng: np.random.Generator, sample: Sample) -> ScaledWindow:
        w, h = sample.size_px
        to_h, to_w = limited_size((h, w), self.limit_side_len, self.limit_type)
        factor = float(np.exp(rng.uniform(*np.log(self.scale_range))))
        scale = np.array([to_w / w, to_h / h]) * factor
        room = np.maximum(scale * (w, h) - self.size, 0)
        left, top = self._corner(rng, sample, scale, room).tolist()
        return ScaledWindow(float(scale[0]), float(scale[1]), left, top)

    def _corner(
        self, rng: np.random.Generator, sample: Sample, scale: Floats, room: Floats
    ) -> Floats:
        """(2,), within 0 and ``room``; the window holds a text's middle, or lies anywhere."""
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
        filled = (
            min(self.size[0], max(int(w * drawn.scale_x), 1)),
            min(self.size[1], max(int(h * drawn.scale_y), 1)),
        )
        matrix = translation(-drawn.left, -drawn.top) @ scaling(drawn.scale_x, drawn.scale_y)
        moved = sample.moved(matrix, self.size).within(filled)
        return moved.ignoring(self._barely_visible(moved))

    def _barely_visible(self, sample: Sample) -> NDArray[np.bool_]:
        """(n,): the texts that the window's edge cuts too much of."""
        boxes = sample.boxes()
        frame = Window(0, 0, *sample.filled_px)
        visible = np.clip(boxes, 0, (frame.width, frame.height) * 2)
        sides, seen = boxes[:, 2:] - boxes[:, :2], visible[:, 2:] - visible[:, :2]
        least = self.min_visible_ratio * sides.min(axis=1, initial=np.inf)
        return np.asarray(seen.min(axis=1, initial=np.inf) < least)

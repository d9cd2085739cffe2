"""Pages too large for one pass: cut into overlapping tiles at the scale of training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.messages import show
from ppocr_ft.transforms.image_ops import KeepKeys
from ppocr_ft.transforms.registry import Operator
from ppocr_ft.transforms.resize import STRIDE_PX, DetResizeForTest, Size, limited_size
from ppocr_ft.utils.cpu import return_large_pieces

AUTO_TILES: Final = "auto"
MOST_TILE_SCALE = 4.0
TILE_PX = 640
"""Longest side of a tile: about a crop of training, and little memory for the network."""
OVERLAP_PX = 128
"""Neighbouring tiles share at least this; each gives the half that is farther from its edge."""
MOST_WHOLE_PX = 2560 * 2560
"""An image that enters the network with more pixels is cut even if it is not shrunk."""
MOST_PAGE_PX = 200_000_000
"""Pixels of all tiles together at most, overlaps counted once."""
THUMBNAIL_PX = 960
"""Longest side of a page's picture for previews."""
Pixels = NDArray[np.uint8]
Tiles = Literal["auto"] | float | None
"""``Eval.tiles``: by the scale of training, a factor on pages, or none."""


def read_tiles(value: object) -> Tiles:
    """Return a value of ``Eval.tiles``; a whole number is a factor, too.

    Raises:
        ValueError: it is none.
    """
    if value is None:
        return None
    if isinstance(value, str) and value == AUTO_TILES:
        return AUTO_TILES
    scale = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if 0 < scale <= MOST_TILE_SCALE:
        return float(scale)
    raise ValueError(
        f"found {show(value)}, expected auto or a factor on pages, over 0 and up to "
        f"{MOST_TILE_SCALE:g}; null: none"
    )


def factor_of(size: Size, resized: Size) -> float:
    """Return the factor of the longer side, which rounding to multiples of 32 changes least."""
    longer = int(size[1] > size[0])
    return resized[longer] / size[longer]


@dataclass(frozen=True)
class TileRule:
    """Which pages are cut, and at which scale.

    Attributes:
        least: a page whose resize has a lower factor is cut.
        scale: the factor that it gets instead.
    """

    least: float
    scale: float

    @classmethod
    def of(cls, factors: Sequence[float]) -> TileRule:
        """Return the rule of the factors that the resize gives to the images of training.

        Pages are cut that it would shrink more than any of these.
        """
        return cls(min(1.0, *factors), float(np.median(factors)))

    @classmethod
    def at(cls, scale: float | None) -> TileRule | None:
        """Return the rule for pages whose factor is below ``scale``; None: there is none."""
        return None if scale is None else cls(scale, scale)

    def size(self, page: Size, resized: Size) -> Size | None:
        """Return the size at which a page is cut; None: it enters as ``resized`` alone."""
        factor = factor_of(page, resized)
        if factor >= self.least and math.prod(resized) <= MOST_WHOLE_PX:
            return None
        scale = self.scale if factor < self.least else factor
        scale = min(scale, math.sqrt(MOST_PAGE_PX / math.prod(page)))
        height, width = (_side(side * scale) for side in page)
        return height, width


def _side(px: float) -> int:
    """Return a side in whole px: what fits into one tile as a multiple of 32."""
    if px > TILE_PX:
        return int(px)
    return max(round(px / STRIDE_PX), 1) * STRIDE_PX


@dataclass(frozen=True)
class Span:
    """A tile's place along one side, px; its ``core`` is the part that it gives the page."""

    start: int
    end: int
    core: tuple[int, int]


def spans(side_px: int) -> list[Span]:
    """Return tiles of one length, a multiple of 32, evenly spaced over a side.

    A side of up to TILE_PX has to be such a multiple itself.
    """
    count = max(math.ceil((side_px - OVERLAP_PX) / (TILE_PX - OVERLAP_PX)), 1)
    shared = (count - 1) * OVERLAP_PX
    length = math.ceil((side_px + shared) / count / STRIDE_PX) * STRIDE_PX
    starts = np.round(np.linspace(0, side_px - length, count)).astype(int).tolist()
    seams = [(later + earlier + length) // 2 for earlier, later in pairwise(starts)]
    cores = pairwise([0, *seams, side_px])
    return [Span(start, start + length, core) for start, core in zip(starts, cores, strict=True)]


@dataclass(frozen=True)
class Tile:
    """A tile's rows and columns on the page."""

    rows: Span
    columns: Span

    @property
    def core(self) -> tuple[slice, slice]:
        """The part of the page that it gives."""
        return slice(*self.rows.core), slice(*self.columns.core)

    @property
    def inner(self) -> tuple[slice, slice]:
        """The same part, in the tile's own pixels."""
        (top, bottom), (left, right) = self.rows.core, self.columns.core
        y, x = self.rows.start, self.columns.start
        return slice(top - y, bottom - y), slice(left - x, right - x)


class LargePage:
    """A page (h, w, 3) uint8 at the scale of its tiles, and the operators that prepare a tile."""

    def __init__(self, pixels: Pixels, operators: Sequence[Operator]) -> None:
        self.size: Size = (pixels.shape[0], pixels.shape[1])
        self._pixels: Pixels | None = pixels
        self._operators = operators

    def tiles(self) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
        """Yield each tile, row by row, with what enters the network (3, h, w); once only.

        The page's pixels are let go of after the last one.
        """
        pixels, self._pixels = self._pixels, None
        if pixels is None:
            raise ValueError("the page has gone through the network")
        height, width = self.size
        for rows in spans(height):
            for columns in spans(width):
                part = pixels[rows.start : rows.end, columns.start : columns.end]
                data: dict[str, Any] = {"image": np.ascontiguousarray(part)}
                for operator in self._operators:
                    data = operator(data)
                yield Tile(rows, columns), data["image"]


class TiledResize:
    """The end of a pipeline for evaluation, from DetResizeForTest on, that cuts large pages.

    A page that the rule cuts has its ``page`` among the fields; its ``image`` is a thumbnail then.
    """

    def __init__(self, rule: TileRule, resizer: DetResizeForTest, rest: Sequence[Operator]) -> None:
        self.rule = rule
        self._resizer = resizer
        self._rest = rest
        self._of_tiles = [operator for operator in rest if not isinstance(operator, KeepKeys)]

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        page: Size = data["image"].shape[:2]
        size = self.rule.size(page, self._resizer.target_size(page))
        if size is None:
            return self._ended(self._resizer(data))
        pixels = _resized(data.pop("image"), size)
        is_cut = max(size) > TILE_PX
        small = limited_size(size, THUMBNAIL_PX, "max") if is_cut else size
        data["image"] = _resized(pixels, small)
        data["shape"] = np.array([*page, *np.divide(small, page)])
        data = self._ended(data)
        return {**data, "page": LargePage(pixels, self._of_tiles)} if is_cut else data

    def _ended(self, data: dict[str, Any]) -> dict[str, Any]:
        for operator in self._rest:
            data = operator(data)
        return data


def _resized(pixels: Pixels, size: Size) -> Pixels:
    if pixels.shape[:2] == size:
        return pixels
    return np.asarray(cv2.resize(pixels, (size[1], size[0])), np.uint8)


def with_tiles(operators: Sequence[Operator], rule: TileRule | None) -> list[Operator]:
    """Return operators that cut large pages by a rule; without one, or a resize, as they are."""
    at = next((i for i, op in enumerate(operators) if isinstance(op, DetResizeForTest)), None)
    if rule is None or at is None:
        return list(operators)
    return_large_pieces()
    resizer = operators[at]
    assert isinstance(resizer, DetResizeForTest)
    return [*operators[:at], TiledResize(rule, resizer, operators[at + 1 :])]

"""Large pages on their way through a network: their tiles in, their whole maps out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.data.images import EvalSample
from ppocr_ft.postprocess.db import ProbMap, as_levels
from ppocr_ft.transforms.tiles import Tile

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TileSample:
    """One tile as the network takes it, ``image`` (3, h, w); ``page`` is whose it is."""

    image: Floats
    tile: Tile
    page: EvalSample
    page_size: tuple[int, int]


Part = EvalSample | TileSample
"""What goes through the network: a whole image, or a tile."""


def in_tiles(samples: Iterable[EvalSample]) -> Iterator[Part]:
    """Yield each image, or the tiles of a page; only one page is in memory at a time."""
    for sample in samples:
        if sample.page is None:
            yield sample
            continue
        for tile, image in sample.page.tiles():
            yield TileSample(image, tile, sample, sample.page.size)


def joined(maps: Iterable[tuple[Part, Floats]]) -> Iterator[tuple[EvalSample, ProbMap]]:
    """Yield each image with its map (h, w), those of tiles put together, in whole numbers.

    A map is float32 for an image, uint16 for a page (see ``as_levels``), half the memory. A pixel
    is that of the tile in which it is farther from an edge, so a text over a seam is one text.
    """
    whole: list[NDArray[np.uint16]] = []
    for part, prob_map in maps:
        if isinstance(part, EvalSample):
            yield part, prob_map
            continue
        tile, size = part.tile, part.page_size
        if not whole:
            whole.append(np.zeros(size, np.uint16))
        whole[0][tile.core] = as_levels(prob_map[tile.inner])
        if (tile.rows.end, tile.columns.end) == size:
            yield part.page, whole.pop()

"""The number and the sizes of a data set's texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.geometry import areas, perimeters, rectangle_sides

HEIGHT_EDGES_PX = (0, 8, 12, 16, 24, 32, 48, 64, 96, 128)
ASPECT_EDGES = (1, 2, 3, 5, 8, 12, 20, 30)
Polygons = Sequence[NDArray[Any]]


def text_statistics(images: int, polygons: Polygons, texts: int, ignored: int) -> dict[str, Any]:
    """Return counts, and the sizes of ``polygons`` (k, 2) px, which are all texts or some of them.

    ``heights`` and ``aspects`` count by the edges above, with one more class beyond the last: the
    shorter side, and the longer over the shorter one, of the rectangle with the polygon's area and
    perimeter. ``height_px`` is [5 %, 50 %, 95 %] of the heights.
    """
    short, long = rectangle_sides(areas(polygons), perimeters(polygons))
    return {
        "images": images,
        "texts": texts,
        "ignored": ignored,
        "measured": len(polygons),
        "height_px": np.round(np.percentile(short, (5, 50, 95)), 1).tolist() if len(short) else [],
        "heights": _counts(short, HEIGHT_EDGES_PX),
        "aspects": _counts(long / np.maximum(short, 1e-6), ASPECT_EDGES),
    }


def _counts(values: NDArray[np.float64], edges: Sequence[float]) -> list[int]:
    counts, _ = np.histogram(np.maximum(values, edges[0]), [*edges, np.inf])
    return [int(count) for count in counts]

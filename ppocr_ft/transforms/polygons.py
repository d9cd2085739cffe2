"""The texts of one sample, as the map operators see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import index
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import DataError

Array = NDArray[Any]
Floats = NDArray[np.float64]
FARTHEST_PX = 1e6
"""A coordinate beyond this can only be a broken label: no image is a million pixels wide."""


@dataclass(frozen=True, slots=True)
class TextPolygons:
    """``n`` polygons of any number of points each, flat.

    coords: (m, 2) float32 or float64 (whole numbers become float64), a copy of the caller's.
    starts: (n + 1,) int64; polygon i is ``coords[starts[i]:starts[i + 1]]``.
    """

    coords: Array
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, polys: Sequence[Any] | Array) -> TextPolygons:
        """Make them of ``(n, k, 2)``, or a list of ``(k_i, 2)``.

        Raises:
            DataError: a polygon that is not a list of (x, y) numbers.
        """
        if isinstance(polys, np.ndarray) and polys.dtype != object and polys.ndim == 3:
            points = [polys.reshape(-1, polys.shape[2])]
            counts = np.full(len(polys), polys.shape[1], dtype=np.int64)
        else:
            points = [_points(polygon, i) for i, polygon in enumerate(polys)]
            counts = np.array([len(p) for p in points], dtype=np.int64)
        coords = np.concatenate(points) if points else np.empty((0, 2), np.float32)
        if coords.shape[1] != 2:
            raise DataError(f"a polygon's point has {coords.shape[1]} numbers; it needs x and y")
        if coords.dtype != np.float32:
            coords = coords.astype(np.float64)
        starts = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=starts[1:])
        return cls(np.array(coords, order="C"), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, i: SupportsIndex) -> Array:
        """Return polygon ``i``, a ``(k, 2)`` view."""
        first = index(i)
        return self.coords[self.starts[first] : self.starts[first + 1]]

    def paths(self) -> list[list[list[float]]]:
        """Return each polygon as a list of [x, y]."""
        points, starts = self.coords.tolist(), self.starts.tolist()
        return [points[a:b] for a, b in pairwise(starts)]

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def broken(self) -> NDArray[np.bool_]:
        """Flag (n,): fewer than 3 points, or a point that is NaN, infinite or absurdly far away."""
        from ppocr_ft.transforms import kernels

        flags = np.empty(len(self), dtype=bool)
        kernels.find_broken(self.coords, self.starts, FARTHEST_PX, flags)
        return flags

    def measures(self) -> tuple[Floats, Floats]:
        """Return areas (n,) and perimeters (n,); of polygons that are not broken."""
        from ppocr_ft.polygon_loops import measure

        areas, lengths = np.empty(len(self)), np.empty(len(self))
        measure(self.coords, self.starts, areas, lengths)
        return areas, lengths

    def select(self, chosen: NDArray[np.bool_]) -> TextPolygons:
        """Return the polygons flagged in ``chosen`` (n,)."""
        if chosen.all():
            return self
        starts = np.zeros(int(chosen.sum()) + 1, dtype=np.int64)
        np.cumsum(self.counts[chosen], out=starts[1:])
        return TextPolygons(self.coords[np.repeat(chosen, self.counts)], starts)

    def like(self, polys: Sequence[Any] | Array) -> Any:
        """Return these polygons in the caller's container and number type."""
        if isinstance(polys, np.ndarray) and polys.dtype != object:
            return self.coords.astype(polys.dtype).reshape(polys.shape)
        parts = [self[i].astype(np.asarray(old).dtype) for i, old in enumerate(polys)]
        if not isinstance(polys, np.ndarray):
            return parts
        result = np.empty(len(parts), dtype=object)
        result[:] = parts
        return result


def _points(polygon: Any, i: int) -> Array:
    try:
        points = np.asarray(polygon)
        if points.size == 0:
            return np.empty((0, 2), np.float32)
        if points.dtype.kind not in "fiub":
            points = points.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(f"polygon {i} is not a list of (x, y) numbers: {polygon!r:.80}") from None
    if points.ndim != 2:
        raise DataError(f"polygon {i} has shape {points.shape}; it must be (points, 2)")
    return points


def ignore_flags(ignore_tags: Sequence[Any] | Array, texts: int) -> NDArray[np.bool_]:
    """Return ``ignore_tags`` as a new (n,) array.

    Raises:
        DataError: not one flag per text.
    """
    if len(ignore_tags) != texts:
        raise DataError(f"{texts} polygons but {len(ignore_tags)} ignore_tags; give one a text")
    return np.array(ignore_tags, dtype=bool)


def compile_kernels() -> None:
    """Compile them in this process, or load what numba kept on disk earlier.

    Importing numba takes most of a second, so this is not done at import.
    """
    from ppocr_ft import offset_loops, polygon_loops  # noqa: F401
    from ppocr_ft.transforms import kernels  # noqa: F401


def count_unusable(data: dict[str, Any], operator: str, flags: NDArray[np.bool_]) -> None:
    """Write ``data["unusable_texts"]``: texts that this operator or its partner can't draw.

    ``flags`` (n,) are this operator's; each operator's own stay in ``data["unusable_tags"]``
    by its name, so that a text that both reject counts once.
    """
    tags: dict[str, NDArray[np.bool_]] = dict(data.get("unusable_tags", {}))
    tags = {name: old for name, old in tags.items() if len(old) == len(flags)}
    tags[operator] = flags
    data["unusable_tags"] = tags
    data["unusable_texts"] = int(np.logical_or.reduce(list(tags.values())).sum())

"""PaddleOCR's own operators, run on a sample, with their NaN pixels found."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.support.paddleocr_wheels import border_class, shrink_class

MAPS = ("shrink_map", "shrink_mask", "threshold_map", "threshold_mask")


@dataclass(frozen=True)
class Reference:
    """What a wheel's pair makes of a sample.

    maps: the four maps, and ``polys`` and ``ignore_tags`` as it leaves them.
    repaired_map: its threshold map, had each NaN distance been the distance from the line.
    nan_pixels: where the two threshold maps differ.
    """

    maps: dict[str, Any]
    repaired_map: np.ndarray

    @property
    def nan_pixels(self) -> np.ndarray:
        return self.maps["threshold_map"] != self.repaired_map


def run_pair(border: Any, shrink: Any, data: dict[str, Any]) -> dict[str, Any]:
    """MakeBorderMap, then MakeShrinkMap, as PaddleOCR's YAMLs order them; on a copy."""
    with np.errstate(all="ignore"):
        result: dict[str, Any] = shrink(border(copy.deepcopy(data)))
    return result


def reference(version: str, data: dict[str, Any], **keys: Any) -> Reference:
    border_type = border_class(version)

    class Repaired(border_type):  # type: ignore[misc, valid-type]
        def _distance(self, xs: Any, ys: Any, a: Any, b: Any) -> Any:
            distance = super()._distance(xs, ys, a, b)
            lost = np.isnan(distance)
            distance[lost] = from_line(xs[lost], ys[lost], a, b)
            return distance

    shrink = shrink_class(version)(**keys)
    maps = run_pair(border_type(**keys), shrink, data)
    repaired = run_pair(Repaired(**keys), shrink, data)
    return Reference(maps, repaired["threshold_map"])


def from_line(xs: np.ndarray, ys: np.ndarray, a: Any, b: Any) -> np.ndarray:
    """Distance of pixels (m,) from the line through a and b, by the cross product in float64."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    length = np.hypot(*(b - a))
    if length == 0:
        return np.hypot(xs - a[0], ys - a[1])
    return np.abs((xs - a[0]) * (b[1] - a[1]) - (ys - a[1]) * (b[0] - a[0])) / length

"""The operator that adds ``threshold_map`` and ``threshold_mask`` to a sample."""

from __future__ import annotations

from typing import Any

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.border_targets import border_targets
from ppocr_ft.transforms.clock import EpochClock
from ppocr_ft.transforms.compile_kernels import compile_kernels
from ppocr_ft.transforms.epoch_ratio import EpochRatio, FollowsSchedule
from ppocr_ft.transforms.polygons import TextPolygons, ignore_flags
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.unusable import count_unusable


@register
class MakeBorderMap(FollowsSchedule):
    """Drop-in for ``ppocr.data.imaug.MakeBorderMap``, with PaddleOCR 2.6.1's targets.

    Args:
        shrink_ratio: the shrink ratio, the first one if it ramps; inside (0, 1).
        thresh_min: the map's value far from every edge.
        thresh_max: the map's value on an edge.
        clock: where the epoch is read; the process's own if not given.
        kwargs: as for MakeShrinkMap, whose schedule must be the same.

    Raises:
        ConfigError: a ratio, horizon or threshold that can't be used, naming the key.
    """

    def __init__(
        self,
        shrink_ratio: float = 0.4,
        thresh_min: float = 0.3,
        thresh_max: float = 0.7,
        clock: EpochClock | None = None,
        **kwargs: Any,
    ) -> None:
        compile_kernels()  # here, before workers fork
        if not 0.0 <= thresh_min < thresh_max <= 1.0:
            raise ConfigError(
                f"found thresh_min {thresh_min!r} and thresh_max {thresh_max!r}; they must be "
                "two rising numbers within 0 and 1",
                key="thresh_min",
            )
        self.thresh_min = thresh_min
        self.thresh_max = thresh_max
        super().__init__(EpochRatio.from_keys(shrink_ratio, kwargs, clock))

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Adds to ``data``: ``threshold_map``, ``threshold_mask`` (h, w) float32.

        Reads ``image`` (h, w[, c]), ``polys`` (n, k, 2) or n of (k_i, 2), ``ignore_tags`` (n,)
        and leaves them alone. ``unusable_texts`` counts the texts that can't be drawn.
        ``border_schedule`` is for MakeShrinkMap, which takes it out again.

        Raises:
            DataError: polys and ignore_tags of different lengths, or no lists of points.
        """
        polygons = TextPolygons.of(data["polys"])
        ignored = ignore_flags(data["ignore_tags"], len(polygons))
        h, w = data["image"].shape[:2]
        targets = border_targets(
            polygons, ignored, (h, w), self._ratio(), self.thresh_min, self.thresh_max
        )
        data["threshold_map"] = targets.threshold_map
        data["threshold_mask"] = targets.threshold_mask
        data["border_schedule"] = self.schedule
        count_unusable(data, "MakeBorderMap", targets.unusable)
        return data

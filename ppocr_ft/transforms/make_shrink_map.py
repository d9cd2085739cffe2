"""The operator that adds ``shrink_map`` and ``shrink_mask`` to a sample."""

from __future__ import annotations

from typing import Any, get_args

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.clock import EpochClock
from ppocr_ft.transforms.compile_kernels import compile_kernels
from ppocr_ft.transforms.epoch_ratio import EpochRatio, FollowsSchedule
from ppocr_ft.transforms.polygons import TextPolygons, ignore_flags, ignore_flags_like
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.schedule import check_same
from ppocr_ft.transforms.shrink_targets import Rounding, shrink_targets
from ppocr_ft.transforms.unusable import count_unusable


@register
class MakeShrinkMap(FollowsSchedule):
    """Drop-in for ``ppocr.data.imaug.MakeShrinkMap``, with PaddleOCR 2.6.1's targets.

    Args:
        min_text_size: a text with a side under this many pixels is masked out of the loss.
        shrink_ratio: the shrink ratio, the first one if it ramps; inside (0, 1).
        clock: where the epoch is read; the process's own if not given.
        rounding: how a label's points become pixels. ``truncate`` is PaddleOCR's: kernels, and
            so all boxes that a network learns, lie half a pixel towards the upper left.
            ``nearest`` has kernels where DBPostProcess finds the label's own place again.
        kwargs: ``shrink_ratio_end``, ``total_epoch`` and ``epoch_num`` (a ramp, see
            ShrinkSchedule), ``epoch`` (see EpochRatio). PaddleOCR hands every operator all of
            ``Global``, so other keys are let pass.

    Raises:
        ConfigError: a ratio, horizon or rounding that can't be used, naming the key.
    """

    def __init__(
        self,
        min_text_size: float = 8,
        shrink_ratio: float = 0.4,
        clock: EpochClock | None = None,
        rounding: Rounding = "truncate",
        **kwargs: Any,
    ) -> None:
        if rounding not in get_args(Rounding):
            known = " or ".join(get_args(Rounding))
            raise ConfigError(f"found {rounding!r}; expected {known}", key="rounding")
        compile_kernels()  # here, before workers fork
        self.min_text_size = min_text_size
        self.rounding = rounding
        super().__init__(EpochRatio.from_keys(shrink_ratio, kwargs, clock))

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Adds to ``data``: ``shrink_map``, ``shrink_mask`` (h, w) float32.

        Reads ``image`` (h, w[, c]), ``polys`` (n, k, 2) or n of (k_i, 2), ``ignore_tags`` (n,);
        replaces ``polys`` by the clipped and oriented ones, ``ignore_tags`` by what is masked,
        without touching the caller's arrays. ``unusable_texts`` counts the texts that can't be
        drawn, those that MakeBorderMap met among them.

        Raises:
            ConfigError: MakeBorderMap before it follows another schedule.
            DataError: polys and ignore_tags of different lengths, or no lists of points.
        """
        check_same(data.pop("border_schedule", self.schedule), self.schedule)
        polys, ignore_tags = data["polys"], data["ignore_tags"]
        polygons = TextPolygons.of(polys)
        ignored = ignore_flags(ignore_tags, len(polygons))
        h, w = data["image"].shape[:2]
        targets = shrink_targets(
            polygons, ignored, (h, w), self._ratio(), self.min_text_size, self.rounding
        )
        data["shrink_map"] = targets.shrink_map
        data["shrink_mask"] = targets.shrink_mask
        data["polys"] = targets.polygons.like(polys)
        data["ignore_tags"] = ignore_flags_like(targets.ignored, ignore_tags)
        count_unusable(data, "MakeShrinkMap", targets.unusable)
        return data

"""The arms: one pipeline, several ways to draw its maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ppocr_ft.data.dataset import SimpleDataSet
from ppocr_ft.errors import DataError
from ppocr_ft.transforms import MakeBorderMap, MakeShrinkMap
from ppocr_ft.transforms.pipeline import Pipeline
from tests.support.paddleocr_wheels import border_class, shrink_class
from tests.support.reference_maps import reference, run_pair

SEED = 1024
"""``Global.seed``, where a YAML sets none; 2.7's SimpleDataSet hands it on as ``epoch``."""
TOTAL_EPOCH = 500
"""As in the shipped YAMLs."""
PAIR = ("MakeBorderMap", "MakeShrinkMap")


@dataclass(frozen=True)
class Arm:
    """One training of the comparison.

    ``version``: the wheel whose operators draw the maps, None for ours. ``keys``: the arguments of
    both operators besides the recipe's. ``repaired``: with true distances instead of the wheel's
    NaN (docs/shrink.md, section 6).
    """

    name: str
    version: str | None = None
    keys: tuple[tuple[str, float], ...] = ()
    repaired: bool = False

    def overrides(self) -> list[str]:
        """Return the overrides with which the config gives our operators the same keys."""
        keys = self.keys if self.version is None else ()
        place = "Train.dataset.transforms"
        return [f"{place}.{operator}.{key}={value}" for operator in PAIR for key, value in keys]


OLD = Arm("PaddleOCR 2.6.1.3", "2.6.1.3")
BROKEN = Arm("PaddleOCR 2.7.0.3", "2.7.0.3", (("epoch", SEED), ("total_epoch", TOTAL_EPOCH)))
CONSTANT = Arm("ppocr_ft, constant")
DYNAMIC = Arm("ppocr_ft, dynamic", keys=(("shrink_ratio_end", 0.6),))
ARMS = (OLD, BROKEN, CONSTANT, DYNAMIC)
REPAIRED = Arm("PaddleOCR 2.6.1.3 without NaN", OLD.version, repaired=True)


class WheelMaps:
    """A wheel's MakeBorderMap and MakeShrinkMap in the place of ours."""

    def __init__(self, arm: Arm, recipe: Mapping[str, Any]) -> None:
        assert arm.version is not None
        self._version = arm.version
        self._repaired = arm.repaired
        self._keys = {**recipe, **dict(arm.keys)}
        self._shrink = shrink_class(arm.version)(**self._keys)
        self._border = border_class(arm.version)(**self._keys)

    def ratio_of(self, data: Mapping[str, Any]) -> float:
        """Return the ratio, which no epoch changes."""
        return float(self._shrink.shrink_ratio)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        given = {key: data[key] for key in ("image", "polys", "ignore_tags")}
        try:
            data.update(run_pair(self._border, self._shrink, given))
        except IndexError as error:  # docs/shrink.md, section 5; another sample takes its place
            raise DataError(f"PaddleOCR {self._version}'s operators: {error}") from error
        if self._repaired:
            data["threshold_map"] = reference(self._version, given, **self._keys).repaired_map
        return data


def draw_maps_as(
    arm: Arm, data: SimpleDataSet, recipe: Mapping[str, Any]
) -> MakeShrinkMap | WheelMaps:
    """Put the arm's operators into the pipeline; returns what knows the shrink ratio.

    ``recipe``: the arguments of both operators in the config.
    """
    operators = data.pipeline.operators
    (ours,) = (op for op in operators if isinstance(op, MakeShrinkMap))
    if arm.version is None:
        return ours
    wheel = WheelMaps(arm, recipe)
    kept = [wheel if isinstance(op, MakeBorderMap) else op for op in operators if op is not ours]
    data.pipeline = Pipeline(kept)
    return wheel

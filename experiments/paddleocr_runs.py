"""The real PaddleOCR operators, and ours, run on one crop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.made_up_crop import Crop
from ppocr_ft import EpochClock, MakeBorderMap, MakeShrinkMap
from ppocr_ft.geometry import areas
from tests.support.paddleocr_wheels import border_class, shrink_class

SEED = 1024
"""``Global.seed``, where a YAML sets none; 2.7 and 2.8 hand it to the operators as ``epoch``."""
GIVEN_SEED = ("2.7.0.3", "2.8.1")
RUN_EPOCHS = 500
"""``epoch_num`` and ``total_epoch`` of the shipped YAMLs."""

Operator = Callable[[dict[str, Any]], dict[str, Any]]
Map = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """MakeBorderMap and MakeShrinkMap, built from the same keys, and the ratio they use."""

    border: Operator
    shrink: Operator
    ratio: float


@dataclass(frozen=True)
class Targets:
    """What a pair makes of a crop.

    shrink_map, shrink_mask: (h, w) float32, 0 or 1.
    border: (h, w) float32, the threshold map where the loss looks at it, 0 (far from every edge)
        to 1 (on one); None where MakeBorderMap crashed.
    masked_ratio: the share of the texts that MakeShrinkMap masks out of the loss.
    kernel_ratio: the share of the labels' area that the kernels cover.
    crash: MakeBorderMap's exception, or nothing.
    """

    ratio: float
    shrink_map: Map
    shrink_mask: Map
    border: Map | None
    masked_ratio: float
    kernel_ratio: float
    crash: str = ""


def paddleocr_pair(version: str, total_epoch: int | None = RUN_EPOCHS) -> Pair:
    """Return the wheel's operators, constructed in the way of its ``SimpleDataSet``.

    That is once, before the first epoch. ``total_epoch`` None: deleted from the YAML.
    """
    keys: dict[str, float] = {"shrink_ratio": 0.4}
    if total_epoch is not None:
        keys["total_epoch"] = total_epoch
    if version in GIVEN_SEED:
        keys["epoch"] = SEED
    shrink = shrink_class(version)(**keys)
    return Pair(border_class(version)(**keys), shrink, float(shrink.shrink_ratio))


def our_pair(epoch: int, total_epoch: int | None = RUN_EPOCHS) -> Pair:
    """Our operators from the same keys, in the true epoch 1, 2, ..."""
    clock = EpochClock()
    clock.set(epoch)
    keys: dict[str, Any] = {"shrink_ratio": 0.4, "clock": clock}
    if total_epoch is not None:
        keys["total_epoch"] = total_epoch
    shrink = MakeShrinkMap(**keys)
    return Pair(MakeBorderMap(**keys), shrink, shrink.shrink_ratio)


def targets(pair: Pair, crop: Crop) -> Targets:
    """Both operators, each on its own copy, so that a crash of one leaves the other's maps."""
    border, crash = None, ""
    with np.errstate(all="ignore"):
        drawn = pair.shrink(crop.sample())
        try:
            edges = pair.border(crop.sample())
            border = (edges["threshold_map"] - 0.3) / 0.4 * edges["threshold_mask"]
        except IndexError as error:
            crash = f"{type(error).__name__}: {error}"
    return Targets(
        ratio=pair.ratio,
        shrink_map=drawn["shrink_map"],
        shrink_mask=drawn["shrink_mask"],
        border=border,
        masked_ratio=float(np.mean(drawn["ignore_tags"])),
        kernel_ratio=float(drawn["shrink_map"].sum() / areas(crop.polygons).sum()),
        crash=crash,
    )

"""The arms: the default config, and the same training with PaddleOCR's own targets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from experiments.regression.arms import BROKEN, PAIR, TOTAL_EPOCH, draw_maps_as
from experiments.regression.arms import Arm as Maps

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ppocr_ft.runs.assemble import Training

SHIPPED = ("PostProcess.thresh=0.3", "PostProcess.box_thresh=0.6", "PostProcess.unclip_ratio=1.5")
"""The post-processing of PaddleOCR's configs and of the released inference.yml."""
LEFT_AS_TRAINED = (
    "Global.fit_targets=false",
    "Global.interpolate=false",
    "Global.fit_postprocess=false",
    "Global.time_budget=null",
)
"""What would put PaddleOCR's targets right, or hide what they have done, is off; the length is that
of our run, and the weights at its end are fitted afterwards."""
RATIO = 0.4
"""The shrink ratio of PaddleOCR's configs."""


@dataclass(frozen=True)
class RunArm:
    """``-o`` overrides of the default config; ``maps``: the wheel that draws the targets."""

    name: str
    overrides: tuple[str, ...] = ()
    maps: Maps | None = None


def _wheel_arm(name: str, maps: Maps) -> RunArm:
    place = "Train.dataset.transforms"
    ratios = [f"{place}.{operator}.shrink_ratio={RATIO}" for operator in PAIR]
    rounding = f"{place}.MakeShrinkMap.rounding=truncate"
    overrides = (*ratios, rounding, *SHIPPED, *LEFT_AS_TRAINED)
    return RunArm(name, overrides, maps)


OURS = RunArm("ours")
PADDLEOCR_27 = _wheel_arm("PaddleOCR 2.7's targets", BROKEN)
PADDLEOCR_210 = _wheel_arm(
    "PaddleOCR 2.10's targets",
    Maps("PaddleOCR 2.10.0", "2.10.0", (("total_epoch", TOTAL_EPOCH),)),
)
ARMS = {"ours": OURS, "2.7": PADDLEOCR_27, "2.10": PADDLEOCR_210}


def drawing(maps: Maps | None) -> AbstractContextManager[None]:
    """Have the wheel's operators draw the targets of what is trained inside this context."""
    return nullcontext() if maps is None else _drawing(maps)


@contextmanager
def _drawing(maps: Maps) -> Iterator[None]:
    from experiments.regression.runs import map_arguments
    from ppocr_ft.commands.train import run as train_run

    assembled = train_run.training

    def training(config: Any, *arguments: Any, **keys: Any) -> Training:
        run = assembled(config, *arguments, **keys)
        draw_maps_as(maps, run.trainer.loader.data, map_arguments(config))
        run.evaluate.validator = None  # 2.7's operators crash on some crops
        return run

    with patch.object(train_run, "training", training):  # the name that the command calls
        yield

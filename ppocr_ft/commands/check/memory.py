"""The memory that a training step takes, from a small step that is measured."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import paddle
from paddle.framework import core

from ppocr_ft.config import Config
from ppocr_ft.factory.objects import operators
from ppocr_ft.models.architecture import Detector
from ppocr_ft.runs.monitoring import crop_size
from ppocr_ft.utils.system import MB, resident_mb

MEASURED_PX = 128
"""Side of the one image that is measured; activations grow with the number of pixels."""
BYTES_PER_VALUE = 4
HELD_ON_CPU = 2.0
"""Memory of the process on the CPU for each byte of activations: oneDNN's copies and freed blocks
stay. Steps of configs/det_v4_ft.yml with 2, 4, 8 images allocated 0.28, 0.52, 1.01 GB and took
0.6, 1.0, 1.7 GB more than the process had before."""
STATES = 3
"""Values that a step keeps beside each weight: its gradient, and Adam's two moments."""


@dataclass(frozen=True)
class StepMemory:
    """An estimate: ``total_mb``, for ``images`` crops of ``size_px`` (width, height) at once."""

    total_mb: float
    images: int
    size_px: tuple[int, int]

    def __str__(self) -> str:
        width, height = self.size_px
        return (
            f"a training step takes about {self.total_mb / 1024:.1f} GB of memory, in float32, "
            f"with {self.images} image(s) of {width} x {height} px at once"
        )


def step_memory(config: Config, detector: Detector) -> StepMemory:
    """Estimate the memory of a step with the batch and the crop of ``Train``.

    On the CPU it is the process's, with what Paddle takes by itself; on a card the card's. The
    detector's batch norms change.
    """
    size = crop_size(tuple(operators(config.Train.dataset, epoch_num=config.Global.epoch_num)))
    images = config.Train.loader.batch_size_per_card
    pixels = images * size[0] * size[1]
    held = 1.0 if _on_card() else HELD_ON_CPU
    activations = held * _activation_bytes(detector) / MEASURED_PX**2 * pixels
    parameters = sum(int(parameter.size) for parameter in detector.parameters())
    states = (STATES + config.Global.use_ema) * BYTES_PER_VALUE * parameters
    weights = BYTES_PER_VALUE * parameters / MB
    base = weights if _on_card() else resident_mb() or weights
    return StepMemory(base + (activations + states) / MB, images, size)


def _activation_bytes(detector: Detector) -> int:
    """Return the most that forward and backward of one image of MEASURED_PX allocate."""
    kind = "device" if _on_card() else "host"
    current = getattr(core, f"{kind}_memory_stat_current_value")
    detector.train()
    image = paddle.zeros([1, 3, MEASURED_PX, MEASURED_PX])
    before = current("Allocated", 0)
    getattr(core, f"{kind}_memory_stat_reset_peak_value")("Allocated", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Paddle tells how its batch norms train
        sum(prediction.mean() for prediction in detector(image).values()).backward()
    peak = getattr(core, f"{kind}_memory_stat_peak_value")("Allocated", 0)
    detector.clear_gradients()
    return int(peak - before)


def _on_card() -> bool:
    return not paddle.get_device().startswith("cpu")

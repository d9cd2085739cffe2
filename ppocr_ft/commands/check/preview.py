"""What a training would begin with: its samples with their targets, and the memory of a step."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.framework import core

from ppocr_ft.config import Config
from ppocr_ft.factory.objects import data_set, operators
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.report.drawing import side_by_side
from ppocr_ft.runs.monitoring import crop_size
from ppocr_ft.transforms import MakeBorderMap, MakeShrinkMap
from ppocr_ft.transforms.image_ops import DecodeImage, NormalizeImage
from ppocr_ft.transforms.registry import OperatorSection
from ppocr_ft.utils.draw import LABEL_BGR, Picture, draw_polygons
from ppocr_ft.utils.sampling import evenly_spaced
from ppocr_ft.utils.system import MB, resident_mb

TILE_PX = 380
GAP_PX = 6
HEADING_PX = 30
WHITE = 255
KERNEL_BGR, BORDER_BGR, MASKED_BGR = (60, 200, 60), (40, 60, 235), (128, 128, 128)
KERNEL_STRENGTH, BORDER_STRENGTH, MASKED_STRENGTH = 0.45, 0.75, 0.6
LEGEND = "blue: labels, green: shrink map, red: threshold map, grey: masked out of the loss"

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
class DrawnSample:
    """One crop: ``picture`` (h, w, 3) BGR, its texts' polygons (k, 2) and its maps (h, w), 0 to 1.

    ``threshold_map`` is its rise over ``thresh_min``: 1 on an edge, 0 far from all of them.
    """

    picture: Picture
    polygons: Sequence[NDArray[Any]]
    shrink_map: NDArray[np.float32]
    shrink_mask: NDArray[np.float32]
    threshold_map: NDArray[np.float32]


def samples_png(config: Config, count: int) -> bytes:
    """Return ``samples_picture`` as PNG."""
    return cv2.imencode(".png", samples_picture(config, count))[1].tobytes()


def samples_picture(config: Config, count: int) -> Picture:
    """Draw a sheet of ``count`` samples, or as many as there are, with a column per epoch.

    Beside each crop is the same with its targets, by the shrink ratio of the first, the middle and
    the last epoch.

    Raises:
        DataError: no sample can be used.
    """
    whole = [item for item in config.Train.dataset.transforms if item.name != "KeepKeys"]
    data = data_set(config, "Train", whole)
    indices = evenly_spaced(len(data), count)
    (shrink,) = [op for op in data.pipeline.operators if isinstance(op, MakeShrinkMap)]
    columns = []
    for epoch in shown_epochs(config.Global.epoch_num):
        data.set_epoch(epoch)
        heading = f"epoch {epoch}: shrink ratio {shrink.schedule.ratio(epoch):.4g}"
        rows = []
        for index in indices:
            sample = data[index].sample
            assert sample is not None  # bad ones are replaced
            drawn = _drawn_sample(sample, whole)
            rows.append(side_by_side([_tile(drawn.picture), _tile(with_targets(drawn))]))
        columns.append(_column(heading, rows))
    sheet = side_by_side(columns)
    return np.concatenate([_heading(LEGEND, sheet.shape[1]), sheet])


def shown_epochs(epoch_num: int) -> list[int]:
    """Return the first, middle and last epoch, each once."""
    return sorted({1, (epoch_num + 1) // 2, epoch_num})


def denormalised(image: NDArray[np.float32], sections: Sequence[OperatorSection]) -> Picture:
    """Return (3, h, w), as the network takes it, as (h, w, 3) BGR."""
    pixels = image.transpose(1, 2, 0).astype(np.float64)
    for section in sections:
        if section.is_a(NormalizeImage):
            scale = section.scale or 1 / 255
            pixels = (pixels * section.std + section.mean) / scale
    decode = next((op for op in sections if op.is_a(DecodeImage)), None)
    if decode is not None and decode.img_mode == "RGB":
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


def _drawn_sample(sample: Mapping[str, Any], sections: Sequence[OperatorSection]) -> DrawnSample:
    border = next(op for op in sections if op.is_a(MakeBorderMap))
    rise = (sample["threshold_map"] - border.thresh_min) / (border.thresh_max - border.thresh_min)
    return DrawnSample(
        denormalised(sample["image"], sections),
        [np.asarray(polygon) for polygon in sample["polys"]],
        sample["shrink_map"],
        sample["shrink_mask"],
        rise * sample["threshold_mask"],
    )


def with_targets(sample: DrawnSample) -> Picture:
    """Draw shrink map, threshold map and polygons over the picture; what is masked is grey."""
    canvas = sample.picture.astype(np.float32)
    layers = (
        (1 - sample.shrink_mask, MASKED_BGR, MASKED_STRENGTH),
        (sample.threshold_map, BORDER_BGR, BORDER_STRENGTH),
        (sample.shrink_map * sample.shrink_mask, KERNEL_BGR, KERNEL_STRENGTH),
    )
    for opacity, color, strength in layers:
        alpha = np.clip(opacity, 0, 1)[..., np.newaxis] * strength
        canvas = canvas * (1 - alpha) + np.array(color, np.float32) * alpha
    return draw_polygons(np.round(canvas).astype(np.uint8), sample.polygons, LABEL_BGR)


def _column(heading: str, rows: Sequence[Picture]) -> Picture:
    """Stack the rows below a heading, padded with white to the right and with a gap below."""
    width = max(row.shape[1] for row in rows)
    padded = [_heading(heading, width)]
    for row in rows:
        margins = ((0, GAP_PX), (0, width - row.shape[1]), (0, 0))
        padded.append(np.pad(row, margins, constant_values=WHITE))
    return np.concatenate(padded)


def _tile(picture: Picture) -> Picture:
    """Scale to the largest size that fits, at most twice its own size."""
    scale = min(TILE_PX / max(picture.shape[:2]), 2.0)
    size = max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _heading(text: str, width: int) -> Picture:
    head = np.full((HEADING_PX, width, 3), WHITE, np.uint8)
    cv2.putText(head, text, (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return head


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


def step_memory(config: Config, detector: DetectionNetwork) -> StepMemory:
    """Estimate the memory of a step with the batch and the crop of ``Train``.

    On the CPU it is the process's, with what Paddle takes by itself; on a card the card's. The
    detector's batch norms change.
    """
    size = crop_size(tuple(operators(config.Train.dataset, epoch_num=config.Global.epoch_num)))
    images, on_card = config.Train.loader.batch_size_per_card, _on_card()
    pixels = images * size[0] * size[1]
    held = 1.0 if on_card else HELD_ON_CPU
    activations = held * _activation_bytes(detector) / MEASURED_PX**2 * pixels
    parameters = sum(int(parameter.size) for parameter in detector.parameters())
    states = (STATES + config.Global.use_ema) * BYTES_PER_VALUE * parameters
    weights = BYTES_PER_VALUE * parameters / MB
    base = weights if on_card else resident_mb() or weights
    return StepMemory(base + (activations + states) / MB, images, size)


def _activation_bytes(detector: DetectionNetwork) -> int:
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

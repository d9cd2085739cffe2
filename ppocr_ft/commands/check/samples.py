"""Training's samples with their targets, for the first, the middle and the last epoch's ratio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.config.schema import Config
from ppocr_ft.data import SimpleDataSet
from ppocr_ft.factory.objects import data_set
from ppocr_ft.report.contact_sheet import side_by_side
from ppocr_ft.transforms import MakeBorderMap, MakeShrinkMap
from ppocr_ft.transforms.image_ops import DecodeImage, NormalizeImage
from ppocr_ft.transforms.registry import OperatorSection
from ppocr_ft.utils.draw import LABEL_BGR, Picture, draw_polygons
from ppocr_ft.utils.sampling import evenly_spaced

KEEP_KEYS = "KeepKeys"


def samples_picture(config: Config, count: int) -> Picture:
    """Draw a sheet of ``count`` samples, or as many as there are, with a column per epoch.

    Raises:
        DataError: no sample can be used.
    """
    whole = [item for item in config.Train.dataset.transforms if item.name != KEEP_KEYS]
    data = data_set(config, "Train", whole)
    indices = evenly_spaced(len(data), count)
    (shrink,) = [op for op in data.pipeline.operators if isinstance(op, MakeShrinkMap)]
    columns = []
    for epoch in shown_epochs(config.Global.epoch_num):
        data.set_epoch(epoch)
        heading = f"epoch {epoch}: shrink ratio {shrink.schedule.ratio(epoch):.4g}"
        columns.append((heading, list(_drawn(data, indices, whole))))
    return sample_sheet(columns)


def shown_epochs(epoch_num: int) -> list[int]:
    """Return the first, middle and last epoch, each once."""
    return sorted({1, (epoch_num + 1) // 2, epoch_num})


def denormalised(image: NDArray[np.float32], operators: Sequence[OperatorSection]) -> Picture:
    """Return (3, h, w), as the network takes it, as (h, w, 3) BGR."""
    pixels = image.transpose(1, 2, 0).astype(np.float64)
    for operator in operators:
        if operator.is_a(NormalizeImage):
            scale = operator.scale or 1 / 255
            pixels = (pixels * operator.std + operator.mean) / scale
    decode = next((op for op in operators if op.is_a(DecodeImage)), None)
    if decode is not None and decode.img_mode == "RGB":
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


def _drawn(
    data: SimpleDataSet, indices: Sequence[int], operators: Sequence[OperatorSection]
) -> Iterator[DrawnSample]:
    for index in indices:
        sample = data[index].sample
        assert sample is not None  # bad ones are replaced
        yield _drawn_sample(sample, operators)


def _drawn_sample(sample: Mapping[str, Any], operators: Sequence[OperatorSection]) -> DrawnSample:
    border = next(op for op in operators if op.is_a(MakeBorderMap))
    rise = (sample["threshold_map"] - border.thresh_min) / (border.thresh_max - border.thresh_min)
    return DrawnSample(
        denormalised(sample["image"], operators),
        [np.asarray(polygon) for polygon in sample["polys"]],
        sample["shrink_map"],
        sample["shrink_mask"],
        rise * sample["threshold_mask"],
    )


TILE_PX = 380
GAP_PX = 6
HEADING_PX = 30
WHITE = 255
KERNEL_BGR, BORDER_BGR, MASKED_BGR = (60, 200, 60), (40, 60, 235), (128, 128, 128)
KERNEL_STRENGTH, BORDER_STRENGTH, MASKED_STRENGTH = 0.45, 0.75, 0.6
LEGEND = "blue: labels, green: shrink map, red: threshold map, grey: masked out of the loss"


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


def sample_sheet(columns: Sequence[tuple[str, Sequence[DrawnSample]]]) -> Picture:
    """Draw a column per heading: the crops, and beside each the same with its targets."""
    columns_drawn = [_column(heading, samples) for heading, samples in columns]
    sheet = side_by_side(columns_drawn)
    legend = _heading(LEGEND, sheet.shape[1])
    return np.concatenate([legend, sheet])


def as_png(picture: Picture) -> bytes:
    """Encode a picture as PNG."""
    return cv2.imencode(".png", picture)[1].tobytes()


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


def _column(heading: str, samples: Sequence[DrawnSample]) -> Picture:
    rows = [_row(sample) for sample in samples]
    width = max(row.shape[1] for row in rows)
    return np.concatenate([_heading(heading, width), *(_padded(row, width) for row in rows)])


def _padded(row: Picture, width: int) -> Picture:
    """Pad with white to the right, and with a gap below."""
    margins = ((0, GAP_PX), (0, width - row.shape[1]), (0, 0))
    return np.pad(row, margins, constant_values=WHITE)


def _row(sample: DrawnSample) -> Picture:
    pair = [_tile(sample.picture), _tile(with_targets(sample))]
    return side_by_side(pair)


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

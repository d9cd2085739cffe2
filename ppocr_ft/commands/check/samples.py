"""Training's samples with their targets, for the first, the middle and the last epoch's ratio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.samples_plot import DrawnSample, sample_sheet
from ppocr_ft.config.schema import Config
from ppocr_ft.config.transforms import DecodeImage, MakeBorderMap, NormalizeImage, Operator
from ppocr_ft.data import SimpleDataSet
from ppocr_ft.factory.objects import data_set
from ppocr_ft.transforms import MakeShrinkMap, set_epoch
from ppocr_ft.utils.draw import Picture
from ppocr_ft.utils.sampling import spread

KEEP_KEYS = "KeepKeys"


def samples_picture(config: Config, count: int) -> Picture:
    """A sheet of ``count`` samples (fewer where the data set has fewer), a column an epoch.

    Raises:
        DataError: no sample can be used.
    """
    dataset = config.Train.dataset
    whole = [item for item in dataset.transforms if item.name != KEEP_KEYS]
    data = data_set(
        dataset.model_copy(update={"transforms": tuple(whole)}),
        config.Global.seed,
        replace_bad=True,
        epoch_num=config.Global.epoch_num,
    )
    indices = spread(len(data), count)
    (shrink,) = [op for op in data.pipeline.operators if isinstance(op, MakeShrinkMap)]
    columns = []
    for epoch in shown_epochs(config.Global.epoch_num):
        set_epoch(epoch)
        data.set_epoch(epoch)
        heading = f"epoch {epoch}: shrink ratio {shrink.shrink_ratio:.4g}"
        columns.append((heading, list(_drawn(data, indices, whole))))
    return sample_sheet(columns)


def shown_epochs(epoch_num: int) -> list[int]:
    """First, middle and last, each once."""
    return sorted({1, (epoch_num + 1) // 2, epoch_num})


def denormalised(image: NDArray[np.float32], operators: Sequence[Operator]) -> Picture:
    """(3, h, w) as the network takes it, back to (h, w, 3) BGR."""
    pixels = image.transpose(1, 2, 0).astype(np.float64)
    for operator in operators:
        if isinstance(operator, NormalizeImage):
            scale = operator.scale or 1 / 255
            pixels = (pixels * operator.std + operator.mean) / scale
    decode = next((op for op in operators if isinstance(op, DecodeImage)), None)
    if decode is not None and decode.img_mode == "RGB":
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


def _drawn(
    data: SimpleDataSet, indices: Sequence[int], operators: Sequence[Operator]
) -> Iterator[DrawnSample]:
    for index in indices:
        sample = data[index].sample
        assert sample is not None  # bad ones are replaced
        yield _drawn_sample(sample, operators)


def _drawn_sample(sample: Mapping[str, Any], operators: Sequence[Operator]) -> DrawnSample:
    border = next(op for op in operators if isinstance(op, MakeBorderMap))
    rise = (sample["threshold_map"] - border.thresh_min) / (border.thresh_max - border.thresh_min)
    return DrawnSample(
        denormalised(sample["image"], operators),
        [np.asarray(polygon) for polygon in sample["polys"]],
        sample["shrink_map"],
        sample["shrink_mask"],
        rise * sample["threshold_mask"],
    )

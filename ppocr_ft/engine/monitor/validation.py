"""The validation loss, and the shrink ratio that training's maps show, on a few crops of ``Eval``.

The crops stay the same for the whole run. They are cut out of the images after evaluation's resize,
so that nothing is read or resized twice and no augmentation blurs the curve; their maps are drawn
by training's own operators.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.train_loader import TARGETS
from ppocr_ft.engine.train_step import LossFunction, Precision
from ppocr_ft.losses.db import DBTargets
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.transforms.crops import ScaledCrop, ScaledWindow
from ppocr_ft.transforms.geometric import GeometricOperator
from ppocr_ft.transforms.image_ops import DecodeImage, KeepKeys, NormalizeImage, ToCHWImage
from ppocr_ft.transforms.labels import DetLabelEncode, Texts
from ppocr_ft.transforms.photometric import PixelOperator
from ppocr_ft.transforms.registry import Operator
from ppocr_ft.transforms.sample import Sample, Size
from ppocr_ft.transforms.shrink_schedule import TRUE_EPOCH
from ppocr_ft.transforms.targets import shrink_targets

MOST_CROPS, FEWEST_CROPS, BATCH_SIZE = 16, 2, 4
PIXEL_SHARE = 0.05
"""The crops' pixels, of those that an evaluation takes through the network."""
_SEED = 7
"""First number of a generator's seed: what it is for."""
TRIED = tuple(percent / 100 for percent in range(10, 100))
"""Shrink ratios."""
EQUAL_AREA = 0.02
"""Relative difference of kernel areas below which the config's ratio is taken to be the drawn one.
One grid step of `TRIED` makes more."""
LEAST_AREA_PX = 50.0
"""Kernels that say anything."""


@dataclass(frozen=True)
class Crop:
    """A crop: ``image`` (3, h, w) float32, normalised, and its texts."""

    image: NDArray[np.float32]
    texts: Texts


def cut_crops(images: Iterable[EvalSample], size: Size, seed: int) -> list[Crop]:
    """Cut a window of ``size`` px out of each image, around one of its texts."""
    return [_cut(image, size, np.random.default_rng([_SEED, seed, i]))
            for i, image in enumerate(images)]  # fmt: skip


def _cut(image: EvalSample, size: Size, rng: np.random.Generator) -> Crop:
    width, height = size
    pixels = image.image.transpose(1, 2, 0)
    rows, columns = pixels.shape[:2]
    factors = np.array([columns / image.shape[1], rows / image.shape[0]], np.float32)
    polys = [np.asarray(p, np.float32) * factors for p in image.polygons]
    whole = Sample.of({"image": pixels, "polys": polys, "ignore_tags": image.ignored})
    left, top = _corner(whole, size, rng)
    sample = ScaledCrop(size).apply(ScaledWindow(1.0, 1.0, left, top), whole)
    window = image.image[:, top : top + height, left : left + width]
    crop = np.zeros((3, height, width), np.float32)
    crop[:, : window.shape[1], : window.shape[2]] = window
    return Crop(crop, sample.texts)


def _corner(whole: Sample, size: Size, rng: np.random.Generator) -> tuple[int, int]:
    room = np.maximum(np.subtract(whole.size_px, size), 0)
    boxes = whole.boxes()[~whole.texts.ignored]
    middle = np.array(whole.size_px) / 2
    if len(boxes):
        box = boxes[rng.integers(len(boxes))]
        middle = (box[:2] + box[2:]) / 2
    left, top = np.clip(middle - np.array(size) / 2, 0, room).astype(int).tolist()
    return left, top


def crops_wanted(images: int, pixels: float, size: Size) -> int:
    """Return a number of crops that is cheap for an evaluation of such ``images``."""
    affordable = PIXEL_SHARE * images * pixels / (size[0] * size[1])
    return max(FEWEST_CROPS, min(MOST_CROPS, images, int(affordable)))


def map_operators(operators: Sequence[Operator]) -> list[Operator]:
    """Return the operators of a training pipeline that draw maps, also those of other packages."""
    moving = [i for i, op in enumerate(operators) if isinstance(op, GeometricOperator)]
    last = max(moving, default=-1)
    others = (DecodeImage, DetLabelEncode, PixelOperator, NormalizeImage, ToCHWImage, KeepKeys)
    return [op for op in operators[last + 1 :] if not isinstance(op, others)]


@dataclass(frozen=True)
class Validation:
    """Columns of an evaluation in ``metrics.csv``."""

    val_loss: float
    shrink_ratio: float
    drawn_shrink_ratio: float | None


@dataclass
class Validator:
    """Evaluates a network on crops with the targets that training uses in an epoch.

    Args:
        read: gives the crops, once.
        operators: training's current pipeline; ``map_operators`` are taken from it.
        reference: the config's own MakeShrinkMap.
        loss: training's.
        precision: training's.
    """

    read: Callable[[], list[Crop]]
    operators: Callable[[], Sequence[Operator]]
    reference: MakeShrinkMap
    loss: LossFunction
    precision: Precision = field(default_factory=Precision)
    _crops: list[Crop] | None = None

    def __call__(self, network: paddle.nn.Layer, epoch: int) -> Validation | None:
        """Evaluate with the targets of epoch 1, 2, ...; None if no image can be read."""
        if self._crops is None:
            self._crops = self.read()
        if not self._crops:
            return None
        drawn = [self._draw(crop, epoch) for crop in self._crops]
        ratio = self.reference.schedule.ratio(epoch)
        shown = drawn_ratio(self._crops, drawn, self.reference, ratio)
        with _validating(network), paddle.no_grad(), self.precision.auto_cast():
            loss = self._mean_loss(network, self._crops, drawn)
        return Validation(loss, ratio, shown)

    def _draw(self, crop: Crop, epoch: int) -> dict[str, Any]:
        # PaddleOCR's own operators change them in place
        fields = copy.deepcopy(crop.texts.fields())
        image = crop.image.transpose(1, 2, 0)
        data: dict[str, Any] = {"image": image, TRUE_EPOCH: epoch, **fields}
        for operator in map_operators(self.operators()):
            data = operator(data)
        return data

    def _mean_loss(
        self, network: paddle.nn.Layer, crops: Sequence[Crop], drawn: Sequence[dict[str, Any]]
    ) -> float:
        total = 0.0
        for start in range(0, len(crops), BATCH_SIZE):
            chosen = slice(start, start + BATCH_SIZE)
            images = paddle.to_tensor(np.stack([crop.image for crop in crops[chosen]]))
            maps = {name: np.stack([data[name] for data in drawn[chosen]]) for name in TARGETS}
            targets = DBTargets(**{k: paddle.to_tensor(v, "float32") for k, v in maps.items()})
            loss = self.loss(network(images), targets)["loss"]
            total += float(loss) * len(images)
        return total / len(crops)


@contextmanager
def _validating(network: paddle.nn.Layer) -> Iterator[None]:
    """Make all of training's maps inside this context, with batch norms as in evaluation."""
    before = [(layer, layer.training) for layer in network.sublayers(include_self=True)]
    network.train()
    for layer, _ in before:
        if isinstance(layer, paddle.nn.BatchNorm2D):
            layer.eval()
    try:
        yield
    finally:
        for layer, training in before:
            layer.training = training


def drawn_ratio(
    crops: Sequence[Crop],
    drawn: Sequence[Mapping[str, Any]],
    operator: MakeShrinkMap,
    expected: float,
) -> float | None:
    """Return the ratio that the area of the text kernels shows, over all crops.

    ``operator`` draws kernels in the right way; the ``expected`` ratio is returned if it gives the
    same area. 0: none were drawn though it would. None: its kernels are too small to tell.
    """
    area = sum(_kernel_area(maps["shrink_map"], maps["shrink_mask"]) for maps in drawn)
    expected_area = _area_at(expected, crops, operator)
    if expected_area < LEAST_AREA_PX:
        return None
    if area == 0:
        return 0.0
    if abs(area / expected_area - 1) <= EQUAL_AREA:
        return expected
    gaps = {ratio: abs(_area_at(ratio, crops, operator) - area) for ratio in TRIED}
    return min(gaps, key=gaps.__getitem__)


def _kernel_area(shrink_map: NDArray[Any], shrink_mask: NDArray[Any]) -> float:
    """Return the area, in pixels, of text kernels that count in the loss."""
    return float(np.count_nonzero((shrink_map > 0) & (shrink_mask > 0)))


def _area_at(ratio: float, crops: Sequence[Crop], operator: MakeShrinkMap) -> float:
    total = 0.0
    for crop in crops:
        texts, (height, width) = crop.texts, crop.image.shape[1:]
        targets = shrink_targets(
            texts.polygons,
            texts.ignored,
            (height, width),
            ratio,
            operator.min_text_size,
            operator.rounding,
        )
        total += _kernel_area(targets.shrink_map, targets.shrink_mask)
    return total

"""The scale of evaluation, and of training with it, by a pass over some training images."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ppocr_ft.config import Config
from ppocr_ft.config.load import with_values
from ppocr_ft.data.faults import check_text
from ppocr_ft.data.images import ImageSet
from ppocr_ft.engine.evaluation import probability_maps
from ppocr_ft.engine.onnx_forward import prepare_onnx
from ppocr_ft.errors import DataError
from ppocr_ft.export.settings import LONGEST_MOST_PX
from ppocr_ft.factory.device import cpu_threads
from ppocr_ft.factory.objects import data_set, post_process
from ppocr_ft.fitting.grid import (
    Grid,
    LimitedResize,
    eval_size,
    limits_of,
    resize_name,
    resizer_of,
    with_resize,
)
from ppocr_ft.fitting.tally import Truth, grid_counts, score
from ppocr_ft.fitting.targets import Page
from ppocr_ft.geometry import box_sides
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.transforms.image_ops import DecodeImage
from ppocr_ft.transforms.labels import DetLabelEncode
from ppocr_ft.transforms.resize import STRIDE_PX, LimitType, Size
from ppocr_ft.utils.console import aligned
from ppocr_ft.utils.progress import ProgressBar, no_progress
from ppocr_ft.utils.sampling import evenly_spaced, sample_evenly

FACTORS = (0.75, 1.0, 1.33, 1.67, 2.0)
"""Longest sides that are tried, as factors on the config's."""
MAX_SIDE_PX = 2560
"""Larger images take seconds on a CPU, and text of usual pages is large enough by then."""
SHORTEST_SIDES_PX = (640, 800, 960, 1120)
"""Shortest sides to which small images are enlarged, for a try."""
LEAST_ENLARGED, MOST_ENLARGED = 1.1, 2.0
"""Times the pixels of the images as they are; more would cost too much time."""
LEAST_IMAGES, MOST_IMAGES, ENOUGH_TEXTS = 12, 40, 200
"""Training images that the network sees at each scale: enough of them to have so many texts that
count; with a few words in each, a dozen images can't tell one scale from another."""
LABELLED_IMAGES = 60
"""Those whose texts are measured."""
LEARNT_HMEAN = 0.05
"""What a larger scale may cost the starting weights. They learn it, and then find smaller text and
sides of boxes that the smaller scale does not show."""
ENOUGH_PX = 16.0
"""Where nine texts of ten are that high a larger scale shows nothing new."""
POOR_HMEAN = 0.3
"""Under this the labels follow another convention than the weights, such as words where these find
lines; what the weights find at a scale then says nothing about what they could learn there."""
SMALL_PERCENTILE = 10
THRESHS = (0.15, 0.3)
BOX_THRESHS = (0.5, 0.6, 0.7, 0.8, 0.9)
UNCLIP_RATIOS = (0.6, 0.8, 1.0, 1.3, 1.6, 2.0)
"""Post-processing that is tried at each scale, beside the config's own."""


class Passed(NamedTuple):
    """What the network finds at a scale; each hmean with its own best post-processing."""

    hmean: float
    hmean_70: float
    ms_per_image: float

    @property
    def mean(self) -> float:
        return (self.hmean + self.hmean_70) / 2


@dataclass(frozen=True)
class Scale:
    """A resize; ``resize`` is None for the config's own.

    Attributes:
        megapixels: mean per image, as it enters the network.
        height_px: median of the texts' heights, the shorter sides of their smallest boxes.
        small_px: the 10th percentile of these.
        passed: what the network found; None if it was not tried.
        texts_per_image: mean of those that count.
    """

    name: str
    resize: LimitedResize | None
    megapixels: float
    height_px: float
    small_px: float
    passed: Passed | None = None
    texts_per_image: float = ENOUGH_TEXTS


def training_images(config: Config, *, decoded_only: bool = False) -> tuple[ImageSet, list[int]]:
    """Return ``Train``'s images as ``Eval`` prepares its own, and which have texts that count.

    With ``decoded_only`` they are not resized.

    Raises:
        DataError: a label file can't be used, or no text counts.
    """
    transforms = config.Eval.dataset.transforms
    if decoded_only:
        transforms = tuple(op for op in transforms if op.is_a(DecodeImage, DetLabelEncode))
    data = data_set(with_values(config, {"Train.dataset.ratio_list": None}), "Train", transforms)
    check_text("Train", data.entries)
    with_text = [i for i, entry in enumerate(data.entries) if not entry.texts.ignored.all()]
    images = ImageSet(data.__getitem__, len(data), config.Eval.loader.num_workers)
    return images, with_text


def labelled(config: Config, at_most: int = LABELLED_IMAGES) -> list[Page]:
    """Return training images, evenly spaced over those with text.

    Raises:
        DataError: as `training_images`.
    """
    images, with_text = training_images(config, decoded_only=True)
    pages = []
    for index in sample_evenly(with_text, at_most):
        sample = images.read(index).sample
        if sample is not None:
            texts = zip(sample["polys"], sample["ignore_tags"], strict=True)
            counted = tuple(np.asarray(polygon) for polygon, ignored in texts if not ignored)
            height, width = sample["image"].shape[:2]
            pages.append(Page((width, height), counted))
    if not any(page.polygons for page in pages):
        raise DataError("no image with a text that counts can be read", key="Train.dataset")
    return pages


def candidates(config: Config, images: Sequence[Page]) -> list[Scale]:
    """Return the config's own scale and those to try beside it, by rising numbers of pixels.

    A resize that gives all images the size of another one is left out. Images are enlarged only if
    the config's own resize does that.
    """
    side = _longest_side(config, images)
    sides = {min(round(side * f / STRIDE_PX) * STRIDE_PX, MAX_SIDE_PX) for f in FACTORS}
    kind: LimitType = "resize_long" if _enlarges(config) else "max"
    by_sizes: dict[tuple[Size, ...], Scale] = {}
    for resize in (None, *(LimitedResize(max(px, STRIDE_PX), kind) for px in sorted(sides))):
        resized = config if resize is None else with_resize(config, resize)
        sizes = [eval_size(resized, image.shape) for image in images]
        by_sizes.setdefault(tuple(sizes), _scale(resized, resize, images, sizes))
    return sorted(by_sizes.values(), key=lambda scale: scale.megapixels)


def enlarging(config: Config, images: Sequence[Page]) -> list[LimitedResize]:
    """Return the resizes that enlarge the images as far as that may pay, by their shortest side.

    None where nine texts of ten are ENOUGH_PX high, where an image is large, or where the config
    itself enlarges or fixes the size.
    """
    resizer = resizer_of(config)
    if resizer is None or resizer.image_shape is not None or _enlarges(config):
        return []
    if max(max(image.shape) for image in images) > MAX_SIDE_PX:
        return []
    own_sizes = [eval_size(config, image.shape) for image in images]
    if _scale(config, None, images, own_sizes).small_px >= ENOUGH_PX:
        return []
    pixels = _pixels(image.shape for image in images)
    resizes = []
    for resize in (LimitedResize(px, "min") for px in SHORTEST_SIDES_PX):
        sizes = [eval_size(with_resize(config, resize), image.shape) for image in images]
        pays = LEAST_ENLARGED < _pixels(sizes) / pixels < MOST_ENLARGED
        if pays and max(map(max, sizes)) <= LONGEST_MOST_PX:
            resizes.append(resize)
    return resizes


def _enlarges(config: Config) -> bool:
    resizer = resizer_of(config)
    return (
        resizer is not None
        and resizer.image_shape is None
        and limits_of(resizer).limit_type != "max"
    )


def _pixels(sizes: Iterable[Size]) -> int:
    return sum(height * width for height, width in sizes)


def _longest_side(config: Config, images: Sequence[Page]) -> float:
    """Return the config's longest side, px; the images' median if it names none."""
    resizer = resizer_of(config)
    if resizer is not None and resizer.image_shape is None:
        limits = limits_of(resizer)
        if limits.limit_type != "min":
            return limits.limit_side_len
    return float(np.median([max(eval_size(config, image.shape)) for image in images]))


def _scale(
    config: Config, resize: LimitedResize | None, images: Sequence[Page], sizes: Sequence[Size]
) -> Scale:
    heights = np.concatenate(
        [
            box_sides([polygon * image.factors(size) for polygon in image.polygons])[0]
            for image, size in zip(images, sizes, strict=True)
            if image.polygons
        ]
    )
    return Scale(
        resize_name(config),
        resize,
        float(np.mean([height * width for height, width in sizes]) / 1e6),
        float(np.median(heights)),
        float(np.percentile(heights, SMALL_PERCENTILE)),
        texts_per_image=len(heights) / sum(bool(image.polygons) for image in images),
    )


def climb(
    scales: Sequence[Scale],
    first: int,
    measured: Callable[[Scale], Scale],
    has_time: Callable[[], bool] = lambda: True,
) -> tuple[Scale, ...]:
    """Measure the scale ``first``, then upwards as long as the texts are small and it is no loss.

    If they are large at ``first``, downwards likewise. Nothing is measured any more once
    ``has_time`` is false.
    """
    tried = list(scales)
    tried[first] = best = measured(tried[first])
    is_large = best.small_px >= ENOUGH_PX
    for index in range(first - 1, -1, -1) if is_large else range(first + 1, len(tried)):
        if not has_time():
            break
        tried[index] = measured(tried[index])
        if _mean(tried[index]) < _mean(best) - LEARNT_HMEAN:
            break
        if (tried[index].small_px >= ENOUGH_PX) != is_large:
            break
        best = max(best, tried[index], key=_mean)
    return tuple(tried)


def _mean(scale: Scale) -> float:
    return -1.0 if scale.passed is None else scale.passed.mean


def choose_scale(scales: Sequence[Scale]) -> tuple[Scale, str]:
    """Return the scale to take, and why."""
    best = max(map(_mean, scales))
    is_poor = best < POOR_HMEAN
    good = [scale for scale in scales if is_poor or _mean(scale) >= best - LEARNT_HMEAN]
    high = [scale for scale in good if scale.small_px >= ENOUGH_PX]
    if high:
        chosen = min(high, key=lambda scale: scale.megapixels)
        why = f"the smallest where nine texts of ten are {ENOUGH_PX:g} px high"
    else:
        chosen = max(good, key=lambda scale: scale.megapixels)
        why = f"the largest; a tenth of the texts is under {chosen.small_px:.0f} px high there"
    if is_poor:
        among = (
            f"what the weights find can't decide: the mean of hmean at both IoUs is {best:.2f} at "
            "best, so the labels follow another convention"
        )
    else:
        among = (
            "of those where the weights find as much as anywhere, or less by no more than "
            f"{LEARNT_HMEAN:g}, which is soon learnt"
        )
    return chosen, f"scale {chosen.name}: {why}; {among}"


def images_wanted(texts_per_image: float) -> int:
    """Return how many images have enough texts."""
    return min(max(math.ceil(ENOUGH_TEXTS / texts_per_image), LEAST_IMAGES), MOST_IMAGES)


def pass_over(
    config: Config, detector: DetectionNetwork, scale: Scale, bar: ProgressBar = no_progress
) -> Scale:
    """Return the scale with what the network finds on some training images.

    Raises:
        DataError: as `training_images`.
    """
    resized = config if scale.resize is None else with_resize(config, scale.resize)
    images, with_text = training_images(resized)
    wanted = images_wanted(scale.texts_per_image)
    indices = [with_text[i] for i in evenly_spaced(len(with_text), wanted)]
    threads = cpu_threads(config)
    prepare_onnx(detector)
    list(probability_maps(detector, images.samples(indices[:1])))  # the first image is slower
    start = time.perf_counter()
    shown = bar(images.samples(indices), len(indices), f"scale {scale.name}")
    mapped = list(probability_maps(detector, shown, threads=threads))
    seconds = time.perf_counter() - start
    way = post_process(config)
    grid = Grid(
        tuple(sorted({*THRESHS, way.thresh})),
        (way.score_mode,),
        tuple(sorted({*UNCLIP_RATIOS, way.unclip_ratio})),
        tuple(sorted({*BOX_THRESHS, way.box_thresh})),
    )
    truths = [Truth.of(image) for image, _ in mapped]
    pairs = zip(mapped, truths, strict=True)
    counts = sum(grid_counts(prob_map, truth, way, grid) for (_, prob_map), truth in pairs)
    gts = np.asarray(sum(truth.counted_texts for truth in truths))
    hmean, hmean_70 = (
        float(score(np.asarray(counts), gts, rate).max()) for rate in ("hmean", "hmean_70")
    )
    ms = 1000 * seconds / max(len(mapped), 1)
    return replace(scale, passed=Passed(hmean, hmean_70, ms))


HEADER = ("scale", "hmean", "hmean_70", "ms/image", "text height px", "10 % under")


def table(scales: Sequence[Scale], chosen: Scale) -> list[str]:
    """Return the scales as aligned lines; ``-``: not tried."""
    rows = [
        [f"{scale.name}{' (taken)' * (scale is chosen)}", *_cells(scale, "-")] for scale in scales
    ]
    return aligned([HEADER, *rows])


def scale_csv(scales: Sequence[Scale], chosen: Scale) -> str:
    """Return the table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("scale", "hmean", "hmean_70", "ms_per_image", "height_px", "small_px", "taken")
    )
    for scale in scales:
        writer.writerow([scale.name, *_cells(scale, ""), int(scale is chosen)])
    return text.getvalue()


def _cells(scale: Scale, unknown: str) -> list[str]:
    heights = [f"{scale.height_px:.1f}", f"{scale.small_px:.1f}"]
    if scale.passed is None:
        return [unknown] * 3 + heights
    hmean, hmean_70, ms = scale.passed
    return [f"{hmean:.4f}", f"{hmean_70:.4f}", f"{ms:.0f}", *heights]

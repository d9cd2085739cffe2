"""The size of texts at the network's input, and what a perfect network could reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.geometry_table import Ceiling, LabelGeometry, OnPixels, TextSizes
from ppocr_ft.commands.check.kernels import (
    TRAINING,
    DrawnTexts,
    measure_kernels,
    thin_kernels,
    touching_kernels,
)
from ppocr_ft.config.faults import Fault, remedy, tagged, warning
from ppocr_ft.config.schema import Config
from ppocr_ft.errors import ConfigError
from ppocr_ft.fitting.targets import TRIED_RATIOS, min_text_size, suiting_ratio
from ppocr_ft.geometry import (
    THIN_PX,
    areas,
    iou_ceiling,
    perimeters,
    rectangle_sides,
    unclip_ratio_for,
)
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.transforms.geometric import GeometricOperator
from ppocr_ft.transforms.polygons import TextPolygons
from ppocr_ft.transforms.registry import OPERATORS, OperatorSection
from ppocr_ft.transforms.resize import DetResizeForTest
from ppocr_ft.transforms.sample import Sample
from ppocr_ft.transforms.shrink_map import clip_and_orient, shrink_targets
from ppocr_ft.utils.sampling import sample_evenly

Polygon = NDArray[Any]
Floats = NDArray[np.float64]
Size = tuple[int, int]
"""Width and height, px."""

CROPPED_PAGES, KERNEL_PAGES, DRAWN_PAGES, CEILING_TEXTS = 300, 100, 40, 1000
MOST_PAGES = 20_000
"""So many are looked at; evenly spread over what there is."""
TYPICAL_TEXTS = tuple(
    np.array([[0, 0], [20 * aspect, 0], [20 * aspect, 20], [0, 20]], np.float32)
    for aspect in (2, 4, 8, 12, 16)
)
"""Stand in for labels that are not at hand."""


@dataclass(frozen=True)
class Page:
    """A labelled image: its size (None: not known) and the texts to be learnt, (k, 2) px each.

    ``path`` is the image's file; "" if it isn't needed.
    """

    size_px: Size | None
    polygons: Sequence[Polygon]
    path: str = ""


def label_geometry(config: Config, pages: Sequence[Page], shrink_ratio: float) -> LabelGeometry:
    """Measure the pages' texts; ``shrink_ratio`` is the one at the end of the run.

    Raises:
        ConfigError: there is no text, or none leaves a kernel.
    """
    if not any(len(page.polygons) for page in pages):
        raise ConfigError("the labels hold no text to be learnt")
    pages = sample_evenly(pages, MOST_PAGES)
    least = _min_text_size(config)
    resized = [evaluated(config, page) for page in pages]
    texts = [polygon for page in resized for polygon in page.polygons]
    tried = sample_evenly(texts, CEILING_TEXTS)
    sizes_known = all(page.size_px for page in pages)
    side = THIN_PX if sizes_known else 0.0
    crops = training_crops(config, sample_evenly(pages, CROPPED_PAGES)) if sizes_known else []
    ratios = sorted({round(shrink_ratio, 4), *TRIED_RATIOS})
    fitted = {r: ceiling(tried, r, unclip_ratio_for(tried, r), side) for r in ratios}
    sound = [ceiling for ratio, ceiling in fitted.items() if ratio <= max(TRIED_RATIOS)]
    kind_ratio, kind = suiting_ratio([page.polygons for page in resized])
    return LabelGeometry(
        len(tried),
        f"{kind}: a shrink ratio of {kind_ratio:g} suits them",
        least,
        sizes_known,
        text_sizes(resized, least),
        _training_sizes(crops, least),
        ceiling(tried, round(shrink_ratio, 4), config.PostProcess.unclip_ratio, side),
        fitted[round(shrink_ratio, 4)],
        max(sound, key=lambda ceiling: ceiling.mean_iou),
        on_pixels(config, sample_evenly(resized, DRAWN_PAGES), shrink_ratio)
        if sizes_known
        else None,
        measure_kernels(
            [_drawn(crop) for crop in sample_evenly(crops, KERNEL_PAGES)],
            round(shrink_ratio, 4),
            TRIED_RATIOS,
            least,
        ),
    )


def end_pair(
    config: Config, texts: Sequence[Polygon], shrink_ratio: float
) -> tuple[Ceiling, Ceiling]:
    """Return the ceilings of the config's and of the best unclip ratio, at the last shrink ratio.

    Raises:
        ConfigError: the shrink ratio is outside (0, 1), or no text leaves a kernel at it.
    """
    best = unclip_ratio_for(texts, shrink_ratio)
    tried = (config.PostProcess.unclip_ratio, best)
    configured, refitted = (ceiling(texts, shrink_ratio, ratio, 0) for ratio in tried)
    return configured, refitted


def ceiling(
    texts: Sequence[Polygon], shrink_ratio: float, unclip_ratio: float, min_side_px: float
) -> Ceiling:
    """Return the best that boxes of these texts can reach with a pair of ratios."""
    ious = iou_ceiling(texts, shrink_ratio, unclip_ratio, min_side_px)
    shares = (float((ious > least).mean()) for least in (0.5, 0.7))
    return Ceiling(shrink_ratio, unclip_ratio, float(ious.mean()), *shares)


def evaluated(config: Config, page: Page) -> Page:
    """Return the page as evaluation resizes it; unchanged if its size isn't known."""
    operators = config.Eval.dataset.transforms
    resize = next((op for op in operators if op.is_a(DetResizeForTest)), None)
    if page.size_px is None or resize is None:
        return page
    width, height = page.size_px
    to_height, to_width = resize.build().target_size((height, width))
    factors = np.array([to_width / width, to_height / height])
    return Page((to_width, to_height), [polygon * factors for polygon in page.polygons])


def training_crops(config: Config, pages: Sequence[Page]) -> list[Page]:
    """Return one augmented crop per page, without its pixels; none if training doesn't crop.

    Texts that a crop leaves out or masks are not among its polygons.
    """
    operators = _geometric(config.Train.dataset.transforms)
    if not any(operator.FINAL for operator in operators):
        return []
    rng = np.random.default_rng(config.Global.seed)
    return [_cropped(page, operators, rng) for page in pages if page.size_px is not None]


def text_sizes(pages: Sequence[Page], min_text_size_px: float) -> TextSizes:
    """Measure all texts of the pages."""
    polygons = [polygon for page in pages for polygon in page.polygons]
    short, long = rectangle_sides(areas(polygons), perimeters(polygons))
    drawn = [_drawn(page).extents_px for page in pages if len(page.polygons)]
    return TextSizes(
        short,
        long / np.maximum(short, 1e-6),
        np.concatenate(drawn or [np.empty(0)]),
        min_text_size_px,
    )


def on_pixels(config: Config, pages: Sequence[Page], shrink_ratio: float) -> OnPixels:
    """Post-process each page's shrink map as if it were a network's."""
    rounding = _shrink_keys(config).rounding
    post_process = DBPostProcess(**config.PostProcess.arguments())
    metric = DetMetric()
    for width, height, polygons in _sized(pages):
        none = np.zeros(len(polygons), bool)
        texts, size = TextPolygons.of(polygons), (height, width)
        targets = shrink_targets(texts, none, size, shrink_ratio, _min_text_size(config), rounding)
        candidates = post_process.candidates(targets.shrink_map)
        points, _ = post_process.boxes_from_candidates(candidates, size)
        metric.update(points, polygons, none)
    rates = metric.summary()
    return OnPixels(len(pages), rounding, float(rates["hmean"]), float(rates["hmean_70"]))


def _training_sizes(crops: Sequence[Page], least: float) -> TextSizes | None:
    return text_sizes(crops, least) if any(len(crop.polygons) for crop in crops) else None


def _cropped(
    page: Page, operators: Sequence[GeometricOperator[Any]], rng: np.random.Generator
) -> Page:
    assert page.size_px is not None
    width, height = page.size_px
    sample = Sample.of(
        {
            "image": np.broadcast_to(np.uint8(0), (height, width, 3)),
            "polys": [np.asarray(polygon, np.float32) for polygon in page.polygons],
            "ignore_tags": np.zeros(len(page.polygons), bool),
        }
    )
    for operator in operators:
        sample = operator.apply(operator.draw(rng, sample), sample)
    kept = np.flatnonzero(~sample.texts.ignored)
    return Page(sample.size_px, [sample.texts.polygons[i] for i in kept])


def _geometric(transforms: Iterable[OperatorSection]) -> list[GeometricOperator[Any]]:
    """Return the operators that move texts; without a donor CopyPaste changes nothing."""
    return [item.build() for item in transforms if item.is_a(GeometricOperator)]


def _drawn(page: Page) -> DrawnTexts:
    """Return the texts as MakeShrinkMap clips and measures them; whole if the size isn't known."""
    if not len(page.polygons):
        return DrawnTexts([], np.empty(0))
    texts = TextPolygons.of([np.asarray(polygon, np.float64) for polygon in page.polygons])
    if page.size_px is None:
        boxes = [np.ptp(polygon, axis=0).min() for polygon in page.polygons]
        return DrawnTexts(page.polygons, np.array(boxes, np.float64))
    width, height = page.size_px
    clipped, _, extents = clip_and_orient(texts, (height, width))
    shorter = np.asarray(extents.min(axis=1), np.float64)
    return DrawnTexts([clipped[i] for i in range(len(clipped))], shorter)


def _sized(pages: Iterable[Page]) -> Iterable[tuple[int, int, list[Polygon]]]:
    for page in pages:
        if page.size_px is not None and len(page.polygons):
            yield (*page.size_px, [np.asarray(polygon, np.float32) for polygon in page.polygons])


def _shrink_keys(config: Config) -> OperatorSection:
    """Return MakeShrinkMap's, or its defaults if there is none."""
    operators = config.Train.dataset.transforms
    return next((op for op in operators if op.is_a(MakeShrinkMap)), OPERATORS["MakeShrinkMap"]())


def _min_text_size(config: Config) -> float:
    return float(_shrink_keys(config).min_text_size)


WORTH_IOU, WORTH_SHARE = 0.05, 0.1
"""A better unclip ratio is worth it if the share above 0.7 gains this much. Mean IoU counts only
if the config unclips too far: real kernels come out larger than a perfect network's, so that
less unclipping than here is often right (docs/recipe.md), and more never is."""
MANY_SMALL = 0.2
"""Share of masked texts."""
OTHER_SCALE = 2.0
"""Factor between the median text heights of training and evaluation."""
UNCLIP = "PostProcess.unclip_ratio"
EVALUATION = "Eval.dataset.transforms"


def geometry_faults(of: LabelGeometry) -> list[Fault]:
    """Return the warnings."""
    sizes = [
        fault for rule in (small_texts, text_scale) for fault in tagged(rule.__name__, rule(of))
    ]
    kernels = [
        fault
        for rule in (touching_kernels, thin_kernels)
        for fault in tagged(rule.__name__, rule(of.kernels))
    ]
    return [*pair_faults(of.configured, of.refitted), *sizes, *kernels]


def pair_faults(ours: Ceiling, better: Ceiling, texts: str = "these labels") -> list[Fault]:
    """Warn if the config's pair gives texts back clearly worse than its shrink ratio allows."""
    gain, share = better.mean_iou - ours.mean_iou, better.share_70 - ours.share_70
    too_far = ours.unclip_ratio > better.unclip_ratio and gain >= WORTH_IOU
    if not too_far and share < WORTH_SHARE:
        return []
    message = (
        f"found {ours.unclip_ratio:g}, with shrink ratio {ours.shrink_ratio:g} at the end of the "
        f"run: even a perfect network's boxes reach a mean IoU of {ours.mean_iou:.2f} with "
        f"{texts}, {ours.share_70:.0%} of them above 0.7; with {better.unclip_ratio:g} it is "
        f"{better.mean_iou:.2f} and {better.share_70:.0%}"
    )
    return tagged("unclip_ratio", [warning(UNCLIP, message)])


@remedy("evaluate and crop larger, or lower MakeShrinkMap's min_text_size")
def small_texts(of: LabelGeometry) -> list[Fault]:
    """Warn if many texts are too small to be learnt."""
    return _masked(of.training)


def quick_faults(config: Config, pages: Sequence[Page]) -> list[Fault]:
    """Return the warnings that a few of Train's images, whose sizes are known, allow."""
    crops = training_crops(config, pages)
    return tagged("small_texts", _masked(_training_sizes(crops, _min_text_size(config))))


def _masked(training: TextSizes | None) -> list[Fault]:
    if training is None or training.too_small < MANY_SMALL:
        return []
    lower_px = min_text_size(training.extents_px, training.min_text_size_px)
    message = (
        f"{training.too_small:.0%} of the texts in training's crops are under min_text_size "
        f"{training.min_text_size_px:g} px and masked out of the loss, though they count in "
        f"evaluation; with {lower_px:g} px {(training.extents_px < lower_px).mean():.0%} would be"
    )
    return [warning(TRAINING, message)]


@remedy("crop with ScaledCrop, which has text as large as evaluation sees it")
def text_scale(of: LabelGeometry) -> list[Fault]:
    """Warn if training and evaluation see texts at different sizes."""
    if of.training is None or not of.sizes_known:
        return []
    train_px, eval_px = (
        float(np.median(sizes.heights_px)) for sizes in (of.training, of.evaluation)
    )
    if 1 / OTHER_SCALE < train_px / max(eval_px, 1e-6) < OTHER_SCALE:
        return []
    message = (
        f"half of the texts are up to {train_px:.0f} px high in training's crops, and up to "
        f"{eval_px:.0f} px at evaluation's resize"
    )
    return [warning(TRAINING, message, EVALUATION)]

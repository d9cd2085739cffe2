"""The size of texts at the network's input, and what a perfect network could reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.data import DataReport
from ppocr_ft.commands.check.data.outlines import Outlines
from ppocr_ft.commands.check.geometry_result import (
    Ceiling,
    Kernels,
    KernelShares,
    LabelGeometry,
    OnPixels,
    TextSizes,
)
from ppocr_ft.config.schema import Config
from ppocr_ft.errors import ConfigError
from ppocr_ft.fitting.grid import eval_size, resizer_of
from ppocr_ft.fitting.targets import TRIED_RATIOS, Page, TextKind
from ppocr_ft.geometry import areas, perimeters, rectangle_sides
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.shrinking import THIN_PX, TOUCHING_PX, iou_ceiling, kernel_gaps, unclip_ratio_for
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.transforms.geometric import GeometricOperator
from ppocr_ft.transforms.polygons import TextPolygons
from ppocr_ft.transforms.registry import OPERATORS, OperatorSection
from ppocr_ft.transforms.sample import Sample
from ppocr_ft.transforms.targets import clip_and_orient, shrink_targets
from ppocr_ft.utils.sampling import sample_evenly

Polygon = NDArray[Any]

CROPPED_PAGES, KERNEL_PAGES, DRAWN_PAGES, CEILING_TEXTS = 300, 100, 40, 1000
MOST_PAGES = 20_000
"""So many are looked at; evenly spread over what there is."""
LARGER = 1.5
"""A larger size of the texts, tried beside other shrink ratios."""
TYPICAL_TEXTS = tuple(
    np.array([[0, 0], [20 * aspect, 0], [20 * aspect, 20], [0, 20]], np.float32)
    for aspect in (2, 4, 8, 12, 16)
)
"""Stand in for labels that are not at hand."""


@dataclass(frozen=True)
class DrawnTexts:
    """An image's texts as MakeShrinkMap clips them, and their shorter extents (n,), px."""

    polygons: Sequence[Polygon]
    extents_px: NDArray[np.float64]


def pages_of(report: DataReport) -> list[Page]:
    """Return each usable line's image with the texts that are to be learnt, of both splits."""
    return [page for part in (*report.train, *report.evaluation) for page in pages_in(part, report)]


def pages_in(measured: Outlines, report: DataReport) -> Iterator[Page]:
    """Yield pages, without images that were opened and can't be decoded."""
    scan = measured.scan
    chosen = np.flatnonzero(scan.usable[scan.owners] & ~measured.empty & ~scan.ignored)
    starts = np.flatnonzero(np.diff(scan.owners[chosen], prepend=-1))
    for texts in np.split(chosen, starts[1:]) if len(chosen) else ():
        size = None
        if np.isfinite(measured.sizes_px[texts[0]]).all():
            width, height = measured.sizes_px[texts[0]].astype(int).tolist()
            size = width, height
        if size is not None or not report.pictures:
            line = scan.lines[scan.owners[texts[0]]]
            yield Page(size, [scan.polygons[i] for i in texts], line.images[0])


def label_geometry(config: Config, pages: Sequence[Page], shrink_ratio: float) -> LabelGeometry:
    """Measure the pages' texts; ``shrink_ratio`` is the one at the end of the run.

    Raises:
        ConfigError: there is no text, or none leaves a kernel.
    """
    if not any(len(page.polygons) for page in pages):
        raise ConfigError("the labels hold no text to be learnt")
    pages = sample_evenly(pages, MOST_PAGES)
    least, last_ratio = _min_text_size(config), round(shrink_ratio, 4)
    resized = [evaluated(config, page) for page in pages]
    texts = [polygon for page in resized for polygon in page.polygons]
    tried = sample_evenly(texts, CEILING_TEXTS)
    sizes_known = all(page.size_px for page in pages)
    side = THIN_PX if sizes_known else 0.0
    crops = training_crops(config, sample_evenly(pages, CROPPED_PAGES)) if sizes_known else []
    ratios = sorted({last_ratio, *TRIED_RATIOS})
    fitted = {r: _ceiling(tried, r, unclip_ratio_for(tried, r), side) for r in ratios}
    sound = [ceiling for ratio, ceiling in fitted.items() if ratio <= max(TRIED_RATIOS)]
    kind = TextKind.of([page.polygons for page in resized])
    drawn = sample_evenly(resized, DRAWN_PAGES)
    with_kernels = [_drawn(crop) for crop in sample_evenly(crops, KERNEL_PAGES)]
    return LabelGeometry(
        texts=len(tried),
        kind=f"{kind}: a shrink ratio of {kind.shrink_ratio:g} suits them",
        min_text_size_px=least,
        sizes_known=sizes_known,
        evaluation=text_sizes(resized, least),
        training=crop_sizes(config, crops),
        configured=_ceiling(tried, last_ratio, config.PostProcess.unclip_ratio, side),
        refitted=fitted[last_ratio],
        best=max(sound, key=lambda ceiling: ceiling.mean_iou),
        on_pixels=_on_pixels(config, drawn, shrink_ratio) if sizes_known else None,
        kernels=measure_kernels(with_kernels, last_ratio, TRIED_RATIOS, least),
    )


def end_pair(
    config: Config, texts: Sequence[Polygon], shrink_ratio: float
) -> tuple[Ceiling, Ceiling]:
    """Return the ceilings of the config's and of the best unclip ratio, at the last shrink ratio.

    Raises:
        ConfigError: the shrink ratio is outside (0, 1), or no text leaves a kernel at it.
    """
    best = unclip_ratio_for(texts, shrink_ratio)
    configured = _ceiling(texts, shrink_ratio, config.PostProcess.unclip_ratio, 0)
    return configured, _ceiling(texts, shrink_ratio, best, 0)


def _ceiling(
    texts: Sequence[Polygon], shrink_ratio: float, unclip_ratio: float, min_side_px: float
) -> Ceiling:
    """Return the best that boxes of these texts can reach with a pair of ratios."""
    ious = iou_ceiling(texts, shrink_ratio, unclip_ratio, min_side_px)
    shares = (float((ious > least).mean()) for least in (0.5, 0.7))
    return Ceiling(shrink_ratio, unclip_ratio, float(ious.mean()), *shares)


def evaluated(config: Config, page: Page) -> Page:
    """Return the page as evaluation resizes it; unchanged if its size isn't known."""
    if page.size_px is None or resizer_of(config) is None:
        return page
    height, width = eval_size(config, page.shape)
    factors = page.factors((height, width))
    return Page((width, height), [polygon * factors for polygon in page.polygons])


def training_crops(config: Config, pages: Sequence[Page]) -> list[Page]:
    """Return one augmented crop per page, without its pixels; none if training doesn't crop.

    Texts that a crop leaves out or masks are not among its polygons. Without a donor CopyPaste
    changes nothing.
    """
    transforms = config.Train.dataset.transforms
    operators = [item.build() for item in transforms if item.is_a(GeometricOperator)]
    if not any(operator.FINAL for operator in operators):
        return []
    rng = np.random.default_rng(config.Global.seed)
    crops = []
    for page in pages:
        if page.size_px is None:
            continue
        fields = {
            "image": np.broadcast_to(np.uint8(0), (*page.shape, 3)),
            "polys": [np.asarray(polygon, np.float32) for polygon in page.polygons],
            "ignore_tags": np.zeros(len(page.polygons), bool),
        }
        sample = Sample.of(fields)
        for operator in operators:
            sample = operator.apply(operator.draw(rng, sample), sample)
        kept = np.flatnonzero(~sample.texts.ignored)
        crops.append(Page(sample.size_px, [sample.texts.polygons[i] for i in kept]))
    return crops


def crop_sizes(config: Config, crops: Sequence[Page]) -> TextSizes | None:
    """Measure the texts of training's crops; None if there are none."""
    if not any(len(crop.polygons) for crop in crops):
        return None
    return text_sizes(crops, _min_text_size(config))


def text_sizes(pages: Sequence[Page], min_text_size_px: float) -> TextSizes:
    """Measure all texts of the pages."""
    polygons = [polygon for page in pages for polygon in page.polygons]
    short, long = rectangle_sides(areas(polygons), perimeters(polygons))
    drawn = [_drawn(page).extents_px for page in pages if len(page.polygons)]
    extents = np.concatenate(drawn or [np.empty(0)])
    return TextSizes(short, long / np.maximum(short, 1e-6), extents, min_text_size_px)


def _drawn(page: Page) -> DrawnTexts:
    """Return the texts as MakeShrinkMap clips and measures them; whole if the size isn't known."""
    if not len(page.polygons):
        return DrawnTexts([], np.empty(0))
    if page.size_px is None:
        boxes = [np.ptp(polygon, axis=0).min() for polygon in page.polygons]
        return DrawnTexts(page.polygons, np.array(boxes, np.float64))
    texts = TextPolygons.of([np.asarray(polygon, np.float64) for polygon in page.polygons])
    clipped, _, extents = clip_and_orient(texts, page.shape)
    shorter = np.asarray(extents.min(axis=1), np.float64)
    return DrawnTexts([clipped[i] for i in range(len(clipped))], shorter)


def _on_pixels(config: Config, pages: Sequence[Page], shrink_ratio: float) -> OnPixels:
    """Post-process each page's shrink map as if it were a network's."""
    rounding = _shrink_keys(config).rounding
    post_process = DBPostProcess(**config.PostProcess.arguments())
    metric = DetMetric()
    for page in pages:
        if page.size_px is None or not len(page.polygons):
            continue
        polygons = [np.asarray(polygon, np.float32) for polygon in page.polygons]
        none = np.zeros(len(polygons), bool)
        texts, size = TextPolygons.of(polygons), page.shape
        targets = shrink_targets(texts, none, size, shrink_ratio, _min_text_size(config), rounding)
        candidates = post_process.candidates(targets.shrink_map)
        points, _ = post_process.boxes_from_candidates(candidates, size)
        metric.update(points, polygons, none)
    rates = metric.summary()
    return OnPixels(len(pages), rounding, float(rates["hmean"]), float(rates["hmean_70"]))


def measure_kernels(
    images: Sequence[DrawnTexts],
    shrink_ratio: float,
    other_ratios: Sequence[float],
    min_text_size_px: float,
) -> Kernels | None:
    """Measure the kernels of the texts that ``min_text_size_px`` leaves; None if there are none."""
    if not any((image.extents_px >= min_text_size_px).any() for image in images):
        return None
    tried = [(ratio, 1.0) for ratio in other_ratios if ratio != shrink_ratio]
    configured, *others = (
        _shares(images, ratio, size, min_text_size_px)
        for ratio, size in [(shrink_ratio, 1.0), *tried, (shrink_ratio, LARGER)]
    )
    return Kernels(configured, tuple(others))


def _shares(
    images: Sequence[DrawnTexts], shrink_ratio: float, size: float, min_text_size_px: float
) -> KernelShares:
    thickness_px, gaps_px = [], []
    for image in images:
        drawn = np.flatnonzero(image.extents_px * size >= min_text_size_px)
        gaps = kernel_gaps([image.polygons[i] for i in drawn.tolist()], shrink_ratio, size)
        thickness_px.append(gaps.thickness_px)
        gaps_px.append(gaps.gap_px)
    thin = np.concatenate(thickness_px) < THIN_PX
    near = np.concatenate(gaps_px) < TOUCHING_PX
    return KernelShares(shrink_ratio, size, len(thin), float(thin.mean()), float(near.mean()))


def _shrink_keys(config: Config) -> OperatorSection:
    """Return MakeShrinkMap's, or its defaults if there is none."""
    operators = config.Train.dataset.transforms
    return next((op for op in operators if op.is_a(MakeShrinkMap)), OPERATORS["MakeShrinkMap"]())


def _min_text_size(config: Config) -> float:
    return float(_shrink_keys(config).min_text_size)

"""The geometry of the labels: its numbers as a table and a picture, and what they warn of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ppocr_ft.config.faults import Fault, remedy, tagged, warning
from ppocr_ft.fitting.targets import min_text_size
from ppocr_ft.messages import counted
from ppocr_ft.report.figures import as_png, new_figure
from ppocr_ft.shrinking import THIN_PX, TOUCHING_PX
from ppocr_ft.utils.console import aligned, wrapped

Floats = NDArray[np.float64]

PERCENTILES = (5, 50, 95)
HEIGHT_EDGES_PX = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
ASPECT_EDGES = (1, 1.5, 2, 3, 5, 8, 12, 20, 30)
SIZE_INCHES = (9.0, 6.0)
BLUE, ORANGE, RED = "tab:blue", "tab:orange", "tab:red"
WORTH_IOU, WORTH_SHARE = 0.05, 0.1
"""A better unclip ratio is worth it if the share above 0.7 gains this much. Mean IoU counts only
if the config unclips too far: real kernels come out larger than a perfect network's, so that
less unclipping than here is often right (docs/recipe.md), and more never is."""
MANY_SMALL = 0.2
"""Share of masked texts."""
OTHER_SCALE = 2.0
"""Factor between the median text heights of training and evaluation."""
MANY_KERNELS = 0.05
"""Share of texts worth a warning about their kernels."""
TRAINING, EVALUATION = "Train.dataset.transforms", "Eval.dataset.transforms"


@dataclass(frozen=True)
class TextSizes:
    """Sizes of texts at one size of their pages.

    Shorter sides (n,) px, longer over shorter sides (n,), and the shorter extents (n,) px, which
    MakeShrinkMap holds against ``min_text_size``.
    """

    heights_px: Floats
    aspects: Floats
    extents_px: Floats
    min_text_size_px: float

    @property
    def too_small(self) -> float:
        """The share of texts that are masked out of the loss."""
        if not len(self.extents_px):
            return 0.0
        return float((self.extents_px < self.min_text_size_px).mean())

    def as_dict(self) -> dict[str, Any]:
        return {
            "texts": len(self.heights_px),
            "height_px": _percentiles(self.heights_px),
            "aspect": _percentiles(self.aspects),
            "under_min_text_size": round(self.too_small, 4),
            "heights": _histogram(self.heights_px, HEIGHT_EDGES_PX),
            "aspects": _histogram(self.aspects, ASPECT_EDGES),
        }


@dataclass(frozen=True)
class Ceiling:
    """A perfect network's result with a pair: mean IoU, and shares of texts above IoUs."""

    shrink_ratio: float
    unclip_ratio: float
    mean_iou: float
    share_50: float
    share_70: float


@dataclass(frozen=True)
class OnPixels:
    """The hmean of DBPostProcess on the label's own shrink map: with all rounding."""

    pages: int
    rounding: str
    hmean: float
    hmean_70: float


@dataclass(frozen=True)
class KernelShares:
    """Shares of texts at a shrink ratio, the texts ``size`` times as large as training has them.

    ``thin``: less than 3 px is left of the text, or nothing; ``near``: the kernel is less than 2 px
    from another one, or touches it.
    """

    shrink_ratio: float
    size: float
    texts: int
    thin: float
    near: float

    @property
    def name(self) -> str:
        larger = "" if self.size == 1 else f" and {self.size:g} times the size"
        return f"shrink ratio {self.shrink_ratio:g}{larger}"


@dataclass(frozen=True)
class Kernels:
    """The shares with the config's last shrink ratio, and with what may be right in its place."""

    configured: KernelShares
    others: tuple[KernelShares, ...]


@dataclass(frozen=True)
class LabelGeometry:
    """``texts`` are those that the ceilings are about, ``kind`` says whether words or lines.

    ``training`` and ``kernels`` are None without a crop or page sizes, ``on_pixels`` without page
    sizes.

    ``configured`` is the config's pair, ``refitted`` its shrink ratio with the unclip ratio that
    suits the labels best, ``best`` the best pair of those tried.
    """

    texts: int
    kind: str
    min_text_size_px: float
    sizes_known: bool
    evaluation: TextSizes
    training: TextSizes | None
    configured: Ceiling
    refitted: Ceiling
    best: Ceiling
    on_pixels: OnPixels | None
    kernels: Kernels | None

    @property
    def ceilings(self) -> dict[str, Ceiling]:
        return {
            "the config's pair": self.configured,
            "its shrink, best unclip": self.refitted,
            "best pair": self.best,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain data; shares and IoUs 0 to 1."""
        return {
            "texts": self.texts,
            "kind": self.kind,
            "image_sizes_known": self.sizes_known,
            "min_text_size_px": self.min_text_size_px,
            "evaluation": self.evaluation.as_dict(),
            "training": self.training and self.training.as_dict(),
            "ceiling": {
                "configured": asdict(self.configured),
                "best_unclip": asdict(self.refitted),
                "best_pair": asdict(self.best),
            },
            "on_pixels": self.on_pixels and asdict(self.on_pixels),
            "kernels": self.kernels and asdict(self.kernels),
        }


def geometry_lines(of: LabelGeometry) -> list[str]:
    """Return short tables of sizes, of kernels and of ceilings."""
    at = "at evaluation's resize" if of.sizes_known else "labelled, no image sizes"
    least = f"under {of.min_text_size_px:g} px"
    head = ("texts", "number", "height px: 5, 50, 95 %", "long/short", least)
    rows: list[tuple[str, ...]] = [head, _size_row(at, of.evaluation)]
    if of.training is not None:
        rows.append(_size_row("in training's crops", of.training))
    lines = [*aligned(rows), *wrapped(of.kind)]
    if of.kernels is not None:
        lines += ["", *kernel_lines(of.kernels)]
    lines += ["", f"a perfect network, {counted(of.texts, 'text')}:"]
    rows = [("", "shrink", "unclip", "mean IoU", "IoU >0.5", "IoU >0.7")]
    for name, ceiling in of.ceilings.items():
        ratios = f"{ceiling.shrink_ratio:g}", f"{ceiling.unclip_ratio:g}"
        shares = f"{ceiling.share_50:.1%}", f"{ceiling.share_70:.1%}"
        rows.append((name, *ratios, f"{ceiling.mean_iou:.3f}", *shares))
    lines += aligned(rows)
    if of.on_pixels is not None:
        drawn = of.on_pixels
        lines += wrapped(
            f"the pair on pixels (rounding: {drawn.rounding}, "
            f"{counted(drawn.pages, 'image')}): hmean {drawn.hmean:.3f}, "
            f"at 0.7 {drawn.hmean_70:.3f}"
        )
    return lines


def kernel_lines(of: Kernels) -> list[str]:
    """Return a short table."""
    rows = [("kernels in training's crops", "texts", "under 3 px", "under 2 px apart")]
    rows += [
        (shares.name, str(shares.texts), f"{shares.thin:.1%}", f"{shares.near:.1%}")
        for shares in (of.configured, *of.others)
    ]
    return aligned(rows)


def geometry_png(of: LabelGeometry) -> bytes:
    """Draw histograms of heights and aspects, with min_text_size and the ceilings."""
    figure = new_figure(*SIZE_INCHES)
    heights, aspects = figure.subplots(2, 1)
    sizes = {"at evaluation's resize": of.evaluation}
    if of.training is not None:
        sizes["in training's crops"] = of.training
    _bars(heights, {k: item.heights_px for k, item in sizes.items()}, HEIGHT_EDGES_PX)
    _bars(aspects, {k: item.aspects for k, item in sizes.items()}, ASPECT_EDGES)
    least = float(np.interp(of.min_text_size_px, HEIGHT_EDGES_PX, range(len(HEIGHT_EDGES_PX))))
    label = f"min_text_size {of.min_text_size_px:g} px"
    heights.axvline(least, color=RED, linestyle="--", label=label)
    heights.set_xlabel("height of a text (its shorter side), px")
    aspects.set_xlabel("longer side / shorter side")
    for axes in (heights, aspects):
        axes.set_ylabel("share of texts, %")
        axes.legend()
    title = [
        f"{name}: shrink ratio {ceiling.shrink_ratio:g}, unclip_ratio {ceiling.unclip_ratio:g}: a "
        f"perfect network's mean IoU {ceiling.mean_iou:.2f}, above 0.7 {ceiling.share_70:.0%}"
        for name, ceiling in of.ceilings.items()
    ]
    figure.suptitle("\n".join(title), fontsize=9)
    return as_png(figure)


def _bars(axes: Axes, distributions: Mapping[str, Floats], edges: tuple[float, ...]) -> None:
    """Draw the percentage of the values in each class; edges are evenly spaced on the axis."""
    width = 0.9 / len(distributions)
    places = np.arange(len(edges) - 1) + 0.05
    for i, ((name, values), color) in enumerate(
        zip(distributions.items(), (BLUE, ORANGE), strict=False)
    ):
        counts = np.array(_histogram(values, edges)["counts"])
        shares = 100 * counts / max(counts.sum(), 1)
        axes.bar(places + i * width, shares, width, align="edge", label=name, color=color)
    axes.set_xticks(range(len(edges)), [f"{edge:g}" for edge in edges])


def _histogram(values: Floats, edges: tuple[float, ...]) -> dict[str, list[float]]:
    """Count values by class; those outside the edges count in the first or the last class."""
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], 0))
    counts, _ = np.histogram(inside, edges)
    return {"edges": list(edges), "counts": counts.tolist()}


def _size_row(name: str, of: TextSizes) -> tuple[str, ...]:
    low, middle, high = _percentiles(of.heights_px) or (0.0, 0.0, 0.0)
    heights = f"{low:.0f}, {middle:.0f}, {high:.0f}"
    aspect = float(np.median(of.aspects)) if len(of.aspects) else 0.0
    return name, str(len(of.heights_px)), heights, f"{aspect:.1f}", f"{of.too_small:.1%}"


def _percentiles(values: Floats) -> list[float]:
    return np.round(np.percentile(values, PERCENTILES), 2).tolist() if len(values) else []


def geometry_faults(of: LabelGeometry) -> list[Fault]:
    """Return the warnings."""
    return [
        *pair_faults(of.configured, of.refitted),
        *tagged("small_texts", small_texts(of.training)),
        *tagged("text_scale", text_scale(of)),
        *tagged("touching_kernels", touching_kernels(of.kernels)),
        *tagged("thin_kernels", thin_kernels(of.kernels)),
    ]


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
    return tagged("unclip_ratio", [warning("PostProcess.unclip_ratio", message)])


@remedy("evaluate and crop larger, or lower MakeShrinkMap's min_text_size")
def small_texts(training: TextSizes | None) -> list[Fault]:
    """Warn if many texts are too small to be learnt."""
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


@remedy(
    "set both map operators' shrink_ratio to the one named with the fewest, and the unclip_ratio "
    "that fits it, or crop and evaluate larger (limit_side_len)"
)
def touching_kernels(of: Kernels | None) -> list[Fault]:
    """Warn if many kernels grow together with a neighbour's."""
    effect = (
        f"touch a neighbour's or come within {TOUCHING_PX:g} px of it, so that one box covers both"
    )
    return _kernel_faults(of, attrgetter("near"), effect)


@remedy(
    "crop and evaluate larger (limit_side_len), or set both map operators' shrink_ratio to the one "
    "named with the fewest, and the unclip_ratio that fits it"
)
def thin_kernels(of: Kernels | None) -> list[Fault]:
    """Warn if many kernels are too thin to be learnt."""
    effect = f"vanish or are under {THIN_PX:g} px thick, and DBPostProcess drops such boxes"
    return _kernel_faults(of, attrgetter("thin"), effect)


def _kernel_faults(
    of: Kernels | None, share: Callable[[KernelShares], float], effect: str
) -> list[Fault]:
    if of is None or share(of.configured) < MANY_KERNELS:
        return []
    others = ", ".join(f"{share(other):.0%} with {other.name}" for other in of.others)
    message = (
        f"with {of.configured.name} the kernels of {share(of.configured):.0%} of the texts in "
        f"training's crops {effect}; {others}"
    )
    return [warning(TRAINING, message)]

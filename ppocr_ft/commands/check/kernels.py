"""The kernels that training draws of the labels: how thin they are, how near to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.config.faults import Fault, remedy, warning
from ppocr_ft.geometry import THIN_PX, TOUCHING_PX, kernel_gaps
from ppocr_ft.utils.tables import aligned

Polygon = NDArray[Any]
LARGER = 1.5
"""A larger size of the texts, tried beside other shrink ratios."""
MANY = 0.05
"""Share of texts worth a warning."""
TRAINING = "Train.dataset.transforms"


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
class DrawnTexts:
    """An image's texts as MakeShrinkMap clips them, and their shorter extents (n,), px."""

    polygons: Sequence[Polygon]
    extents_px: NDArray[np.float64]


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


def kernel_lines(of: Kernels) -> list[str]:
    """Return a short table."""
    rows = [("kernels in training's crops", "texts", "under 3 px", "under 2 px apart")]
    rows += [
        (each.name, str(each.texts), f"{each.thin:.1%}", f"{each.near:.1%}")
        for each in (of.configured, *of.others)
    ]
    return aligned(rows)


@remedy(
    "set both map operators' shrink_ratio to the one named with the fewest, and the unclip_ratio "
    "that fits it, or crop and evaluate larger (limit_side_len)"
)
def touching_kernels(of: Kernels | None) -> list[Fault]:
    """Warn if many kernels grow together with a neighbour's."""
    if of is None or of.configured.near < MANY:
        return []
    others = ", ".join(f"{each.near:.0%} with {each.name}" for each in of.others)
    message = (
        f"with {of.configured.name} the kernels of {of.configured.near:.0%} of the texts in "
        f"training's crops touch a neighbour's or come within {TOUCHING_PX:g} px of it, so that "
        f"one box covers both; {others}"
    )
    return [warning(TRAINING, message)]


@remedy(
    "crop and evaluate larger (limit_side_len), or set both map operators' shrink_ratio to the one "
    "named with the fewest, and the unclip_ratio that fits it"
)
def thin_kernels(of: Kernels | None) -> list[Fault]:
    """Warn if many kernels are too thin to be learnt."""
    if of is None or of.configured.thin < MANY:
        return []
    others = ", ".join(f"{each.thin:.0%} with {each.name}" for each in of.others)
    message = (
        f"with {of.configured.name} the kernels of {of.configured.thin:.0%} of the texts in "
        f"training's crops vanish or are under {THIN_PX:g} px thick, and DBPostProcess drops such "
        f"boxes; {others}"
    )
    return [warning(TRAINING, message)]

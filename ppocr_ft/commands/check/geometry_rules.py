"""What is worth a word about texts' sizes and about the shrink and unclip pair."""

from __future__ import annotations

import numpy as np

from ppocr_ft.commands.check.geometry_table import Ceiling, LabelGeometry
from ppocr_ft.config.faults import Fault, found_by, warning

WORTH_IOU, WORTH_SHARE = 0.05, 0.1
"""A better unclip ratio is worth it where the share above 0.7 gains this much. Mean IoU counts only
where the config unclips too far: real kernels come out larger than a perfect network's, so that
less unclipping than here is often right (docs/recipe.md), and more never is."""
MANY_SMALL = 0.2
"""Share of masked texts."""
OTHER_SCALE = 2.0
"""Factor between the median text heights of training and evaluation."""
UNCLIP = "PostProcess.unclip_ratio"
TRAINING, EVALUATION = "Train.dataset.transforms", "Eval.dataset.transforms"


def geometry_faults(of: LabelGeometry) -> list[Fault]:
    """Warnings."""
    sizes = [
        fault for rule in (small_texts, text_scale) for fault in found_by(rule.__name__, rule(of))
    ]
    return [*pair_faults(of.configured, of.refitted), *sizes]


def pair_faults(ours: Ceiling, better: Ceiling, texts: str = "these labels") -> list[Fault]:
    """The config's pair gives texts back nearly as well as its shrink ratio can."""
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
    return found_by("unclip_ratio", [warning(UNCLIP, message)])


def small_texts(of: LabelGeometry) -> list[Fault]:
    """Most texts are learnt."""
    if of.training is None or of.training.too_small < MANY_SMALL:
        return []
    message = (
        f"{of.training.too_small:.0%} of the texts in training's crops are under min_text_size "
        f"{of.min_text_size_px:g} px and masked out of the loss"
    )
    return [warning(TRAINING, message)]


def text_scale(of: LabelGeometry) -> list[Fault]:
    """Training and evaluation see text about as large."""
    if of.training is None or not of.sizes_known:
        return []
    seen, judged = (float(np.median(each.heights_px)) for each in (of.training, of.evaluation))
    if 1 / OTHER_SCALE < seen / max(judged, 1e-6) < OTHER_SCALE:
        return []
    message = (
        f"half of the texts are up to {seen:.0f} px high in training's crops, and up to "
        f"{judged:.0f} px at evaluation's resize"
    )
    return [warning(TRAINING, message, EVALUATION)]

"""The rule that names wrong targets: a loss that falls while hmean falls with it, and why."""

from __future__ import annotations

import numpy as np

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.monitor.rules_errors import grown_errors
from ppocr_ft.engine.monitor.series import Diagnosis, Series
from ppocr_ft.geometry import iou_ceiling, unclip_ratio_for

RATIO_TOLERANCE = 0.05
"""Between the shrink ratio that the maps show and the one that they should have."""
HMEAN_KEPT = 0.85
"""Of the start's hmean, at the config's unclip ratio; healthy fine-tunes lose a few percent, the
2.7 targets half of it within five steps (docs/shrink.md)."""
POOR_CEILING_IOU = 0.75
"""Mean IoU of perfectly learnt texts. The shipped pair 0.4 and 1.5 has 0.73 on receipts."""
OTHER_PAIR_GAIN = 0.1
HMEAN_LOST = 0.5
"""Of the start's hmean; with less left the kind of error says nothing of the cause."""

NOT_TRAINED = "with such targets the loss falls and hmean collapses"
OPERATORS_REMEDY = (
    "Draw the maps with ppocr_ft's MakeShrinkMap and MakeBorderMap (in PaddleOCR: "
    "ppocr_ft.upstream.install()), or delete total_epoch from both operators."
)


def targets_wrong(series: Series) -> Diagnosis | None:
    """Find maps that aren't drawn at the config's shrink ratio, or hmean that falls with the loss.

    The first is known at the first evaluation, before any step. Where the maps are right and
    one kind of error has grown, that is the cause, and its own rule says so.
    """
    if not series.evals:
        return None
    now = series.evals[-1]
    if _drawn_otherwise(now):
        return Diagnosis(_drawn_sentence(series, now), OPERATORS_REMEDY)
    start = series.start
    if start is None:
        return None
    hmean, start_hmean = now.at_config["hmean"], start.at_config["hmean"]
    if hmean >= HMEAN_KEPT * start_hmean:
        return None
    losses = [row.loss for row in series.train if row.loss is not None]
    if not losses or losses[-1] >= losses[0]:
        return None
    fall = (
        f"The loss fell from {losses[0]:.3g} to {losses[-1]:.3g} while hmean fell from "
        f"{start_hmean:.3f} to {hmean:.3f} (IoU 0.5, unclip_ratio {now.unclip_ratio:g})"
    )
    return _cause(series, now, fall)


def _drawn_otherwise(now: EvalResult) -> bool:
    drawn, configured = now.drawn_shrink_ratio, now.shrink_ratio
    return (
        drawn is not None and configured is not None and abs(drawn - configured) > RATIO_TOLERANCE
    )


def _drawn_sentence(series: Series, now: EvalResult) -> str:
    drawn, configured = now.drawn_shrink_ratio or 0.0, now.shrink_ratio
    if drawn == 0:
        return (
            "The shrink maps of training are empty, though the config's shrink ratio "
            f"{configured:.2f} leaves a kernel of the texts; PaddleOCR 2.7 and 2.8 mask every "
            "text where shrink_ratio + 0.2 * seed / total_epoch passes 1."
        )
    return (
        f"The shrink maps of training are drawn with a shrink ratio of about {drawn:.2f} instead "
        f"of the config's {configured:.2f} (PaddleOCR 2.7 and 2.8 take the random seed for the "
        "epoch); "
        f"{NOT_TRAINED}{_ceiling_note(series, drawn, now.unclip_ratio)}."
    )


def _ceiling_note(series: Series, shrink_ratio: float, unclip_ratio: float) -> str:
    ious = ceilings(series, shrink_ratio, unclip_ratio)
    if ious is None:
        return ""
    return (
        f": with unclip_ratio {unclip_ratio:g} even a perfect network would reach a mean IoU of "
        f"{ious.mean():.2f}, {np.mean(ious > 0.7):.0%} of the texts above 0.7"
    )


def ceilings(
    series: Series, shrink_ratio: float, unclip_ratio: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    """Return `iou_ceiling` of known labels; None without labels or with a ratio outside (0, 1)."""
    polygons = series.info.polygons
    if not polygons or not 0 < shrink_ratio < 1:
        return None
    return iou_ceiling(polygons, shrink_ratio, unclip_ratio)


def _cause(series: Series, now: EvalResult, fall: str) -> Diagnosis | None:
    """Return the cause: pair's ceiling, learnt pair or labels; None if a kind of error is."""
    ratio = now.drawn_shrink_ratio or now.shrink_ratio
    ious = None if ratio is None else ceilings(series, ratio, now.unclip_ratio)
    if ratio is not None and ious is not None and ious.mean() < POOR_CEILING_IOU:
        better = unclip_ratio_for(series.info.polygons, ratio)
        sentence = (
            f"{fall}: shrink ratio {ratio:.2f} and unclip_ratio {now.unclip_ratio:g} don't fit"
            f"{_ceiling_note(series, ratio, now.unclip_ratio)}."
        )
        remedy = f"Set PostProcess.unclip_ratio to {better:g}, which fits these labels."
        return Diagnosis(sentence, remedy)
    name = series.info.main_indicator
    best_ratio, value = now.best_ratio(name), now.value(name)
    if value > now.at_config["hmean"] + OTHER_PAIR_GAIN:
        return Diagnosis(
            f"{fall}, but with unclip_ratio {best_ratio:g} {name} is {value:.3f}: the "
            " kernels that the network learns have another size than unclip_ratio expects.",
            f"Set PostProcess.unclip_ratio to {best_ratio:g} if the targets are meant "
            "as they are; else put both map operators' shrink_ratio right.",
        )
    kept = series.start is not None and value >= HMEAN_LOST * series.value(series.start)
    if now.drawn_shrink_ratio is not None and kept and grown_errors(series) is not None:
        return None
    checked = "" if now.drawn_shrink_ratio is None else f", though the maps show ratio {ratio:.2f}"
    return Diagnosis(
        f"{fall}{checked}: the targets are not what the labels of Eval mean, or the learning rate "
        "is far too high.",
        "Look at the training samples and labels with ppocr-ft check, then lower "
        "Optimizer.lr.learning_rate.",
    )

"""Rules on evaluations: wrong targets, the errors that grew, overfitting, forgetting.

Errors are compared with those of the start, at an evaluation that is below it by hmean at IoU 0.5
with its own best unclip ratio:

- merged or split texts have grown if their share of the labels is more than ``GREW`` above the
  start's (`ppocr_ft.metrics.errors`; with the config's unclip ratio),
- false boxes have grown if precision is more than ``FELL`` below it and recall held or rose,
- missed texts have grown if recall is more than ``FELL`` below it and precision held or rose.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.engine.eval_result import EvalResult, best
from ppocr_ft.engine.monitor.series import Diagnosis, Series
from ppocr_ft.shrinking import LINES_RATIO, WORDS_RATIO, iou_ceiling, unclip_ratio_for

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
FELL = GREW = 0.03
HELD = 0.005
"""What a rate may fall by and still count as held."""
ERROR_EVALS = 2
VAL_LOSS_RISEN = 1.05
OVERFITTING_EVALS = 2
BELOW_START = 0.01
BELOW_START_EVALS = 3
FORGOTTEN = 0.05

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
    drawn, configured = now.drawn_shrink_ratio, now.shrink_ratio
    if drawn is not None and configured is not None and abs(drawn - configured) > RATIO_TOLERANCE:
        return Diagnosis(_drawn_otherwise(series, drawn, configured), OPERATORS_REMEDY)
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


def _drawn_otherwise(series: Series, drawn: float, configured: float) -> str:
    if drawn == 0:
        return (
            "The shrink maps of training are empty, though the config's shrink ratio "
            f"{configured:.2f} leaves a kernel of the texts; PaddleOCR 2.7 and 2.8 mask every "
            "text where shrink_ratio + 0.2 * seed / total_epoch passes 1."
        )
    return (
        f"The shrink maps of training are drawn with a shrink ratio of about {drawn:.2f} instead "
        f"of the config's {configured:.2f} (PaddleOCR 2.7 and 2.8 take the random seed for the "
        "epoch); with such targets the loss falls and hmean collapses"
        f"{_ceiling_note(series, drawn, series.evals[-1].unclip_ratio)}."
    )


def _ceiling_note(series: Series, shrink_ratio: float, unclip_ratio: float) -> str:
    ious = _ceilings(series, shrink_ratio, unclip_ratio)
    if ious is None:
        return ""
    return (
        f": with unclip_ratio {unclip_ratio:g} even a perfect network would reach a mean IoU of "
        f"{ious.mean():.2f}, {np.mean(ious > 0.7):.0%} of the texts above 0.7"
    )


def _ceilings(
    series: Series, shrink_ratio: float, unclip_ratio: float
) -> NDArray[np.float64] | None:
    """Return `iou_ceiling` of known labels; None without labels or with a ratio outside (0, 1)."""
    polygons = series.info.polygons
    if not polygons or not 0 < shrink_ratio < 1:
        return None
    return iou_ceiling(polygons, shrink_ratio, unclip_ratio)


def _cause(series: Series, now: EvalResult, fall: str) -> Diagnosis | None:
    """Return the cause: pair's ceiling, learnt pair or labels; None if a kind of error is."""
    ratio = now.drawn_shrink_ratio or now.shrink_ratio
    ious = None if ratio is None else _ceilings(series, ratio, now.unclip_ratio)
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
            "kernels that the network learns have another size than unclip_ratio expects.",
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


def merged_texts(series: Series, evaluations: int = ERROR_EVALS) -> Diagnosis | None:
    """Find a share of merged labels 0.03 above the start's in the last 2 evaluations."""
    growth = _lasting(series, evaluations, partial(_share_rose, "merged"))
    if growth is None:
        return None
    larger = "train and evaluate at a larger limit_side_len (1.5 times)"
    ratio = series.evals[-1].shrink_ratio
    if ratio is not None and ratio <= WORDS_RATIO:
        remedy = larger.capitalize()
    else:
        remedy = f"{_set_pair(series, WORDS_RATIO)}, or {larger}"
    return Diagnosis(
        f"Since the start {growth}: one box covers several, whose kernels touch.",
        f"{remedy}; ppocr-ft check says how many kernels touch.",
    )


def split_texts(series: Series, evaluations: int = ERROR_EVALS) -> Diagnosis | None:
    """Find a share of split labels 0.03 above the start's in the last 2 evaluations."""
    growth = _lasting(series, evaluations, partial(_share_rose, "split"))
    if growth is None:
        return None
    alike = "see by ppocr-ft check whether the labels of Train and Eval both mark lines, or words"
    ratio = series.evals[-1].shrink_ratio
    if ratio is not None and ratio >= LINES_RATIO:
        remedy = f"{alike.capitalize()}, and lower Optimizer.lr.learning_rate to a third."
    else:
        remedy = f"{_set_pair(series, LINES_RATIO)}, and {alike}."
    return Diagnosis(
        f"Since the start {growth}: several boxes lie in one, whose kernel falls apart.", remedy
    )


def false_boxes(series: Series, evaluations: int = ERROR_EVALS) -> Diagnosis | None:
    """Find precision 0.03 below the start's while recall held, in the last 2 evaluations."""
    growth = _lasting(series, evaluations, partial(_rate_fell, "precision", "recall"))
    if growth is None:
        return None
    return Diagnosis(
        f"Since the start {growth}: it finds text on background, which training's crops hardly "
        "show.",
        "Set ScaledCrop.text_p to 0.3 and ScaledCrop.size to [640, 480] or more, so that crops "
        "show more background, and fit PostProcess.box_thresh by ppocr-ft fit-postprocess.",
    )


def missed_texts(series: Series, evaluations: int = ERROR_EVALS) -> Diagnosis | None:
    """Find recall 0.03 below the start's while precision held, in the last 2 evaluations."""
    growth = _lasting(series, evaluations, partial(_rate_fell, "recall", "precision"))
    if growth is None:
        return None
    return Diagnosis(
        f"Since the start {growth}: it no longer finds texts that the start found.",
        "Set MakeShrinkMap.min_text_size to 4, so that fewer texts are masked out of the loss, or "
        "train and evaluate at a larger limit_side_len; ppocr-ft check says how many are masked.",
    )


def grown_errors(series: Series) -> Diagnosis | None:
    """Find the first kind of error that has grown by the last evaluation alone."""
    diagnoses = (rule(series, 1) for rule in (merged_texts, split_texts, false_boxes, missed_texts))
    return next(filter(None, diagnoses), None)


def _lasting(
    series: Series, evaluations: int, growth: Callable[[EvalResult, EvalResult], str | None]
) -> str | None:
    """Return the last growth since the start, if all of the last ``evaluations`` are worse.

    ``growth`` says in words how an error grew from the start to an evaluation; None: it did not.
    """
    start, last = series.start, series.trained[-evaluations:]
    if start is None or len(last) < evaluations:
        return None
    if not all(now.value("hmean") < start.value("hmean") for now in last):
        return None
    growths = [growth(start, now) for now in last]
    return None if None in growths else growths[-1]


def _share_rose(name: str, start: EvalResult, now: EvalResult) -> str | None:
    before, share = getattr(start, name), getattr(now, name)
    if before is None or share is None or share <= before + GREW:
        return None
    return f"the share of {name} texts among Eval's labels rose from {before:.1%} to {share:.1%}"


def _rate_fell(name: str, other: str, start: EvalResult, now: EvalResult) -> str | None:
    before, rates = start.at_best("hmean"), now.at_best("hmean")
    if not {name, other} <= before.keys() & rates.keys():
        return None
    if rates[name] >= before[name] - FELL or rates[other] < before[other] - HELD:
        return None
    return (
        f"{name} fell from {before[name]:.3f} to {rates[name]:.3f} while {other} went from "
        f"{before[other]:.3f} to {rates[other]:.3f} (IoU 0.5)"
    )


def _set_pair(series: Series, shrink_ratio: float) -> str:
    """Name the unclip ratio of a perfect network; real kernels are larger and want less."""
    polygons = series.info.polygons
    most = f"{unclip_ratio_for(polygons, shrink_ratio):g}" if polygons else "what check says"
    return (
        f"Set shrink_ratio (and shrink_ratio_end) of both map operators to {shrink_ratio:g} and "
        f"PostProcess.unclip_ratio to at most {most}"
    )


def overfitting(series: Series) -> Diagnosis | None:
    """Find two evaluations with a validation loss 5 % above its lowest, at a lower train loss.

    Silent if the last evaluation is the best one: then the higher loss has no cost.
    """
    evals = [evaluation for evaluation in series.evals if evaluation.val_loss is not None]
    if not evals:
        return None
    losses = [evaluation.val_loss or 0.0 for evaluation in evals]
    lowest = min(range(len(losses)), key=losses.__getitem__)
    after = losses[lowest + 1 :][-OVERFITTING_EVALS:]
    if len(after) < OVERFITTING_EVALS or min(after) <= VAL_LOSS_RISEN * losses[lowest]:
        return None
    last, kept = evals[-1], best(evals, series.info.main_indicator)
    train_then, train_now = _train_loss(series, evals[lowest].step), _train_loss(series, last.step)
    if kept is last or train_then is None or train_now is None or train_now >= train_then:
        return None
    return Diagnosis(
        f"Since step {evals[lowest].step} the validation loss has risen from {losses[lowest]:.3g} "
        f"to {losses[-1]:.3g} while the training loss fell from {train_then:.3g} to "
        f"{train_now:.3g}.",
        f"Take best_accuracy.pdparams (step {kept.step}), train shorter (Global.epoch_num, or "
        "Global.patience), augment more, or add images.",
    )


def _train_loss(series: Series, step: int) -> float | None:
    """Return the loss of the last training row up to ``step``, else that of the first one."""
    losses = [(row.step, row.loss) for row in series.train if row.loss is not None]
    before = [loss for at, loss in losses if at <= step]
    return before[-1] if before else losses[0][1] if losses else None


def below_start(series: Series) -> Diagnosis | None:
    """Find 3 last evaluations, each at its own best unclip ratio, all 0.01 below the start's.

    It says which errors grew, if one kind did.
    """
    start, last = series.start, series.trained[-BELOW_START_EVALS:]
    if start is None or len(last) < BELOW_START_EVALS:
        return None
    if any(series.value(evaluation) > series.value(start) - BELOW_START for evaluation in last):
        return None
    name = series.info.main_indicator
    sentence = (
        f"{BELOW_START_EVALS} evaluations in a row are below the weights that the run started "
        f"from: {name} {series.value(last[-1]):.3f} instead of {series.value(start):.3f}."
    )
    grown = grown_errors(series)
    if grown is not None:
        return Diagnosis(f"{sentence} {grown.sentence}", grown.remedy)
    return Diagnosis(
        sentence,
        "Lower Optimizer.lr.learning_rate, keep Global.freeze_bn_stats on, and check the labels "
        "with ppocr-ft check; the starting weights are better than these.",
    )


def forgetting(series: Series) -> Diagnosis | None:
    """Find a set of Eval.also with an hmean, at its best unclip ratio, 0.05 below its start."""
    fallen = []
    for name, (start, *later) in series.further.items():
        if start.step == 0 and later:
            before, now = start.value("hmean"), later[-1].value("hmean")
            if now < before - FORGOTTEN:
                fallen.append(f"{before:.3f} to {now:.3f} on {name} (step {later[-1].step})")
    if not fallen:
        return None
    return Diagnosis(
        f"What the weights could do before is being lost: hmean at IoU 0.5 fell from "
        f"{', from '.join(fallen)}.",
        "Lower Optimizer.lr.learning_rate, set Optimizer.start_decay, train shorter, or add images "
        "like those to Train; if only your own images count, it doesn't matter.",
    )

"""Rules on training: losses, hmean, learning rate, gradients, and numbers that are not finite."""

from __future__ import annotations

from statistics import median

from ppocr_ft.engine.eval_result import best
from ppocr_ft.engine.monitor.rules_errors import grown_errors
from ppocr_ft.engine.monitor.series import Diagnosis, Series
from ppocr_ft.messages import counted

LR_ROWS = 3
NEGLIGIBLE_LR_RATIO = 1e-4
"""A rate below this share of the highest one so far changes next to nothing."""
LR_LEFT_RATIO = 0.05
"""Schedules fall to 0 at the end; before the last 5 % of the run they shouldn't have."""
WARMUP_RATIO = 1 / 3
"""OneCycle, the slowest of the known schedules, peaks after 30 % of the run."""
GRAD_ROWS, GRAD_EARLIER_ROWS, GRAD_LEAST_ROWS = 3, 20, 8
GRAD_FACTOR = 10.0
FIRST_ROWS, LAST_ROWS = 3, 5
LOSS_LEAST_ROWS = 20
LOSS_FALLEN = 0.98
"""A loss has fallen below this share of its first rows."""
HMEAN_STEP = 0.005
"""What hmean may change by without meaning anything."""
VAL_LOSS_RISEN = 1.05
OVERFITTING_EVALS = 2
BELOW_START = 0.01
BELOW_START_EVALS = 3
FORGOTTEN = 0.05


def nan(series: Series) -> Diagnosis | None:
    """Find steps skipped since the row before, for a NaN or infinite loss or gradient.

    Silent under dynamic loss scaling, which finds its scale by such steps.
    """
    if not series.train or series.info.scales_losses:
        return None
    before = series.train[-2] if len(series.train) > 1 else None
    row = series.train[-1]
    skipped = (row.skipped_steps or 0) - ((before.skipped_steps or 0) if before else 0)
    if skipped <= 0:
        return None
    steps = row.step - (before.step if before else 0)
    return nan_steps(f"{skipped:.0f} of the {counted(steps, 'step')} up to step {row.step}")


def nan_steps(which: str) -> Diagnosis:
    """Return the diagnosis for steps that were not applied."""
    return Diagnosis(
        f"{which} gave NaN or infinite losses or gradients and were not applied.",
        "Lower Optimizer.lr.learning_rate, set Optimizer.clip_norm_global, or turn off "
        "Global.use_amp.",
    )


def grad_exploding(series: Series) -> Diagnosis | None:
    """Find a median gradient norm of the last 3 rows above 10 times that of up to 20 before.

    Rows in which more or fewer parameter groups learned than in the last one don't count: where
    frozen ones begin to learn, the norm leaps.
    """
    rows = series.train[-GRAD_ROWS - GRAD_EARLIER_ROWS :]
    norms = [row.grad_norm for row in rows if row.learning == rows[-1].learning]
    norms_given = [norm for norm in norms if norm is not None]
    if len(norms_given) < GRAD_LEAST_ROWS:
        return None
    now, before = median(norms_given[-GRAD_ROWS:]), median(norms_given[:-GRAD_ROWS])
    if not now > GRAD_FACTOR * before:
        return None
    return Diagnosis(
        f"The gradient norm has risen from {before:.3g} to {now:.3g} (medians of rows).",
        "Set Optimizer.clip_norm_global to about the norm that it had before, or lower "
        "Optimizer.lr.learning_rate.",
    )


def lr_zero(series: Series) -> Diagnosis | None:
    """Find three rows in a row at a negligible learning rate, with over 5 % of the run left."""
    last = [row.lr for row in series.train[-LR_ROWS:] if row.lr is not None]
    highest, total = series.highest_lr, series.info.total_steps
    if len(last) < LR_ROWS or series.step > (1 - LR_LEFT_RATIO) * total:
        return None
    if max(last) > NEGLIGIBLE_LR_RATIO * highest:
        return None
    return Diagnosis(
        f"The learning rate is {last[-1]:.3g} at step {series.step} of {total}; the weights hardly "
        f"change any more (its highest was {highest:.3g}).",
        "Look at the curve with ppocr-ft train --dry-run; milestones may be in the wrong unit "
        "(epochs, steps), or Optimizer.lr.learning_rate is 0.",
    )


def is_warming_up(series: Series) -> bool:
    """Return whether the learning rate has risen from each row to the next."""
    return len(series.train) > 1 and series.lr_only_rose


def warming_up(series: Series) -> Diagnosis | None:
    """Find a learning rate that has done nothing but rise for a third of the run."""
    total = series.info.total_steps
    if series.step <= WARMUP_RATIO * total or not is_warming_up(series):
        return None
    return Diagnosis(
        f"After {series.step} of {counted(total, 'step')} the learning rate is still warming up "
        f"({series.train[-1].lr:.3g}).",
        "Shorten Optimizer.lr.warmup_epoch (it counts epochs of this data set) to a tenth of the "
        "run, or train longer.",
    )


def loss_not_falling(series: Series) -> Diagnosis | None:
    """Find, from 20 rows on, a median loss of the last 5 at 98 % of that of the first 3 or more.

    Silent while the learning rate still rises, and if the main indicator has improved.
    """
    if len(series.train) < LOSS_LEAST_ROWS or is_warming_up(series) or _improved(series):
        return None
    begun, done = (
        [row.loss for row in rows if row.loss is not None]
        for rows in (series.train[:FIRST_ROWS], series.train[-LAST_ROWS:])
    )
    if not begun or not done:
        return None
    first, last = median(begun), median(done)
    if last < LOSS_FALLEN * first:
        return None
    return Diagnosis(
        f"The loss isn't falling: {first:.3g} at the beginning, {last:.3g} at step {series.step}.",
        "Choose Optimizer.lr.learning_rate by ppocr-ft find-lr (a loss that rises wants a lower "
        "one), and look at the labels with ppocr-ft check.",
    )


def _improved(series: Series) -> bool:
    evals = series.evals
    return len(evals) > 1 and series.value(evals[-1]) > series.value(evals[0]) + HMEAN_STEP


def overfitting(series: Series) -> Diagnosis | None:
    """Find two evaluations with a validation loss 5 % above its lowest, at a lower train loss.

    Silent if the last evaluation is the best one: then the higher loss has no cost.
    """
    with_loss = [
        (evaluation, evaluation.val_loss)
        for evaluation in series.evals
        if evaluation.val_loss is not None
    ]
    if not with_loss:
        return None
    losses = [loss for _, loss in with_loss]
    lowest = min(range(len(losses)), key=losses.__getitem__)
    after = losses[lowest + 1 :][-OVERFITTING_EVALS:]
    if len(after) < OVERFITTING_EVALS or min(after) <= VAL_LOSS_RISEN * losses[lowest]:
        return None
    evals = [evaluation for evaluation, _ in with_loss]
    last, kept = evals[-1], best(evals, series.info.main_indicator)
    train_then, train_now = (
        train_loss(series, evaluation.step) for evaluation in (evals[lowest], last)
    )
    if kept is last or train_then is None or train_now is None or train_now >= train_then:
        return None
    return Diagnosis(
        f"Since step {evals[lowest].step} the validation loss has risen from {losses[lowest]:.3g} "
        f"to {losses[-1]:.3g} while the training loss fell from {train_then:.3g} to "
        f"{train_now:.3g}.",
        f"Take best_accuracy.pdparams (step {kept.step}), train shorter (Global.epoch_num, or "
        "Global.patience), augment more, or add images.",
    )


def train_loss(series: Series, step: int) -> float | None:
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

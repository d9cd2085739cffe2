"""Rules on single steps: learning rate, gradients, numbers that are none."""

from __future__ import annotations

from statistics import median

from ppocr_ft.engine.monitor.series import Series
from ppocr_ft.engine.monitor.verdict import NamedVerdict

LR_ROWS = 3
NEGLIGIBLE_LR_RATIO = 1e-4
"""A rate below this share of the highest one so far changes next to nothing."""
LR_LEFT_RATIO = 0.05
"""Schedules fall to 0 at the end; before the last 5 % of the run they shouldn't have."""
WARMUP_RATIO = 1 / 3
"""OneCycle, the slowest of the known schedules, peaks after 30 % of the run."""
GRAD_ROWS, GRAD_EARLIER_ROWS, GRAD_LEAST_ROWS = 3, 20, 8
GRAD_FACTOR = 10.0


def nan(series: Series) -> NamedVerdict | None:
    """Steps were skipped since the row before, for a NaN or infinite loss or gradient.

    Silent under dynamic loss scaling, which finds its scale by such steps.
    """
    if not series.train or series.facts.scales_losses:
        return None
    before = series.train[-2] if len(series.train) > 1 else None
    row = series.train[-1]
    skipped = (row.skipped_steps or 0) - ((before.skipped_steps or 0) if before else 0)
    if skipped <= 0:
        return None
    steps = row.step - (before.step if before else 0)
    return nan_verdict(f"{skipped:.0f} of the {steps} steps up to step {row.step}")


def nan_verdict(which: str) -> NamedVerdict:
    return NamedVerdict(
        "nan",
        f"{which} gave NaN or infinite losses or gradients and were not applied.",
        "Lower Optimizer.lr.learning_rate, set Optimizer.clip_norm_global, or turn off "
        "Global.use_amp.",
    )


def grad_exploding(series: Series) -> NamedVerdict | None:
    """The median gradient norm of the last 3 rows is above 10 times that of up to 20 before."""
    norms = [row.grad_norm for row in series.train[-GRAD_ROWS - GRAD_EARLIER_ROWS :]]
    known = [norm for norm in norms if norm is not None]
    if len(known) < GRAD_LEAST_ROWS:
        return None
    now, before = median(known[-GRAD_ROWS:]), median(known[:-GRAD_ROWS])
    if not now > GRAD_FACTOR * before:
        return None
    return NamedVerdict(
        "grad-exploding",
        f"The gradient norm has risen from {before:.3g} to {now:.3g} (medians of rows).",
        "Set Optimizer.clip_norm_global to about the norm that it had before, or lower "
        "Optimizer.lr.learning_rate.",
    )


def lr_zero(series: Series) -> NamedVerdict | None:
    """Three rows in a row at a negligible learning rate, with more than 5 % of the run left."""
    last = [row.lr for row in series.train[-LR_ROWS:] if row.lr is not None]
    highest, total = series.highest_lr, series.facts.total_steps
    if len(last) < LR_ROWS or series.step > (1 - LR_LEFT_RATIO) * total:
        return None
    if max(last) > NEGLIGIBLE_LR_RATIO * highest:
        return None
    return NamedVerdict(
        "lr-zero",
        f"The learning rate is {last[-1]:.3g} at step {series.step} of {total}; the weights hardly "
        f"change any more (its highest was {highest:.3g}).",
        "Look at the curve with tools/train.py --dry-run; milestones may be in the wrong unit "
        "(epochs, steps), or Optimizer.lr.learning_rate is 0.",
    )


def is_warming_up(series: Series) -> bool:
    """Whether the learning rate has risen from each row to the next."""
    return len(series.train) > 1 and series.lr_only_rose


def warming_up(series: Series) -> NamedVerdict | None:
    """A third of the run is over, and the learning rate has done nothing but rise."""
    total = series.facts.total_steps
    if series.step <= WARMUP_RATIO * total or not is_warming_up(series):
        return None
    return NamedVerdict(
        "warming-up",
        f"After {series.step} of {total} steps the learning rate is still warming up "
        f"({series.train[-1].lr:.3g}).",
        "Shorten Optimizer.lr.warmup_epoch (it counts epochs of this data set) to a tenth of the "
        "run, or train longer.",
    )

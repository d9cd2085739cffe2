"""Rules on training: numbers that are not finite, gradients, rate, loss, reading, memory."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import mean, median

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
READER_SHARE = 0.30
READER_ROWS, READER_LEAST_ROWS = 5, 3
MEMORY_ROWS, MEMORY_LEAST_ROWS, MEMORY_PARTS = 40, 20, 4
MEMORY_PART_GROWTH = 1.03
"""Each quarter of the rows against the one before; a process that is warm has none."""
MEMORY_LEAST_MB = 100.0


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
    if len(series.train) < LOSS_LEAST_ROWS or is_warming_up(series):
        return None
    evals = series.evals
    if evals and series.value(evals[-1]) > series.value(evals[0]) + HMEAN_STEP:
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


def loader_bound(series: Series) -> Diagnosis | None:
    """Find steps that waited for images above 30 % of the last 5 rows, the run's first left out."""
    rows = series.train[-READER_ROWS:] if len(series.train) > READER_ROWS else series.train[1:]
    shares = [row.reader_share for row in rows if row.reader_share is not None]
    if len(shares) < READER_LEAST_ROWS or mean(shares) <= READER_SHARE:
        return None
    share, info = mean(shares), series.info
    needed = workers_needed(share, info.workers)
    sentence = (
        f"Training waits for images {share:.0%} of its time with {info.workers} reading threads."
    )
    if needed <= info.cores:
        return Diagnosis(sentence, f"Set Train.loader.num_workers to about {needed}.")
    return Diagnosis(
        sentence,
        f"About {needed} threads would do, but this machine has {info.cores} cores: store the "
        "images smaller (about as large as limit_side_len), or augment less.",
    )


def workers_needed(share: float, workers: int) -> int:
    """Return how many reading threads make a batch in the time of a step.

    With ``workers`` of them always busy a batch takes ``workers`` * (wait + step) of one
    thread's time, which must not exceed the step's. Without any the wait is that time.
    """
    step = max(1 - share, 0.01)
    busy = share if workers == 0 else workers
    return max(math.ceil(busy / step), workers + 1)


def memory_growing(series: Series) -> Diagnosis | None:
    """Find memory that grew by 3 % in each quarter of the last 40 rows.

    Its first rows and each evaluation may raise a healthy process's memory, once.
    """
    last = series.train[-MEMORY_ROWS:]
    rows = [(row.step, row.memory_mb) for row in last if row.memory_mb is not None]
    if len(rows) < MEMORY_LEAST_ROWS:
        return None
    size = len(rows) // MEMORY_PARTS
    parts = [rows[len(rows) - size * n :][:size] for n in range(MEMORY_PARTS, 0, -1)]
    levels = [median(memory_mb for _, memory_mb in part) for part in parts]
    growth = [b / a for a, b in pairwise(levels)]
    if min(growth) < MEMORY_PART_GROWTH or levels[-1] - levels[0] < MEMORY_LEAST_MB:
        return None
    (begin, _), (end, _) = parts[0][0], parts[-1][0]
    steps = end - begin
    return Diagnosis(
        f"The process's memory grows steadily, from {levels[0]:,.0f} to {levels[-1]:,.0f} MB "
        f"within {steps} steps{_outlook(series, (levels[-1] - levels[0]) / steps, levels[-1])}.",
        "Look for what an operator or callback of your own keeps (lists of batches, losses that "
        "are still tensors); until then let the run be killed and go on with --resume.",
    )


def _outlook(series: Series, mb_a_step: float, now_mb: float) -> str:
    room = series.info.memory_mb
    if room is None:
        return ""
    full = series.step + max(room - now_mb, 0) / mb_a_step
    left = "within" if full <= series.info.total_steps else "after"
    return f"; this machine's {room:,.0f} MB are full by step {full:,.0f}, {left} this run"

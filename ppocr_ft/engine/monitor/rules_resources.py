"""Rules on the machine: the reading of images, memory."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import mean, median

from ppocr_ft.engine.monitor.series import Diagnosis, Series

READER_SHARE = 0.30
READER_ROWS, READER_LEAST_ROWS = 5, 3
MEMORY_ROWS, MEMORY_LEAST_ROWS, MEMORY_PARTS = 40, 20, 4
MEMORY_PART_GROWTH = 1.03
"""Each quarter of the rows against the one before; a process that is warm has none."""
MEMORY_LEAST_MB = 100.0


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
    rows = [row for row in series.train[-MEMORY_ROWS:] if row.memory_mb is not None]
    if len(rows) < MEMORY_LEAST_ROWS:
        return None
    size = len(rows) // MEMORY_PARTS
    parts = [rows[len(rows) - size * n :][:size] for n in range(MEMORY_PARTS, 0, -1)]
    levels = [median(row.memory_mb or 0.0 for row in part) for part in parts]
    growth = [b / a for a, b in pairwise(levels)]
    if min(growth) < MEMORY_PART_GROWTH or levels[-1] - levels[0] < MEMORY_LEAST_MB:
        return None
    steps = parts[-1][0].step - parts[0][0].step
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

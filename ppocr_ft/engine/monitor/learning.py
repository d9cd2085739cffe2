"""Rules on what is learnt: losses, and hmean beside them."""

from __future__ import annotations

from statistics import median

from ppocr_ft.engine.monitor.series import Evaluation, Series
from ppocr_ft.engine.monitor.steps import is_warming_up
from ppocr_ft.engine.monitor.verdict import NamedVerdict

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


def loss_not_falling(series: Series) -> NamedVerdict | None:
    """After 20 rows the median loss of the last 5 is no lower than 98 % of that of the first 3.

    Silent while the learning rate still rises, and where the main indicator has improved.
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
    return NamedVerdict(
        "loss-not-falling",
        f"The loss isn't falling: {first:.3g} at the beginning, {last:.3g} at step {series.step}.",
        "Choose Optimizer.lr.learning_rate by tools/find_lr.py (a loss that rises wants a lower "
        "one), and look at the labels with tools/check.py.",
    )


def _improved(series: Series) -> bool:
    evals = series.evals
    return len(evals) > 1 and evals[-1].best > evals[0].best + HMEAN_STEP


def overfitting(series: Series) -> NamedVerdict | None:
    """Two evaluations in a row with a validation loss 5 % above its lowest, at a lower train loss.

    Silent where the last evaluation is the best one: then the higher loss costs nothing.
    """
    known = [(each, each.val_loss) for each in series.evals if each.val_loss is not None]
    if not known:
        return None
    losses = [loss for _, loss in known]
    lowest = min(range(len(losses)), key=losses.__getitem__)
    after = losses[lowest + 1 :][-OVERFITTING_EVALS:]
    if len(after) < OVERFITTING_EVALS or min(after) <= VAL_LOSS_RISEN * losses[lowest]:
        return None
    evals = [each for each, _ in known]
    last, best = evals[-1], max(evals, key=lambda each: each.best)
    train_then, train_now = (train_loss(series, each.step) for each in (evals[lowest], last))
    if best is last or train_then is None or train_now is None or train_now >= train_then:
        return None
    return NamedVerdict(
        "overfitting",
        f"Since step {evals[lowest].step} the validation loss has risen from {losses[lowest]:.3g} "
        f"to {losses[-1]:.3g} while the training loss fell from {train_then:.3g} to "
        f"{train_now:.3g}.",
        f"Take best_accuracy.pdparams (step {best.step}), train shorter (Global.epoch_num, or "
        "Global.patience), augment more, or add images.",
    )


def train_loss(series: Series, step: int) -> float | None:
    """The loss of the last training row up to ``step``; of the first, if all come after it."""
    known = [(row.step, row.loss) for row in series.train if row.loss is not None]
    before = [loss for at, loss in known if at <= step]
    return before[-1] if before else known[0][1] if known else None


def below_start(series: Series) -> NamedVerdict | None:
    """The last 3 evaluations, each at its own best unclip ratio, all 0.01 below the start's."""
    start = starting_evaluation(series)
    last = [each for each in series.evals if each.step > 0][-BELOW_START_EVALS:]
    if start is None or len(last) < BELOW_START_EVALS:
        return None
    if any(each.best > start.best - BELOW_START for each in last):
        return None
    name = series.facts.main_indicator
    return NamedVerdict(
        "below-start",
        f"{BELOW_START_EVALS} evaluations in a row are below the weights that the run started "
        f"from: {name} {last[-1].best:.3f} instead of {start.best:.3f}.",
        "Lower Optimizer.lr.learning_rate, keep Global.freeze_bn_stats on, and check the labels "
        "with tools/check.py; the starting weights are better than these.",
    )


def starting_evaluation(series: Series) -> Evaluation | None:
    """That before the first step; None where it isn't recorded."""
    return series.evals[0] if series.evals and series.evals[0].step == 0 else None

"""The headline of the page: better or worse than the start, by how much, and what to set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.report.drawing import IOUS
from ppocr_ft.report.page.matches import EvaluationMatches, chance_interval
from ppocr_ft.report.page.run import HMEANS, BestRate, Judged, Run, ratio_text
from ppocr_ft.report.page.translation import Translated

EQUAL = 5e-5
"""Differences below this are zero in the figures that are shown."""
Outcome = Literal["better", "worse", "mixed", "same", "unknown"]


@dataclass(frozen=True)
class Comparison:
    """The hmean before and after training, each with the unclip ratio that is best for it.

    ``interval`` is the 95 % interval of the difference by chance; None if the boxes of one of the
    evaluations were not kept.
    """

    iou: float
    start: BestRate
    after: BestRate
    interval: tuple[float, float] | None

    @property
    def gain(self) -> float:
        return self.after.value - self.start.value

    @property
    def sign(self) -> int:
        return 0 if abs(self.gain) < EQUAL else 1 if self.gain > 0 else -1

    @property
    def certain(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def compare_with_start(run: Run) -> list[Comparison]:
    """Return the comparisons at IoU 0.5 and 0.7.

    They compare the start with the best weights or, if these are the start itself, with the best
    of those after it. The list is empty without an evaluation before training and one after.
    """
    return _since_start(run.judged, run.shown_step)


def compare_further(run: Run) -> dict[str, list[Comparison]]:
    """Return the same of each set of ``Eval.also`` that was judged at both steps, by its name."""
    pairs = {name: _since_start(judged, run.shown_step) for name, judged in run.further.items()}
    return {name: comparisons for name, comparisons in pairs.items() if comparisons}


def _since_start(judged: Judged, step: int | None) -> list[Comparison]:
    if step is None or not {0, step} <= judged.evaluations.keys():
        return []
    comparisons = []
    for column, iou in zip(HMEANS, IOUS, strict=True):
        start, after = (judged.at_best(at, column) for at in (0, step))
        comparisons.append(Comparison(iou, start, after, _interval(judged, start, after, iou)))
    return comparisons


def _interval(
    judged: Judged, start: BestRate, after: BestRate, iou: float
) -> tuple[float, float] | None:
    boxes, later_boxes = judged.kept(start.step), judged.kept(after.step)
    if boxes is None or later_boxes is None:
        return None
    before = EvaluationMatches(boxes, start.unclip_ratio)
    return chance_interval(before, EvaluationMatches(later_boxes, after.unclip_ratio), iou)


def outcome_of(run: Run, comparisons: Sequence[Comparison]) -> Outcome:
    """Return the outcome of the run."""
    if not comparisons:
        return "unknown"
    signs = {comparison.sign for comparison in comparisons}
    is_start = run.best_step == 0 or (run.delivered is not None and run.delivered.is_start)
    if is_start or signs == {0}:
        return "same"
    if signs <= {0, 1}:
        return "better"
    return "worse" if signs <= {0, -1} else "mixed"


def sentences(run: Run, comparisons: Sequence[Comparison]) -> list[Translated]:
    """Return the sentences below the headline."""
    parts: list[Translated | None] = []
    if run.delivered is not None:
        name = "start" if run.delivered.is_start else "better"
        parts.append(Translated(f"said.final-{name}", weights=weights_name(run.delivered)))
        parts.append(delivered_rates(run))
    if run.outcome is not None and run.best_step == run.outcome.best.step:
        # else the kept boxes are another evaluation's
        parts.append(Translated(f"said.{run.outcome.kind}", step=run.best_step))
    if comparisons:
        at_50, at_70 = comparisons
        key = "verdict.unbeaten" if run.best_step == 0 else "verdict.gains"
        gains = {"gain": at_50.gain, "strict_gain": at_70.gain}
        parts.append(Translated(key, step=at_50.after.step, **gains))
    else:
        parts.append(Translated("verdict.nothing_to_compare"))
    parts.append(_doubt(run, comparisons))
    if run.total_steps is not None and run.last_step < run.total_steps:
        key = "verdict.going_on" if run.running else "verdict.broken_off"
        parts.append(Translated(key, step=run.last_step, total=run.total_steps))
    parts.append(_unclip_ratio(run, comparisons))
    return [sentence for sentence in parts if sentence is not None]


def delivered_rates(run: Run) -> Translated | None:
    """Say both hmeans of the final weights and of the start; None if those are the start."""
    chosen = run.delivered_candidate
    if run.final is None or chosen is None:
        return None
    half, strict = (chosen["held_out"][name] for name in HMEANS)
    start_half, start_strict = (run.final["candidates"][0]["held_out"][name] for name in HMEANS)
    before = {"start_half": start_half, "start_strict": start_strict}
    return Translated("verdict.delivered", half=half, strict=strict, **before)


def weights_name(delivered: Delivered) -> Translated:
    """Say where weights are between the start and trained ones."""
    return Translated(f"between.{delivered.kind}", step=delivered.step, averaged=delivered.averaged)


def _doubt(run: Run, comparisons: Sequence[Comparison]) -> Translated | None:
    """Say so if neither difference is beyond chance."""
    known = [comparison for comparison in comparisons if comparison.interval is not None]
    if run.best is None or not known or any(comparison.certain for comparison in known):
        return None
    return Translated("verdict.doubt", images=len(run.best.images))


def _unclip_ratio(run: Run, comparisons: Sequence[Comparison]) -> Translated | None:
    """Name the unclip ratio to set, if another one than the config's was best at both IoUs."""
    configured = run.setting("PostProcess.unclip_ratio")
    ratios = {comparison.after.unclip_ratio for comparison in comparisons}
    if len(ratios) != 1 or configured is None or run.best_step == 0:
        return None
    (ratio,) = ratios
    if abs(ratio - float(configured)) < 1e-9:
        return None
    return Translated(
        "verdict.set_ratio", ratio=ratio_text(ratio), config_ratio=ratio_text(float(configured))
    )


def forgetting(run: Run) -> Translated | None:
    """Say what was lost on the sets of ``Eval.also``, or that nothing was; None without any."""
    further = compare_further(run)
    lost = {name: pairs for name, pairs in further.items() if any(pair.sign < 0 for pair in pairs)}
    if not further:
        return None
    if not lost:
        return Translated("verdict.nothing_lost", step=run.shown_step, sets=", ".join(further))
    sets = [
        f"{name} {' / '.join(f'{pair.gain:+.4f}' for pair in pairs)}"
        for name, pairs in lost.items()
    ]
    return Translated("verdict.lost", step=run.shown_step, sets=", ".join(sets))


def forgetting_rows(run: Run) -> list[list[str]]:
    """Return rows for ``Eval`` and each further set at both IoUs; none without further sets.

    Set, IoU, hmean before and after, each with its best unclip ratio, difference, 95 % interval.
    """
    further = compare_further(run)
    sets = {"Eval": compare_with_start(run), **further} if further else {}
    rows = []
    for name, pairs in sets.items():
        for pair in pairs:
            rates = [
                f"{rate.value:.4f} ({ratio_text(rate.unclip_ratio)})"
                for rate in (pair.start, pair.after)
            ]
            low_high = pair.interval
            interval = f"{low_high[0]:+.4f} ... {low_high[1]:+.4f}" if low_high else ""
            rows.append([name, f"{pair.iou}", *rates, f"{pair.gain:+.4f}", interval])
    return rows

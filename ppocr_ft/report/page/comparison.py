"""The headline of the page: better or worse than the start, by how much, and what to set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.report.drawing import IOUS
from ppocr_ft.report.page.matches import EvaluationMatches, chance_interval
from ppocr_ft.report.page.run import HMEANS, BestRate, Judged, Record, Run, ratio_text
from ppocr_ft.report.page.translation import Translated, name_of

EQUAL = 5e-5
"""Differences below this are zero in the figures that are shown."""
NORMAL_95 = 1.96
"""Standard errors to either side of a gain that make its 95 % interval."""
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
    """Return the sentences below the headline, the verdict first."""
    parts: list[Translated | None] = [verdict(run, comparisons)]
    if run.total_steps is not None and run.last_step < run.total_steps:
        key = "verdict.going_on" if run.running else "verdict.broken_off"
        parts.append(Translated(key, step=run.last_step, total=run.total_steps))
    parts.append(_unclip_ratio(run, comparisons))
    return [sentence for sentence in parts if sentence is not None]


def verdict(run: Run, comparisons: Sequence[Comparison]) -> Translated:
    """Say in one sentence whether the run's weights beat the start, and how sure that is."""
    if run.final is not None and run.delivered is not None:
        return _final_verdict(run.final, run.delivered)
    if run.outcome is None:
        return Translated("said.nothing")
    if not comparisons:
        return Translated(f"said.{run.outcome.kind}", step=run.outcome.best.step)
    step = comparisons[0].after.step
    # of other kept boxes than the best weights' only the difference is told
    kind = run.outcome.kind if run.best_step == run.outcome.best.step else "against"
    half, strict = (_difference(comparison) for comparison in comparisons)
    kept = run.judged.kept(0)
    images = "" if kept is None else Translated("said.judged_on", images=len(kept.images))
    doubt = _doubt(kind == "better" and not _is_certain(comparisons))
    values = {"half": half, "strict": strict, "doubt": doubt, "images": images}
    return Translated(f"said.{kind}", step=step, **values)


def _final_verdict(final: Record, delivered: Delivered) -> Translated:
    """Say what the final weights gain over the start; if they are the start, what others would."""
    gain_of = _best_other(final)["held_out"] if delivered.is_start else final
    gain, error = gain_of["gain"], gain_of["gain_error"]
    low, high = gain - NORMAL_95 * error, gain + NORMAL_95 * error
    return Translated(
        "said.final_start" if delivered.is_start else "said.final_better",
        weights=weights_name(delivered),
        objective=name_of("objective", str(final.get("objective"))),
        images=final["images"],
        doubt=_doubt(not (final.get("is_sure", True) and low > 0)),
        **{"gain": gain, "low": low, "high": high},
    )


def _best_other(final: Record) -> Record:
    """Return what final.json says of the best weights that are not the start."""
    _, *others = final["candidates"]
    allowed = [one for one in others if not one.get("left_out")] or others
    best: Record = max(allowed, key=lambda one: one["held_out"]["gain"])
    return best


def final_comparisons(run: Run) -> list[Comparison]:
    """Return the start beside the final weights on held-out images, each with what was fitted.

    Where the final weights are the start, the best others stand beside it.
    """
    if run.final is None:
        return []
    pair = run.final["candidates"][0], run.delivered_candidate or _best_other(run.final)
    start, after = (
        [BestRate(step, one["held_out"][column], one["unclip_ratio"]) for column in HMEANS]
        for one, step in zip(pair, (0, pair[1]["step"]), strict=True)
    )
    return [Comparison(*each, None) for each in zip(IOUS, start, after, strict=True)]


def _difference(of: Comparison) -> Translated:
    if of.interval is None:
        return Translated("said.at_iou", gain=of.gain, iou=of.iou)
    low, high = of.interval
    return Translated("said.at_iou_within", gain=of.gain, iou=of.iou, low=low, high=high)


def _doubt(may_be_chance: bool) -> Translated | str:
    return Translated("said.may_be_chance") if may_be_chance else ""


def _is_certain(comparisons: Sequence[Comparison]) -> bool:
    """Whether a difference is beyond chance, or not known to be within it."""
    known = [comparison for comparison in comparisons if comparison.interval is not None]
    return not known or any(comparison.certain for comparison in known)


def weights_name(delivered: Delivered) -> Translated:
    """Say where weights are between the start and trained ones."""
    return Translated(f"between.{delivered.kind}", step=delivered.step, averaged=delivered.averaged)


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

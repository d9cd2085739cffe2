"""The table of compared runs: their results, the leader, and whether the lead beats noise."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean

from ppocr_ft.engine.eval_result import EvalResult, best, results_of
from ppocr_ft.engine.metrics_file import TRAIN
from ppocr_ft.metrics.det import RATES
from ppocr_ft.utils.console import aligned, markdown_table

STRICTER = "_70"
CSV_COLUMNS = (
    "arm", "seed", "evaluation", "step", "unclip", "unclip_ratio", *RATES, "loss", "minutes",
    "ended", "folder",
)  # fmt: skip
"""``evaluation``: start, last or best; ``unclip``: config or own, the ratio that rates are of."""


@dataclass(frozen=True)
class ArmRun:
    """One run of one arm.

    rows: ``metrics.csv``. images: an epoch's, ``batch_size`` of them a step. minutes: of
    training, evaluations left out. diverged: how, if it did.
    """

    arm: str
    seed: int
    rows: Sequence[Mapping[str, str]]
    images: int
    batch_size: int
    steps_per_epoch: int
    minutes: float
    folder: str
    diverged: str = ""

    @cached_property
    def evaluations(self) -> list[EvalResult]:
        """All evaluations, in their order."""
        return results_of(self.rows)

    @property
    def start(self) -> EvalResult:
        return self.evaluations[0]

    @property
    def last(self) -> EvalResult:
        return self.evaluations[-1]

    def best(self, indicator: str) -> EvalResult:
        """Return the evaluation whose weights are ``best_accuracy``."""
        return best(self.evaluations, indicator)

    @property
    def trained(self) -> list[Mapping[str, str]]:
        """The rows of training."""
        return [row for row in self.rows if row["kind"] == TRAIN]

    @property
    def loss(self) -> float | None:
        """The last that was logged, a mean over log_smooth_window steps."""
        return (
            float(self.trained[-1]["loss"]) if self.trained and self.trained[-1]["loss"] else None
        )


def by_arm(runs: Sequence[ArmRun]) -> dict[str, list[ArmRun]]:
    """Return each arm's runs, one per seed, in the given order of the arms."""
    arms: dict[str, list[ArmRun]] = {}
    for run in runs:
        arms.setdefault(run.arm, []).append(run)
    return arms


@dataclass(frozen=True)
class Standing:
    """The result of one arm: the mean over its seeds, and the range (highest minus lowest)."""

    arm: str
    value: float
    spread: float
    seeds: int


def standings(runs: Sequence[ArmRun], indicator: str) -> list[Standing]:
    """Return the arms that came to their end with every seed, the highest first.

    ``indicator`` of the last evaluation counts, with the run's own best unclip ratio.
    """
    ranking = []
    for arm, arm_runs in by_arm(runs).items():
        values = [run.last.at_best(indicator)[indicator] for run in arm_runs]
        if not any(run.diverged for run in arm_runs):
            ranking.append(Standing(arm, mean(values), max(values) - min(values), len(arm_runs)))
    return sorted(ranking, key=lambda standing: -standing.value)


def verdict(runs: Sequence[ArmRun], indicator: str) -> str:
    """Say which arm is ahead, by how much, and whether that is more than the seeds' noise."""
    ranked = standings(runs, indicator)
    lines = [
        f"{run.arm}, seed {run.seed}, diverged: {run.diverged}" for run in runs if run.diverged
    ]
    if ranked:
        lines += [_lead(ranked, indicator), *_noise(ranked), *_stricter(runs, ranked, indicator)]
        lines += _below_start(runs, ranked, indicator)
    else:
        lines.append("No arm came to its end.")
    return "\n".join(lines)


def _lead(ranked: Sequence[Standing], indicator: str) -> str:
    first = ranked[0]
    reached = f"{indicator} {first.value:.4f} in the last evaluation, own best unclip_ratio"
    if len(ranked) == 1:
        return f"{first.arm} is the only arm that came to its end: {reached}."
    second, margin = ranked[1], first.value - ranked[1].value
    if margin == 0:
        return f"{first.arm} and {second.arm} are level: {reached}."
    return f"{first.arm} is ahead: {reached}; {margin:.4f} above {second.arm}."


def _noise(ranked: Sequence[Standing]) -> list[str]:
    if len(ranked) < 2 or ranked[0].value == ranked[1].value:
        return []
    first, second = ranked[:2]
    if min(first.seeds, second.seeds) < 2:
        return ["How much of that is chance isn't known from one seed; --seeds 3 measures it."]
    margin, noise = first.value - second.value, max(first.spread, second.spread)
    measured = (
        f"The noise: over {first.seeds} seeds the runs of one arm lie up to {noise:.4f} apart "
        f"(largest less smallest; {first.arm} {first.spread:.4f}, {second.arm} {second.spread:.4f})"
    )
    if margin <= noise:
        return [f"{measured}. The margin is WITHIN THE NOISE: it doesn't tell which is better."]
    return [
        f"{measured}. The margin is beyond it. Other evaluation images would add their own noise, "
        "which isn't in this figure."
    ]


def _stricter(runs: Sequence[ArmRun], ranked: Sequence[Standing], indicator: str) -> list[str]:
    """Say whether another arm leads at IoU 0.7, with the same unclip ratios."""
    if indicator.endswith(STRICTER):
        return []
    stricter, arms = indicator + STRICTER, by_arm(runs)
    values = {
        standing.arm: mean(run.last.at_best(indicator)[stricter] for run in arms[standing.arm])
        for standing in ranked
    }
    leader = max(values, key=lambda arm: values[arm])
    if values[leader] == values[ranked[0].arm]:
        return []
    runner_up, other = values[ranked[0].arm], values[leader]
    return [f"At IoU 0.7 {leader} leads: {stricter} {other:.4f}, {ranked[0].arm} {runner_up:.4f}."]


def _below_start(runs: Sequence[ArmRun], ranked: Sequence[Standing], indicator: str) -> list[str]:
    start = mean(r.start.at_best(indicator)[indicator] for r in by_arm(runs)[ranked[0].arm])
    if ranked[0].value >= start:
        return []
    return [f"Its start, {start:.4f} with its own best unclip_ratio, was better than that."]


HEADER = (
    "arm", "unclip", "hmean", "hmean_70", "own unclip", "hmean", "hmean_70",
    "best at step", "hmean", "hmean_70", "loss", "minutes", "note",
)  # fmt: skip
LEGEND = """\
From the left: the last evaluation with the config's unclip_ratio, and with the one that is best for
{indicator} of those tried; the evaluation that best_accuracy.pdparams is of, with its own such
ratio. hmean is at IoU 0.5, hmean_70 at 0.7. minutes: of training, without evaluations."""


MEANS = "Means over {seeds} seeds; spread: largest less smallest {indicator} of one arm."
NAME_WIDTH = 18
"""Columns of an arm's name on the terminal."""


def table(runs: Sequence[ArmRun], indicator: str) -> str:
    """Return the table as Markdown, one row per start and per arm; figures are means over seeds."""
    arms = by_arm(runs)
    seeds = max(len(arm_runs) for arm_runs in arms.values())
    header = [*HEADER, *(["spread"] if seeds > 1 else [])]
    rows = _rows(runs, indicator)
    if seeds == 1:
        rows = [row[:-1] for row in rows]
    legend = LEGEND.format(indicator=indicator)
    if seeds > 1:
        legend += f"\n{MEANS.format(seeds=seeds, indicator=indicator)}"
    return f"{markdown_table(header, rows)}\n\n{legend}"


def console_table(runs: Sequence[ArmRun], indicator: str) -> str:
    """Return the same in two tables that fit a terminal; names that are too long lose their start.

    The last evaluation of each arm, with the config's unclip ratio and its own best one, and the
    evaluation that best_accuracy.pdparams is of.
    """
    rows = [[_end_of(row[0]), *map(_range, row[1:])] for row in _rows(runs, indicator)]
    rates = ("hmean", "at 0.7")
    last = [["last evaluation", "unclip", *rates, "own unclip", *rates, "spread"]]
    last += [[*row[:7], row[-1]] for row in rows]
    kept = [["best_accuracy", "step", *rates, "loss", "minutes"]]
    kept += [[row[0], *row[7:12]] for row in rows if row[7]]
    seeds, note = max(map(len, by_arm(runs).values())), list[str]()
    if seeds == 1:
        last = [row[:-1] for row in last]
    else:
        note = ["", MEANS.format(seeds=seeds, indicator=indicator)]
    return "\n".join([*aligned(last), "", *aligned(kept), *note])


def _rows(runs: Sequence[ArmRun], indicator: str) -> list[list[str]]:
    """Return the cells of ``HEADER`` and the spread, of starts and arms."""
    arms = by_arm(runs)
    rows = _start_rows(arms, indicator)
    rows += [_arm_row(arm, arm_runs, indicator) for arm, arm_runs in arms.items()]
    several = max(map(len, arms.values())) > 1
    spread = {one.arm: f"{one.spread:.4f}" for one in standings(runs, indicator) if several}
    return [[*row, spread.get(row[0], "")] for row in rows]


def _end_of(name: str) -> str:
    """Return a name, or its end: names of values differ there."""
    return name if len(name) <= NAME_WIDTH else f"\N{HORIZONTAL ELLIPSIS}{name[1 - NAME_WIDTH :]}"


def _range(cell: str) -> str:
    """Return each seed's value as least and most."""
    values = cell.split(", ")
    return cell if len(values) == 1 else f"{min(values, key=float)}-{max(values, key=float)}"


def _start_rows(arms: Mapping[str, Sequence[ArmRun]], indicator: str) -> list[list[str]]:
    """Return a row per different start, with the arms that share it if there are several."""
    owners: dict[tuple[str, ...], list[str]] = {}
    for arm, arm_runs in arms.items():
        owners.setdefault(
            tuple(_rate_cells([run.start for run in arm_runs], indicator)), []
        ).append(arm)
    rest = [""] * (len(HEADER) - 7)
    return [
        ["start" if len(owners) == 1 else f"start of {', '.join(names)}", *cells, *rest]
        for cells, names in owners.items()
    ]


def _arm_row(arm: str, arm_runs: Sequence[ArmRun], indicator: str) -> list[str]:
    kept = [run.best(indicator) for run in arm_runs]
    losses = [run.loss for run in arm_runs if run.loss is not None]
    diverged = [str(run.seed) for run in arm_runs if run.diverged]
    return [
        arm,
        *_rate_cells([run.last for run in arm_runs], indicator),
        _each([str(result.step) for result in kept]),
        *_mean_cells(kept, lambda result: result.at_best(indicator)),
        f"{mean(losses):.4f}" if losses else "",
        f"{mean(run.minutes for run in arm_runs):.1f}",
        f"diverged (seed {', '.join(diverged)})" if diverged else "",
    ]


def _rate_cells(results: Sequence[EvalResult], indicator: str) -> list[str]:
    """Return hmean at both IoUs, with the config's ratio and with the own one."""
    return [
        _each([f"{result.unclip_ratio:g}" for result in results]),
        *_mean_cells(results, lambda result: result.at_config),
        _each([f"{result.best_ratio(indicator):g}" for result in results]),
        *_mean_cells(results, lambda result: result.at_best(indicator)),
    ]


def _mean_cells(
    results: Sequence[EvalResult], rates_of: Callable[[EvalResult], Mapping[str, float]]
) -> list[str]:
    rates = [rates_of(result) for result in results]
    return [f"{mean(rate[name] for rate in rates):.4f}" for name in ("hmean", "hmean_70")]


def _each(cells: Sequence[str]) -> str:
    """Return what the seeds have in common, or each seed's value."""
    return ", ".join(dict.fromkeys(cells))


def as_csv(runs: Sequence[ArmRun], indicator: str) -> str:
    """Return every run's start, last and best evaluation, with the config's ratio and its own."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for run in runs for row in _figures(run, indicator))
    return text.getvalue()


def _figures(run: ArmRun, indicator: str) -> Iterator[dict[str, object]]:
    evaluations = {"start": run.start, "last": run.last, "best": run.best(indicator)}
    for name, result in evaluations.items():
        ratios = {"config": result.unclip_ratio, "own": result.best_ratio(indicator)}
        for which, ratio in ratios.items():
            yield {
                "arm": run.arm,
                "seed": run.seed,
                "evaluation": name,
                "step": result.step,
                "unclip": which,
                "unclip_ratio": ratio,
                **result.rates[ratio],
                "loss": "" if run.loss is None else run.loss,
                "minutes": f"{run.minutes:.2f}",
                "ended": run.diverged or "finished",
                "folder": run.folder,
            }

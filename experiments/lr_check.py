"""Does the rate that the LR finder names train better than a tenth and ten times of it?

Usage: make lr-check (python -m experiments.lr_check). It runs the finder on the sample data set
with configs/det_v4_ft.yml, then `compare`'s short trainings at three rates, with three seeds each;
it prints what came of it and puts it into docs/lr_check.md, the finder's picture beside it. What is
finished is not run again: output/lr_check. A run counts by the mean of hmean at IoU 0.5 and 0.7,
each at its own best unclip ratio. The exit code is 1 where another rate is ahead by more than the
suggested rate's own runs lie apart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from experiments.marked_tables import Table, replaced
from ppocr_ft.commands.common import import_paddle
from ppocr_ft.commands.compare.variants import Arm, load_arms
from ppocr_ft.config import load_config
from ppocr_ft.utils.cpu import tune_cpu

if TYPE_CHECKING:
    from ppocr_ft.commands.compare.table import ArmRun
    from ppocr_ft.engine.eval_result import EvalResult

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "det_v4_ft.yml"
DOCUMENT = ROOT / "docs" / "lr_check.md"
IMAGES = ROOT / "docs" / "images"
RUNS = ROOT / "output" / "lr_check"
EPOCHS, SEEDS = 2, 3
COMMON = (
    f"Global.save_model_dir={RUNS}",
    f"Global.epoch_num={EPOCHS}",
    "Global.eval_batch_step=[0,1000000]",  # at the end alone
)
FACTORS = {"a tenth": 0.1, "suggested": 1.0, "ten times": 10.0}
INDICATORS = ("hmean", "hmean_70")


def find() -> tuple[list[Arm], Table]:
    """Return an arm for each of ``FACTORS``, and a table of the finder's results."""
    from ppocr_ft.commands.find_lr.run import PICTURE, LrSweep, find_lr, lr_override
    from ppocr_ft.commands.find_lr.suggestion import LrSuggestion

    config = load_config(CONFIG, [f"Global.save_model_dir={RUNS}"])
    begun, used = time.perf_counter(), time.process_time()
    search = find_lr(config, LrSweep())
    minutes = (time.perf_counter() - begun) / 60, (time.process_time() - used) / 60
    search.save(RUNS)
    suggestion = search.suggestion
    if not isinstance(suggestion, LrSuggestion):
        sys.exit(f"no learning rate found: {suggestion.reason}")
    (IMAGES / PICTURE).write_bytes((RUNS / PICTURE).read_bytes())
    overrides = {what: lr_override(config, suggestion.valley * by) for what, by in FACTORS.items()}
    rates = (suggestion.begin, suggestion.bottom, suggestion.steepest, suggestion.valley)
    cells = [str(len(search.test.points)), search.test.ending, *(f"{rate:.1e}" for rate in rates)]
    header = ["steps", "ended by", "valley from", "to", "steepest", "suggested"]
    header += ["minutes", "CPU minutes"]
    cells += [f"{duration:.1f}" for duration in minutes]
    arms = [Arm(what, (override,)) for what, override in overrides.items()]
    return arms, Table("finder", header, [cells])


Column = Callable[["EvalResult"], float]
COLUMNS: dict[str, Column] = {
    "hmean": lambda each: each.at_config["hmean"],
    "hmean_70": lambda each: each.at_config["hmean_70"],
    "hmean, own unclip": lambda each: own_best(each)["hmean"],
    "hmean_70, own unclip": lambda each: own_best(each)["hmean_70"],
    "their mean": lambda each: mean(own_best(each)[name] for name in INDICATORS),
}


def own_best(result: EvalResult) -> Mapping[str, float]:
    return result.at_best(*INDICATORS)


def means(results: Sequence[EvalResult]) -> list[float]:
    return [mean(column(result) for result in results) for column in COLUMNS.values()]


def outcome(arms: Sequence[Arm], runs: dict[str, list[ArmRun]]) -> tuple[Table, Table]:
    """Means over the seeds, and each run by itself."""
    (first, *_), *_ = runs.values()
    rows = [["before training", "", *(f"{value:.4f}" for value in means([first.start]))]]
    single = []
    for arm in arms:
        rate = arm.overrides[0].rpartition("=")[2]
        arm_runs = runs[arm.name]
        rows.append(
            [arm.name, rate, *(f"{value:.4f}" for value in means([r.last for r in arm_runs]))]
        )
        for run in arm_runs:
            figures = [f"{value:.4f}" for value in means([run.last])]
            ratio = f"{run.last.best_ratio(*INDICATORS):g}"
            single.append([arm.name, rate, str(run.seed), *figures, ratio, f"{run.loss or 0:.3f}"])
    header = ["rate", "learning_rate"]
    return (
        Table("means", [*header, *COLUMNS], rows),
        Table("runs", [*header, "seed", *COLUMNS, "own unclip_ratio", "loss"], single),
    )


def train(arms: Sequence[Arm]) -> dict[str, list[ArmRun]]:
    from ppocr_ft.commands.compare.run import plan, run_all
    from ppocr_ft.commands.compare.table import by_arm

    configs = load_arms(CONFIG, arms, COMMON)
    return by_arm(run_all(plan(arms, configs, seeds=SEEDS)))


def main() -> int:
    tune_cpu()
    import_paddle()
    arms, finder = find()
    used = time.process_time()
    runs = train(arms)
    print(f"{(time.process_time() - used) / 60:.1f} CPU minutes of training and evaluation\n")
    document = DOCUMENT.read_text(encoding="utf-8")
    for table in (finder, *outcome(arms, runs)):
        print(table.markdown(), end="\n\n")
        document = replaced(document, table)
    DOCUMENT.write_text(document, encoding="utf-8")
    sentence, won = verdict({name: totals(arm_runs) for name, arm_runs in runs.items()})
    print(sentence)
    return 0 if won else 1


def totals(runs: Sequence[ArmRun]) -> list[float]:
    """Return the number by which each run is compared."""
    *_, total = COLUMNS.values()
    return [total(run.last) for run in runs]


def verdict(arms: Mapping[str, Sequence[float]]) -> tuple[str, bool]:
    """Whether the suggestion does at least as well as each other rate, or loses within noise."""
    totals_suggested = arms["suggested"]
    noise = max(totals_suggested) - min(totals_suggested)
    suggested = mean(totals_suggested)
    leads = {name: mean(arms[name]) - suggested for name in arms.keys() - {"suggested"}}
    ahead, lead = max(leads.items(), key=lambda item: item[1])
    noise_text = f"its own runs lie {noise:.4f} apart"
    if lead <= 0:
        return f"the suggestion is ahead of both by {-lead:.4f} or more; {noise_text}", True
    if lead <= noise:
        return f"{ahead} is ahead by {lead:.4f}, within noise: {noise_text}", True
    return f"the suggestion LOST: {ahead} is ahead by {lead:.4f}; {noise_text}", False


if __name__ == "__main__":
    sys.exit(main())

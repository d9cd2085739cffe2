"""The result of an evaluation: its best unclip ratio, and which of several evaluations is best."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from ppocr_ft.engine.eval_result import EvalResult, best, results_of
from ppocr_ft.engine.metrics_file import EVAL, MetricsFile, read_metrics
from ppocr_ft.metrics.det import RATES

Pair = tuple[float, float]
"""hmean at IoU 0.5 and at 0.7."""


def result(step: int, by_ratio: Pair | Mapping[float, Pair], **others: float) -> EvalResult:
    """One with these rates by unclip ratio, the config's 1.5 alone unless told."""
    pairs = by_ratio if isinstance(by_ratio, Mapping) else {1.5: by_ratio}
    rates = {
        ratio: {**dict.fromkeys(RATES, 0.1), "hmean": half, "hmean_70": strict, **others}
        for ratio, (half, strict) in pairs.items()
    }
    return EvalResult(rates, step, epoch=step // 10)


NAN = math.nan
ULP = 1e-16
BESTS = {
    "the highest": ([(0.5, 0.9), (0.6, 0.1), (0.55, 0.9)], 1),
    "a tie goes to the tighter": ([(0.6, 0.3), (0.6, 0.4), (0.6, 0.2)], 1),
    "a tie at both IoUs goes to the later": ([(0.6, 0.4), (0.6, 0.4), (0.5, 0.9)], 1),
    "the untrained start loses a tie": ([(0.6, 0.4), (0.6, 0.4)], 1),
    "no higher is no better": ([(0.6, 0.4), (0.6, 0.39)], 0),
    "float rounding makes no difference": ([(0.7 + ULP, 0.4), (0.7, 0.4)], 1),
    "the ninth digit does": ([(0.700000001, 0.4), (0.7, 0.5)], 0),
    "NaN is the lowest": ([(0.0, 0.0), (NAN, 0.9)], 0),
    "a NaN at 0.7 is the lowest": ([(0.6, 0.0), (0.6, NAN)], 0),
    "of nothing but NaN the later": ([(NAN, 0.1), (NAN, 0.2)], 1),
    "one alone": ([(0.0, 0.0)], 0),
    "each at its own ratio": ([{1.5: (0.5, 0.1), 1.0: (0.9, 0.1)}, {1.5: (0.6, 0.1),
                               1.0: (0.8, 0.1)}], 0),
    "the tie breaker has its own ratio": ([{1.5: (0.5, 0.8), 1.0: (0.8, 0.3)}, {1.5: (0.5, 0.9),
                                           1.0: (0.8, 0.2)}, {1.5: (0.5, 0.1),
                                           1.0: (0.8, 0.4)}], 1),
    "of ratios that tie the tighter counts": ([{1.5: (1.0, 0.0), 1.0: (1.0, 0.9)},
                                               {1.5: (1.0, 0.8), 1.0: (1.0, 0.8)}], 0),
}  # fmt: skip


@pytest.mark.parametrize(("rates", "wanted"), BESTS.values(), ids=BESTS.keys())
def test_best(rates: list[Pair | dict[float, Pair]], wanted: int, tmp_path: Path) -> None:
    results = [result(10 * number, by_ratio) for number, by_ratio in enumerate(rates)]
    assert best(results, "hmean").step == 10 * wanted
    metrics = MetricsFile(tmp_path)
    for one in results:
        for row in one.rows():
            metrics.add(EVAL, row)
    again = results_of(read_metrics(tmp_path / "metrics.csv")[1])
    assert best(again, "hmean").step == 10 * wanted, "who reads the file decides the same"


@pytest.mark.parametrize(("rates", "wanted"), BESTS.values(), ids=BESTS.keys())
def test_training_keeps_the_best(rates: list[Pair | dict[float, Pair]], wanted: int) -> None:
    pytest.importorskip("paddle", reason="paddle is not installed")
    from ppocr_ft.engine.state import Progress

    progress = Progress(seed=1, steps_per_epoch=10)
    kept = []
    for number, by_ratio in enumerate(rates):
        progress.step = 10 * number
        if progress.evaluated(result(progress.step, by_ratio), "hmean"):
            kept.append(progress.step)
    assert progress.best_step == kept[-1] == 10 * wanted
    assert progress.evaluated_step == 10 * (len(rates) - 1)


def test_the_main_indicator_decides_not_hmean() -> None:
    results = [result(0, (0.9, 0.5), recall=0.3), result(10, (0.8, 0.5), recall=0.4)]
    assert best(results, "recall").step == 10
    assert best(results, "hmean").step == 0
    assert best([result(0, (0.9, 0.5)), result(10, (0.8, 0.6))], "hmean_70").step == 10


def test_none_is_no_best() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        best([], "hmean")


WAITS = [
    ("two after the best", [(0.5, 0.1), (0.6, 0.1), (0.5, 0.9), (0.4, 0.1)], 2),
    ("equals don't gain", [(0.5, 0.1), (0.5, 0.1), (0.5, 0.1)], 2),
    ("tighter ones do", [(0.5, 0.1), (0.5, 0.2), (0.5, 0.3)], 0),
    ("a new best", [(0.5, 0.1), (0.4, 0.1), (0.6, 0.1)], 0),
    ("none yet", [], 0),
]


@pytest.mark.parametrize(
    ("pairs", "wanted"), [case[1:] for case in WAITS], ids=[case[0] for case in WAITS]
)
def test_patience_counts_evaluations_without_gain(pairs: list[Pair], wanted: int) -> None:
    pytest.importorskip("paddle", reason="paddle is not installed")
    from ppocr_ft.engine.state import Progress

    progress = Progress(seed=1, steps_per_epoch=10)
    for number, pair in enumerate(pairs):
        progress.step = number
        progress.evaluated(result(number, pair), "hmean")
    assert progress.evaluations_without_gain == wanted


def test_a_state_of_an_older_version_goes_on() -> None:
    pytest.importorskip("paddle", reason="paddle is not installed")
    from ppocr_ft.engine.state import Progress

    progress = Progress(1, 10, 30, 20, 0.5, best_step=10, evaluations=[(10, 0.5), (20, 0.4)])
    assert progress.evaluations_without_gain == 1
    assert progress.evaluated(result(30, (0.5, 0.0)), "hmean"), "what it had at 0.7 isn't known"
    assert (progress.best_step, progress.best_hmean_70) == (30, 0.0)


def test_best_ratio() -> None:
    level = result(0, {1.5: (0.8, 0.3), 1.0: (0.8 + ULP, 0.9), 2.0: (0.7, 0.1)})
    assert level.unclip_ratio == 1.5
    assert level.best_ratio("hmean") == 1.0, "the tighter among equals"
    assert result(0, {1.5: (0.8, 0.3), 1.0: (0.8, 0.3)}).best_ratio("hmean") == 1.5, "the config's"
    assert level.best_ratio("hmean_70") == level.best_ratio("hmean", "hmean_70") == 1.0
    assert (level.value("hmean"), level.value("hmean_70")) == (0.8 + ULP, 0.9)
    assert level.at_best("hmean")["hmean_70"] == 0.9
    assert result(0, {1.5: (0.8, 0.3), 1.0: (0.81, 0.3)}).best_ratio("hmean") == 1.0
    assert result(0, {1.5: (NAN, 0.3), 1.0: (0.1, 0.3)}).best_ratio("hmean") == 1.0


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path)
    metrics.add("train", {"step": 5, "epoch": 1, "loss": 0.5})
    evaluated = EvalResult(
        {ratio: {name: i / 8 for i, name in enumerate(RATES)} for ratio in (1.5, 0.8)},
        step=5,
        epoch=1,
        val_loss=2.5,
        shrink_ratio=0.5,
        merged=0.25,
        split=0.0,
    )
    for row in evaluated.rows():
        metrics.add(EVAL, row)
    assert results_of(metrics.rows()) == [evaluated]


def test_evaluations_without_figures_are_left_out() -> None:
    usual = {"kind": "eval", "step": "0", "unclip_ratio": "1.5", "hmean": "0.5"}
    rows = [{**usual, "hmean": ""}, {**usual, "step": "5"}, {**usual, "step": "9"}]
    rows += [{"kind": "train", "step": "9"}]
    rows[1].pop("unclip_ratio")
    (known,) = results_of(rows)
    assert known == EvalResult({1.5: {"hmean": 0.5}}, step=9)
    assert math.isnan(known.value("recall"))


def test_the_closing_table_picks_the_ratio_by_the_main_indicator() -> None:
    pytest.importorskip("paddle", reason="paddle is not installed")
    from ppocr_ft.commands.train.console import summary_table

    both = result(5, {1.5: (0.9, 0.2), 1.0: (0.6, 0.7)})
    by_hmean = summary_table({"best": both}, "hmean").splitlines()[1:]
    assert [line.split()[-3:] for line in by_hmean] == [["1.50", "0.9000", "0.2000"]]
    strict = summary_table({"best": both}, "hmean_70").splitlines()[1:]
    assert [line.split()[-3:] for line in strict] == [
        ["1.50", "0.9000", "0.2000"],
        ["1.00", "0.6000", "0.7000"],
    ]


def test_no_paddle_is_needed() -> None:
    code = (
        "import sys; sys.modules['paddle'] = None; import ppocr_ft.engine.eval_result, "
        "ppocr_ft.engine.metrics_file, ppocr_ft.commands.compare.table, ppocr_ft.report.page.run"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""The monitor's rules, each on a series that shows its fault and on ones that don't; its memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr_ft.engine.monitor import VERDICT_NAMES, History, RunInfo
from ppocr_ft.engine.monitor.rules_resources import workers_needed
from tests.support.recorded_runs import (
    HEALTHY,
    Row,
    judged,
    names,
    recorded_arms,
    rows_of,
    said,
    train,
    train_rows,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "monitor.md"
INFO = RunInfo(total_steps=1000, workers=2, cores=8, memory_mb=4000)
LINE = np.array([[0, 0], [200, 0], [200, 20], [0, 20]], np.float64)


def evals(*hmeans: float, every: int = 50, **columns: Sequence[float | None]) -> list[Row]:
    """Evaluations and, before each but the first, a training row."""
    rows = []
    for i, hmean in enumerate(hmeans):
        more: dict[str, Any] = {name: values[i] for name, values in columns.items()}
        loss = more.pop("loss", 4 - i / 10)
        rows += [train(i * every, loss=loss)] * (i > 0) + [judged(i * every, hmean, **more)]
    return rows


FALLING = [0.9, 0.5]
CASES = [
    ("steps skipped", "nan", train_rows("skipped_steps", [0, 0, 3]), INFO),
    ("gradients 20 times as large", "grad-exploding", train_rows("grad_norm", [1] * 8 + [20] * 3),
     INFO),
    ("gradients infinite", "grad-exploding", train_rows("grad_norm", [1] * 8 + ["inf"] * 3), INFO),
    ("rate 0 from the start", "lr-zero", train_rows("lr", [0, 0, 0]), INFO),
    ("milestones in steps: rate gone", "lr-zero", train_rows("lr", [1e-3] * 4 + [1e-8] * 3), INFO),
    ("a warm-up of half the run", "warming-up", train_rows("lr", [i * 1e-6 for i in range(1, 40)]),
     INFO),
    ("a loss that stands", "loss-not-falling", train_rows("loss", [3.0, 3.1, 2.9] * 8), INFO),
    ("a loss that rises", "loss-not-falling", train_rows("loss", [2 + i / 10 for i in range(22)]),
     INFO),
    ("three evaluations under the start", "below-start",
     evals(0.9, 0.88, 0.87, 0.88, loss=[0, 4, 4, 4]), INFO),
    ("validation loss up, train loss down", "overfitting",
     evals(0.5, 0.6, 0.59, 0.58, val_loss=[5, 4, 4.5, 5]), INFO),
    ("hmean falls with the loss", "targets-wrong", [train(1), *evals(*FALLING)], INFO),
    ("maps of another ratio", "targets-wrong",
     evals(0.5, shrink_ratio=[0.4], drawn_shrink_ratio=[0.81]), INFO),
    ("maps that are empty", "targets-wrong",
     evals(0.5, shrink_ratio=[0.4], drawn_shrink_ratio=[0.0]), INFO),
    ("steps that wait", "loader-bound", train_rows("reader_share", [0.5] * 6), INFO),
    ("memory up by 50 MB a row", "memory-growing",
     train_rows("memory_mb", [900 + 50 * i for i in range(24)]), INFO),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "rows", "info"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_fault_is_named_once_and_alone(name: str, rows: list[Row], info: RunInfo) -> None:
    assert names(rows, info) == [name]


HEALTHY_CASES = [
    ("a rate that ends at 0", train_rows("lr", [1e-3, 5e-4, 1e-9, 1e-10, 0], every=200)),
    ("a first step at rate 0", train_rows("lr", [0, 1e-4, 2e-4, 2e-4])),
    ("a short warm-up", train_rows("lr", [1e-4, 2e-4, 3e-4])),
    ("the first gradients largest", train_rows("grad_norm", [90, 50, 20, 5, *[2, 9, 1] * 6])),
    ("one step in between skipped in the past", train_rows("skipped_steps", [0] * 9)),
    ("a loss that falls late", train_rows("loss", [4.0] * 16 + [3.8] * 8)),
    ("a loss that stands while hmean rises",
     [judged(0, 0.5), *train_rows("loss", [3.0] * 19), judged(190, 0.6), *[train(200, loss=3.0)]]),
    ("a dip after the start", evals(0.9, 0.85, 0.86, 0.92, 0.93)),
    ("hmean falls as the loss rises", evals(0.9, 0.5, loss=[0, 5])),
    ("validation loss up at the best hmean", evals(0.5, 0.6, 0.61, 0.62, val_loss=[5, 4, 4.5, 5])),
    ("both losses up", evals(0.5, 0.6, 0.59, 0.58, val_loss=[5, 4, 4.5, 5], loss=[9, 3, 4, 5])),
    ("maps of the config's ratio", evals(0.5, shrink_ratio=[0.5], drawn_shrink_ratio=[0.52])),
    ("crops without text", evals(0.5, shrink_ratio=[0.5], drawn_shrink_ratio=[None])),
    ("a slow first read", train_rows("reader_share", [0.9, 0.2, 0.1, 0.2, 0.1])),
    ("memory up by an evaluation", train_rows("memory_mb", [900] * 6 + [1400] * 20)),
    ("memory up and down", train_rows("memory_mb", [900, 1200, 1000] * 10)),
    ("nothing at all", []),
]  # fmt: skip


@pytest.mark.parametrize(
    "rows", [case[1] for case in HEALTHY_CASES], ids=[case[0] for case in HEALTHY_CASES]
)
def test_what_only_looks_like_a_fault_is_not_named(rows: list[Row]) -> None:
    assert said(rows, INFO) == []


@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: path.stem)
def test_healthy_recorded_runs_are_silent(path: Path) -> None:
    rows = rows_of(path)
    assert len(rows) > 60
    assert said(rows, RunInfo(total_steps=30, workers=0, cores=2, memory_mb=4000)) == []


def test_there_are_healthy_runs() -> None:
    assert len(HEALTHY) == 2


@pytest.mark.parametrize(("data_set", "arm", "rows"), list(recorded_arms()), ids=str)
def test_recorded_arms_wrong_targets_by_the_second_evaluation_and_no_others(
    data_set: str, arm: str, rows: list[Row]
) -> None:
    """By losses and hmean alone."""
    found = said(rows, RunInfo(total_steps=30))
    if arm == "PaddleOCR 2.7.0.3":
        (first, *_) = found
        assert (first.step, first.verdict.name) == (5, "targets-wrong")
        assert {each.verdict.name for each in found} == {"targets-wrong"}
    else:
        assert found == []


def test_the_pairs_ceiling_is_named_as_the_cause() -> None:
    info = RunInfo(total_steps=100, polygons=(LINE, LINE + 7))
    rows = [train(1), *evals(*FALLING, shrink_ratio=[0.81] * 2, drawn_shrink_ratio=[0.81] * 2)]
    (verdict,) = (each.verdict for each in said(rows, info))
    assert "shrink ratio 0.81 and unclip_ratio 1.5 don't fit" in verdict.sentence
    assert "a mean IoU of 0." in verdict.sentence
    assert "Set PostProcess.unclip_ratio to 0.49" in verdict.remedy


def test_the_unclip_ratio_that_the_network_learnt_is_named() -> None:
    rows = [train(1), *evals(0.9, 0.5), judged(50, 0.88, 0.8)]
    (verdict,) = (each.verdict for each in said(rows, RunInfo(total_steps=100)))
    assert "with unclip_ratio 0.8 hmean is 0.880" in verdict.sentence
    assert "PostProcess.unclip_ratio to 0.8" in verdict.remedy


@pytest.mark.parametrize("other", [0.3, 0.5, 0.59])
def test_another_unclip_ratio_that_is_hardly_better_is_not_the_cause(other: float) -> None:
    rows = [train(1), *evals(0.9, 0.5), judged(50, other, 0.8)]
    (verdict,) = (each.verdict for each in said(rows, RunInfo(total_steps=100)))
    assert "the targets are not what the labels of Eval mean" in verdict.sentence
    assert "unclip_ratio" not in verdict.remedy


def test_the_drawn_ratio_and_its_ceiling_are_named() -> None:
    rows = evals(0.5, shrink_ratio=[0.4], drawn_shrink_ratio=[0.81])
    (verdict,) = (each.verdict for each in said(rows, RunInfo(10, polygons=(LINE,))))
    assert "about 0.81 instead of the config's 0.40" in verdict.sentence
    assert "even a perfect network would reach a mean IoU of 0.5" in verdict.sentence
    assert "ppocr_ft.upstream.install()" in verdict.remedy


def test_below_start_is_kept_back_where_wrong_targets_explain_it() -> None:
    assert names([train(1), *evals(0.9, 0.5, 0.5, 0.5, 0.5)]) == ["targets-wrong"]


@pytest.mark.parametrize(
    ("share", "workers", "needed"),
    [(0.5, 0, 1), (0.75, 0, 3), (0.5, 2, 4), (0.31, 1, 2), (0.31, 4, 6), (1.0, 2, 200)],
)
def test_workers_that_would_do(share: float, workers: int, needed: int) -> None:
    """0.5 with 2: a batch takes 2 * (wait + step) = 4 steps of one thread's time."""
    assert workers_needed(share, workers) == needed


@pytest.mark.parametrize(
    ("cores", "part"), [(8, "num_workers to about 4"), (3, "this machine has 3 cores")]
)
def test_loader_bound_minds_the_cores(cores: int, part: str) -> None:
    info = RunInfo(1000, workers=2, cores=cores)
    (found,) = said(train_rows("reader_share", [0.5] * 6), info)
    assert part in found.verdict.remedy


def test_skipped_steps_of_a_loss_scaler_are_none_of_the_users_business() -> None:
    rows = train_rows("skipped_steps", [0, 0, 3])
    assert said(rows, RunInfo(1000, scales_losses=True)) == []


# --- the memory


def loader(*shares: float) -> list[Row]:
    return train_rows("reader_share", shares)


def test_a_verdict_comes_back_only_after_it_has_gone() -> None:
    bound, fine = [0.9] * 8, [0.0] * 3
    assert len(said(loader(*bound, *bound), INFO)) == 1
    assert len(said(loader(*bound, *fine, *bound), INFO)) == 1, "it wasn't gone long enough"
    found = said(loader(*bound, *[0.0] * 12, *bound), INFO)
    assert [each.verdict.name for each in found] == ["loader-bound"] * 2


@pytest.mark.parametrize(("between", "times"), [(0, 1), (1, 1), (2, 2), (3, 2)])
def test_an_evaluations_verdict_has_gone_after_two_without_it(between: int, times: int) -> None:
    rows = [train(1), *evals(0.9, 0.5, *[0.9] * between, 0.5)]
    assert names(rows) == ["targets-wrong"] * times


@pytest.mark.parametrize("cut", range(0, 24, 3))
def test_rows_read_again_lead_to_the_same(cut: int) -> None:
    """Settled row by row, or what was written before a kill at once and the rest as it comes."""
    rows = [train(1), *evals(*FALLING, 0.4, 0.9, 0.9, 0.9, 0.5, 0.4), *loader(*[0.9] * 8)]
    wanted = said(rows, INFO)
    assert len(wanted) > 2
    resumed = History(INFO)
    found = []
    for i, row in enumerate(rows):
        resumed.append(row)
        if i >= cut:
            found += resumed.evaluate()
    assert found == wanted


def test_an_evaluations_rows_count_together() -> None:
    rows = evals(0.5, 0.6)
    other = [*rows[:1], judged(0, 0.9, 1.0), *rows[1:], judged(50, 0.95, 1.0)]
    history = History(INFO)
    for row in other:
        history.append(row)
    history.evaluate()
    first, second = history.series.evals
    assert (first.at_config["hmean"], first.value("hmean"), first.best_ratio("hmean")) == (
        0.5,
        0.9,
        1.0,
    )
    assert (second.at_config["hmean"], second.value("hmean")) == (0.6, 0.95)


# --- names


def test_each_verdict_has_a_case() -> None:
    assert {case[1] for case in CASES} == set(VERDICT_NAMES)
    assert len(set(VERDICT_NAMES)) == len(VERDICT_NAMES)


def test_the_document_explains_each() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in VERDICT_NAMES if f"### `{name}`" not in text] == []

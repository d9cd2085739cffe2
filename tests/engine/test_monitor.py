"""The monitor's rules, each on a series that shows its fault and on ones that don't; its memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ppocr_ft.engine.monitor.callback import Monitor
from ppocr_ft.engine.monitor.history import VERDICT_NAMES, History
from ppocr_ft.engine.monitor.rules_training import workers_needed
from ppocr_ft.engine.monitor.series import RunInfo
from ppocr_ft.engine.stop import StoppedEarly
from ppocr_ft.engine.trainer import MAX_SKIPPED_IN_ROW
from tests.support.recorded_runs import (
    HEALTHY,
    Row,
    further,
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


def with_further_set(*hmeans: float | None, best: float = 0.5) -> list[Row]:
    """A run that gets better, and hmean on a further set; None: not judged then."""
    rows = []
    for i, hmean in enumerate(hmeans):
        rows.append(judged(50 * i, 0.5 + i / 100))
        if hmean is not None:
            rows += [further(50 * i, "old", hmean), further(50 * i, "old", best, 2.2)]
        rows.append(train(50 * i + 10, loss=4 - i))
    return rows


def thawing(norms: Sequence[float], frozen_rows: int) -> list[Row]:
    """Rows of two parameter groups, one of them frozen at first."""
    rows = train_rows("grad_norm", norms)
    return [
        {**row, "lr/head": "1e-3", "lr/body": "0" if i < frozen_rows else "1e-3"}
        for i, row in enumerate(rows)
    ]


CASES = [
    ("steps skipped", "nan", train_rows("skipped_steps", [0, 0, 3]), INFO),
    ("gradients 20 times as large", "grad-exploding", train_rows("grad_norm", [1] * 8 + [20] * 3),
     INFO),
    ("gradients 20 times as large after a thaw", "grad-exploding",
     thawing([1] * 8 + [50] * 8 + [1000] * 3, 8), INFO),
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
    ("more merged labels", "merged-texts",
     evals(0.5, 0.49, 0.49, merged=[0.05, 0.09, 0.12]), INFO),
    ("more split labels", "split-texts", evals(0.5, 0.49, 0.49, split=[0.0, 0.04, 0.04]), INFO),
    ("precision down, recall up", "false-boxes",
     evals(0.455, 0.45, 0.448, precision=[0.492, 0.46, 0.45], recall=[0.424, 0.44, 0.446]), INFO),
    ("recall down, precision held", "missed-texts",
     evals(0.8, 0.79, 0.79, precision=[0.8, 0.81, 0.796], recall=[0.8, 0.76, 0.76]), INFO),
    ("a further set 0.06 down", "forgetting", with_further_set(0.9, 0.84), INFO),
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
    ("the body begins to learn", thawing([1] * 8 + [50] * 5, 8)),
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
    ("merged labels at a better hmean", evals(0.5, 0.51, 0.52, merged=[0.05, 0.1, 0.1])),
    ("a few more merged labels", evals(0.5, 0.49, 0.49, merged=[0.05, 0.08, 0.08])),
    ("merged labels once", evals(0.5, 0.49, 0.49, merged=[0.05, 0.05, 0.1])),
    ("merged labels unknown at the start", evals(0.5, 0.49, 0.49, merged=[None, 0.1, 0.1])),
    ("precision and recall down",
     evals(0.5, 0.49, 0.49, precision=[0.5, 0.46, 0.46], recall=[0.5, 0.49, 0.49])),
    ("false boxes at a better hmean",
     evals(0.5, 0.52, 0.52, precision=[0.6, 0.5, 0.5], recall=[0.43, 0.55, 0.55])),
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
        assert (first.step, first.name) == (5, "targets-wrong")
        assert {each.name for each in found} == {"targets-wrong"}
    else:
        assert found == []


def test_the_pairs_ceiling_is_named_as_the_cause() -> None:
    info = RunInfo(total_steps=100, polygons=(LINE, LINE + 7))
    rows = [train(1), *evals(*FALLING, shrink_ratio=[0.81] * 2, drawn_shrink_ratio=[0.81] * 2)]
    (verdict,) = said(rows, info)
    assert "shrink ratio 0.81 and unclip_ratio 1.5 don't fit" in verdict.sentence
    assert "a mean IoU of 0." in verdict.sentence
    assert "Set PostProcess.unclip_ratio to 0.49" in verdict.remedy


def test_a_pair_that_fits_is_not_the_cause() -> None:
    """Ratio 0.4 wants 3.31 for LINE (below)."""
    rows = [train(1), *evals(0.9, 0.4, shrink_ratio=[0.4] * 2, unclip_ratio=[3.3] * 2)]
    (verdict,) = said(rows, RunInfo(total_steps=100, polygons=(LINE,)))
    assert "the targets are not what the labels of Eval mean" in verdict.sentence


def test_the_unclip_ratio_that_the_network_learnt_is_named() -> None:
    rows = [train(1), *evals(0.9, 0.5), judged(50, 0.88, 0.8)]
    (verdict,) = said(rows, RunInfo(total_steps=100))
    assert "with unclip_ratio 0.8 hmean is 0.880" in verdict.sentence
    assert "PostProcess.unclip_ratio to 0.8" in verdict.remedy


@pytest.mark.parametrize("other", [0.3, 0.5, 0.59, 0.6])
def test_another_unclip_ratio_that_is_hardly_better_is_not_the_cause(other: float) -> None:
    rows = [train(1), *evals(0.9, 0.5), judged(50, other, 0.8)]
    (verdict,) = said(rows, RunInfo(total_steps=100))
    assert "the targets are not what the labels of Eval mean" in verdict.sentence
    assert "unclip_ratio" not in verdict.remedy


def test_the_drawn_ratio_and_its_ceiling_are_named() -> None:
    rows = evals(0.5, shrink_ratio=[0.4], drawn_shrink_ratio=[0.81])
    (verdict,) = said(rows, RunInfo(10, polygons=(LINE,)))
    assert "about 0.81 instead of the config's 0.40" in verdict.sentence
    assert "even a perfect network would reach a mean IoU of 0.5" in verdict.sentence
    assert "ppocr_ft.upstream.install()" in verdict.remedy


@pytest.mark.parametrize(
    ("every", "total_steps", "memory_mb", "outlook"),
    [
        (10, 650, 4000, "; this machine's 4,000 MB are full by step 650, within this run"),
        (10, 649, 4000, "; this machine's 4,000 MB are full by step 650, after this run"),
        (10, 1000, 1000, "; this machine's 1,000 MB are full by step 200, within this run"),
        (100, 3000, 1749, "; this machine's 1,749 MB are full by step 2,000, within this run"),
        (10, 1000, None, ""),
    ],
)
def test_when_the_memory_will_be_full(
    every: int, total_steps: int, memory_mb: float | None, outlook: str
) -> None:
    """50 MB in 10 steps: what is left of 4,000 MB above 1,750 is gone in 450 steps."""
    rows = train_rows("memory_mb", [900 + 50 * i for i in range(20)], every)
    (verdict,) = said(rows, RunInfo(total_steps=total_steps, memory_mb=memory_mb))
    assert verdict.sentence == (
        f"The process's memory grows steadily, from 1,000 to 1,750 MB within {15 * every} "
        f"steps{outlook}."
    )


def test_below_start_is_kept_back_where_wrong_targets_explain_it() -> None:
    assert names([train(1), *evals(0.9, 0.5, 0.5, 0.5, 0.5)]) == ["targets-wrong"]


# --- kinds of errors


def test_false_boxes_are_judged_at_the_best_unclip_ratio() -> None:
    """With the config's ratio recall falls too, by boxes of the wrong size."""
    best = [(0.5, 0.5, 0.5), (0.47, 0.4, 0.57), (0.46, 0.39, 0.56)]
    rows = []
    for i, (hmean, precision, recall) in enumerate(best):
        rows.append(judged(i * 50, hmean - 0.05, precision=0.1, recall=0.5 - i / 5))
        rows.append(judged(i * 50, hmean, 1.0, precision=precision, recall=recall))
    (verdict,) = said(rows)
    assert verdict.name == "false-boxes"
    assert verdict.sentence == (
        "Since the start precision fell from 0.500 to 0.390 while recall went from 0.500 to 0.560 "
        "(IoU 0.5): it finds text on background, which training's crops hardly show."
    )
    assert "Set ScaledCrop.text_p to 0.3" in verdict.remedy


@pytest.mark.parametrize(
    ("kind", "ratio", "polygons", "part"),
    [
        ("merged", 0.6, (LINE,), "to 0.4 and PostProcess.unclip_ratio to at most 3.31, or train"),
        ("merged", 0.6, (), "to 0.4 and PostProcess.unclip_ratio to at most what check says, or"),
        ("merged", 0.4, (LINE,), "Train and evaluate at a larger limit_side_len"),
        ("split", 0.4, (LINE,), "to 0.6 and PostProcess.unclip_ratio to at most 1.45, and see"),
        ("split", 0.6, (LINE,), "See by ppocr-ft check whether the labels"),
    ],
)
def test_kernels_that_touch_or_fall_apart_want_another_pair(
    kind: str, ratio: float, polygons: tuple[Any, ...], part: str
) -> None:
    """LINE's edges move by 4000 * (1 - r * r) / 440: 7.64 px at 0.4, which leaves 184.7 x 4.73 px,
    873 px^2 and 379 px around; 7.64 * 379 / 873 = 3.31. At 0.6: 5.82 px, 5.82 * 393.5 / 1575.
    """
    rows = evals(0.5, 0.4, 0.45, **{kind: [0.05, 0.25, 0.2]}, shrink_ratio=[ratio] * 3)
    (verdict,) = said(rows, RunInfo(100, polygons=polygons))
    assert f"of {kind} texts among Eval's labels rose from 5.0% to 20.0%:" in verdict.sentence
    assert part in verdict.remedy


def test_missed_and_false_are_kept_back_where_merged_texts_explain_them() -> None:
    rates = {"precision": [0.5] * 3, "recall": [0.5, 0.4, 0.4], "merged": [0.0, 0.1, 0.1]}
    assert names(evals(0.5, 0.45, 0.45, **rates)) == ["merged-texts"]


@pytest.mark.parametrize(
    ("drawn", "hmean", "wanted"),
    [
        (0.4, 0.25, ["merged-texts"]),
        (None, 0.3, ["targets-wrong"]),
        (0.4, 0.24, ["targets-wrong"]),
    ],
)
def test_right_maps_and_a_kind_of_error_are_not_wrong_targets(
    drawn: float | None, hmean: float, wanted: list[str]
) -> None:
    """But for a hmean below half of the start's."""
    columns = {"shrink_ratio": [0.4] * 3, "drawn_shrink_ratio": [drawn] * 3}
    rows = evals(0.5, hmean, hmean, merged=[0.0, 0.1, 0.1], **columns)
    assert names([train(1), *rows]) == wanted


def test_below_start_says_which_errors_grew() -> None:
    rows = evals(0.9, 0.88, 0.87, 0.88, merged=[0.0, 0.01, 0.01, 0.05])
    (verdict,) = said(rows)
    assert verdict.name == "below-start"
    assert "hmean 0.880 instead of 0.900. Since the start the share of merged" in verdict.sentence
    assert "limit_side_len" in verdict.remedy


def test_forgetting_is_said_once_and_of_the_last_judged() -> None:
    (alert,) = said(with_further_set(0.9, 0.86, 0.84, None, 0.8, 0.83))
    assert (alert.name, alert.step) == ("forgetting", 100)
    assert "hmean at IoU 0.5 fell from 0.900 to 0.840 on old (step 100)" in alert.sentence


@pytest.mark.parametrize(
    "rows",
    [
        with_further_set(0.9, 0.851, 0.95, 0.86),
        with_further_set(0.9, 0.7, best=0.88),
        with_further_set(None, 0.9, 0.7),
        with_further_set(0.9),
    ],
    ids=["within 0.05", "with another unclip ratio", "the start isn't known", "the start alone"],
)
def test_what_is_no_forgetting(rows: list[Row]) -> None:
    assert names(rows) == []


@pytest.mark.parametrize(
    ("share", "workers", "needed"),
    [(0.5, 0, 1), (0.75, 0, 3), (0.5, 2, 4), (0.31, 1, 2), (0.31, 4, 6), (1.0, 2, 200)],
)
def test_workers_that_would_do(share: float, workers: int, needed: int) -> None:
    """0.5 with 2: a batch takes 2 * (wait + step) = 4 steps of one thread's time."""
    assert workers_needed(share, workers) == needed


@pytest.mark.parametrize(
    ("cores", "part"), [(4, "num_workers to about 4"), (3, "this machine has 3 cores")]
)
def test_loader_bound_minds_the_cores(cores: int, part: str) -> None:
    info = RunInfo(1000, workers=2, cores=cores)
    (found,) = said(train_rows("reader_share", [0.5] * 6), info)
    assert part in found.remedy


def test_steps_skipped_long_ago_are_not_counted_again() -> None:
    found = said(train_rows("skipped_steps", [0, *[3] * 7, 5]))
    assert [(each.step, each.sentence.partition(" gave")[0]) for each in found] == [
        (20, "3 of the 10 steps up to step 20"),
        (90, "2 of the 10 steps up to step 90"),
    ]


def test_skipped_steps_of_a_loss_scaler_are_none_of_the_users_business() -> None:
    rows = train_rows("skipped_steps", [0, 0, 3])
    assert said(rows, RunInfo(1000, scales_losses=True)) == []


# --- the limits: at each a rule still says nothing, or already something


def lrs(*steps_and_rates: tuple[int, float]) -> list[Row]:
    return [train(step, lr=rate) for step, rate in steps_and_rates]


def overfitted(val_loss: float, train_loss: float = 3.0) -> list[Row]:
    """Lowest at step 50, whose training row has a loss of 4."""
    losses = {"val_loss": [5, 4, val_loss, val_loss], "loss": [0, 4, 9, train_loss]}
    return evals(0.5, 0.6, 0.59, 0.58, **losses)


CLOSE = {"drawn_shrink_ratio": [0.1], "shrink_ratio": [0.05]}
RATES = {"precision": [0.5, 0.46, 0.46], "recall": [0.5, 0.495, 0.495]}
WORSE = [0.5, 0.49, 0.49]

# what is at the limit | rows | verdict and its step, or none
LIMITS: list[tuple[str, list[Row], tuple[str, int] | None]] = [
    ("10 times the norm", train_rows("grad_norm", [1] * 8 + [10] * 3), None),
    ("8 norms", train_rows("grad_norm", [1] * 5 + [11] * 3), ("grad-exploding", 80)),
    ("7 norms", train_rows("grad_norm", [1] * 4 + [11] * 3), None),
    ("the median of 20 norms before is 2",
     train_rows("grad_norm", [1] * 11 + [3] * 10 + [20, 1, 20]), None),
    ("a rate of 1e-4 of the highest", train_rows("lr", [1.0] * 4 + [1e-4] * 3), ("lr-zero", 70)),
    ("a rate above 1e-4 of the highest", train_rows("lr", [1.0] * 4 + [1.1e-4] * 3), None),
    ("5 % of the run left", lrs((200, 1), (265, 0), (275, 0), (285, 0)), ("lr-zero", 285)),
    ("less than 5 % left", lrs((200, 1), (266, 0), (276, 0), (286, 0)), None),
    ("a third of the run", lrs((90, 1e-6), (100, 2e-6)), None),
    ("more than a third", lrs((90, 1e-6), (101, 2e-6)), ("warming-up", 101)),
    ("a rate that stood once", lrs((80, 1e-6), (90, 1e-6), (101, 2e-6)), None),
    ("one row alone", lrs((101, 1e-6)), None),
    ("19 losses", train_rows("loss", [3.0] * 19), None),
    ("20 losses", train_rows("loss", [3.0] * 20), ("loss-not-falling", 200)),
    ("98 % of the loss", train_rows("loss", [100] * 15 + [98] * 5), ("loss-not-falling", 200)),
    ("less than 98 %", train_rows("loss", [100] * 15 + [97.9] * 5), None),
    ("the first 3 and the last 5 losses",
     train_rows("loss", [4, 4, 1, *[1] * 11, 9, 3, 3, 3, 9, 9]), None),
    ("hmean up by 0.005",
     [judged(0, 0.5), *train_rows("loss", [3] * 19), judged(190, 0.505), train(200, loss=3)],
     ("loss-not-falling", 200)),
    ("hmean up by more",
     [judged(0, 0.5), *train_rows("loss", [3] * 19), judged(190, 0.506), train(200, loss=3)], None),
    ("30 % waiting", train_rows("reader_share", [0.3] * 6), None),
    ("3 rows after the first", train_rows("reader_share", [0.31] * 4), ("loader-bound", 40)),
    ("2 rows after the first", train_rows("reader_share", [0.31] * 3), None),
    ("the last 5 rows", train_rows("reader_share", [0, 0, 0.3, 0.3, 0.3, 0.3, 0.32]),
     ("loader-bound", 70)),
    ("100 MB in 20 rows", train_rows("memory_mb", np.repeat([900, 930, 961, 1000], 5)),
     ("memory-growing", 200)),
    ("99 MB", train_rows("memory_mb", np.repeat([900, 930, 961, 999], 5)), None),
    ("less than 3 % in a quarter",
     train_rows("memory_mb", np.repeat([4000, 4100, 4222, 4400], 5)), None),
    ("19 rows", train_rows("memory_mb", [900 + 50 * i for i in range(19)]), None),
    ("a ratio 0.05 away", evals(0.5, **CLOSE), None),
    ("a ratio 0.06 away", evals(0.5, shrink_ratio=[0.4], drawn_shrink_ratio=[0.46]),
     ("targets-wrong", 0)),
    ("85 % of hmean", [train(1), *evals(1.0, 0.85)], None),
    ("84 % of hmean", [train(1), *evals(1.0, 0.84)], ("targets-wrong", 50)),
    ("the loss stands", [train(1, loss=3), *evals(0.9, 0.5, loss=[0, 3])], None),
    ("no start", evals(0.9, 0.5, 0.5, 0.5)[1:], None),
    ("merged at an equal hmean", evals(0.5, 0.5, 0.49, merged=[0.0, 0.1, 0.1]), None),
    ("precision down by 0.03",
     evals(*WORSE, **{**RATES, "precision": [0.5, 0.47, 0.47]}), None),
    ("recall down by 0.005", evals(*WORSE, **RATES), ("false-boxes", 100)),
    ("recall down by more", evals(*WORSE, **{**RATES, "recall": [0.5, 0.494, 0.494]}), None),
    ("validation loss up by 5 %", overfitted(4.2), None),
    ("validation loss up by more", overfitted(4.21), ("overfitting", 150)),
    ("training loss as it was", overfitted(5, 4), None),
    ("0.01 below the start", evals(0.9, 0.89, 0.89, 0.89, loss=[0, 4, 4, 4]), ("below-start", 150)),
    ("one of them less below", evals(0.9, 0.89, 0.891, 0.89, loss=[0, 4, 4, 4]), None),
    ("a further set 0.05 down", with_further_set(0.9, 0.85), None),
    ("a further set more down", with_further_set(0.9, 0.849), ("forgetting", 50)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "verdict"), [case[1:] for case in LIMITS], ids=[case[0] for case in LIMITS]
)
def test_the_limits_of_the_rules(rows: list[Row], verdict: tuple[str, int] | None) -> None:
    found = [(each.name, each.step) for each in said(rows, RunInfo(total_steps=300))]
    assert found == ([] if verdict is None else [verdict])


# --- the memory


def loader(*shares: float) -> list[Row]:
    return train_rows("reader_share", shares)


def test_a_verdict_comes_back_only_after_it_has_gone() -> None:
    bound, fine = [0.9] * 8, [0.0] * 3
    assert len(said(loader(*bound, *bound), INFO)) == 1
    assert len(said(loader(*bound, *fine, *bound), INFO)) == 1, "it wasn't gone long enough"
    assert len(said(loader(*bound, *[0.0] * 6, *bound), INFO)) == 1
    found = said(loader(*bound, *[0.0] * 7, *bound), INFO)
    assert [each.name for each in found] == ["loader-bound"] * 2


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


# --- the callback


def run_at(step: int, *, skipped: int = 0, waited: int = 0, of: int = 50) -> Any:
    """A trainer of a run of ``of`` steps after ``step``."""
    progress = SimpleNamespace(
        step=step, skipped_in_row=skipped, evaluations_without_gain=waited, last_gain_step=3
    )
    return SimpleNamespace(progress=progress, total_steps=of)


def monitored(folder: Path, rows: Sequence[Row], **options: Any) -> tuple[Monitor, list[str]]:
    """A monitor that has been given the rows, and what it says."""
    metrics, told = SimpleNamespace(listen=lambda listener: given.append(listener)), []
    given: list[Any] = []
    monitor = Monitor(folder, metrics, INFO, told.append, **options)  # type: ignore[arg-type]
    for row in rows:
        given[0](row)
    return monitor, told


SKIPPED = train_rows("skipped_steps", [0, 3])


def test_verdicts_are_said_and_written_as_they_come(tmp_path: Path) -> None:
    written = tmp_path / "verdicts.jsonl"
    monitor, told = monitored(tmp_path, [])
    monitor.before_run(run_at(0))
    assert (told, written.read_text()) == ([], "")
    monitor, told = monitored(tmp_path, SKIPPED)
    monitor.after_step(run_at(20), *[None] * 2)
    monitor.after_step(run_at(21), *[None] * 2)
    assert [each.split(" gave")[0] for each in told] == [
        "step 20: nan: 3 of the 10 steps up to step 20"
    ]
    assert [json.loads(line)["step"] for line in written.read_text().splitlines()] == [20]
    resumed, told_again = monitored(tmp_path, SKIPPED)
    resumed.before_run(run_at(20))
    assert told_again == []
    assert len(written.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("in_row", "which"),
    [(MAX_SKIPPED_IN_ROW - 1, "3 of the 10 steps"), (MAX_SKIPPED_IN_ROW, "The last 3 steps")],
)
def test_steps_that_end_the_run_are_said_once_beside_the_rest(
    in_row: int, which: str, tmp_path: Path
) -> None:
    rows = train_rows("reader_share", [0.5] * 4)
    monitor, told = monitored(tmp_path, [*rows[:3], {**rows[3], "skipped_steps": "3"}])
    monitor.after_step(run_at(40, skipped=in_row), *[None] * 2)
    assert sorted(each.split(": ")[1] for each in told) == ["loader-bound", "nan"]
    assert sum(f"step 40: nan: {which} up to step 40" in each for each in told) == 1


@pytest.mark.parametrize(
    ("trainer", "options", "reason"),
    [
        (run_at(20), {}, None),
        (run_at(20), {"stop_on": ["lr-zero"]}, None),
        (run_at(20), {"stop_on": ["nan", "lr-zero"]}, "by nan (Global.stop_on)"),
        (run_at(49), {"stop_on": ["nan"]}, "by nan (Global.stop_on)"),
        (run_at(50), {"stop_on": ["nan"]}, None),
        (run_at(20, waited=1), {"patience": 2}, None),
        (run_at(20, waited=2), {"patience": 2}, "since 2 evaluations without gain over that after"),
        (run_at(20, waited=9), {}, None),
    ],
)
def test_what_ends_a_run(
    trainer: Any, options: dict[str, Any], reason: str | None, tmp_path: Path
) -> None:
    monitor, _ = monitored(tmp_path, SKIPPED, **options)
    with pytest.raises(StoppedEarly) if reason else nullcontext() as stopped:
        monitor.after_step(trainer, *[None] * 2)
    if reason:
        assert reason in str(stopped.value)


# --- names


def test_each_verdict_has_a_case() -> None:
    assert {case[1] for case in CASES} == set(VERDICT_NAMES)
    assert len(set(VERDICT_NAMES)) == len(VERDICT_NAMES)


def test_the_document_explains_each() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in VERDICT_NAMES if f"### `{name}`" not in text] == []

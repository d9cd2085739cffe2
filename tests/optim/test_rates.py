"""The first steps, in which fresh parameters learn alone, in whole runs; ReduceLROnPlateau."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppocr_ft.config import load_config
from ppocr_ft.engine.trainer import Trainer
from ppocr_ft.errors import ConfigError
from ppocr_ft.optim import rates as rates_module
from ppocr_ft.optim.rates import (
    Evaluated,
    FreshFirst,
    ReduceOnPlateau,
    longest,
    plateau_drops,
    settled,
)
from ppocr_ft.optim.schedules import scaled, with_warmup
from ppocr_ft.runs import assemble, parts
from ppocr_ft.runs.assemble import Training
from tests.optim.test_run import Watch, run, state_of
from tests.support.small_run import STEPS, small_config, starting_weights


@pytest.mark.parametrize(
    ("losses", "is_settled"),
    [
        ([], False),
        ([1.0] * 19, False),
        ([1.0] * 20, True),
        ([1.0] * 10 + [0.949] * 10, False),
        ([1.0] * 10 + [0.951] * 10, True),
        ([10.0 - 0.1 * i for i in range(40)], False),  # 6.55 after 7.55
        ([9.0] * 30 + [2.0] * 10 + [1.99] * 10, True),
        ([1.0] * 10 + [2.0] * 10, True),
    ],
    ids=["none", "19", "flat", "5.1 % less", "4.9 % less", "falls", "after a fall", "rises"],
)
def test_settled(losses: Sequence[float], is_settled: bool) -> None:
    assert settled(losses) == is_settled


@pytest.mark.parametrize(
    ("total", "most"), [(2, 1), (12, 3), (120, 30), (400, 100), (401, 100), (9000, 100)]
)
def test_auto_takes_a_quarter_of_the_run_at_most(total: int, most: int) -> None:
    assert longest(total) == most


def test_a_number_of_steps_ends_at_it_and_auto_earlier_if_the_loss_has_settled() -> None:
    flat = [1.0] * 25
    assert [FreshFirst(30, 0.1).is_over(step, flat) for step in (25, 29, 30)] == [0, 0, 1]
    assert FreshFirst(30, 0.1, auto=True).is_over(25, flat)
    assert not FreshFirst(30, 0.1, auto=True).is_over(19, flat[:19])
    assert FreshFirst(15, 0.1, auto=True).is_over(15, flat[:15])


RARELY = "Global.eval_batch_step=[0,100]"


def keys(folder: Path, *more: str) -> list[str]:
    start = f"Global.pretrained_model={starting_weights(folder)}"
    return [RARELY, start, "Optimizer.fresh_lr_mult=5", "Optimizer.start_decay=9", *more]


def look(trainer: Trainer) -> tuple[dict[str, np.ndarray], list[float]]:
    weights = trainer.state.network.state_dict()
    values = {key: value.numpy().copy() for key, value in weights.items()}
    return values, list(trainer.state.optimizer.group_lrs().values())


FOUR = "Optimizer.fresh_first=4"
AUTO = "Optimizer.fresh_first=auto"


@pytest.fixture(scope="module")
def four_first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, Watch]:
    folder, watch = tmp_path_factory.mktemp("four"), Watch(look)
    return run(folder, keys(folder, FOUR, "Optimizer.fresh_first_lr=0.004"), watch), watch


pytestmark = pytest.mark.filterwarnings("ignore:When training")


@pytest.mark.slow
def test_only_the_threshold_head_learns_in_the_first_steps_then_all(
    four_first: tuple[Training, Watch],
) -> None:
    made, watch = four_first
    begun = {key: value.numpy() for key, value in starting_state(made).items()}
    changed = {
        step: {key for key in begun if not np.array_equal(begun[key], watch.seen[step][0][key])}
        for step in (1, 4, 6)
    }
    for step in (1, 4):
        assert changed[step] == {key for key in begun if key.startswith("head.thresh.")}
    rest = {key for key in begun if not key.endswith(("._mean", "._variance"))} - changed[6]
    assert {key.rpartition(".se_block.")[2] for key in rest} == {"conv1.bias"}, "no gradient"


def starting_state(made: Training) -> dict[str, paddle.Tensor]:
    again = parts.prepare(made.config)
    return again.state.network.state_dict()


@pytest.mark.slow
def test_rates_are_flat_first_then_the_schedule_begins(
    four_first: tuple[Training, Watch],
) -> None:
    """12 steps, 4 of them alone: a warm-up of 2 to 0.002, then a cosine over 8, moved by both."""
    rates = {step: sorted(set(lrs)) for step, (_, lrs) in four_first[1].seen.items()}
    for step in range(1, 5):
        assert rates[step] == [0, 0.004]
    assert rates[5] == [0]
    assert rates[6] == pytest.approx([0.001, 0.005])
    for step in (7, 9, 12):
        cosine = 0.002 * (1 + np.cos(np.pi * (step - 7) / 8)) / 2
        assert rates[step] == pytest.approx([cosine, 5 * cosine])


@pytest.mark.slow
def test_its_end_is_told_once(four_first: tuple[Training, Watch]) -> None:
    log = (four_first[0].folder / "train.log").read_text()
    assert log.count("step 4: the fresh parts learned alone; now all parameters do") == 1
    assert log.count("now all parameters do") == 1
    assert "head.thresh alone, 4 steps at rate 0.004" in four_first[0].describe()


@pytest.mark.slow
def test_no_graph_of_the_body_is_built_while_it_is_frozen(tmp_path: Path) -> None:
    trainer = run_to(tmp_path, keys(tmp_path, FOUR), 1).trainer
    network = trainer.state.network
    images = paddle.rand([2, 3, 64, 64])
    assert network.neck(network.backbone(images)).stop_gradient
    norms = [layer for layer in network.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D)]
    gathering = [norm for norm in norms if not norm._use_global_stats]
    assert gathering == [network.head.thresh.conv_bn1, network.head.thresh.conv_bn2]


def run_to(folder: Path, overrides: Sequence[str], step: int) -> Training:
    return run(folder, overrides, Watch(stop_at=step))


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [2, 4, 5])
def test_a_resumed_run_is_the_run_that_was_not(
    stop_at: int, four_first: tuple[Training, Watch], tmp_path: Path
) -> None:
    overrides = keys(tmp_path, FOUR, "Optimizer.fresh_first_lr=0.004")
    assert run_to(tmp_path, overrides, stop_at).trainer.progress.step == stop_at
    assert state_of(run(tmp_path, overrides, resume=True)) == state_of(four_first[0])


@pytest.mark.slow
def test_auto_ends_by_the_losses_of_the_run_also_of_a_resumed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows of one step: the threshold loss of a step is above 0.95 of that of the one before."""
    monkeypatch.setattr(rates_module, "WINDOW_STEPS", 1)
    monkeypatch.setattr(rates_module, "MOST_SHARE", 0.75)
    monkeypatch.setattr(rates_module, "SETTLED", 1.0)
    losses = Watch(lambda trainer: float(trainer.state.window.array()[-1][window_column(trainer)]))
    (tmp_path / "whole").mkdir()
    whole = run(tmp_path / "whole", keys(tmp_path / "whole", AUTO), losses)
    seen = [losses.seen[step] for step in range(1, STEPS + 1)]
    rises = [step for step in range(2, 10) if seen[step - 1] > seen[step - 2]]
    wanted = min([*rises, 9])
    assert whole.trainer.progress.fresh_steps == wanted
    assert 2 <= wanted < 9, "the rule ended it, not the longest duration"
    assert whole.trainer.progress.fresh_losses == []
    for stop_at in (wanted - 1, wanted + 1):
        folder = tmp_path / str(stop_at)
        folder.mkdir()
        overrides = keys(folder, AUTO)
        broken = run_to(folder, overrides, stop_at).trainer.progress
        assert (broken.fresh_steps is None) == (stop_at < wanted)
        assert state_of(run(folder, overrides, resume=True)) == state_of(whole)


def window_column(trainer: Trainer) -> int:
    return trainer.state.window.names.index("loss_threshold_maps")


@pytest.mark.slow
@pytest.mark.parametrize("has_weights", [False, True], ids=["random", "all filled"])
def test_with_nothing_fresh_or_all_it_says_so(has_weights: bool, tmp_path: Path) -> None:
    overrides = [RARELY, AUTO]
    if has_weights:
        made = assemble.training(load_config(small_config(tmp_path), overrides))
        made.save_latest()
        (tmp_path / "run" / "latest.pdparams").rename(tmp_path / "all.pdparams")
        overrides.append(f"Global.pretrained_model={tmp_path}/all.pdparams")
    made = assemble.training(load_config(small_config(tmp_path), overrides))
    why = "the weights filled every parameter" if has_weights else "there are no weights"
    assert f"Optimizer.fresh_first has nothing to do: {why}" in made.describe()
    assert made.trainer.fresh_first is None
    assert made.trainer.rate(1) == pytest.approx(0.001), "the second of two steps of warm-up"


@pytest.mark.slow
def test_steps_for_the_whole_run_are_refused(tmp_path: Path) -> None:
    config = load_config(small_config(tmp_path), keys(tmp_path, "Optimizer.fresh_first=12"))
    with pytest.raises(ConfigError, match="found 12, but the run has 12 steps") as caught:
        parts.prepare(config)
    assert caught.value.key == "Optimizer.fresh_first"


@pytest.mark.slow
def test_fresh_parts_that_are_frozen_are_refused(tmp_path: Path) -> None:
    groups = r"Optimizer.param_groups=[{match: ^head\.thresh, freeze_epochs: 1}, {match: ''}]"
    config = load_config(small_config(tmp_path), keys(tmp_path, FOUR, groups))
    with pytest.raises(ConfigError, match="what no weights filled is frozen"):
        parts.prepare(config)


# --- ReduceLROnPlateau: how often the rate has fallen, and when that is felt

# what happens | values | patience | cooldown | falls after 1, 2, ... of them
COUNTS = [
    ("it rises", [0.1, 0.2, 0.3, 0.4], 0, 0, [0, 0, 0, 0]),
    ("one bad is too many", [0.3, 0.2, 0.4, 0.4], 0, 0, [0, 1, 1, 2]),
    ("an equal one is no better", [0.3, 0.3, 0.3, 0.3], 1, 0, [0, 0, 1, 1]),
    ("two bad in a row are borne", [0.3, 0.1, 0.2, 0.1, 0.1], 2, 0, [0, 0, 0, 1, 1]),
    ("a better one starts anew", [0.3, 0.1, 0.4, 0.1, 0.1], 1, 0, [0, 0, 0, 0, 1]),
    ("it falls again and again", [0.3, 0.1, 0.1, 0.1, 0.1], 1, 0, [0, 0, 1, 1, 2]),
    ("after a fall two don't count", [0.3, 0.1, 0.1, 0.1, 0.1], 0, 2, [0, 1, 1, 1, 2]),
    ("but may be the best", [0.3, 0.1, 0.5, 0.4, 0.4], 0, 1, [0, 1, 1, 2, 2]),
    ("no evaluation yet", [], 0, 0, []),
]


@pytest.mark.parametrize(
    ("values", "patience", "cooldown", "falls"), [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS]
)
def test_falls(values: list[float], patience: int, cooldown: int, falls: list[int]) -> None:
    counted = [plateau_drops(values[: n + 1], patience, cooldown) for n in range(len(values))]
    assert counted == falls
    assert plateau_drops([], patience, cooldown) == 0


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_without_a_cooldown_it_falls_when_paddles_does(patience: int) -> None:
    lr = paddle.optimizer.lr
    values = [random.Random(patience).randint(0, 9) / 10 for _ in range(60)]
    paddles = lr.ReduceOnPlateau(
        1.0, mode="max", factor=0.5, patience=patience, threshold=0.0, threshold_mode="abs",
        epsilon=0.0,
    )  # fmt: skip
    for count, value in enumerate(values, start=1):
        paddles.step(value)
        assert paddles() == 0.5 ** plateau_drops(values[:count], patience, 0), count


def over(
    history: Sequence[Evaluated], first_step: int = 0, min_ratio: float = 0.0
) -> ReduceOnPlateau:
    """Epochs of 4 steps, half the rate after each evaluation without a new best."""
    return ReduceOnPlateau(lambda: history, 4, 0.5, 0, min_ratio=min_ratio, first_step=first_step)


# what is evaluated when | history | first step | factors by step
FELT = [
    ("within an epoch: at the next one", [(2, 0.5), (3, 0.4)], 0, {0: 1, 3: 1, 4: 0.5, 9: 0.5}),
    ("at an epoch's end: at once", [(4, 0.5), (8, 0.4)], 0, {4: 1, 7: 1, 8: 0.5, 11: 0.5}),
    ("before training: not at all", [(0, 0.9), (4, 0.5), (8, 0.6)], 0, {4: 1, 8: 1, 20: 1}),
    ("in the warm-up: not at all", [(2, 0.9), (6, 0.8), (8, 0.5)], 6, {8: 1, 40: 1}),
    ("twice", [(4, 0.5), (8, 0.4), (12, 0.4)], 0, {8: 0.5, 11: 0.5, 12: 0.25, 15: 0.25}),
    ("nothing yet", [], 0, {0: 1, 100: 1}),
]


@pytest.mark.parametrize(
    ("history", "first_step", "factors"), [f[1:] for f in FELT], ids=[f[0] for f in FELT]
)
def test_a_fall_is_felt_where_an_epoch_begins(
    history: list[Evaluated], first_step: int, factors: dict[int, float]
) -> None:
    schedule = over(history, first_step)
    assert {step: schedule(step) for step in factors} == factors


def test_never_below_the_lowest() -> None:
    history = [(4 * n, 0.5) for n in range(1, 9)]
    assert [over(history, min_ratio=0.2)(4 * n) for n in (1, 2, 3, 4, 8)] == [
        1,
        0.5,
        0.25,
        0.2,
        0.2,
    ]


def test_there_is_no_lowest_unless_one_is_named() -> None:
    schedule = ReduceOnPlateau(lambda: [(n, 0.5) for n in range(1, 12)], 1, 0.5, 0)
    assert schedule(11) == 0.5**10


def test_what_comes_later_changes_no_earlier_rate() -> None:
    """So a resumed run, and a log that is written afterwards, ask for the same."""
    history: list[Evaluated] = []
    rate = with_warmup(scaled(over(history, first_step=2), 0.1), 2, 0)
    at_the_time = []
    for step in range(20):
        at_the_time.append(rate(step))
        if step % 3 == 2:
            history.append((step + 1, 0.5 - 0.01 * step))
    assert [rate(step) for step in range(20)] == at_the_time
    assert at_the_time[:3] == pytest.approx([0, 0.05, 0.1])
    assert min(at_the_time[2:]) < 0.1


WRONG: list[tuple[str, Callable[[], object], str]] = [
    ("factor 1", lambda: ReduceOnPlateau(tuple, 4, 1.0, 0), "factor"),
    ("factor NaN", lambda: ReduceOnPlateau(tuple, 4, math.nan, 0), "factor"),
    ("patience", lambda: ReduceOnPlateau(tuple, 4, 0.5, -1), "patience"),
    ("cooldown", lambda: ReduceOnPlateau(tuple, 4, 0.5, 0, -1), "cooldown"),
    ("lowest above the start", lambda: ReduceOnPlateau(tuple, 4, 0.5, 0, 0, 1.5), "min_ratio"),
    ("no steps", lambda: ReduceOnPlateau(tuple, 0, 0.5, 0), "steps_per_epoch"),
]


@pytest.mark.parametrize(("make", "key"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_numbers_are_named(make: Callable[[], object], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.key == key


def test_a_step_below_zero_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="-1"):
        over([])(-1)

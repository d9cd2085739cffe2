"""The LR finder: what curves speak for, that the test leaves no trace, what the command writes."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr_ft.commands.find_lr import run as lr_range_module
from ppocr_ft.commands.find_lr.cli import main
from ppocr_ft.commands.find_lr.run import LrRange, LrSweep, lr_override, lr_range_test
from ppocr_ft.commands.find_lr.suggestion import (
    SMOOTHING_DECADES,
    DivergenceWatch,
    LrCurve,
    LrSuggestion,
    NoLrSuggestion,
    relative_loss,
    suggest_lr,
)
from ppocr_ft.config import load_config
from ppocr_ft.engine import train_step as train_step_module
from ppocr_ft.engine.state import TrainState
from ppocr_ft.engine.train_step import TrainBatch, train_step
from ppocr_ft.engine.trainer import seed_step
from ppocr_ft.errors import ConfigError
from ppocr_ft.losses.db import DBLoss
from ppocr_ft.optim.optimizers import Optimizer
from ppocr_ft.runs.parts import prepare
from tests.support.small_run import assert_refused, small_config

pytestmark = pytest.mark.slow

RATES = np.logspace(-7, 0, 100)


def falling_by(fall: float, begin: float = 1e-5, bottom: float = 1e-3, rise: float = 0.6) -> Any:
    """1, a straight fall over the decades from begin to bottom, after it a rise by so much each."""
    decades = np.log10(RATES)
    low, high = np.log10([begin, bottom])
    fallen = 1 - fall * np.clip((decades - low) / (high - low), 0, 1)
    return fallen + rise * np.clip(decades - high, 0, None)


def curve(relative: Any, noise: float = 0.0, seed: int = 0) -> LrCurve:
    """Batches that cost 2 to 10 at the start; ``noise`` is the standard deviation of what a
    batch's own quotient has besides."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(2, 10, len(RATES))
    return LrCurve(RATES, start * (relative + noise * rng.normal(size=len(RATES))), start)


# What a curve speaks for.


def test_the_valley_of_a_straight_fall() -> None:
    """A kink is smoothed over 0.3 decades to either side: that is the tolerance."""
    found = suggest_lr(curve(falling_by(0.5)), "a rising loss")
    assert isinstance(found, LrSuggestion)
    decades = {name: np.log10(value) for name, value in vars(found).items()}
    assert decades["begin"] == pytest.approx(-5 + 0.1 * 2, abs=SMOOTHING_DECADES)
    assert decades["bottom"] == pytest.approx(-3, abs=SMOOTHING_DECADES)
    assert decades["valley"] == pytest.approx(
        decades["begin"] + 2 / 3 * (decades["bottom"] - decades["begin"])
    )
    assert -5 < decades["steepest"] < -3


def test_the_steepest_point_is_where_the_slope_is() -> None:
    steps = 1 - 0.4 / (1 + (3e-4 / RATES) ** 2)  # a smooth step down around 3e-4
    found = suggest_lr(curve(np.where(RATES < 1e-1, steps, 3.0)), "a rising loss")
    assert isinstance(found, LrSuggestion)
    assert found.steepest == pytest.approx(3e-4, rel=0.25)


@pytest.mark.parametrize(("bottom", "is_valley"), [(-0.2, True), (-0.15, False)])
def test_a_valley_ends_the_smoothing_s_width_before_the_last_rate(
    bottom: float, is_valley: bool
) -> None:
    """The curve is lowest at 1 / 2.3 of the last rate, and at 1 / 1.9; a width is a factor of 2."""
    found = suggest_lr(curve(falling_by(0.3, 1e-4, 10**bottom)), "the last rate")
    assert isinstance(found, LrSuggestion) == is_valley


@pytest.mark.parametrize("seed", range(5))
def test_batches_of_different_difficulty_do_not_move_it(seed: int) -> None:
    """Costs of 2 to 10 a batch hide a fall of 30 %, but not their quotients with the start's."""
    found = suggest_lr(curve(falling_by(0.3), 0.03, seed), "a rising loss")
    assert isinstance(found, LrSuggestion)
    assert found.valley == pytest.approx(2.5e-4, rel=0.5)  # 10 ** (-4.8 + 2/3 * 1.8)


def test_a_loss_that_explodes_moves_nothing_before_it() -> None:
    calm, wild = falling_by(0.5), falling_by(0.5)
    wild[RATES > 1e-2] = 1e9
    low, high = (suggest_lr(curve(each), "a rising loss") for each in (calm, wild))
    assert isinstance(low, LrSuggestion)
    assert isinstance(high, LrSuggestion)
    assert high.valley == pytest.approx(low.valley, rel=0.25)


def test_more_steps_smooth_over_the_same_decades() -> None:
    few, many = (np.logspace(-7, 0, n) for n in (100, 400))
    kinks = [LrCurve(r, np.where(r < 1e-4, 2.0, 1.0), np.full(len(r), 2.0)) for r in (few, many)]
    half = [np.interp(0.75, relative_loss(c)[0][::-1], np.log10(c.rates)[::-1]) for c in kinks]
    width = [
        np.interp(0.9, relative_loss(c)[0][::-1], np.log10(c.rates)[::-1]) - h
        for c, h in zip(kinks, half, strict=True)
    ]
    assert width[0] == pytest.approx(width[1], abs=0.05)


def test_relative_loss_is_1_before_anything_is_learned() -> None:
    relative, errors = relative_loss(curve(np.ones(100)))
    np.testing.assert_allclose(relative, 1)
    np.testing.assert_allclose(errors, 0, atol=1e-12)


def test_the_standard_error_is_that_of_repeated_tests() -> None:
    """Over 200 tests with other noise the curve's middle varies as the first one says."""
    tests = [relative_loss(curve(np.ones(100), 0.2, seed)) for seed in range(200)]
    seen = np.std([relative[50] for relative, _ in tests])
    said = np.mean([errors[50] for _, errors in tests])
    assert said == pytest.approx(seen, rel=0.2)


FLAT = "no rate lowered the loss clearly"


@pytest.mark.parametrize(
    ("what", "ending", "reason"),
    [
        (curve(np.ones(100)), "the last rate", f"{FLAT}.*raise --end"),
        (curve(np.ones(100), 0.5), "the last rate", FLAT),
        (curve(falling_by(0.04)), "a rising loss", FLAT),
        (curve(falling_by(0, 1e-6, 1e-5)), "a rising loss", f"{FLAT}.*lower --start"),
        (curve(falling_by(0.3, 1e-9)), "a rising loss", "falls from the first rate on, 1.0e-07"),
        (curve(falling_by(0.3, 1e-3, 10.0)), "the last rate", "still falls at the last rate"),
        (LrCurve(RATES[:9], np.ones(9), np.ones(9)), "NaN or infinity", "after 9 steps"),
        (LrCurve(*np.empty((3, 0))), "NaN or infinity", "NaN or infinity ended .* after 0 steps"),
    ],
    ids=[
        "flat",
        "flat and noisy",
        "less than 5 %",
        "only rises",
        "begins too high",
        "ends too low",
        "broke off at once",
        "broke off before the first step",
    ],
)
def test_a_curve_that_speaks_for_nothing_is_told_so(
    what: LrCurve, ending: Any, reason: str
) -> None:
    found = suggest_lr(what, ending)
    assert isinstance(found, NoLrSuggestion)
    assert re.search(reason, found.reason), found.reason


@pytest.mark.parametrize("seed", range(40))
def test_noise_alone_is_never_a_valley(seed: int) -> None:
    assert isinstance(suggest_lr(curve(np.ones(100), 0.5, seed), "the last rate"), NoLrSuggestion)


@pytest.mark.parametrize(("noise", "is_valley"), [(0.2, True), (0.24, False)])
def test_a_fall_of_four_standard_errors_is_no_noise(noise: float, is_valley: bool) -> None:
    noisy = curve(falling_by(0.3, bottom=1e-2), noise, seed=1)
    relative, errors = relative_loss(noisy)
    bottom = relative.argmin()
    assert ((1 - relative[bottom]) / errors[bottom] > 4) == is_valley
    assert isinstance(suggest_lr(noisy, "a rising loss"), LrSuggestion) == is_valley


@pytest.mark.parametrize(("steps", "said"), [(9, "too few to judge by"), (10, FLAT)])
def test_ten_steps_make_a_curve(steps: int, said: str) -> None:
    found = suggest_lr(LrCurve(RATES[:steps], *np.ones((2, steps))), "the last rate")
    assert isinstance(found, NoLrSuggestion)
    assert said in found.reason


def test_the_relative_loss_by_hand() -> None:
    """A factor of 2, 0.3 decades, apart: 1 / (1 + 1 / e) = 0.7311; of a batch's loss twice that of
    its start counts."""
    rates = np.array([1e-3, 1e-3 * 10**0.3])
    first, _ = relative_loss(LrCurve(rates, np.array([1.0, 0.0]), np.ones(2)))
    np.testing.assert_allclose(first, [0.7310586, 0.2689414], atol=1e-6)
    high, _ = relative_loss(LrCurve(rates, np.array([9.0, 1.5]), np.full(2, 3.0)))
    np.testing.assert_allclose(high, [2 * 0.7310586 + 0.5 * 0.2689414,
                                      0.5 * 0.7310586 + 2 * 0.2689414], atol=1e-6)  # fmt: skip
    _, errors = relative_loss(LrCurve(rates, np.array([3.0, 1.0]), np.full(2, 2.0)))
    # relative 1.2311 and 0.7689: left are 0.5378 and -0.5379, weighted by 0.7311 and 0.2689
    np.testing.assert_allclose(errors, [0.2095, 0.2095], atol=1e-3)


def test_halves_that_disagree_are_too_noisy() -> None:
    """Even steps fall from 1e-6 on, odd ones three decades later."""
    even, odd = falling_by(0.5, 1e-7 * 3, 1e-6), falling_by(0.5, 3e-3, 1e-2)
    found = suggest_lr(curve(np.where(np.arange(100) % 2, odd, even)), "a rising loss")
    assert isinstance(found, NoLrSuggestion)
    assert "too noisy" in found.reason or FLAT in found.reason


def test_a_fall_that_nan_cuts_off_ends_at_the_last_finite_loss() -> None:
    whole = curve(falling_by(0.5, 1e-5, 1e-2))
    kept = slice(0, int(np.searchsorted(RATES, 1e-2)))
    cut = LrCurve(whole.rates[kept], whole.losses[kept], whole.start_losses[kept])
    found = suggest_lr(cut, "NaN or infinity")
    assert isinstance(found, LrSuggestion)
    assert found.bottom == pytest.approx(1e-2, rel=0.2)


def test_a_curve_refuses_what_is_not_finite() -> None:
    with pytest.raises(ValueError, match="not finite"):
        LrCurve(RATES[:2], np.array([1.0, np.nan]), np.ones(2))


@pytest.mark.parametrize(
    ("relative", "ends_at"),
    [
        (np.ones(100), None),
        (falling_by(0.5, rise=0), None),
        (falling_by(0.5), 1e-3),
        (np.where(RATES < 1e-2, falling_by(0.6, rise=0), 0.9), 1e-2),
        (np.where(RATES < 1e-4, 1.0, 5.0), 1e-4),
    ],
    ids=["flat", "falls and stays", "rises for ever", "bounded below the start", "only rises"],
)
def test_when_a_test_has_seen_enough(relative: Any, ends_at: float | None) -> None:
    watch, whole = DivergenceWatch(99 / 7), curve(relative, 0.03)
    pairs = zip(whole.losses, whole.start_losses, strict=True)
    ended = next((i for i, pair in enumerate(pairs) if watch.has_diverged(*pair)), None)
    assert (ended is None) == (ends_at is None)
    if ends_at is not None and ended is not None:
        assert ends_at < RATES[ended] < 6 * ends_at


# The test itself.


def test_a_sweep_is_exponential() -> None:
    sweep = LrSweep(1e-6, 1e-2, 41)
    assert [sweep(step) for step in (0, 10, 40)] == pytest.approx([1e-6, 1e-5, 1e-2], rel=1e-12)
    assert sweep.steps_per_decade == 10


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"start": 0.0}, "--start"),
        ({"start": float("nan")}, "--start"),
        ({"end": 1e-8}, "--end"),
        ({"end": float("inf")}, "--end"),
        ({"steps": 9}, "--steps"),
    ],
)
def test_a_sweep_that_makes_no_sense(arguments: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LrSweep(**arguments)
    assert caught.value.key == key


SHORT = LrSweep(1e-5, 1e-1, 10)


def parts_of(folder: Path, *overrides: str) -> Any:
    return prepare(load_config(small_config(folder), ["Train.loader.num_workers=0", *overrides]))


def swept(parts: Any) -> LrRange:
    return lr_range_test(parts, DBLoss(), SHORT)


def checksums(state: TrainState, loader: Any) -> Mapping[str, str]:
    """Of everything that the test must put back. Drawing random numbers is undone."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    generator = paddle.base.core.default_cpu_generator()
    before = generator.get_state()
    drawn = paddle.rand([8]).numpy()
    generator.set_state(before)
    parts = {
        **state.arrays(),
        "rates": json.dumps(state.optimizer.group_lrs()),
        "gradients": str([p.name for p in state.network.parameters() if p.grad is not None]),
        "modes": str([layer.training for layer in state.network.sublayers(include_self=True)]),
        "trained": str([p.stop_gradient for p in state.network.parameters()]),
        "clock": str(loader.data.clock.epoch),
        "python": str(python),
        "numpy": str([np.asarray(each).tolist() for each in numpy]),
        "paddle": drawn,
    }
    data = {k: v.encode() if isinstance(v, str) else v.tobytes() for k, v in parts.items()}
    return {name: hashlib.sha256(value).hexdigest() for name, value in data.items()}


def trained(parts: Any, steps: int) -> None:
    """So that there are moments, a window and a progress to lose."""
    batches = parts.loader.epoch(1)
    for step in range(steps):
        seed_step(1, step)
        parts.state.optimizer.set_lr(1e-3)
        result = train_step(parts.state.network, [next(batches)], DBLoss(), parts.state.optimizer)
        parts.state.window.add(result.losses)
        parts.state.progress.step += 1
    batches.close()


@pytest.mark.parametrize("steps_before", [0, 2])
@pytest.mark.parametrize(
    "solver",
    [
        ["Global.use_ema=true"],
        ["Optimizer={name: Momentum, momentum: 0.9, lr: {name: Const, learning_rate: 0.01}}"],
        ["Optimizer.gradient_accumulation_steps=2"],
    ],
    ids=["AdamW with EMA", "Momentum", "accumulation"],
)
def test_all_is_put_back(steps_before: int, solver: list[str], tmp_path: Path) -> None:
    parts = parts_of(tmp_path, *solver)
    trained(parts, steps_before)
    parts.state.network.eval()
    before = checksums(parts.state, parts.loader)
    assert len(swept(parts).points) == 10
    assert checksums(parts.state, parts.loader) == before


def test_training_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    disturbed, undisturbed = parts_of(tmp_path), parts_of(tmp_path)
    for parts in (disturbed, undisturbed):
        trained(parts, 2)
    swept(disturbed)
    for parts in (disturbed, undisturbed):
        trained(parts, 2)
    found, wanted = (each.state.arrays() for each in (disturbed, undisturbed))
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[key], wanted[key]) for key in wanted)


def nth_call(original: Callable[..., Any], n: int, error: BaseException) -> Callable[..., Any]:
    """``original``, but its n-th call raises when its work is done."""
    calls = iter(range(1, 10**6))

    def wrapped(*args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        if next(calls) == n:
            raise error
        return result

    return wrapped


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (train_step_module, "_backward"),
        (Optimizer, "clip_gradients"),
        (Optimizer, "step"),
        (lr_range_module, "train_step"),
        (lr_range_module, "seed_step"),
        (DBLoss, "__call__"),
    ],
    ids=["with gradients", "before the update", "after it", "between", "drawing", "in the loss"],
)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("boom")], ids=repr)
def test_all_is_put_back_after_an_interruption(
    owner: Any, name: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(tmp_path)
    trained(parts, 1)
    before = checksums(parts.state, parts.loader)
    monkeypatch.setattr(owner, name, nth_call(getattr(owner, name), 4, error))
    with pytest.raises(type(error)):
        swept(parts)
    monkeypatch.undo()
    assert checksums(parts.state, parts.loader) == before


def test_groups_keep_their_relation_to_the_base_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = "[{match: '^backbone', lr_mult: 0.1}, {match: '^neck', freeze: true}, {match: ''}]"
    parts = parts_of(tmp_path, f"Optimizer.param_groups={groups}")
    original, seen = lr_range_module.train_step, []

    def watched(*args: Any, **options: Any) -> Any:
        seen.append(list(parts.state.optimizer.group_lrs().values()))
        return original(*args, **options)

    monkeypatch.setattr(lr_range_module, "train_step", watched)
    test = swept(parts)
    rates = np.array(seen)  # (steps, groups)
    mults = [group.settings.lr_mult for group in parts.state.optimizer.groups.groups]
    frozen = [group.is_frozen for group in parts.state.optimizer.groups.groups]
    assert {0.1, 1.0} <= set(mults)
    assert any(frozen)
    wanted = np.where(frozen, 0, np.outer([point.rate for point in test.points], mults))
    np.testing.assert_allclose(rates, wanted, rtol=1e-6)


def mean_loss(network: paddle.nn.Layer, batches: list[TrainBatch]) -> float:
    network.train()
    with paddle.no_grad():
        losses = [DBLoss()(network(b.images), b.targets)["loss"] for b in batches]
    return sum(b.share * float(loss) for b, loss in zip(batches, losses, strict=True))


def test_losses_are_those_of_training_before_each_update(tmp_path: Path) -> None:
    """By train_step itself, two batches a step, epoch after epoch."""
    accumulated = "Optimizer.gradient_accumulation_steps=2"
    test = swept(parts_of(tmp_path, accumulated))
    parts, start = parts_of(tmp_path, accumulated), parts_of(tmp_path, accumulated)
    rows = []
    for epoch in (1, 2, 3):
        batches = list(parts.loader.epoch(epoch))
        for own in (batches[:2], batches[2:]):
            seed_step(parts.state.progress.seed, len(rows))
            parts.state.optimizer.set_lr(SHORT(len(rows)))
            result = train_step(parts.state.network, own, DBLoss(), parts.state.optimizer)
            rows.append([float(result.losses["loss"]), mean_loss(start.state.network, own)])
    found = [[point.loss, point.start_loss] for point in test.points[:6]]
    np.testing.assert_allclose(found, rows, rtol=1e-5)
    assert rows[0][0] == pytest.approx(rows[0][1], rel=1e-5)
    assert rows[-1][0] != pytest.approx(rows[-1][1], rel=1e-3)


def test_nan_ends_it_and_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = parts_of(tmp_path)
    weight = parts.state.network.head.thresh.conv1.weight
    calls = iter(range(1, 100))
    weight.register_hook(lambda grad: grad * (float("nan") if next(calls) == 6 else 1.0))
    before = checksums(parts.state, parts.loader)
    test = swept(parts)
    assert test.ending == "NaN or infinity"
    assert [point.step for point in test.points] == [0, 1, 2, 3, 4]
    assert checksums(parts.state, parts.loader) == before


def test_nan_in_the_first_step_leaves_an_empty_curve(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    parts.state.network.head.thresh.conv1.weight.register_hook(lambda grad: grad * float("nan"))
    test = swept(parts)
    assert len(test.curve) == 0
    assert isinstance(suggest_lr(test.curve, test.ending), NoLrSuggestion)


# The command.

WIDE = ["--start", "1e-6", "--end", "10", "--steps", "42"]


def figures(folder: Path) -> list[dict[str, float]]:
    with (folder / "run" / "find_lr.csv").open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def test_prints_what_to_set_and_writes_both_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(small_config(tmp_path))
    code = main(["-c", config, *WIDE])
    out = capsys.readouterr().out
    rows = figures(tmp_path)
    assert [row["step"] for row in rows] == list(range(len(rows)))
    assert rows[0]["lr"] == pytest.approx(1e-6)
    assert (tmp_path / "run" / "find_lr.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"find_lr.png", "find_lr.csv"}
    assert code == 0, out
    override = out.split("-o ")[1].split()[0]
    rate = load_config(config, [override]).Optimizer.lr.learning_rate
    assert rate is not None
    assert 1e-5 < rate < 1
    lowest = min(rows, key=lambda row: row["smoothed_loss"])
    assert rate < lowest["lr"]


def test_a_flat_curve_is_said_and_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-c", str(small_config(tmp_path)), "--start", "1e-9", "--end", "1e-8"]
    assert main([*arguments, "--steps", "10"]) == 1
    out = capsys.readouterr().out
    assert "no learning rate found: no rate lowered the loss clearly" in out
    assert "-o " not in out
    assert len(figures(tmp_path)) == 10


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--start", "0"], "--start: must be a number above 0"),
        (["--start", "2"], "--end: must be a number above --start (2.0), is 1.0"),
        (["--steps", "3"], "--steps: must be 10 or more, is 3"),
        (["-o", "Global.save_model_dir=c.yml/run"], "Global.save_model_dir: c.yml/run can't be"),
        (["-o", "Optimizer.lr.learning_rat=1"], "did you mean"),
    ],
)
def test_wrong_input_is_one_message_and_exit_code_2(
    more: list[str],
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert_refused(main, more, part, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ([], "Optimizer.lr.learning_rate=4.0e-04"),
        (
            ["Optimizer.lr.scale_lr=linear", "Optimizer.lr.base_batch_size=8"],
            "Optimizer.lr.learning_rate=1.6e-03",
        ),
        (["Optimizer.lr={name: OneCycle, max_lr: 0.1}"], "Optimizer.lr.max_lr=4.0e-04"),
        (
            ["Optimizer.lr={name: Piecewise, decay_epochs: [2], values: [0.1, 0.01]}"],
            "Optimizer.lr.values=[4.0e-04,4.0e-05]",
        ),
    ],
    ids=["learning_rate", "scaled: 2 of 8 images a step", "OneCycle", "Piecewise"],
)
def test_the_override_is_of_the_key_that_the_schedule_has(
    overrides: list[str], wanted: str, tmp_path: Path
) -> None:
    config = load_config(small_config(tmp_path), overrides)
    text = lr_override(config, 4e-4)
    assert text == wanted
    again = load_config(tmp_path / "c.yml", [*overrides, text])
    assert again.Optimizer.lr.highest()[1] * again.Optimizer.lr.scale(2) == pytest.approx(4e-4)


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    assert "exit codes" in capsys.readouterr().out

"""The solver in whole runs: freezing, falling rates and warm-ups, broken off and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr_ft.config import load_config
from ppocr_ft.engine.checkpoints import Checkpoints
from ppocr_ft.engine.stop import Stopped
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.errors import ConfigError
from ppocr_ft.optim import rates as rates_module
from ppocr_ft.runs import assemble, parts
from ppocr_ft.runs.assemble import Training
from tests.support.small_run import STEPS, STEPS_PER_EPOCH, small_config, starting_weights

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:When training")]

RARELY = "Global.eval_batch_step=[0,100]"
FREEZING = [
    RARELY,
    "Optimizer.param_groups=[{match: ^backbone, freeze_epochs: 1}, {match: ^neck, lr_mult: 0.5}, "
    "{match: ''}]",
]
FALLING = [
    "Global.eval_batch_step=[0,2]",
    "Optimizer.lr={name: ReduceLROnPlateau, learning_rate: 4e-4, factor: 0.5, patience: 0}",
]


class Watch(Callback):
    """What ``look`` saw after each step; the run is stopped after step ``stop_at``."""

    def __init__(self, look: Callable[[Trainer], Any] = lambda trainer: None, stop_at: int = 0):
        self.look, self.stop_at = look, stop_at
        self.seen: dict[int, Any] = {}

    def after_step(self, trainer: Trainer, batch: object, result: object) -> None:
        self.seen[trainer.progress.step] = self.look(trainer)
        if trainer.progress.step == self.stop_at:
            trainer.stop.signal_number = 15


def run(
    folder: Path, overrides: Sequence[str], watch: Watch | None = None, resume: bool = False
) -> Training:
    """Train in ``folder``/run as far as ``watch`` lets it."""
    config = load_config(small_config(folder), list(overrides))
    made = assemble.training(config, assemble.resume_path(config, "latest" if resume else None))
    made.trainer.callbacks = [*made.trainer.callbacks, *([watch] if watch else [])]
    try:
        made.trainer.run()
    except Stopped:
        made.save_latest()
    return made


def state_of(made: Training) -> bytes:
    return (made.folder / "latest.pdstate").read_bytes()


def weights(trainer: Trainer) -> dict[str, np.ndarray]:
    return {key: value.numpy().copy() for key, value in trainer.state.network.state_dict().items()}


@pytest.fixture(scope="module")
def freezing_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, Watch]:
    watch = Watch(weights)
    return run(tmp_path_factory.mktemp("freezing"), FREEZING, watch), watch


def test_a_frozen_backbone_keeps_weights_and_statistics_until_it_is_thawed(
    freezing_run: tuple[Training, Watch],
) -> None:
    seen = freezing_run[1].seen
    changed = {
        step: {key for key in seen[step] if not np.array_equal(seen[step][key], seen[1][key])}
        for step in (STEPS_PER_EPOCH, STEPS)
    }
    first = changed[STEPS_PER_EPOCH]
    assert {key.split(".")[0] for key in first} == {"neck", "head"}
    backbone = {key for key in seen[1] if key.startswith("backbone")}
    untouched = backbone - changed[STEPS]
    assert not untouched, "its batch norms gather statistics again, too"


@pytest.mark.parametrize("stop_at", [2, 4, 7], ids=["frozen", "at the thaw", "thawed"])
def test_a_freezing_run_that_is_resumed_is_the_run_that_was_not(
    stop_at: int, freezing_run: tuple[Training, Watch], tmp_path: Path
) -> None:
    broken = run(tmp_path, FREEZING, Watch(stop_at=stop_at))
    assert broken.trainer.progress.step == stop_at
    resumed = run(tmp_path, FREEZING, resume=True)
    assert resumed.trainer.progress.step == STEPS
    assert state_of(resumed) == state_of(freezing_run[0])


def test_thawed_parameters_start_with_moments_of_their_own(
    freezing_run: tuple[Training, Watch],
) -> None:
    """Adam's bias correction counts their own steps, and the others' go on."""
    state = freezing_run[0].trainer.state.optimizer.state_dict()
    powers = {key.split(".")[0]: v.item() for key, v in state.items() if "beta1_pow" in key}
    thawed_steps = STEPS - STEPS_PER_EPOCH
    assert powers["backbone"] == pytest.approx(0.9 ** (thawed_steps + 1), rel=1e-5)
    assert powers["head"] == pytest.approx(0.9 ** (STEPS + 1), rel=1e-5)


def test_the_thaw_is_told_once_and_rates_follow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch(lambda trainer: trainer.state.optimizer.group_lrs())
    run(tmp_path, [*FREEZING, "Optimizer.lr={name: Const, learning_rate: 4e-4}"], watch)
    out = capsys.readouterr().out
    assert out.count("epoch 2: begins to learn: ^backbone") == 1
    backbone = next(label for label in watch.seen[1] if label.startswith("^backbone"))
    rates = {step: lrs[backbone] for step, lrs in watch.seen.items()}
    assert rates == {step: 0 if step <= STEPS_PER_EPOCH else 4e-4 for step in range(1, STEPS + 1)}


def test_no_gradients_of_frozen_parameters_and_the_others_as_without_freezing(
    tmp_path: Path,
) -> None:
    """The first batch, the backbone's norms in eval mode in both networks."""
    gradients = []
    for groups in ("[{match: ^backbone, freeze: true}, {match: ''}]", "[{match: ''}]"):
        overrides = [RARELY, f"Optimizer.param_groups={groups}"]
        made = assemble.training(load_config(small_config(tmp_path), overrides))
        trainer, network = made.trainer, made.trainer.state.network
        trainer.freeze_groups()
        norms = [n for n in network.backbone.sublayers() if isinstance(n, paddle.nn.BatchNorm2D)]
        if "freeze" in groups:
            assert norms
            assert all(norm._use_global_stats for norm in norms)
        for norm in norms:
            norm._use_global_stats = True
        network.train()
        (batch, *_) = trainer.loader.epoch(1)
        batch = batch[0] if isinstance(batch, (tuple, list)) else batch
        trainer.loss(network(batch.images), batch.targets)["loss"].backward()
        gradients.append({n: p.grad for n, p in network.named_parameters()})
    frozen, free = gradients
    assert {name.split(".")[0] for name, grad in frozen.items() if grad is not None} == {
        "neck",
        "head",
    }
    for name, grad in frozen.items():
        if grad is not None:
            np.testing.assert_array_equal(grad.numpy(), free[name].numpy())


@pytest.fixture(scope="module")
def falling_run(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return run(tmp_path_factory.mktemp("falling"), FALLING)


def test_the_rate_falls_by_the_evaluations_of_the_run(falling_run: Training) -> None:
    """Each evaluation that is no better than all before it halves the rate of the next epoch."""
    history = falling_run.trainer.progress.evaluations
    assert [step for step, _ in history] == [0, 2, 4, 6, 8, 10, 12]
    rate, seen, falls, by_epoch = falling_run.trainer.rate, [], 0, [0]
    for step, value in history[1:]:
        falls += bool(seen) and value <= max(seen)
        seen.append(value)
        by_epoch += [falls] * (step % STEPS_PER_EPOCH == 0)
    assert by_epoch[2] > 0, "the test is about a run whose rate falls"
    found = [rate(step) for step in range(STEPS)]
    assert found == [4e-4 * 0.5 ** by_epoch[step // STEPS_PER_EPOCH] for step in range(STEPS)]


@pytest.mark.parametrize("stop_at", [3, 4, 9])
def test_a_falling_run_that_is_resumed_is_the_run_that_was_not(
    stop_at: int, falling_run: Training, tmp_path: Path
) -> None:
    run(tmp_path, FALLING, Watch(stop_at=stop_at))
    assert state_of(run(tmp_path, FALLING, resume=True)) == state_of(falling_run)


class Killed(BaseException):
    """As ``kill -9``: nobody handles it."""


@pytest.mark.parametrize("save", [3, 5, 8])
def test_killed_between_an_evaluation_and_its_checkpoint(
    save: int, falling_run: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state before it is resumed; the evaluation is done once more and counts once."""
    original, calls = Checkpoints.save_latest, iter(range(1, 100))

    def save_or_die(self: Checkpoints, state: Any) -> None:
        if next(calls) == save:
            raise Killed
        original(self, state)

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save_latest", save_or_die)
        with pytest.raises(Killed):
            run(tmp_path, FALLING)
    resumed = run(tmp_path, FALLING, resume=True)
    assert resumed.trainer.progress.evaluations == falling_run.trainer.progress.evaluations
    assert state_of(resumed) == state_of(falling_run)


def test_biases_warm_up_from_above_with_sgd(tmp_path: Path) -> None:
    sgd = "Optimizer={name: Momentum, lr: {name: Const, learning_rate: 1e-3, warmup_steps: 4}}"
    watch = Watch(lambda trainer: trainer.state.optimizer.group_lrs())
    made = run(tmp_path, [RARELY, sgd], watch)
    groups = made.trainer.state.optimizer.groups.groups
    labels = {group.settings.biases: group.label for group in groups}
    by_hand = {1: (0, 0.01), 2: (0.25e-3, 7.75e-3), 4: (0.75e-3, 3.25e-3), 5: (1e-3, 1e-3)}
    for step, (weight, bias) in by_hand.items():
        rates = watch.seen[step]
        assert [rates[labels[False]], rates[labels[True]]] == pytest.approx([weight, bias]), step


# --- the first steps, in which fresh parameters learn alone


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


def test_its_end_is_told_once(four_first: tuple[Training, Watch]) -> None:
    log = (four_first[0].folder / "train.log").read_text()
    assert log.count("step 4: the fresh parts learned alone; now all parameters do") == 1
    assert log.count("now all parameters do") == 1
    assert "head.thresh alone, 4 steps at rate 0.004" in four_first[0].describe()


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


@pytest.mark.parametrize("stop_at", [2, 4, 5])
def test_a_resumed_run_is_the_run_that_was_not(
    stop_at: int, four_first: tuple[Training, Watch], tmp_path: Path
) -> None:
    overrides = keys(tmp_path, FOUR, "Optimizer.fresh_first_lr=0.004")
    assert run_to(tmp_path, overrides, stop_at).trainer.progress.step == stop_at
    assert state_of(run(tmp_path, overrides, resume=True)) == state_of(four_first[0])


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


def test_steps_for_the_whole_run_are_refused(tmp_path: Path) -> None:
    config = load_config(small_config(tmp_path), keys(tmp_path, "Optimizer.fresh_first=12"))
    with pytest.raises(ConfigError, match="found 12, but the run has 12 steps") as caught:
        parts.prepare(config)
    assert caught.value.key == "Optimizer.fresh_first"


def test_fresh_parts_that_are_frozen_are_refused(tmp_path: Path) -> None:
    groups = r"Optimizer.param_groups=[{match: ^head\.thresh, freeze_epochs: 1}, {match: ''}]"
    config = load_config(small_config(tmp_path), keys(tmp_path, FOUR, groups))
    with pytest.raises(ConfigError, match="what no weights filled is frozen"):
        parts.prepare(config)

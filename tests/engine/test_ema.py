"""The average of the weights: its numbers, that it leaves training alone, and what is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr_ft.commands.train.cli import main
from ppocr_ft.config import load_config
from ppocr_ft.engine import trainer as trainer_module
from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.state import Ema, LossWindow, Progress, TrainState, ema_decay
from ppocr_ft.engine.train_step import StepResult
from ppocr_ft.engine.trainer import Callback
from ppocr_ft.errors import WeightsError
from ppocr_ft.metrics.det import RATES
from ppocr_ft.optim.groups import build_groups
from ppocr_ft.optim.optimizers import build_optimizer
from ppocr_ft.runs import assemble
from ppocr_ft.runs.eval_runner import EvalRunner
from ppocr_ft.weights import read_weights
from tests.support.small_run import STEPS, small_config

Weights = Mapping[str, np.ndarray]
DECAY = 0.4
EMA_RUN = ["Global.use_ema=true", f"Global.ema_decay={DECAY}"]


@pytest.mark.parametrize(
    ("decay", "updates", "wanted"),
    [
        (0.98, 0, 1 / 10),
        (0.98, 1, 2 / 11),
        (0.98, 439, 440 / 449),
        (0.98, 440, 0.98),
        (0.98, 9999, 0.98),
        (0.05, 0, 0.05),
        (0.0, 5, 0.0),
    ],
    ids=["first", "second", "last of the rise", "reached", "later", "below the rise", "none"],
)
def test_decay_rises_to_its_value(decay: float, updates: int, wanted: float) -> None:
    assert ema_decay(decay, updates) == pytest.approx(wanted, rel=1e-15)


def network(seed: int = 0) -> Any:
    """Weights, biases, scalars and batch norm statistics."""
    paddle.seed(seed)
    made = paddle.nn.Sequential(paddle.nn.Linear(3, 4), paddle.nn.BatchNorm1D(4))
    made.scale = made.create_parameter([1])
    return made


def values(layer: Any) -> dict[str, np.ndarray]:
    return {key: tensor.numpy().copy() for key, tensor in layer.state_dict().items()}


def change(layer: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for tensor in layer.state_dict().values():
        tensor.set_value(rng.normal(size=tensor.shape).astype(np.float32))


def same_bits(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(
        one[key].tobytes() == other[key].tobytes() for key in one
    )


def reference(start: Weights, history: list[Weights], decay: float) -> dict[str, np.ndarray]:
    """The average after ``history``, in float64."""
    average = {key: value.astype(np.float64) for key, value in start.items()}
    for update, weights in enumerate(history):
        kept = min(decay, (1 + update) / (10 + update))
        average = {key: kept * average[key] + (1 - kept) * weights[key] for key in average}
    return average


def assert_close(found: Weights, wanted: Weights) -> None:
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=1e-6, err_msg=key)


def averages(ema: Ema) -> dict[str, np.ndarray]:
    return {key: tensor.numpy() for key, tensor in ema.state_dict().items()}


def test_is_the_average_by_definition_statistics_and_scalars_too() -> None:
    layer = network()
    ema, start, history = Ema(layer, DECAY), values(layer), []
    assert same_bits(averages(ema), start), "before any step it is the start"
    for seed in range(12):
        change(layer, seed)
        history.append(values(layer))
        ema.update()
    assert_close(averages(ema), reference(start, history, DECAY))
    assert {"0.weight", "1._mean", "1._variance", "scale"} <= start.keys()
    assert same_bits(values(layer), history[-1]), "the network's own weights stay"


def test_what_does_not_change_keeps_its_bits() -> None:
    layer = network()
    change(layer, 1)
    ema, before = Ema(layer, 0.98), values(layer)
    for _ in range(100):
        ema.update()
    assert same_bits(averages(ema), before)


@pytest.mark.parametrize("fails", [False, True], ids=["evaluated", "broken off"])
def test_the_networks_own_weights_come_back_bit_for_bit(fails: bool) -> None:
    layer = network()
    ema = Ema(layer, DECAY)
    change(layer, 1)
    ema.update()
    odd = np.array([-0.0, 1e-45, np.nan, -np.inf], np.float32)
    layer.state_dict()["0.bias"].set_value(odd)
    own, average = values(layer), averages(ema)
    try:
        with ema.applied():
            assert same_bits(values(layer), average)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert same_bits(values(layer), own)
    assert same_bits(averages(ema), average)


def test_a_step_that_was_not_applied_is_not_averaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = assemble.training(load_config(small_config(tmp_path), EMA_RUN)).trainer
    ema = trainer.state.ema
    assert ema is not None
    before = averages(ema)
    change(trainer.state.network, 1)
    for applied, updates in ((False, 0), (True, 1)):
        result = StepResult({}, paddle.zeros([]), applied)
        monkeypatch.setattr(trainer_module, "train_step", lambda *_, result=result: result)
        assert trainer._step(()) is result
        assert ema.updates == updates
        assert same_bits(averages(ema), before) is not applied


def state(with_average: bool, seed: int = 0) -> TrainState:
    layer = network(seed)
    optimizer = build_optimizer("AdamW", build_groups(layer), learning_rate=0.1)
    ema = Ema(layer, DECAY) if with_average else None
    return TrainState(Progress(3, 4), layer, optimizer, LossWindow(3), ema=ema)


def test_a_restored_average_goes_on_as_the_other() -> None:
    first, second = state(True), state(True, seed=1)
    for seed in range(3):
        change(first.network, seed)
        first.ema.update()
    second.restore(first.arrays())
    for each in (first, second):
        change(each.network, 9)
        each.ema.update()
    assert second.ema.updates == 4
    assert same_bits(first.arrays(), second.arrays())


@pytest.mark.parametrize(
    ("saved", "ours", "part"),
    [
        (lambda: state(False).arrays(), True, r"without an average .* Global\.use_ema=false"),
        (lambda: state(True).arrays(), False, r"holds an average .* Global\.use_ema=true"),
        (lambda: without(state(True).arrays(), "ema/scale"), True, "1 tensors differ, such as sca"),
    ],
    ids=["saved without", "saved with", "incomplete"],
)
def test_a_run_with_an_average_and_one_without_are_not_the_same(
    saved: Callable[[], Weights], ours: bool, part: str
) -> None:
    with pytest.raises(WeightsError, match=part):
        state(ours).restore(saved())


def without(arrays: Weights, key: str) -> dict[str, np.ndarray]:
    return {name: value for name, value in arrays.items() if name != key}


def test_a_state_from_before_there_were_averages_is_one_without() -> None:
    arrays = state(False).arrays()
    about = bytes(arrays["progress"]).replace(b', "ema_updates": null', b"")
    assert b"ema" not in about
    arrays["progress"] = np.frombuffer(about, np.uint8)
    state(False).restore(arrays)
    with pytest.raises(WeightsError, match="without an average"):
        state(True).restore(arrays)


class Recorder(Callback):
    """The network's weights after each step."""

    def __init__(self) -> None:
        self.history: list[Weights] = []

    def after_step(self, trainer: Any, batch: Any, result: StepResult) -> None:
        assert result.applied
        self.history.append(values(trainer.state.network))


def better_each_time(judged: list[Weights], until: int) -> Callable[[EvalRunner], EvalResult]:
    """Instead of an evaluation: notes the weights; every one of ``until`` is better."""

    def evaluate(runner: EvalRunner) -> EvalResult:
        judged.append(values(runner.state.network))
        rates = dict.fromkeys(RATES, len(judged) / 10 if len(judged) <= until else 0.0)
        return EvalResult({1.5: rates})

    return evaluate


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    assert main(["-c", str(small_config(folder))]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def averaged_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("averaged")
    assert main(["-c", str(small_config(folder)), "-o", *EMA_RUN]) == 0
    return folder / "run"


def test_averages_are_judged_and_saved_and_training_is_as_without(
    plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluations are after steps 0, 5, 10 and 12; that of step 10 is the best here."""
    judged: list[Weights] = []
    monkeypatch.setattr(EvalRunner, "_evaluate", better_each_time(judged, until=3))
    run = assemble.training(load_config(small_config(tmp_path), EMA_RUN))
    recorder, start = Recorder(), values(run.trainer.state.network)
    run.trainer.callbacks = [recorder, *run.trainer.callbacks]
    run.trainer.run()
    by_step = [reference(start, recorder.history[:step], DECAY) for step in range(STEPS + 1)]

    assert len(judged) == 4
    assert same_bits(judged[0], start)
    for found, step in zip(judged, (0, 5, 10, 12), strict=True):
        assert_close(found, by_step[step])
    assert same_bits(read_weights(run.folder / "best_accuracy.pdparams"), judged[2])
    assert same_bits(read_weights(run.folder / "latest_ema.pdparams"), judged[3])
    assert_close(read_weights(run.folder / "iter_epoch_2_ema.pdparams"), by_step[8])
    for name in ("latest.pdparams", "iter_epoch_2.pdparams"):
        assert (run.folder / name).read_bytes() == (plain_run / name).read_bytes(), name


def test_leaves_the_averages_beside_the_weights(averaged_run: Path, plain_run: Path) -> None:
    names = [{path.name for path in run.iterdir()} for run in (averaged_run, plain_run)]
    assert names[0] - names[1] == {"latest_ema.pdparams", "iter_epoch_2_ema.pdparams"}
    assert names[1] <= names[0]
    assert "EMA, decay 0.4" in (averaged_run / "train.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_resume_without_the_average_is_refused_and_a_new_run_sets_it_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ["-c", str(small_config(tmp_path)), "-o", "Global.epoch_num=1"]
    assert main([*short, *EMA_RUN, "Global.save_epoch_step=1"]) == 0
    assert main([*short, "--resume"]) == 2
    assert "latest.pdstate: holds an average of the weights" in capsys.readouterr().err
    run = tmp_path / "run"
    assert (run / "latest_ema.pdparams").exists()
    assert main(short) == 0
    moved = {path.name for path in (run / "earlier_1").iterdir()}
    assert {"latest_ema.pdparams", "iter_epoch_1_ema.pdparams"} <= moved
    assert not list(run.glob("*_ema.pdparams"))

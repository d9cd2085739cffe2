"""State files: what goes in comes out, what is not one is refused, and nothing in it is run."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr_ft.engine.checkpoints import read_state, state_path, write_state
from ppocr_ft.engine.state import LossWindow, Progress, TrainState
from ppocr_ft.errors import ConfigError, WeightsError
from ppocr_ft.optim.groups import build_groups
from ppocr_ft.optim.optimizers import build_optimizer
from ppocr_ft.utils.files import check_writable, remove_unfinished, write_whole

SEED, STEPS_PER_EPOCH = 3, 4


def made(width: int = 5, name: str = "AdamW", seed: int = 0) -> TrainState:
    """A run of a network of two layers; ``name`` is the optimizer."""
    paddle.seed(seed)
    network = paddle.nn.Sequential(paddle.nn.Linear(3, width), paddle.nn.BatchNorm1D(width))
    optimizer = build_optimizer(name, build_groups(network), learning_rate=0.1)
    return TrainState(Progress(SEED, STEPS_PER_EPOCH), network, optimizer, LossWindow(3))


def advance(state: TrainState, steps: int) -> list[float]:
    """Train on numbers drawn from the step."""
    losses = []
    for _ in range(steps):
        rng = np.random.default_rng(state.progress.step)
        loss = state.network(paddle.to_tensor(rng.random((4, 3), np.float32))).square().mean()
        loss = loss + state.network[0].weight.square().sum()
        loss.backward()
        state.optimizer.step()
        state.optimizer.clear_grad()
        state.window.add({"loss": loss.detach(), "loss_binary_maps": loss.detach() / 2})
        state.progress.step += 1
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize("name", ["AdamW", "Adam", "Momentum", "RMSProp"])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_restored_run_goes_on_as_the_other(steps: int, name: str, tmp_path: Path) -> None:
    first = made(name=name)
    advance(first, steps)
    first.progress.best, first.progress.best_step = 0.1 + 0.2, 2
    write_state(tmp_path / "latest.pdstate", first.arrays())
    second = made(name=name, seed=1)
    second.restore(read_state(tmp_path / "latest.pdstate"))
    assert second.progress == first.progress
    assert second.window.means() == first.window.means()
    assert advance(second, 3) == advance(first, 3)
    saved = [state.arrays() for state in (first, second)]
    assert saved[0].keys() == saved[1].keys()
    assert all(np.array_equal(saved[0][key], saved[1][key]) for key in saved[0])


@pytest.mark.parametrize(
    ("other", "part"),
    [
        (lambda: made(width=6), "another network: 6 tensors differ"),
        (lambda: made(name="Momentum"), "not a state of this optimizer"),
        (lambda: changed(seed=4), "3 as seed, this one has 4"),
        (lambda: changed(steps_per_epoch=9), "4 as steps per epoch, this one has 9"),
    ],
    ids=["network", "optimizer", "seed", "data"],
)
def test_another_run_is_refused(other: Callable[[], TrainState], part: str) -> None:
    state = made()
    advance(state, 1)
    with pytest.raises(WeightsError, match=part):
        other().restore(state.arrays())


def changed(**values: int) -> TrainState:
    state = made()
    state.progress = Progress(**{"seed": SEED, "steps_per_epoch": STEPS_PER_EPOCH, **values})
    return state


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("was_run"),)


def cut_off(path: Path) -> None:
    write_state(path, made().arrays())
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize(
    ("write", "part"),
    [
        (lambda path: None, "does not exist, so there is nothing to resume"),
        (lambda path: path.mkdir(), "can't be read"),
        (lambda path: path.write_bytes(b""), "is no state of a run"),
        (lambda path: path.write_bytes(pickle.dumps(Hostile())), "is no state of a run"),
        (cut_off, "damaged or cut off"),
    ],
    ids=["missing", "folder", "empty", "pickle", "cut off"],
)
def test_no_state(
    write: Callable[[Path], object], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "latest.pdstate"
    write(path)
    with pytest.raises(WeightsError, match=part) as caught:
        read_state(path)
    assert caught.value.path == str(path)
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize(
    "arrays",
    [{"weight": np.zeros(2)}, {"progress": np.frombuffer(b"no json", np.uint8)}],
    ids=["weights", "broken progress"],
)
def test_other_arrays_are_no_state(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(WeightsError, match="no state of a run"):
        made().restore(arrays)


def test_a_state_of_a_later_format_is_refused() -> None:
    later = {"progress": np.frombuffer(b'{"format": 99}', np.uint8)}
    with pytest.raises(WeightsError, match="format 99; this version reads 1"):
        made().restore(later)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        (".", "latest.pdstate"),
        ("latest", "latest.pdstate"),
        ("latest.pdparams", "latest.pdstate"),
        ("latest.pdstate", "latest.pdstate"),
        ("copy.pdstate", "copy.pdstate"),
    ],
)
def test_which_state_a_path_means(where: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "latest.pdstate").touch()
    assert state_path(tmp_path / where) == tmp_path / wanted


def test_other_weights_have_no_state(tmp_path: Path) -> None:
    (tmp_path / "best_accuracy.pdparams").touch()
    with pytest.raises(WeightsError, match=r"Global\.pretrained_model"):
        state_path(tmp_path / "best_accuracy.pdparams")


@pytest.mark.parametrize(
    ("step", "epochs_done", "epoch", "step_in_epoch"),
    [(0, 0, 1, 0), (1, 0, 1, 1), (4, 1, 1, 0), (5, 1, 2, 1), (8, 2, 2, 0)],
    ids=["start", "first step", "first epoch done", "second epoch", "second epoch done"],
)
def test_epochs_of_steps(step: int, epochs_done: int, epoch: int, step_in_epoch: int) -> None:
    progress = Progress(SEED, STEPS_PER_EPOCH, step)
    found = progress.epochs_done, progress.epoch, progress.step_in_epoch
    assert found == (epochs_done, epoch, step_in_epoch)


def test_the_window_averages_its_last_steps() -> None:
    window = LossWindow(2)
    assert window.means() == {}
    for value in (5.0, 1.0, 2.0):
        window.add({"loss": paddle.to_tensor(value)})
    assert window.means() == {"loss": 1.5}


def test_a_write_that_fails_leaves_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"before")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"after")
    with pytest.raises(WeightsError, match="can't be written: No space left"):
        write_state(path, made().arrays())
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_room_is_asked_for_before_training(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b", 1, "Global.save_model_dir")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    with pytest.raises(ConfigError, match=r"Global\.save_model_dir: .* MiB of room; .* need about"):
        check_writable(tmp_path, 2**70, "Global.save_model_dir")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't be written to"):
        check_writable(tmp_path / "file", 1, "Global.save_model_dir")


def test_what_a_killed_run_was_writing_is_removed(tmp_path: Path) -> None:
    for name in (".latest.pdstate.123.part", "keep.part", ".keep"):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".keep", "keep.part"]

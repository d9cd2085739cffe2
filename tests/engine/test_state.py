"""State files: what goes in comes out, what is not one is refused, and nothing in it is run."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr_ft.engine.checkpoints import (
    read_newest_state,
    read_state,
    settle_best,
    settle_metrics,
    state_path,
    write_state,
)
from ppocr_ft.engine.metrics_file import MetricsFile
from ppocr_ft.engine.metrics_file import checksum as metrics_checksum
from ppocr_ft.engine.state import LossWindow, Progress, TrainState
from ppocr_ft.errors import ConfigError, WeightsError
from ppocr_ft.optim.groups import build_groups
from ppocr_ft.optim.optimizers import build_optimizer
from ppocr_ft.utils.files import check_writable, remove_unfinished, write_whole
from ppocr_ft.weights import write_weights
from ppocr_ft.weights.pdparams import checksum

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


def test_numbers_of_a_kind_that_paddle_has_not_are_refused() -> None:
    state = made()
    arrays = state.arrays()
    name = next(key for key in arrays if key.startswith("network/"))
    with pytest.raises(WeightsError, match=f"{name} is of uint32"):
        state.restore({**arrays, name: arrays[name].astype(np.uint32)})


def changed(**values: int) -> TrainState:
    state = made()
    state.progress = Progress(**{"seed": SEED, "steps_per_epoch": STEPS_PER_EPOCH, **values})
    return state


def same(arrays: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> bool:
    return arrays.keys() == others.keys() and all(
        np.array_equal(arrays[key], others[key]) for key in arrays
    )


def test_no_byte_of_a_state_is_read_wrong(tmp_path: Path) -> None:
    path = tmp_path / "latest.pdstate"
    state = made(width=1)
    write_state(path, state.arrays())
    whole, wanted = path.read_bytes(), read_state(path)
    refused = 0
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            assert same({key: read_state(path)[key] for key in wanted}, wanted), place
        except WeightsError:
            refused += 1
    assert refused > len(whole) / 3 - 40, "all but blanks and names that nobody looks for"


def two_states(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A state of step 3, and the one of step 2 before it, with the metrics of both."""
    metrics = MetricsFile(folder)
    state = made()
    for name in ("previous", "latest"):
        state.progress.step += 1
        metrics.add("train", {"step": state.progress.step, "loss": 0.5})
        state.progress.metrics = metrics_checksum(metrics.path, state.progress.step, -1)
        write_state(folder / f"{name}.pdstate", state.arrays())
    return folder / "latest.pdstate", read_state(folder / "previous.pdstate")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: cut_off(path), "is a damaged or cut off"),
        (lambda path: path.write_bytes(b""), "is no state of a run"),
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: write_state(path, foreign().arrays()), "is of another run than metrics.csv"),
    ],
    ids=["cut off", "empty", "missing", "another run's"],
)
def test_the_state_before_takes_the_place_of_a_damaged_one(
    spoil: Callable[[Path], object], why: str, tmp_path: Path
) -> None:
    path, before = two_states(tmp_path)
    assert read_newest_state(path)[1] == ""
    spoil(path)
    arrays, said = read_newest_state(state_path(tmp_path))
    assert same(arrays, before)
    assert said.startswith(f"{path}: {why}")
    assert said.endswith("; goes on with the state before it, previous.pdstate (step 1)")


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def foreign() -> TrainState:
    state = made(seed=9)
    state.progress.step, state.progress.metrics = 2, "of other rows"
    return state


def test_where_both_states_are_damaged_the_newer_is_named(tmp_path: Path) -> None:
    path, _ = two_states(tmp_path)
    for name in ("latest", "previous"):
        cut_off(tmp_path / f"{name}.pdstate")
    with pytest.raises(WeightsError, match=r"latest\.pdstate: is a damaged or cut off"):
        read_newest_state(path)


@pytest.mark.parametrize("aside", [False, True], ids=["in its place", "killed before the move"])
@pytest.mark.parametrize("spoiled", [None, b"", b"\x80\x04}."], ids=["whole", "empty", "foreign"])
def test_best_weights_are_those_that_the_state_knows(
    aside: bool, spoiled: bytes | None, tmp_path: Path
) -> None:
    best, new = tmp_path / "best_accuracy.pdparams", tmp_path / "best_accuracy.new.pdparams"
    write_weights(best, {"w": np.zeros(2, np.float32)})
    write_weights(new if aside else best, {"w": np.ones(2, np.float32)})
    wanted = (new if aside else best).read_bytes()
    progress = Progress(SEED, STEPS_PER_EPOCH, best=0.5, best_step=4, best_file=checksum(wanted))
    if spoiled is not None:
        (new if aside else best).write_bytes(spoiled)
    said = settle_best(tmp_path, progress)
    if spoiled is None:
        assert (said, progress.best) == ("", 0.5)
        assert best.read_bytes() == wanted
        assert not new.exists()
    else:
        assert said.startswith(f"{best}: is missing, damaged or of another run")
        assert progress.best is None


@pytest.mark.parametrize("copy", [True, False], ids=["with its copy", "without"])
def test_damaged_metrics_are_put_back_or_aside(copy: bool, tmp_path: Path) -> None:
    path = MetricsFile(tmp_path).path
    for step in (1, 2):
        MetricsFile(tmp_path, step).add("train", {"step": step, "loss": 0.5, "memory_mb": step})
    progress = Progress(SEED, STEPS_PER_EPOCH, 2, metrics=metrics_checksum(path, 2, -1))
    whole = path.read_bytes()
    if copy:
        (tmp_path / "latest_metrics.csv").write_bytes(whole)
    assert settle_metrics(tmp_path, progress) == ""
    for damaged in (b"", whole[:-20], whole.replace(b"0.5", b"0.4"), b"\0" * 9, b"\xff" + whole):
        path.write_bytes(damaged)
        said = settle_metrics(tmp_path, progress)
        assert said.startswith(f"{path}: is missing, damaged or of another run")
        assert path.exists() == copy
        kept = path if copy else tmp_path / "metrics.damaged.csv"
        assert kept.read_bytes() == (whole if copy else damaged)


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("was_run"),)


def write_cut_off(path: Path) -> None:
    write_state(path, made().arrays())
    cut_off(path)


@pytest.mark.parametrize(
    ("write", "part"),
    [
        (lambda path: None, "does not exist, so there is nothing to resume"),
        (lambda path: path.mkdir(), "can't be read"),
        (lambda path: path.write_bytes(b""), "is no state of a run"),
        (lambda path: path.write_bytes(pickle.dumps(Hostile())), "is no state of a run"),
        (write_cut_off, "damaged or cut off"),
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


@pytest.mark.parametrize(
    "change",
    [
        {"progress": None}, {"progress": {}}, {"progress": {"seed": 3, "steps_per_epoch": 0}},
        {"progress": {"seed": 3, "steps_per_epoch": 4, "step": "2"}},
        {"progress": {"seed": 3, "steps_per_epoch": 4, "evaluations": [[1]]}},
        {"progress": {"seed": 3, "steps_per_epoch": 4, "best": "high"}},
        {"losses": "loss"}, {"losses": ["a", "b"]},
    ],
)  # fmt: skip
def test_a_state_with_odd_values_is_refused(change: dict[str, object]) -> None:
    arrays = made().arrays()
    about = {**json.loads(bytes(arrays["progress"])), **change}
    arrays["progress"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with pytest.raises(WeightsError, match="is no state of a run: "):
        made().restore(arrays)


def test_a_state_that_is_no_object_is_refused() -> None:
    with pytest.raises(WeightsError, match="is no state of a run"):
        made().restore({"progress": np.frombuffer(b"[1]", np.uint8)})


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

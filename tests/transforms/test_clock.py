"""The epoch that workers see, whatever starts them and however long they live."""

from __future__ import annotations

import copy
import multiprocessing as mp
import pickle
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pytest

from ppocr_ft import EPOCH_CLOCK, EpochClock, MakeShrinkMap, set_epoch
from tests.support.samples import sample


@pytest.fixture(autouse=True)
def _clock_off() -> Any:
    EPOCH_CLOCK.reset()
    yield
    EPOCH_CLOCK.reset()


def test_counts_from_one() -> None:
    clock = EpochClock()
    assert not clock.is_set
    assert [clock.advance(), clock.advance()] == [1, 2]
    clock.set(7)
    assert clock.epoch == 7
    clock.reset()
    assert not clock.is_set


@pytest.mark.parametrize(("epoch", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)])
def test_refuses_what_is_no_epoch(epoch: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        EpochClock().set(epoch)


def test_takes_numpy_integers() -> None:
    clock = EpochClock()
    clock.set(np.int64(5))
    assert clock.epoch == 5


def test_a_copied_operator_reads_the_same_clock() -> None:
    clock = EpochClock()
    shrink = MakeShrinkMap(total_epoch=10, clock=clock)
    twin = copy.deepcopy(shrink)
    clock.set(5)
    assert twin.shrink_ratio == shrink.shrink_ratio == pytest.approx(0.5)


def test_a_clock_is_not_pickled_away_from_its_memory() -> None:
    with pytest.raises(RuntimeError, match="inheritance"):
        pickle.dumps(EpochClock())


def report_ratios(shrink: MakeShrinkMap, pipe: Connection) -> None:
    """A worker that lives over several epochs."""
    while pipe.recv() is not None:
        pipe.send(shrink.shrink_ratio)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_living_worker_sees_each_new_epoch(method: str) -> None:
    if method not in mp.get_all_start_methods():
        pytest.skip(f"this system can't start processes by {method}")
    context = mp.get_context(method)
    shrink = MakeShrinkMap(total_epoch=100)
    here, there = context.Pipe()
    worker = context.Process(target=report_ratios, args=(shrink, there), daemon=True)
    worker.start()
    seen = []
    for epoch in (1, 50, 100, 150):
        set_epoch(epoch)
        here.send(epoch)
        seen.append(here.recv())
    here.send(None)
    worker.join()
    assert seen == pytest.approx([0.402, 0.5, 0.6, 0.6])


class Maps:
    """A data set of one sample whose item is the kernel's size, which tells the ratio."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.shrink = MakeShrinkMap(total_epoch=4)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> np.ndarray:
        return np.array([self.shrink(one_text())["shrink_map"].sum()], np.float32)


def one_text() -> dict[str, Any]:
    polygon = np.array([[[10, 10], [190, 10], [190, 110], [10, 110]]], np.float32)
    return sample(polygon, (128, 208))


def kernel_size(ratio: float) -> float:
    return float(MakeShrinkMap(shrink_ratio=ratio)(one_text())["shrink_map"].sum())


def loader(workers: int, *, persistent: bool = False, length: int = 12) -> Any:
    io = pytest.importorskip("paddle.io", reason="paddle is not installed")
    dataset = type("Data", (Maps, io.Dataset), {})(length)
    return io.DataLoader(
        dataset,
        batch_size=2,
        num_workers=workers,
        persistent_workers=persistent,
        use_shared_memory=False,
        return_list=True,
    )


def sizes(batches: Any) -> set[float]:
    return {float(value) for batch in batches for value in np.asarray(batch).ravel()}


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (1, False), (2, False), (2, True)])
def test_paddles_loader_gives_each_epoch_its_own_ratio(workers: int, persistent: bool) -> None:
    batches = loader(workers, persistent=persistent)
    for epoch in (1, 2, 3, 4, 5):
        set_epoch(epoch)
        assert sizes(batches) == {kernel_size(0.4 + 0.2 * min(epoch / 4, 1))}


def test_a_rebuilt_data_set_goes_on_where_the_training_is() -> None:
    """ratio_list below 1: a new subset, and with it a new data set, each epoch."""
    for epoch in (1, 2, 3):
        set_epoch(epoch)
        assert sizes(loader(2, length=3 + epoch)) == {kernel_size(0.4 + 0.2 * epoch / 4)}


def test_a_resumed_run_starts_at_its_epoch() -> None:
    set_epoch(3)
    assert sizes(loader(1)) == {kernel_size(0.55)}


@pytest.mark.parametrize("seed", [0, 1024])
def test_the_seed_moves_nothing(seed: int) -> None:
    import random

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  as PaddleOCR seeds
    set_epoch(2)
    assert MakeShrinkMap(total_epoch=4, epoch=seed).shrink_ratio == pytest.approx(0.5)

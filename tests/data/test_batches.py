"""The order of samples: pure, complete, the same for any number of processes, resumable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppocr_ft.data.batches import epoch_order, rank_batches, steps_per_epoch

counts, batch_sizes, worlds = st.integers(0, 60), st.integers(1, 7), st.integers(1, 5)


def all_ranks(count: int, batch_size: int, world: int, **options: object) -> list[list[list[int]]]:
    order = epoch_order(count, seed=1, epoch=2)
    return [
        rank_batches(order, batch_size, rank=rank, world_size=world, **options)  # type: ignore[arg-type]
        for rank in range(world)
    ]


def test_an_epoch_has_every_sample_once_in_its_own_order() -> None:
    orders = [epoch_order(50, seed=7, epoch=epoch) for epoch in (1, 2)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(50))
    assert orders[0].tolist() != orders[1].tolist()
    assert orders[0].tolist() == epoch_order(50, seed=7, epoch=1).tolist()
    assert orders[0].tolist() != epoch_order(50, seed=8, epoch=1).tolist()


def test_without_shuffling_the_order_is_the_files() -> None:
    assert epoch_order(4, seed=7, epoch=1, shuffle=False).tolist() == [0, 1, 2, 3]


@given(counts, batch_sizes, worlds)
def test_all_processes_together_read_everything(count: int, batch_size: int, world: int) -> None:
    ranks = all_ranks(count, batch_size, world)
    read = [index for batches in ranks for batch in batches for index in batch]
    assert set(read) == set(range(count))
    assert len(read) - count < world


@given(counts, batch_sizes, worlds, st.booleans())
def test_all_processes_have_equal_batches(
    count: int, batch_size: int, world: int, drop_last: bool
) -> None:
    ranks = all_ranks(count, batch_size, world, drop_last=drop_last)
    sizes = {tuple(map(len, batches)) for batches in ranks}
    assert len(sizes) == 1
    (lengths,) = sizes
    assert len(lengths) == steps_per_epoch(count, batch_size, world_size=world, drop_last=drop_last)
    full = lengths if drop_last else lengths[:-1]
    assert all(length == batch_size for length in full)
    assert all(length > 0 for length in lengths)


@given(counts, batch_sizes, worlds)
def test_more_processes_see_the_same_samples_in_each_step(
    count: int, batch_size: int, world: int
) -> None:
    order = epoch_order(count, seed=1, epoch=2)
    alone = rank_batches(order, batch_size * world, drop_last=True)
    ranks = all_ranks(count, batch_size, world, drop_last=True)
    together = [[i for part in parts for i in part] for parts in zip(*ranks, strict=True)]
    assert together == alone


@given(counts, batch_sizes, worlds, st.integers(0, 20), st.booleans())
def test_an_epoch_goes_on_where_it_stopped(
    count: int, batch_size: int, world: int, first_step: int, drop_last: bool
) -> None:
    whole = all_ranks(count, batch_size, world, drop_last=drop_last)
    rest = all_ranks(count, batch_size, world, drop_last=drop_last, first_step=first_step)
    assert rest == [batches[first_step:] for batches in whole]


@pytest.mark.parametrize(
    ("batch_size", "rank", "world"),
    [(0, 0, 1), (1, 1, 1), (1, -1, 1), (1, 0, 0)],
    ids=["no batch", "rank outside", "negative rank", "no world"],
)
def test_what_cannot_be_is_refused(batch_size: int, rank: int, world: int) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        rank_batches(np.arange(4), batch_size, rank=rank, world_size=world)

"""Reader processes: the same items, the epoch and the faults pass between them."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr_ft.data.batches import FAULTS, PerImage, collate, epoch_order, rank_batches
from ppocr_ft.data.dataset import SimpleDataSet
from ppocr_ft.transforms.crops import ScaledCrop
from ppocr_ft.transforms.geometric import IaaAugment
from ppocr_ft.transforms.image_ops import DecodeImage, KeepKeys
from ppocr_ft.transforms.labels import DetLabelEncode
from ppocr_ft.transforms.photometric import Noise
from ppocr_ft.transforms.resize import DetResizeForTest
from tests.support.pictures import text, write_set


@pytest.fixture
def dataset(tmp_path: Path) -> SimpleDataSet:
    label_file = write_set(tmp_path, {f"{i}.png": [text("t", 10, 20)] * i for i in range(8)})
    for i in (4, 5, 6):  # of which every 6 of 8 hold one
        (tmp_path / f"{i}.png").write_bytes(b"no image")
    operators = [
        DecodeImage("BGR"),
        DetLabelEncode(),
        IaaAugment(),
        ScaledCrop((32, 32), 320),
        Noise(1.0),
        KeepKeys(["image", "polys", "ignore_tags"]),
    ]
    return SimpleDataSet(tmp_path, label_file, operators, ratio_list=0.75, seed=3)


def read(dataset: SimpleDataSet, answers: Any) -> None:
    """What a reader process does: two epochs, each when it is told."""
    for told in iter(answers[0].get, None):
        answers[1].put([(told, i, dataset[i]) for i in range(len(dataset))])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_reader_process_gives_the_items_of_this_process(
    dataset: SimpleDataSet, method: str
) -> None:
    context = multiprocessing.get_context(method)
    questions, answers = context.Queue(), context.Queue()
    process = context.Process(target=read, args=(dataset, (questions, answers)), daemon=True)
    process.start()
    try:
        for epoch in (1, 2):
            dataset.set_epoch(epoch)
            questions.put(epoch)
            for _, index, item in answers.get(timeout=60):
                here = dataset[index]
                np.testing.assert_array_equal(item.sample["image"], here.sample["image"])
                assert list(map(str, item.faults)) == list(map(str, here.faults))
    finally:
        questions.put(None)
        process.join(30)


def test_reader_threads_give_the_same_items(dataset: SimpleDataSet) -> None:
    for epoch in (1, 2):
        dataset.set_epoch(epoch)
        expected = [item.sample["image"] for item in dataset]  # type: ignore[index]
        with ThreadPoolExecutor(4) as pool:
            items = list(pool.map(dataset.__getitem__, list(range(len(dataset))) * 5))
        for i, item in enumerate(items):
            np.testing.assert_array_equal(item.sample["image"], expected[i % len(expected)])  # type: ignore[index]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_pass_paddles_loader(dataset: SimpleDataSet, workers: int) -> None:
    paddle_io = pytest.importorskip("paddle").io
    dataset.set_epoch(1)
    expected = [dataset[i] for i in range(len(dataset))]
    batches = rank_batches(epoch_order(len(dataset), seed=0, epoch=1), 2)
    loader = paddle_io.DataLoader(
        dataset, batch_sampler=batches, collate_fn=collate, num_workers=workers, return_list=True
    )
    faults = []
    for indices, batch in zip(batches, loader, strict=True):
        images = np.stack([expected[i].sample["image"] for i in indices])  # type: ignore[index]
        np.testing.assert_array_equal(np.asarray(batch["image"]), images)
        assert isinstance(batch["polys"], PerImage)
        faults += batch[FAULTS]
    assert sorted({str(f) for f in faults}) == sorted({str(f) for i in expected for f in i.faults})
    assert len(faults) == sum(len(item.faults) for item in expected) > 0


def test_operators_of_evaluation_reach_spawned_processes(tmp_path: Path) -> None:
    """They pickle whatever way the size is given."""
    import pickle

    for way in ({}, {"image_shape": (64, 64)}, {"resize_long": 128}):
        operator = pickle.loads(pickle.dumps(DetResizeForTest(**way)))  # type: ignore[arg-type]
        assert operator.target_size((100, 200)) == DetResizeForTest(**way).target_size((100, 200))  # type: ignore[arg-type]

"""Which samples of an epoch a teacher's images replace, and which images these are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.data.dataset import SimpleDataSet
from ppocr_ft.data.labels import LabelEntry, read_label_file
from ppocr_ft.data.taught import Rise, Taught
from ppocr_ft.transforms.image_ops import DecodeImage
from ppocr_ft.transforms.labels import DetLabelEncode
from ppocr_ft.transforms.pipeline import Pipeline
from tests.support.pictures import text, write_set

SAMPLES, SEED = 10, 7


@pytest.mark.parametrize(
    ("epoch", "count"),
    [(1, 0), (2, 0), (3, 2), (4, 4), (5, 6), (6, 6), (100, 6)],
)
def test_the_share_rises(epoch: int, count: int) -> None:
    assert Rise(0.6, first_epoch=3, epochs=3).count(epoch, SAMPLES) == count


def entries(folder: Path, names: list[str]) -> tuple[LabelEntry, ...]:
    label_file = write_set(folder, {name: [text("a", 20, 15)] for name in names})
    return read_label_file(label_file, folder).entries


def data_set(folder: Path) -> SimpleDataSet:
    entries(folder, [f"labelled_{i}.png" for i in range(SAMPLES)])
    operators = [DecodeImage(), DetLabelEncode()]
    return SimpleDataSet(folder, folder / "label.txt", operators, seed=SEED)


def drawn(data: SimpleDataSet, epoch: int) -> list[str]:
    data.set_epoch(epoch)
    return [Path(item.path).name for item in data]


def test_images_come_in_turn_and_the_others_stay(tmp_path: Path) -> None:
    data = data_set(tmp_path / "own")
    before = {epoch: drawn(data, epoch) for epoch in range(1, 6)}
    names = [f"more_{i}.png" for i in range(7)]
    more = entries(tmp_path / "more", names)
    data.taught = Taught(more, Pipeline([DecodeImage(), DetLabelEncode()]), Rise(0.4, 2, 2), 2)
    after = {epoch: drawn(data, epoch) for epoch in range(1, 6)}
    taken: list[str] = []
    for epoch, count in enumerate([0, 2, 4, 4, 4], start=1):
        pairs = zip(before[epoch], after[epoch], strict=True)
        replaced = [new for old, new in pairs if new != old]
        assert len(replaced) == count
        taken += sorted(replaced)
    turns = [names[i % len(names)] for i in range(14)]
    expected = [turns[0:2], turns[2:6], turns[6:10], turns[10:14]]
    assert taken == [name for epoch in expected for name in sorted(epoch)]
    assert {epoch: drawn(data, epoch) for epoch in (5, 3)} == {e: after[e] for e in (5, 3)}


def test_an_image_that_is_gone_gives_way_to_the_next(tmp_path: Path) -> None:
    data = data_set(tmp_path / "own")
    more = entries(tmp_path / "more", ["a.png", "b.png"])
    (tmp_path / "more" / "a.png").unlink()
    data.taught = Taught(more, data.pipeline, Rise(0.2, 1, 1), 1)
    data.set_epoch(1)
    items = [item for item in data if Path(item.path).name == "b.png"]
    assert len(items) == 2
    (fault,) = [fault for item in items for fault in item.faults]
    assert "a.png" in str(fault)
    assert fault.line == 1

"""The data set: seeds, subsets, negatives, bad samples."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr_ft.data import dataset as dataset_module
from ppocr_ft.data.batches import FAULTS, PerImage, collate
from ppocr_ft.data.dataset import Item, SimpleDataSet, read_content
from ppocr_ft.data.faults import LISTED, FaultLog, describe_faults
from ppocr_ft.errors import ConfigError, DataError
from ppocr_ft.transforms.crops import EastRandomCropData, ScaledCrop
from ppocr_ft.transforms.geometric import CopyPaste, IaaAugment
from ppocr_ft.transforms.image_ops import DecodeImage, KeepKeys, NormalizeImage, ToCHWImage
from ppocr_ft.transforms.labels import DetLabelEncode
from ppocr_ft.transforms.photometric import Noise
from ppocr_ft.transforms.targets import MakeBorderMap, MakeShrinkMap
from tests.support.pictures import text, write_set
from tests.support.samples import pictures_of

LOADING = (DecodeImage("BGR"), DetLabelEncode())
KEPT = ["image", "threshold_map", "threshold_mask", "shrink_map", "shrink_mask"]


def training(crop: Any) -> list[Any]:
    return [
        *LOADING,
        CopyPaste(),
        IaaAugment(),
        crop,
        Noise(0.5),
        MakeBorderMap(),
        MakeShrinkMap(),
        NormalizeImage(order="hwc"),
        ToCHWImage(),
        KeepKeys(KEPT),
    ]


def only(*keys: str) -> list[Any]:
    return [*LOADING, KeepKeys(keys)]


def names(dataset: SimpleDataSet, items: Sequence[Item] | None = None) -> list[str]:
    samples = [item.sample for item in (items or list(dataset))]
    return [Path(sample["img_path"]).name for sample in samples if sample is not None]


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    images = {f"{i}.png": [text(f"t{i}", 10 + 3 * i, 20), text("###", 20, 60)] for i in range(10)}
    return write_set(tmp_path, images)


def make(
    label_file: Path, transforms: Sequence[Any] | None = None, **options: Any
) -> SimpleDataSet:
    transforms = only("img_path", "texts") if transforms is None else transforms
    return SimpleDataSet(label_file.parent, label_file, transforms, **options)


def break_image(label_file: Path, *images: str) -> None:
    for image in images:
        (label_file.parent / image).write_bytes(b"no image")


def test_a_whole_set_in_the_files_order(ten: Path) -> None:
    dataset = make(ten)
    assert len(dataset) == 10
    assert names(dataset) == [f"{i}.png" for i in range(10)]
    assert [item.sample["texts"] for item in dataset][3] == ["t3", "###"]  # type: ignore[index]
    assert all(item.faults == () for item in dataset)
    with pytest.raises(IndexError):
        dataset[10]
    with pytest.raises(IndexError):
        dataset[-1]


@pytest.mark.parametrize("crop", [EastRandomCropData((64, 96)), ScaledCrop((64, 96), 320)])
def test_training_items_are_what_the_loss_takes(ten: Path, crop: Any) -> None:
    dataset = make(ten, training(crop))
    dataset.set_epoch(1)
    batch = collate([dataset[i] for i in range(4)])
    assert batch["image"].shape == (4, 3, 96, 64)
    assert batch["image"].dtype == np.float32
    for key in KEPT[1:]:
        assert batch[key].shape == (4, 96, 64)
        assert batch[key].dtype == np.float32
    assert batch["shrink_map"].max() == 1


def test_an_item_depends_on_seed_epoch_and_index_alone(ten: Path) -> None:
    def items(seed: int, epoch: int, order: Sequence[int]) -> dict[int, np.ndarray]:
        dataset = make(ten, training(ScaledCrop((64, 64), 320)), seed=seed)
        dataset.set_epoch(epoch)
        return {i: dataset[i].sample["image"] for i in order}  # type: ignore[index]

    first, again = items(5, 2, range(6)), items(5, 2, [4, 2, 2, 0])
    for i in (0, 2, 4):
        np.testing.assert_array_equal(first[i], again[i])
    for other in (items(6, 2, [2]), items(5, 3, [2])):
        assert not np.array_equal(first[2], other[2])


def test_a_ratio_draws_a_new_subset_each_epoch(ten: Path) -> None:
    dataset = make(ten, ratio_list=0.5)
    assert len(dataset) == 5
    subsets = []
    for epoch in range(1, 9):
        dataset.set_epoch(epoch)
        subsets.append(names(dataset))
        assert len(set(subsets[-1])) == 5
    assert len(set(map(tuple, subsets))) > 5
    assert set().union(*subsets) == {f"{i}.png" for i in range(10)}
    dataset.set_epoch(3)
    assert names(dataset) == subsets[2]


@pytest.mark.parametrize(
    ("ratios", "counts"),
    [
        pytest.param([1.0, 1.0], (10, 4), id="all"),
        pytest.param([0.3, 1.0], (3, 4), id="one each"),
        pytest.param(0.5, (5, 2), id="one for both"),
        pytest.param([0.0, 0.5], (0, 2), id="nothing of the first"),
        pytest.param(None, (10, 4), id="not given"),
        pytest.param(1, (10, 4), id="a whole number"),
    ],
)
def test_ratios_of_several_files(ten: Path, tmp_path: Path, ratios: Any, counts: Any) -> None:
    more = write_set(tmp_path / "more", {f"m{i}.png": [] for i in range(4)})
    (tmp_path / "more.txt").write_text(more.read_text().replace("m", "more/m"))
    dataset = SimpleDataSet(
        tmp_path, [ten, tmp_path / "more.txt"], only("img_path"), ratio_list=ratios
    )
    found = names(dataset)
    assert (len(found), len(dataset)) == (sum(counts), sum(counts))
    assert sum(name.startswith("m") for name in found) == counts[1]


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        pytest.param([0.5, 0.5], "has 2 values for 1 label files", id="too many"),
        pytest.param(1.5, "found 1.5", id="above 1"),
        pytest.param([-0.1], "found -0.1", id="negative"),
    ],
)
def test_ratios_that_cannot_be(ten: Path, ratios: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"ratio_list: {message}"):
        make(ten, ratio_list=ratios)


def test_images_without_text_train_as_negatives(tmp_path: Path) -> None:
    label_file = write_set(tmp_path, {"empty.png": []})
    for crop in (EastRandomCropData((64, 64)), ScaledCrop((64, 64), 320)):
        sample = make(label_file, training(crop))[0].sample
        assert sample is not None
        assert sample["shrink_map"].max() == 0
        assert sample["shrink_mask"].min() == 1
        assert sample["image"].std() > 0


def test_one_of_several_images_is_drawn(ten: Path) -> None:
    ten.write_text('["1.png", "2.png", "3.png"]\t[]\n')
    dataset, drawn = make(ten), set()
    for epoch in range(1, 25):
        dataset.set_epoch(epoch)
        drawn.update(names(dataset))
    assert drawn == {"1.png", "2.png", "3.png"}


# --- bad samples


def test_a_bad_image_is_replaced_and_told(ten: Path) -> None:
    break_image(ten, "3.png")
    dataset = make(ten)
    item = dataset[3]
    assert item.sample is not None
    assert item.sample["img_path"] != str(ten.parent / "3.png")
    (fault,) = item.faults
    assert (fault.path, fault.line) == (str(ten), 4)
    assert f"the image {ten.parent / '3.png'} can't be decoded" in fault.message
    assert sum(len(item.faults) for item in dataset) == 1


def test_replacements_are_drawn_not_always_the_next(ten: Path) -> None:
    break_image(ten, "3.png")
    dataset, drawn = make(ten), set()
    for epoch in range(1, 40):
        dataset.set_epoch(epoch)
        drawn.update(names(dataset, [dataset[3]]))
    assert len(drawn) == 9


def test_a_replacement_is_the_same_for_whoever_reads_it(ten: Path) -> None:
    break_image(ten, "3.png", "5.png")
    other = make(ten)
    list(other)  # it has met the bad ones before
    assert names(make(ten), [make(ten)[3]]) == names(other, [other[3]])


def test_one_good_image_of_many_is_found_without_recursion(tmp_path: Path) -> None:
    images = {f"{i}.png": [] for i in range(1500)}
    label_file = write_set(tmp_path, images)
    break_image(label_file, *(name for name in images if name != "77.png"))
    item = make(label_file)[1400]
    assert item.sample is not None
    assert Path(item.sample["img_path"]).name == "77.png"
    assert len(item.faults) >= 1


def test_evaluation_replaces_nothing(ten: Path) -> None:
    break_image(ten, "3.png")
    items = list(make(ten, replace_bad=False))
    assert [item.sample is None for item in items] == [i == 3 for i in range(10)]
    assert len(names(make(ten), items)) == 9


def test_an_image_that_went_away_is_a_fault(ten: Path) -> None:
    dataset = make(ten)
    (ten.parent / "2.png").unlink()
    (fault,) = dataset[2].faults
    assert "can't be read: No such file" in fault.message
    assert fault.line == 3


def test_an_operators_bug_is_not_swallowed(ten: Path) -> None:
    def bug(data: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        make(ten, [*LOADING, bug])[0]


def test_strict_raises_at_the_first_bad_image(ten: Path) -> None:
    break_image(ten, "3.png")
    dataset = make(ten, strict=True)
    with pytest.raises(DataError, match=r"label\.txt:4: the image .*3\.png can't be decoded"):
        dataset[3]


def test_strict_raises_all_bad_lines_before_anything_is_read(ten: Path) -> None:
    ten.write_text(ten.read_text() + "gone.png\t[]\nbroken\n")
    with pytest.raises(DataError) as caught:
        make(ten, strict=True)
    assert f"{ten}:11: the image" in str(caught.value)
    assert f"{ten}:12: there is no delimiter" in str(caught.value)


def test_bad_lines_are_kept_for_the_report_and_left_out(ten: Path) -> None:
    ten.write_text("broken\n" + ten.read_text() + "gone.png\t[]\n")
    dataset = make(ten)
    assert len(dataset) == 10
    assert [fault.line for fault in dataset.label_faults] == [1, 12]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", "label.txt: no line can be used: the file is empty", id="empty file"),
        pytest.param("gone.png\t[]\n", "label.txt:1: the image", id="only bad lines"),
        pytest.param("0.png\t[]\n1.png\t[]\n", "no image can be used", id="only bad images"),
    ],
)
def test_no_usable_sample_is_an_error_before_training(ten: Path, content: str, words: str) -> None:
    break_image(ten, "0.png", "1.png")
    ten.write_text(content)
    with pytest.raises(DataError) as caught:
        make(ten)
    assert words in str(caught.value)


def test_no_sample_left_by_the_ratio_is_an_error(ten: Path) -> None:
    with pytest.raises(DataError, match="ratio_list leaves no sample"):
        make(ten, ratio_list=0.01)


def test_label_files_of_no_use_beside_a_good_one_are_one_error(ten: Path) -> None:
    gone, empty, bad = (ten.parent / name for name in ("gone.txt", "empty.txt", "bad.txt"))
    empty.write_text("\n\n")
    bad.write_text("gone.png\t[]\n0.png\tno list\n")
    with pytest.raises(DataError) as caught:
        SimpleDataSet(ten.parent, [ten, gone, empty, bad], only("img_path"))
    words = str(caught.value)
    assert f"{gone}: the label file can't be read" in words
    assert f"{empty}: no line can be used: the file is empty" in words
    assert f"{bad}:1: the image" in words
    assert f"{bad}:2: " in words
    assert str(ten) not in words


def test_a_bad_donor_leaves_the_sample_unpasted(tmp_path: Path) -> None:
    label_file = write_set(tmp_path, {"a.png": [text("a", 5, 5)], "b.png": [text("b", 5, 5)]})
    break_image(label_file, "b.png")
    dataset = make(label_file, [*LOADING, CopyPaste(), KeepKeys(["texts"])])
    found = set()
    for epoch in range(1, 20):
        dataset.set_epoch(epoch)
        sample = dataset[0].sample
        assert sample is not None
        found.add(tuple(sample["texts"]))
    assert found == {("a",), ("a", "a")}


# --- reports and batches


def test_the_same_line_is_reported_once() -> None:
    def fault(line: int, message: str = "bad") -> DataError:
        return DataError(message, path="l.txt", line=line)

    log = FaultLog([fault(7), fault(2)])
    log.add([fault(7, "bad in another way"), DataError("no line", path="a.txt")])
    assert len(log) == 3
    assert log.report() == "3 bad samples:\na.txt: no line\nl.txt:2: bad\nl.txt:7: bad"
    assert FaultLog([fault(1)]).report() == "1 bad sample:\nl.txt:1: bad"
    assert FaultLog().report() == ""


def test_long_reports_end_in_a_count() -> None:
    faults = [DataError(str(i)) for i in range(30)]
    assert describe_faults(faults) == "\n".join([*map(str, range(LISTED)), "... and 10 more"])


def test_a_batch_keeps_what_differs_in_size_apart(ten: Path) -> None:
    break_image(ten, "1.png")
    dataset = make(ten, only("image", "polys", "ignore_tags"), replace_bad=False)
    batch = collate([dataset[i] for i in range(3)])
    assert batch["image"].shape == (2, 90, 120, 3)
    assert isinstance(batch["polys"], PerImage)
    assert [len(polys) for polys in batch["polys"].values] == [2, 2]
    assert [fault.line for fault in batch[FAULTS]] == [2]


def test_a_batch_of_bad_items_has_faults_alone() -> None:
    fault = DataError("bad")
    assert collate([Item(None, (fault,))]) == {FAULTS: [fault]}


def test_images_of_different_sizes_make_no_batch() -> None:
    items = [Item({"image": np.zeros((n, 4))}) for n in (3, 5)]
    with pytest.raises(DataError, match=r"images of the shapes \(3, 4\), \(5, 4\); set batch_size"):
        collate(items)


@pytest.mark.parametrize("folder", ["sample", "receipts"])
def test_pictures_train(folder: str) -> None:
    label_file = pictures_of(folder) / "train.txt"
    dataset = make(label_file, training(ScaledCrop((384, 384), 960)))
    dataset.set_epoch(1)
    batch = collate([dataset[i] for i in range(0, 100, 10)])
    assert batch["image"].shape == (10, 3, 384, 384)
    assert (batch["shrink_map"].reshape(10, -1).max(axis=1) == 1).sum() >= 8
    assert batch[FAULTS] == []


def test_a_pipe_for_an_image_is_named_not_waited_for(ten: Path) -> None:
    image = ten.parent / "3.png"
    image.unlink()
    os.mkfifo(image)
    with pytest.raises(DataError, match=r"3\.png: can't be read: it is a device or pipe"):
        read_content(str(image))


def test_a_file_that_gives_no_answer_is_replaced_and_named(
    ten: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, answer = Path.read_bytes, threading.Event()

    def hanging(path: Path) -> bytes:
        if path.name in waiting:
            answer.wait(60)
        return read(path)

    waiting = {"3.png"}
    monkeypatch.setattr(Path, "read_bytes", hanging)
    monkeypatch.setattr(dataset_module, "READ_TIMEOUT_S", 0.05)
    data = make(ten, only("img_path"))
    try:
        for _ in range(2):  # the second time it isn't waited for
            items = list(data)
            (fault,) = (fault for item in items for fault in item.faults)
            assert "3.png gives no answer for 0.05 s" in str(fault)
            assert len(names(data, items)) == 10
        waiting |= {f"{i}.png" for i in range(10)}
        with pytest.raises(TimeoutError, match="the file system gives no answer"):
            list(data)
    finally:
        answer.set()
        dataset_module._hanging.clear()
    assert read_content(str(ten.parent / "3.png"))

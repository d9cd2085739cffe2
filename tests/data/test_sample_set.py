"""The sample data set of the package, and copies of it."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.commands.check.data import Source, check_dataset
from ppocr_ft.data import sample_set
from ppocr_ft.data.sample_set import MANIFEST, SAMPLE, SampleSet, copy_sample
from ppocr_ft.errors import DataError
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess
from tests.support.postprocess_reference import compute_maps, load_maps

TOOL = Path(__file__).parents[2] / "tools" / "make_sample.py"
LIMIT_BYTES = 6_000_000
WEAK_HMEAN = 0.75
UNCLIP_RATIOS = (0.8, 1.0, 1.2, 1.5, 1.8, 2.2, 2.6, 3.0)


def labels_of(label_file: Path) -> dict[str, np.ndarray]:
    """The quads (n, 4, 2) of each image."""
    rows = (line.split("\t") for line in label_file.read_text(encoding="utf-8").splitlines())
    return {name: np.array([text["points"] for text in json.loads(row)]) for name, row in rows}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def small(tmp_path: Path) -> SampleSet:
    return copy_sample(tmp_path / "small", train=3, val=1)


# --- the shipped pictures


def test_the_check_finds_nothing() -> None:
    train, val = (Source(path, SAMPLE.data_dir) for path in (SAMPLE.train_label, SAMPLE.val_label))
    report = check_dataset([train], [val])
    assert list(report.findings) == []


@pytest.mark.parametrize(
    ("label_file", "count"),
    [(SAMPLE.train_label, sample_set.TRAIN_IMAGES), (SAMPLE.val_label, sample_set.VAL_IMAGES)],
    ids=["train", "val"],
)
def test_every_text_lies_in_its_picture(label_file: Path, count: int) -> None:
    labels = labels_of(label_file)
    assert len(labels) == count
    for name, points in labels.items():
        height, width = cv2.imread(str(SAMPLE.data_dir / name)).shape[:2]
        assert points.min() >= 0, name
        assert (points.max(axis=(0, 1)) <= (width - 1, height - 1)).all(), name


def test_every_picture_has_a_label_and_all_are_small() -> None:
    named = {*labels_of(SAMPLE.train_label), *labels_of(SAMPLE.val_label)}
    files = contents(SAMPLE.data_dir)
    assert set(files) == {*named, "train.txt", "val.txt", MANIFEST}
    assert sum(map(len, files.values())) <= LIMIT_BYTES


@pytest.mark.slow
def test_the_released_detector_is_weak_on_it(tmp_path: Path) -> None:
    """Hmean at IoU 0.5 is at most 0.75 with any unclip ratio, and the text isn't hopeless."""
    pytest.importorskip("paddle", reason="paddle is not installed")
    labels = dict(list(labels_of(SAMPLE.val_label).items())[:12])
    files = compute_maps([SAMPLE.data_dir / name for name in labels], tmp_path)
    hmeans = [_hmean(files, list(labels.values()), ratio) for ratio in UNCLIP_RATIOS]
    assert 0.4 <= max(hmeans) <= WEAK_HMEAN, dict(zip(UNCLIP_RATIOS, hmeans, strict=True))


def _hmean(files: list[Path], labels: list[np.ndarray], unclip_ratio: float) -> float:
    post, metric = DBPostProcess(box_thresh=0.6, unclip_ratio=unclip_ratio), DetMetric()
    for (_, prob_map, source_size), truth in zip(load_maps(files), labels, strict=True):
        found, _ = post.boxes_from_map(prob_map, source_size)
        metric.update(found, truth, np.zeros(len(truth), bool))
    return float(metric.summary()["hmean"])


# --- copies


def test_a_copy_holds_the_first_pictures_and_their_lines(small: SampleSet) -> None:
    for copied, shipped, count in (
        (small.train_label, SAMPLE.train_label, 3),
        (small.val_label, SAMPLE.val_label, 1),
    ):
        lines = shipped.read_bytes().splitlines(keepends=True)
        assert copied.read_bytes() == b"".join(lines[:count])
    names = {*labels_of(small.train_label), *labels_of(small.val_label)}
    files = contents(small.data_dir)
    assert set(files) == {*names, "train.txt", "val.txt", MANIFEST}
    assert all(files[name] == (SAMPLE.data_dir / name).read_bytes() for name in names)
    manifest = json.loads(files[MANIFEST])
    assert (manifest["train_images"], manifest["val_images"]) == (3, 1)


def test_a_whole_copy_is_the_shipped_set(tmp_path: Path) -> None:
    copied = copy_sample(tmp_path / "deep" / "all")
    assert contents(copied.data_dir) == contents(SAMPLE.data_dir)


@pytest.mark.parametrize("counts", [{"train": 0}, {"train": 121}, {"val": -1}, {"val": 41}])
def test_numbers_out_of_range(tmp_path: Path, counts: dict[str, int]) -> None:
    ((key, count),) = counts.items()
    with pytest.raises(DataError, match=f"must be 1 to .* found {count}") as caught:
        copy_sample(tmp_path / "out", **counts)
    assert caught.value.key == key
    assert list(tmp_path.iterdir()) == []


def test_force_replaces_a_sample_data_set(small: SampleSet, tmp_path: Path) -> None:
    (small.data_dir / "images" / "stray.jpg").touch()
    before = contents(small.data_dir)
    with pytest.raises(DataError, match="there already"):
        copy_sample(small.data_dir, train=1, val=1)
    assert contents(small.data_dir) == before
    copy_sample(small.data_dir, train=1, val=1, force=True)
    assert len(contents(small.data_dir)) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_with_other_files_is_never_touched(tmp_path: Path, force: bool) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    for out in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(DataError, match="no sample data set") as caught:
            copy_sample(out, train=1, val=1, force=force)
        assert caught.value.path == str(out)
    assert contents(tmp_path) == {"thesis.txt": b"years of work"}


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert copy_sample(tmp_path / "empty", train=1, val=1).train_label.is_file()


def test_the_packages_own_pictures_are_never_replaced() -> None:
    before = contents(SAMPLE.data_dir)
    with pytest.raises(DataError, match="package's own"):
        copy_sample(SAMPLE.data_dir, train=1, val=1, force=True)
    assert contents(SAMPLE.data_dir) == before


def test_the_old_set_comes_back_when_the_new_one_cannot_be_moved(
    small: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(small.data_dir)

    def refuses(self: Path, target: Path) -> Path:
        raise PermissionError(13, "not allowed", str(target))

    monkeypatch.setattr(Path, "replace", refuses)
    with pytest.raises(DataError, match=r"can't be written: .*not allowed"):
        copy_sample(small.data_dir, train=1, val=1, force=True)
    assert contents(small.data_dir) == before
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


# --- the tool


def run_tool(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setattr("sys.argv", [str(TOOL), *arguments])
    monkeypatch.syspath_prepend(TOOL.parent)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(TOOL), run_name="__main__")
    return stop.value.code


def test_tool_copies_what_it_is_asked_for(
    small: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "made"
    asked = ("--out", str(out), "--train", "3", "--val", "1")
    assert run_tool(monkeypatch, *asked) == 0
    assert contents(out) == contents(small.data_dir)
    assert run_tool(monkeypatch, *asked) == 2
    assert run_tool(monkeypatch, *asked, "--force") == 0


def test_tool_exits_with_2_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").touch()
    assert run_tool(monkeypatch, "--out", str(tmp_path)) == 2
    complaint = capsys.readouterr().err
    assert str(tmp_path) in complaint
    assert "Traceback" not in complaint

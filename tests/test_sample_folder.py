"""The sample data set's folder: whole or not at all, used again, never in place of other files."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from ppocr_ft.data.sample import SampleSet, make_sample, store
from ppocr_ft.data.sample.scene import Scene, compose
from ppocr_ft.errors import DataError

TOOL = Path(__file__).parents[1] / "tools" / "make_sample.py"
SMALL = {"train_images": 3, "val_images": 1}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    return make_sample(tmp_path_factory.mktemp("sample") / "small", seed=7, **SMALL)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_complete_set_is_used_again(small: SampleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_write", lambda *_: pytest.fail("made it anew"))
    before = contents(small.data_dir)
    assert make_sample(small.data_dir, seed=7, **SMALL) == small
    assert contents(small.data_dir) == before


@pytest.mark.parametrize(
    "other",
    [{"seed": 8}, {"train_images": 2}, {"val_images": 2}],
    ids=["seed", "training images", "validation images"],
)
def test_other_parameters_are_refused(small: SampleSet, other: dict[str, int]) -> None:
    before = contents(small.data_dir)
    with pytest.raises(DataError, match=str(next(iter(other.values())))) as caught:
        make_sample(small.data_dir, **{"seed": 7, **SMALL, **other})
    assert caught.value.path == str(small.data_dir / store.MANIFEST)
    assert contents(small.data_dir) == before


def test_a_newer_generator_is_other_parameters(
    small: SampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = store._Parameters(7, 3, 1, generation=store.GENERATION + 1)
    monkeypatch.setattr(store, "_Parameters", lambda *_: parameters)
    with pytest.raises(DataError, match="'generation': 2"):
        make_sample(small.data_dir, seed=7, **SMALL)


def test_force_makes_it_anew(small: SampleSet, tmp_path: Path) -> None:
    copy = shutil.copytree(small.data_dir, tmp_path / "copy")
    stray = copy / "images" / "stray.jpg"
    stray.touch()
    made = make_sample(copy, seed=9, train_images=1, val_images=1, force=True)
    assert not stray.exists()
    assert len(made.train_label.read_text(encoding="utf-8").splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_with_other_files_is_never_touched(tmp_path: Path, force: bool) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(DataError, match="no sample data set") as caught:
        make_sample(tmp_path, force=force)
    assert caught.value.path == str(tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"years of work"}


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    made = make_sample(tmp_path / "empty", train_images=1, val_images=1)
    assert made.train_label.is_file()


def test_a_broken_manifest_is_named(small: SampleSet, tmp_path: Path) -> None:
    copy = shutil.copytree(small.data_dir, tmp_path / "copy")
    (copy / store.MANIFEST).write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="no JSON"):
        make_sample(copy, seed=7, **SMALL)


@pytest.mark.parametrize("name", ["images/train_0001.jpg", "val.txt"])
def test_a_lost_file_is_named(small: SampleSet, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(small.data_dir, tmp_path / "copy")
    (copy / name).unlink()
    with pytest.raises(DataError, match=f"1 of .* gone, first {name}"):
        make_sample(copy, seed=7, **SMALL)


def test_the_old_set_comes_back_when_the_new_one_cannot_be_moved(
    small: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(small.data_dir, tmp_path / "copy")

    def refuses(self: Path, target: Path) -> Path:
        raise PermissionError(13, "not allowed", str(target))

    monkeypatch.setattr(Path, "replace", refuses)
    with pytest.raises(PermissionError):
        make_sample(copy, seed=1, train_images=1, val_images=1, force=True)
    assert contents(tmp_path / "copy") == contents(small.data_dir)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize("force", [False, True])
def test_a_failure_leaves_everything_as_it_was(
    small: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    out = tmp_path / "out"
    if force:
        shutil.copytree(small.data_dir, out)
    before = contents(tmp_path)
    drawn = []

    def fails_later(rng: np.random.Generator) -> Scene:
        drawn.append(rng)
        if len(drawn) == 2:
            raise KeyboardInterrupt
        return compose(rng)

    monkeypatch.setattr(store, "compose", fails_later)
    with pytest.raises(KeyboardInterrupt):
        make_sample(out, seed=1, **SMALL, force=force)
    assert contents(tmp_path) == before
    assert out.exists() == force


@pytest.mark.parametrize(("seed", "fits"), [(7, True), (8, False)], ids=["same set", "another set"])
def test_another_process_was_faster(
    small: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, fits: bool
) -> None:
    out = tmp_path / "out"

    def write_late(folder: Path, parameters: store._Parameters) -> None:
        folder.mkdir(parents=True)
        (folder / "mine").touch()
        shutil.copytree(small.data_dir, out)

    monkeypatch.setattr(store, "_write", write_late)
    if fits:
        make_sample(out, seed=seed, **SMALL)
    else:
        with pytest.raises(DataError, match="'seed': 7"):
            make_sample(out, seed=seed, **SMALL)
    assert contents(out) == contents(small.data_dir)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("key", "value", "least"),
    [("seed", -1, 0), ("train_images", 0, 1), ("val_images", 0, 1)],
)
def test_numbers_too_small(tmp_path: Path, key: str, value: int, least: int) -> None:
    with pytest.raises(DataError, match=f"at least {least}, found {value}") as caught:
        make_sample(tmp_path / "out", **{key: value})
    assert caught.value.key == key
    assert not (tmp_path / "out").exists()


# --- the tool


def run_tool(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", [str(TOOL), *arguments])
    try:
        runpy.run_path(str(TOOL), run_name="__main__")
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_tool_makes_what_it_is_asked_for(
    small: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "made"
    asked = ("--out", str(out), "--seed", "7", "--train", "3", "--val", "1")
    assert run_tool(monkeypatch, *asked) == 0
    assert contents(out) == contents(small.data_dir)


def test_tool_exits_with_2_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").touch()
    assert run_tool(monkeypatch, "--out", str(tmp_path)) == 2
    complaint = capsys.readouterr().err
    assert str(tmp_path) in complaint
    assert "Traceback" not in complaint

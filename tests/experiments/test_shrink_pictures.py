"""docs/shrink.md: its tables are what the operators do now, its examples run."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from ppocr_ft import EPOCH_CLOCK
from ppocr_ft.transforms import registry
from tests.support.paddleocr_wheels import VERSIONS, wheel_dir

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "shrink.md"
PICTURE_BYTES = 150_000


@pytest.fixture
def script() -> ModuleType:
    """The command as a module; needs the wheels."""
    for version in VERSIONS:
        wheel_dir(version)
    return importlib.import_module("experiments.shrink_pictures")


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.S | re.M)


@pytest.mark.slow
def test_its_tables_are_up_to_date(script: ModuleType) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "experiments.shrink_pictures", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_wrong_number_is_found(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = importlib.import_module("experiments.shrink_tables")
    wrong = tmp_path / "shrink.md"
    text = DOCUMENT.read_text(encoding="utf-8")
    wrong.write_text(text.replace("| 0.8096 | 0.8096 |", "| 0.8096 | 0.8069 |", 1), "utf-8")
    assert script.check(DOCUMENT, [tables.versions()]) == 0
    assert script.check(wrong, [tables.versions(), tables.outside()]) == 1
    said = capsys.readouterr().err
    assert "table versions" in said
    assert "table outside" not in said


def test_a_table_without_its_place_is_an_error(script: ModuleType) -> None:
    marked = importlib.import_module("experiments.marked_tables")
    with pytest.raises(marked.MarkerMissingError, match="begin table: lost"):
        marked.replaced(DOCUMENT.read_text(encoding="utf-8"), marked.Table("lost", ["a"], [["1"]]))


def test_the_crop_is_what_the_text_says(script: ModuleType) -> None:
    crop = script.made_up_crop()
    assert crop.image.shape == (320, 440, 3)
    assert len(crop.polygons) == 21
    assert sorted(map(len, crop.polygons))[-2:] == [4, 14]


def test_its_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", DOCUMENT.read_text(encoding="utf-8"))
    assert len(pictures) == 5
    for picture in pictures:
        assert (DOCUMENT.parent / picture).stat().st_size < PICTURE_BYTES


@pytest.mark.parametrize("block", code_blocks("python"), ids=["unclip", "pair"])
def test_its_python_runs(block: str) -> None:
    EPOCH_CLOCK.reset()
    try:
        names: dict[str, object] = {}
        exec(compile(block, str(DOCUMENT), "exec"), names)
    finally:
        EPOCH_CLOCK.reset()
    if "data" in names:
        assert names["data"]["shrink_map"].any()  # type: ignore[index]


def test_its_yaml_ramps_from_04_to_06() -> None:
    (block,) = code_blocks("yaml")
    transforms = yaml.safe_load(block)["Train"]["dataset"]["transforms"]
    built = {
        name: registry.OPERATORS[name].OPERATOR(**keys)
        for entry in transforms
        for name, keys in entry.items()
    }
    assert sorted(built) == ["MakeBorderMap", "MakeShrinkMap"]
    for operator in built.values():
        assert operator.schedule.describe() == "0.4 -> 0.6 over 500 epochs"

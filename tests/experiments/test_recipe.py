"""experiments/recipe.py: its arms are configs, its split is fixed, its tables say what was run."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from ppocr_ft.commands.compare.table import ArmRun
from ppocr_ft.commands.compare.variants import Arm, load_arms
from tests.commands.compare.test_report import ending

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return importlib.import_module("experiments.recipe")


def test_every_setting_is_a_config_of_its_own(recipe: ModuleType) -> None:
    for factor, settings in recipe.FACTORS.items():
        arms = [Arm(setting.name, setting.overrides) for setting in settings]
        configs = load_arms(recipe.CONFIG, arms)
        distinct = {
            (each.to_yaml(), s.steps_factor) for each, s in zip(configs, settings, strict=True)
        }
        assert len(distinct) == len(settings), factor


def test_every_factor_has_the_shipped_config_among_its_arms(recipe: ModuleType) -> None:
    """So that the arms of two factors can be compared, and the shared one is run once."""
    (shipped,) = load_arms(recipe.CONFIG, [Arm("shipped")])
    for factor, settings in recipe.FACTORS.items():
        arms = [Arm(setting.name, setting.overrides) for setting in settings]
        same = [
            setting.name
            for config, setting in zip(load_arms(recipe.CONFIG, arms), settings, strict=True)
            if config == shipped and setting.steps_factor == 1
        ]
        assert len(same) == 1, factor


def test_split_is_fixed_and_holds_no_image_twice(recipe: ModuleType, tmp_path: Path) -> None:
    if not recipe.RECEIPTS.is_dir():
        pytest.skip("no shared data here: data/receipts")
    split = recipe.make_split(tmp_path)
    assert (split.train_images, split.judge_images) == (70, 60)
    names = [
        line.partition("\t")[0]
        for path in (split.train, *split.judge)
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(names) == len(set(names)) == 130
    before = split.train.read_bytes()
    assert recipe.make_split(tmp_path).train.read_bytes() == before
    few = recipe.make_split(tmp_path, 4)
    assert (few.train_images, few.judge_images) == (4, 8)
    assert before.startswith(few.train.read_bytes())


@pytest.mark.parametrize(
    ("factor", "steps", "epochs"), [(1.0, 36, 2), (1.0, 37, 3), (0.5, 36, 1), (2.0, 1, 1)]
)
def test_runs_are_whole_epochs(
    recipe: ModuleType, factor: float, steps: int, epochs: int, tmp_path: Path
) -> None:
    split = recipe.Split(tmp_path / "t", (tmp_path / "a", tmp_path / "b"), 70, 60)
    setting = recipe.Setting("x", (), factor)
    assert recipe.run_length(setting, [], split, steps) == f"Global.epoch_num={epochs}"


def table(recipe: ModuleType, runs: list[ArmRun]) -> str:
    split = recipe.Split(Path("t"), (Path("a"), Path("b")), 40, 60)
    return str(recipe.table_of("shrink ratio", runs, split, 20).markdown())


def test_table_judges_by_both_ious(recipe: ModuleType) -> None:
    lines = table(recipe, [ending("0.4", 0.95, stricter=0.45)]).splitlines()
    assert lines[2] == "| start | 0 | 0.9000 | 0.6000 | 1 | 0.9200 | 0.7000 |  |"
    assert lines[3] == "| 0.4 | 20 | 0.8500 | 0.4000 | 1 | 0.9500 | 0.4500 | 1.5 |"
    assert "40 receipts train, 60 others judge; batch 4; seed 1." in lines[5]
    assert "`python -m experiments.recipe --steps 20 --only 'shrink ratio'`" in lines[6]


def test_table_of_several_seeds_and_a_diverged_arm(recipe: ModuleType) -> None:
    runs = [ending("a", 0.95), ending("a", 0.97, seed=2)]
    assert "0.9600 (spread 0.0200)" in table(recipe, runs)
    assert "--seeds 2" in table(recipe, runs)
    diverged = ArmRun("b", 1, runs[0].rows, 40, 4, 10, 1.5, "out", "NaN")
    assert "| b (diverged) |" in table(recipe, [diverged])


def test_tables_are_put_into_the_document_and_replaced(recipe: ModuleType, tmp_path: Path) -> None:
    document = tmp_path / "recipe.md"
    split = recipe.Split(Path("t"), (Path("a"), Path("b")), 40, 60)
    for factor, hmean in (("shrink ratio", 0.9), ("form", 0.8), ("shrink ratio", 0.95)):
        recipe.write(document, recipe.table_of(factor, [ending("x", hmean)], split, 20))
    text = document.read_text(encoding="utf-8")
    assert text.startswith("# Recipe\n")
    assert text.count("## Shrink ratio") == text.count("## Form") == 1
    assert "0.9500" in text
    assert "0.9000 | 0.5000 | 1.5" not in text
    document.write_text(text.replace("# Recipe", "# Mine"), encoding="utf-8")
    recipe.write(document, recipe.table_of("form", [ending("x", 0.8)], split, 20))
    assert document.read_text(encoding="utf-8") == text.replace("# Recipe", "# Mine")

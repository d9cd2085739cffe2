"""experiments/recipe.py: its arms are configs, the shipped one among them; its tables say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import recipe
from experiments.real_sets.runs import Run
from experiments.real_sets.sets import CONFIG, RealSet
from ppocr_ft.commands.compare.variants import Arm, load_arms
from tests.experiments.test_real_sets import record

FACTORS = [pytest.param(CONFIG, settings, id=name) for name, settings in recipe.FACTORS.items()]
V6_FACTORS = [
    pytest.param(recipe.shipped_config("det_v6_tiny_ft"), settings, id=name)
    for name, settings in recipe.V6_FACTORS.items()
]
LINES = tuple(f"{number}.png\t[]" for number in range(10))
FUNSD = RealSet("funsd, inner", Path("data"), LINES[:7], LINES[7:])


@pytest.mark.parametrize(("config", "settings"), [*FACTORS, *V6_FACTORS])
def test_a_factor_has_distinct_configs_and_the_shipped_one(
    config: Path, settings: list[recipe.Setting]
) -> None:
    """So that the arms of two factors can be compared, and the shared one is run once."""
    (shipped,) = load_arms(config, [Arm("shipped")])
    configs = load_arms(config, [Arm(setting.name, setting.overrides) for setting in settings])
    assert len({config.to_yaml() for config in configs}) == len(settings)
    assert configs.count(shipped) == 1


def test_equal_arms_of_two_factors_are_one_run(tmp_path: Path) -> None:
    shipped = [
        Run(tmp_path, FUNSD, recipe.RunArm(setting.name, setting.overrides), 1, "Global.seed=1")
        for setting in (recipe.FITTED, recipe.FACTORS["form"][0], recipe.unfitted("0.4", 0.4))
    ]
    shipped[0].folder.mkdir(parents=True)
    assert shipped[1].folder == shipped[0].folder != shipped[2].folder


def test_an_operator_of_the_small_config_is_put_in() -> None:
    (override,) = recipe.borrowed("CopyPaste", before="IaaAugment")
    (config,) = load_arms(CONFIG, [Arm("x", (override,))])
    names = [op.name for op in config.Train.dataset.transforms]
    assert names[1:5] == ["DetLabelEncode", "CopyPaste", "IaaAugment", "ScaledCrop"]


def test_rows_of_a_set() -> None:
    fitted = record("funsd, inner", "released", 4)
    arms = {"0.4": [record("funsd", "x", 6, 1), record("funsd", "x", 6, 2)], "9": []}
    start, first, diverged = recipe.set_rows(fitted, list(arms.items()))
    assert start == ["funsd", "fitted start", "0", "0.4000 / 0.2000", "", "", ""]
    assert first[:4] == ["funsd", "0.4", "8", "0.6000 / 0.3000"]
    assert first[4:6] == ["+0.2000 (+0.2000 to +0.2000)", "+0.1000 (+0.1000 to +0.1000)"]
    assert first[6] == "3.0"
    assert diverged[1:3] == ["9 (diverged)", ""]


def test_what_the_figures_are_of() -> None:
    options = recipe.options_of(["--sets", "funsd", "--steps", "20", "--seeds", "2"])
    assert recipe.facts("shrink ratio", [FUNSD], options) == (
        "funsd: 7 images train, 3 judge.\n"
        "`python -m experiments.recipe --only 'shrink ratio' --sets funsd --steps 20 --seeds 2`"
    )


def test_tables_are_put_into_the_document_and_replaced(tmp_path: Path) -> None:
    document = tmp_path / "recipe.md"
    for factor, cell in (("shrink ratio", "0.9"), ("form", "0.8"), ("shrink ratio", "0.95")):
        recipe.write(document, recipe.Table(factor, ["a"], [[cell]], "so"))
    text = document.read_text(encoding="utf-8")
    assert text.startswith("# Recipe\n")
    assert text.count("## Shrink ratio") == text.count("## Form") == 1
    assert "| 0.95 |\n\nso" in text
    assert "| 0.9 |" not in text

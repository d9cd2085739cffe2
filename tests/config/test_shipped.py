"""Configs of the package are found by name where no file of that name is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.config import load_config
from ppocr_ft.config.load import find_config, shipped_configs
from ppocr_ft.errors import ConfigError
from tests.support import ROOT


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["det_v4_ft.yml", "det_v4_ft"])
def test_by_name(name: str) -> None:
    assert find_config(name).read_bytes() == (ROOT / "configs/det_v4_ft.yml").read_bytes()
    assert load_config(name).Global.save_model_dir == "./output/det_v4_ft"


def test_a_file_of_that_name_goes_first(tmp_path: Path) -> None:
    text = (ROOT / "configs/det_v4_ft.yml").read_text(encoding="utf-8")
    (tmp_path / "det_v4_ft.yml").write_text(text.replace("epoch_num: ", "epoch_num: 1"), "utf-8")
    assert find_config("det_v4_ft.yml") == Path("det_v4_ft.yml")
    both = load_config("det_v4_ft.yml"), load_config("det_v4_ft")
    assert both[0].Global.epoch_num != both[1].Global.epoch_num


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("configs/det_v4_ft.yml", "did you mean 'det_v4_ft.yml', which comes with the package?"),
        ("det_v4_tf.yml", "did you mean 'det_v4_ft.yml', which comes with the package?"),
        ("my_receipts.yml", "no such file"),
    ],
)
def test_another_name_is_no_config_of_the_package(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="no such file") as caught:
        load_config(name)
    assert str(caught.value).startswith(f"{name}: ")
    assert str(caught.value).endswith(hint)


def test_each_says_what_it_is_for() -> None:
    found = {path.name: what for path, what in shipped_configs().items()}
    assert sorted(found) == sorted(path.name for path in (ROOT / "configs").glob("*.yml"))
    assert all(what.startswith("Fine-tune ") for what in found.values())

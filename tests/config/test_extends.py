"""A config that extends another: what is taken from where, and what is said of faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.config import inspect_config, load_config
from ppocr_ft.config.load import values_of
from ppocr_ft.errors import ConfigError
from tests.support.config_files import SHIPPED

OWN = """\
extends: det_v4_ft
Global:
  epoch_num: 7
Train:
  dataset:
    transforms:
      MakeShrinkMap: {min_text_size: 5}
Eval:
  also: {}
Optimizer: {lr: {learning_rate: 1e-4}}
"""


def write(folder: Path, text: str, name: str = "own.yml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_own_values_go_into_the_other_config(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, OWN))
    plain = load_config(SHIPPED / "det_v4_ft.yml")
    transforms = "Train.dataset.transforms"
    changed = {
        "Global.epoch_num": 7,
        f"{transforms}.MakeShrinkMap.min_text_size": 5,
        "Eval.also": {},
        "Optimizer.lr.learning_rate": 1e-4,
    }
    assert values_of(config, list(changed)) == changed
    overrides = ["Global.epoch_num=7", f"{transforms}.MakeShrinkMap.min_text_size=5",
                 "Eval.also={}", "Optimizer.lr.learning_rate=1e-4"]  # fmt: skip
    assert config == load_config(SHIPPED / "det_v4_ft.yml", overrides)
    assert config != plain
    assert load_config(write(tmp_path, config.to_yaml(), "resolved.yml")) == config


def test_the_command_line_goes_before_both(tmp_path: Path) -> None:
    path = write(tmp_path, "extends: det_v4_ft.yml\nGlobal: {epoch_num: 7}\n")
    assert load_config(path, ["Global.epoch_num=9"]).Global.epoch_num == 9


def test_a_file_beside_it_and_one_that_extends_in_turn(tmp_path: Path) -> None:
    write(tmp_path, "extends: det_v4_ft\nGlobal: {epoch_num: 5, seed: 6}\n", "base.yml")
    (tmp_path / "sub").mkdir()
    path = write(tmp_path / "sub", "extends: ../base.yml\nGlobal: {seed: 7}\n")
    section = load_config(path).Global
    assert (section.epoch_num, section.seed) == (5, 7)


def test_an_empty_section_or_operator_changes_nothing(tmp_path: Path) -> None:
    operators = "Train: {dataset: {transforms: {ScaledCrop: }}}"
    path = write(tmp_path, f"extends: det_v4_ft\nGlobal: {{}}\nOptimizer:\n{operators}\n")
    assert load_config(path).to_yaml() == load_config(SHIPPED / "det_v4_ft.yml").to_yaml()


def test_a_part_of_another_name_is_taken_whole(tmp_path: Path) -> None:
    text = """\
extends: det_v4_ft
Architecture: {Backbone: {name: ResNet_vd, layers: 50}}
Optimizer: {name: Lamb, lr: {name: Step, learning_rate: 0.01, step_size: 3, gamma: 0.5}}
"""
    config = load_config(write(tmp_path, text), ["Global.pretrained_model=null"])
    backbone, optimizer = config.Architecture.Backbone, config.Optimizer
    assert (backbone.name, backbone.layers) == ("ResNet_vd", 50)
    assert (optimizer.name, optimizer.lr.name, optimizer.lr.warmup_epoch) == ("Lamb", "Step", None)
    assert optimizer.weight_decay == load_config(SHIPPED / "det_v4_ft.yml").Optimizer.weight_decay


def test_lists_are_replaced(tmp_path: Path) -> None:
    path = write(tmp_path, "extends: det_v4_ft\nGlobal: {eval_batch_step: [0, 9]}\n")
    assert load_config(path).Global.eval_batch_step == (0, 9)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("extends: det_v4_tf\n", 1, ["extends", "det_v4_tf", "no such file", "det_v4_ft"]),
        ("Global: {}\nextends: [a]\n", 2, ["extends", "name a config of the package"]),
        ("extends: own.yml\n", 1, ["extends this file in turn"]),
        ("extends: ../sub/own.yml\n", 1, ["extends this file in turn"]),
        (f"extends: {'x' * 300}\n", 1, ["extends", "can't be read"]),
        ("extends: det_v4_ft\nEval:\n dataset:\n  transforms:\n  - DecodeImage:\n  - Nonsense:\n",
         6, ["Nonsense"]),
        ("extends: det_v4_ft\nGlobal:\n  epoch_nun: 3\n", 3, ["epoch_nun", "epoch_num"]),
        ("extends: det_v4_ft\nGlobal:\n  epoch_num: many\n", 3, ["epoch_num", "many"]),
        ("extends: det_v4_ft\nTrain: {dataset: {transforms: {MakeShrinkMop: {shrink_ratio: 1}}}}\n",
         2, ["MakeShrinkMop", "MakeShrinkMap"]),
        ("extends: det_v4_ft\nGlobal: {seed: {a: 1}}\n", 2, ["seed"]),
        ("extends: det_v4_ft\nGlobal.seed: 7\n", 2, ["Global.seed", "has a dot, which is for -o"]),
        ("extends: det_v4_ft\nGlobal:\n  lr.x: 7\n", 3, ["Global.lr.x", "has a dot"]),
    ],
)  # fmt: skip
def test_faults_name_the_file_and_line_that_has_them(
    tmp_path: Path, text: str, line: int, words: list[str]
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "det_v4_ft").mkdir()  # hides no config of the package
    path = write(tmp_path / "sub", text)
    faults = [fault for fault in inspect_config(path).faults if fault.severity == "error"]
    assert [(fault.path, fault.line) for fault in faults] == [(str(path), line)]
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert all(word in str(raised.value) for word in words)


def test_faults_of_the_other_file_name_that(tmp_path: Path) -> None:
    base = write(tmp_path, "extends: det_v4_ft\nGlobal:\n  epoch_nun: 3\n", "base.yml")
    path = write(tmp_path, "extends: base.yml\nGlobal:\n  sed: 7\n")
    errors = [fault for fault in inspect_config(path).faults if fault.severity == "error"]
    assert {(fault.path, fault.line) for fault in errors} == {(str(base), 3), (str(path), 3)}


def test_faults_are_told_file_by_file(tmp_path: Path) -> None:
    base = write(tmp_path, "extends: det_v4_ft\nGlobal:\n  epoch_nun: 3\n  a: 1\n", "base.yml")
    path = write(tmp_path, "extends: base.yml\nGlobal: {b: 1}\nOptimizer:\n  c: 1\n  d: 1\n")
    files = [fault.path for fault in inspect_config(path).faults if fault.severity == "error"]
    assert len(files) == 5
    assert files in ([str(base)] * 2 + [str(path)] * 3, [str(path)] * 3 + [str(base)] * 2)


def test_the_other_file_is_no_yaml(tmp_path: Path) -> None:
    base = write(tmp_path, "Global: [\n", "base.yml")
    path = write(tmp_path, "extends: base.yml\nGlobal: {seed: 7}\n")
    with pytest.raises(ConfigError, match="not valid YAML") as raised:
        load_config(path)
    assert str(base) in str(raised.value)

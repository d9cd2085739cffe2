"""What a wrong config is told: file, line, key, what was found, what would be right."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ppocr_ft.config import Config, inspect_config, load_config
from ppocr_ft.errors import ConfigError
from tests.support.config_files import CONFIGS, SMALL, changed, written

TRANSFORMS = "Train.dataset.transforms"
DATA_DIR = "Train.dataset.data_dir"
BORDER = "    - MakeBorderMap:\n        "
SHRINK = "    - MakeShrinkMap:\n        "

BAD = yaml.safe_load((CONFIGS / "bad_cases.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", BAD, ids=[case["what"] for case in BAD])
def test_one_mistake_is_one_clear_message(tmp_path: Path, case: dict[str, Any]) -> None:
    path = changed(tmp_path, (case["old"], case["new"]))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}:{case['line']}: {case['key']}: ")
    assert case["message"] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_fault_keeps_its_place_in_the_error(tmp_path: Path) -> None:
    path = changed(tmp_path, ("epoch_num: 40", "epoch_nun: 40"))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    error = caught.value
    assert (error.path, error.line, error.key) == (str(path), 3, "Global.epoch_nun")
    copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == str(error)


def test_all_faults_are_reported_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        ("epoch_num: 40", "epoch_nun: 40"),
        ("disable_se: true", "disable_se: 1"),
        ("name: Cosine", "name: Cosin"),
        ("ratio_list: [1, 0.5]", "ratio_list: [1, 0.5, 0.5]"),
        (f"{SHRINK}shrink_ratio: 0.5", f"{SHRINK}shrink_ratio: 0.6"),
        ("        limit_type: max", "        limit_type: middle"),
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, ["Global.sede=3", "Eval.loader.num_workers=-1"])
    head, *faults = str(caught.value).split("\n")
    assert head == f"{path}: 8 faults in this config:"
    assert [fault.split(": ")[:2] for fault in faults] == [
        [f"  {path}:3", "Global.epoch_nun"],
        [f"  {path}:7", "Architecture.Backbone.disable_se"],
        [f"  {path}:13", "Optimizer.lr.name"],
        [f"  {path}:19", "Train.dataset.ratio_list"],
        [f"  {path}:30", "Train.dataset.transforms.5.MakeShrinkMap.shrink_ratio"],
        [f"  {path}:46", "Eval.dataset.transforms.2.DetResizeForTest.limit_type"],
        ["  -o Global.sede", "unknown key; did you mean 'seed'?"],
        ["  -o Eval.loader.num_workers", "found -1, must be 0 or more"],
    ]


def test_a_wrong_value_hides_only_the_rules_about_itself(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        (f"{BORDER}shrink_ratio: 0.5", f"{BORDER}shrink_ratio: half"),
        ("ratio_list: [1, 0.5]", "ratio_list: [1]"),
        ("keep_keys: [image, shape, polys, ignore_tags]", "keep_keys: [image, shape, polys]"),
    )
    keys = [fault.key for fault in inspect_config(path).faults]
    assert keys == [
        "Train.dataset.ratio_list",
        "Train.dataset.transforms.4.MakeBorderMap.shrink_ratio",
        "Eval.dataset.transforms.5.KeepKeys.keep_keys",
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("- IaaAugment:", "- IaaAugmnt:", f"{TRANSFORMS}.2"),
        ("- IaaAugment:", "- IaaAugment: 4", f"{TRANSFORMS}.2.IaaAugment"),
        ("    data_dir: photos\n    label_file_list: [", "    label_file_list: [", DATA_DIR),
        ("out_channels: 96", "out_channels: x", "Architecture.Neck.out_channels"),
        (", out_channels: 96", "", "Architecture.Neck.out_channels"),
        ("Head: {name: DBHead}", "Head: 3", "Architecture.Head"),
        ("[a.txt, b.txt]", "[a.txt, 2]", "Train.dataset.label_file_list.1"),
        ("epoch_num: 40", "epoch_num: !!int x", "Global.epoch_num"),
        ("  name: Adam", "  name: !odd x", "Optimizer.name"),
    ],
)
def test_rules_look_at_the_rest_of_a_faulty_config(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    path = changed(
        tmp_path, (old, new), ("    - NormalizeImage: {order: hwc}", "    - NormalizeImage:")
    )
    keys = {fault.key for fault in inspect_config(path).faults}
    assert keys == {key, "Eval.dataset.transforms.3.NormalizeImage.order"}


def test_paddleocr_keys_without_effect_are_warnings_with_their_reason(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        ("epoch_num: 40", "epoch_num: 40\n  use_xpu: false\n  infer_img: a.jpg"),
        ("name: MobileNetV3", "name: MobileNetV3\n    pretrained: true"),
        ("Train:", "profiler_options: null\nTrain:"),
    )
    config = load_config(path, ["Train.loader.use_shared_memory=false"])
    assert [(found.severity, found.line, found.key) for found in config.warnings] == [
        ("warning", 4, "Global.use_xpu"),
        ("warning", 5, "Global.infer_img"),
        ("warning", 9, "Architecture.Backbone.pretrained"),
        ("warning", 18, "profiler_options"),
        ("warning", None, "Train.loader.use_shared_memory"),
    ]
    assert {found.path for found in config.warnings} == {
        str(path),
        "-o Train.loader.use_shared_memory",
    }
    assert config.warnings[0].describe() == (
        f"{path}:4: Global.use_xpu: has no effect here: training runs on the CPU or on CUDA cards"
    )


def test_a_config_cant_be_changed() -> None:
    config = load_config(SMALL)
    with pytest.raises(ValueError, match="frozen"):
        config.Global.epoch_num = 3  # type: ignore[misc]
    assert isinstance(config, Config)
    assert isinstance(config.Train.dataset.transforms, tuple)


def test_inspection_has_errors_and_warnings(tmp_path: Path) -> None:
    path = changed(tmp_path, ("epoch_num: 40", "epoch_num: 40\n  debug: true\n  epoch: 3"))
    inspection = inspect_config(path)
    assert inspection.config is None
    assert [fault.severity for fault in inspection.faults] == ["warning", "error"]


NOTHING = "; YAML's nothing is null (or leave the value out)"
# a path's key | what stands there | what is said
NO_PATHS = [
    ("Global.pretrained_model", "None", f"found the word None{NOTHING}"),
    ("Global.checkpoints", "none", f"found the word none{NOTHING}"),
    ("Global.resume", "'null'", f"found the word null{NOTHING}"),
    ("Global.save_inference_dir", "False", f"found false, expected a path{NOTHING}"),
    ("Global.checkpoints", '""', f"found '', expected a path{NOTHING}"),
    ("Global.save_model_dir", "None", "found the word None, expected a path"),
    ("Train.dataset.data_dir", "''", "found '', expected a path"),
    ("Eval.dataset.data_dir", "None", "found the word None, expected a path"),
    ("Train.dataset.label_file_list", "None", "found the word None, expected a path"),
    ("Eval.dataset.label_file_list", "[a.txt, None]", "found the word None, expected a path"),
]


@pytest.mark.parametrize(("key", "text", "message"), NO_PATHS)
def test_a_word_for_nothing_is_no_path(key: str, text: str, message: str, tmp_path: Path) -> None:
    """In the file and on the command line, in one report with the other faults."""
    (fault,) = inspect_config(SMALL, [f"{key}={text}"]).faults
    assert (fault.severity, fault.message) == ("error", message)
    section, name = key.split(".")[0], key.split(".")[-1]
    data = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    place = data[section] if section == "Global" else data[section]["dataset"]
    place[name] = yaml.safe_load(text)
    data["Global"]["epoch_num"] = 0
    path = written(tmp_path, yaml.safe_dump(data))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    head, *lines = str(caught.value).split("\n")
    assert head.endswith("2 faults in this config:")
    (line,) = [line for line in lines if message in line]
    assert re.match(rf"  {path}:\d+: {key}(\.1)?: ", line)


@pytest.mark.parametrize(
    "key", ["Global.patience", "Global.eval_batch_epoch", "Global.cpu_threads"]
)
def test_a_word_for_nothing_is_no_number(key: str) -> None:
    (fault,) = inspect_config(SMALL, [f"{key}=None"]).faults
    assert fault.message == "found 'None', expected a whole number; YAML's nothing is null"


def test_a_folder_may_be_named_so() -> None:
    config = load_config(SMALL, ["Train.dataset.data_dir=./None", "Global.checkpoints=none/best"])
    assert config.Train.dataset.data_dir == "./None"
    assert config.Global.checkpoints == "none/best"


def test_an_empty_section_says_what_it_lacks(tmp_path: Path) -> None:
    path = written(tmp_path, "Global:\nTrain: {}\n")
    keys = {fault.key: fault.message for fault in inspect_config(path).faults}
    assert keys == {
        "Global": "is empty, expected a section of keys",
        "Architecture": "missing; it has no default",
        "Optimizer": "missing; it has no default",
        "Train.dataset": "missing; it has no default",
        "Eval": "missing; it has no default",
    }

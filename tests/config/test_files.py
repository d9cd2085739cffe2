"""The shipped configs, files like PaddleOCR's own, and the way back to YAML."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ppocr_ft.config import (
    RELEASED_WEIGHTS,
    SAMPLE_DATA_DIR,
    Config,
    load_config,
)
from ppocr_ft.config.load import find_config, shipped_configs, shipped_models
from ppocr_ft.config.rules import shrink_schedule
from ppocr_ft.errors import ConfigError
from ppocr_ft.models.configs import DETECTORS
from ppocr_ft.transforms.shrink_schedule import TRUE_EPOCH, ShrinkScheduled
from tests.support import ROOT
from tests.support.config_files import CONFIGS, SHIPPED, SMALL, written

SHIPPED_FILES = sorted(SHIPPED.glob("*.yml"))
LIKE_PADDLEOCR = sorted(CONFIGS.glob("like_*.yml"))
IGNORED = {
    "Global.debug",
    "Global.cal_metric_during_train",
    "Global.infer_img",
    "Global.save_res_path",
    "Global.distributed",
}
OFTEN_IGNORED = {
    "Global.d2s_train_image_shape",
    "Architecture.Backbone.in_channels",
    "profiler_options",
}


def operators(config: Config, split: str) -> dict[str, dict[str, object]]:
    dataset = (config.Train if split == "Train" else config.Eval).dataset
    return {operator.name: operator.arguments() for operator in dataset.transforms}


def test_there_are_files_to_test() -> None:
    assert {path.stem for path in SHIPPED_FILES} >= {"det_v4_ft", "det_v4_server_ft", "det_v3_ft"}
    assert len(LIKE_PADDLEOCR) == 12


@pytest.mark.parametrize("path", SHIPPED_FILES, ids=lambda path: path.stem)
def test_shipped_config(path: Path) -> None:
    config = load_config(path)
    assert config.warnings == ()
    assert config.Train.dataset.is_sample
    assert config.Eval.dataset.is_sample
    assert config.Train.dataset.data_dir == SAMPLE_DATA_DIR
    assert operators(config, "Eval")["DetResizeForTest"] == {
        "limit_side_len": 960,
        "limit_type": "max",
    }


@pytest.mark.parametrize("path", SHIPPED_FILES, ids=lambda path: path.stem)
def test_each_key_of_a_shipped_config_is_commented(path: Path) -> None:
    above = ""
    for line in path.read_text(encoding="utf-8").split("\n"):
        has_value = re.search(r":\s+[^\s#]|- \w+:$", line.partition("#")[0])
        opens = re.search(r":\s*$", line)
        assert not has_value or opens or "#" in line or above.strip().startswith("#"), line
        above = line


def test_shipped_networks() -> None:
    names = {
        path.stem: (config.Architecture.Backbone.name, config.Architecture.Head.name)
        for path in SHIPPED_FILES
        for config in [load_config(path)]
    }
    assert names["det_v4_ft"] == ("PPLCNetV3", "DBHead")
    assert names["det_v4_server_ft"] == ("PPHGNet_small", "PFHeadLocal")
    assert names["det_v3_ft"] == ("MobileNetV3", "DBHead")
    assert names["det_v6_tiny_ft"] == ("PPLCNetV4", "DBHead")
    assert load_config(SHIPPED / "det_v4_ft.yml").Global.pretrained_model == RELEASED_WEIGHTS


def test_each_released_model_has_its_config() -> None:
    models = shipped_models()
    assert models.keys() == DETECTORS.keys() - {"PP-OCRv3_server_det"}
    assert models["PP-OCRv4_mobile_det"].name == "det_v4_ft.yml"
    assert models["PP-OCRv6_small_det"].name == "det_v6_small_ft.yml"
    for model, path in models.items():
        config = load_config(path)
        assert config.Global.model_name == model
        assert config.Architecture == DETECTORS[model]


@pytest.mark.parametrize("path", LIKE_PADDLEOCR, ids=lambda path: path.stem)
def test_a_file_like_paddleocrs_loads_as_it_is(path: Path) -> None:
    config = load_config(path)
    ignored = {found.key for found in config.warnings if found.rule == "no_effect"}
    assert ignored - OFTEN_IGNORED == IGNORED
    assert config.Global.epoch_num == 300
    assert config.Global.eval_batch_step == (0, 900)
    assert config.Global.checkpoints is None
    resize = operators(config, "Eval")["DetResizeForTest"]
    if "first" not in path.stem:
        assert resize == {}, "PaddleOCR's own default applies"


V6 = [path for path in LIKE_PADDLEOCR if "v6" in path.stem]


@pytest.mark.parametrize("path", V6, ids=lambda path: path.stem)
def test_values_of_a_file_like_ppocrv6s(path: Path) -> None:
    config = load_config(path)
    section = config.Global
    assert (section.use_ema, section.ema_decay) == (True, 0.9995)
    assert section.ema_decay_type == "threshold"
    assert section.pretrained_model is None
    assert config.Loss.main_loss_type == "DiceFocalLoss"
    assert (config.Loss.focal_alpha, config.Loss.focal_gamma) == (0.3, 2.2)
    first = "first" in path.stem
    assert config.PostProcess.max_candidates == (700 if first else 3000)
    made = operators(config, "Train")
    crop = made["EastRandomCropData" if first else "RandomCrop"]
    expected = {"size": (640, 640), "max_tries": 30, "min_crop_side_ratio": 0.1, "keep_ratio": True}
    assert crop == expected
    turn = {"rotate": (-40.0, 40.0), "p": 0.4, "fit_output": not first}
    assert made["IaaAugment"]["augmenter_args"][1] == {"type": "Affine", "args": turn}
    if "ColorJitter" in made:
        jitter = {"brightness": 0.35, "contrast": 0.3, "saturation": 0.6, "hue": 0.08}
        assert made["ColorJitter"] == jitter
    if "RandomPerspective" in made:
        view = {"prob": 0.25, "scale": 0.0, "shear": 15.0, "perspective": 0.0008}
        assert made["RandomPerspective"].items() >= view.items()


@pytest.mark.parametrize("path", V6, ids=lambda path: path.stem)
def test_the_ratio_of_a_file_like_ppocrv6s_follows_the_true_epoch(path: Path) -> None:
    config = load_config(path)
    made = [op.build() for op in config.Train.dataset.transforms if op.is_a(ShrinkScheduled)]
    assert len(made) == 2
    for operator in made:
        ratios = [operator.ratio_of({TRUE_EPOCH: epoch}) for epoch in (1, 150, 300)]
        assert ratios == pytest.approx([0.35 + 0.2 / 300, 0.45, 0.55])


def test_values_of_a_file_like_paddleocrs() -> None:
    config = load_config(CONFIGS / "like_v4_server.yml")
    assert config.Architecture.Neck.arguments() == {
        "out_channels": 256,
        "mode": "large",
        "intracl": True,
    }
    head = {"k": 50, "kernel_list": (3, 2, 2), "fix_nan": True, "mode": "large"}
    assert config.Architecture.Head.arguments() == head
    assert config.Optimizer.regularizer is not None
    assert config.Optimizer.regularizer.arguments() == {"factor": 2e-6}
    assert operators(config, "Train")["MakeShrinkMap"] == {
        "shrink_ratio": 0.35,
        "total_epoch": 300,
        "min_text_size": 6.0,
        "rounding": "truncate",
        "gap_weight": 1.0,
    }
    assert operators(config, "Train")["IaaAugment"] == {
        "augmenter_args": (
            {"type": "Fliplr", "args": {"p": 0.25}},
            {
                "type": "Affine",
                "args": {"rotate": (-15.0, 15.0), "p": 1.0, "fit_output": False},
            },
            {"type": "Resize", "args": {"size": (0.7, 2.0)}},
        )
    }
    assert operators(config, "Train")["CopyPaste"] == {
        "objects_paste_ratio": 0.2,
        "limit_paste": True,
    }


@pytest.mark.parametrize(
    ("file", "overrides", "backbone", "head"),
    [
        (
            "like_v4_student.yml",
            [
                "Architecture.Backbone={name: PPLCNetNew, scale: 0.75, pretrained: true}",
                "Architecture.Head={name: CBNHeadLocal, k: 50, mode: small}",
            ],
            {"scale": 0.75, "det": True},
            {"k": 50, "fix_nan": False, "mode": "small"},
        ),
        (
            "like_v4_teacher.yml",
            [
                "Architecture.Backbone={name: PPHGNet, scale: small}",
                "Architecture.Head.name=CBNHeadLocal",
            ],
            {"det": True},
            {"k": 50, "fix_nan": False, "mode": "large"},
        ),
    ],
)
def test_names_of_paddleocrs_first_drafts(
    file: str, overrides: list[str], backbone: dict[str, object], head: dict[str, object]
) -> None:
    config = load_config(CONFIGS / file, overrides)
    architecture = config.Architecture
    assert architecture.Backbone.arguments().items() >= backbone.items()
    assert architecture.Head.arguments() == {"kernel_list": (3, 2, 2), **head}
    messages = [found.message for found in config.warnings if found.key.endswith(".name")]
    assert len(messages) == 2
    assert all("is a draft's name for" in message for message in messages)


@pytest.mark.parametrize(
    "path", [SMALL, *SHIPPED_FILES, *LIKE_PADDLEOCR], ids=lambda path: path.stem
)
def test_resolved_config_loads_to_an_equal_one(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    text = config.to_yaml()
    again = load_config(written(tmp_path, text))
    assert again == config
    assert hash(again) == hash(config)
    assert again.to_yaml() == text
    assert again.warnings == ()
    assert load_config(path, ["Global.seed=1"]) != config


def test_resolved_config_writes_defaults_out_and_is_plain_yaml() -> None:
    config = load_config(SMALL, ["Global.pretrained_model=null"])
    data = yaml.safe_load(config.to_yaml())
    assert list(data) == [
        "Global",
        "Architecture",
        "Loss",
        "Optimizer",
        "PostProcess",
        "Metric",
        "Train",
        "Eval",
    ]
    assert data["Global"]["pretrained_model"] is None
    assert data["Global"]["min_weight_coverage"] == 0.9
    assert data["PostProcess"]["unclip_ratio"] == 2.0
    assert data["Train"]["dataset"]["transforms"][3] == {
        "EastRandomCropData": {
            "size": [320, 320],
            "max_tries": 10,
            "min_crop_side_ratio": 0.1,
            "keep_ratio": True,
        }
    }
    assert "checkpoints" not in data["Global"]


@pytest.mark.parametrize("name", ["like_v4_mobile.yml", "like_v4_server.yml"])
def test_the_yaml_of_a_seal_detector_loads(name: str, tmp_path: Path) -> None:
    """PP-OCRv4_mobile_seal_det and server: the data set's other name, polygons, 0.8 + 0.2."""
    data = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
    data["Global"]["epoch_num"] = 100
    data["PostProcess"] |= {"thresh": 0.2, "unclip_ratio": 0.5, "box_type": "poly"}
    for split in ("Train", "Eval"):
        data[split]["dataset"]["name"] = "TextDetDataset"
    steps = {
        name: arguments
        for split in ("Train", "Eval")
        for item in data[split]["dataset"]["transforms"]
        for name, arguments in item.items()
        if name.startswith("Make")
    }
    for arguments in steps.values():
        arguments |= {"shrink_ratio": 0.8, "total_epoch": 500}
    config = load_config(written(tmp_path, yaml.safe_dump(data)))
    assert config.PostProcess.box_type == "poly"
    assert config.Train.dataset.name == "TextDetDataset"
    (operator,) = [op for op in config.Train.dataset.transforms if op.name == "MakeShrinkMap"]
    schedule = shrink_schedule(config, operator)
    assert [schedule.ratio(epoch) for epoch in (1, 100)] == pytest.approx([0.8004, 0.84])
    with pytest.raises(ConfigError, match=r"it rises by 0\.2 to 1, which must stay below 1"):
        load_config(tmp_path / "c.yml", ["Global.epoch_num=500"])


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

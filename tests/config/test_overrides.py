"""``-o Section.key=value``."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.config import Config, inspect_config, load_config
from ppocr_ft.config.load import values_of, with_values
from ppocr_ft.errors import ConfigError
from tests.support.config_files import SMALL, changed

TRAIN = "Train.dataset.transforms"
EVAL = "Eval.dataset.transforms"


def look_up(config: Config, key: str) -> object:
    value: object = config.model_dump()
    for part in key.split("."):
        value = value[int(part)] if isinstance(value, tuple) else value[part]  # type: ignore[index]
    return value


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("Global.epoch_num=7", "Global.epoch_num", 7),
        ("Global.seed=3", "Global.seed", 3),
        (" Global.seed = 3 ", "Global.seed", 3),
        ("Global.use_gpu=False", "Global.use_gpu", False),
        ("Global.pretrained_model=", "Global.pretrained_model", None),
        ("Global.pretrained_model=null", "Global.pretrained_model", None),
        ("Global.checkpoints=https://a.b/c?d=e", "Global.checkpoints", "https://a.b/c?d=e"),
        ("Global.eval_batch_step=[100, 50]", "Global.eval_batch_step", (100, 50)),
        ("Global.eval_batch_step=50", "Global.eval_batch_step", (0, 50)),
        ("Optimizer.lr.learning_rate=1e-4", "Optimizer.lr.learning_rate", 1e-4),
        ("Optimizer.lr.learning_rate=1", "Optimizer.lr.learning_rate", 1.0),
        ("Optimizer.regularizer.name=L2", "Optimizer.regularizer.name", "L2"),
        ("Loss.alpha=3", "Loss.alpha", 3.0),
        ("Metric={main_indicator: hmean_70}", "Metric.main_indicator", "hmean_70"),
        ("Eval.loader.num_workers=4", "Eval.loader.num_workers", 4),
        ("Train.dataset.label_file_list.1=x", "Train.dataset.label_file_list", ("a.txt", "x")),
        ("Train.dataset.ratio_list=0.25", "Train.dataset.ratio_list", (0.25, 0.25)),
        (f"{TRAIN}.0.DecodeImage.img_mode=RGB", f"{TRAIN}.0.DecodeImage.img_mode", "RGB"),
        (f"{TRAIN}.DecodeImage.img_mode=RGB", f"{TRAIN}.0.DecodeImage.img_mode", "RGB"),
        (f"{TRAIN}.MakeShrinkMap.min_text_size=5", f"{TRAIN}.5.MakeShrinkMap.min_text_size", 5.0),
        (f"{TRAIN}.NormalizeImage.scale=1/255", f"{TRAIN}.6.NormalizeImage.scale", 1 / 255),
        (f"{TRAIN}.2={{CopyPaste: }}", f"{TRAIN}.2.CopyPaste.objects_paste_ratio", 0.2),
        (f"{TRAIN}.IaaAugment.augmenter_args=[]", f"{TRAIN}.2.IaaAugment.augmenter_args", ()),
        (
            f"{EVAL}.DetResizeForTest={{resize_long: 640}}",
            f"{EVAL}.2.DetResizeForTest",
            {"resize_long": 640},
        ),
        (f"{EVAL}.DetResizeForTest=", f"{EVAL}.2.DetResizeForTest", None),
        ("Architecture.Backbone={name: PPHGNet_small}", "Architecture.Backbone.det", True),
    ],
)
def test_values(override: str, key: str, value: object) -> None:
    assert look_up(load_config(SMALL, [override]), key) == value


def test_later_ones_win_and_build_on_earlier_ones() -> None:
    config = load_config(
        SMALL,
        [
            "Global.seed=1",
            "Global.seed=2",
            f"{TRAIN}.IaaAugment.augmenter_args=[{{type: Resize}}, {{type: Fliplr}}]",
            f"{TRAIN}.IaaAugment.augmenter_args.Resize.args.size=[1, 2]",
            f"{TRAIN}.IaaAugment.augmenter_args.1.args.p=0.1",
            "Optimizer={name: AdamW}",
            "Optimizer.lr={learning_rate: 1e-3}",
        ],
    )
    assert config.Global.seed == 2
    assert look_up(config, f"{TRAIN}.2.IaaAugment.augmenter_args") == (
        {"type": "Resize", "args": {"size": (1.0, 2.0)}},
        {"type": "Fliplr", "args": {"p": 0.1}},
    )
    assert (config.Optimizer.name, config.Optimizer.lr.name) == ("AdamW", "Const")


def test_an_override_heals_a_fault_of_the_file(tmp_path: Path) -> None:
    path = changed(tmp_path, ("epoch_num: 40", "epoch_num: many"))
    assert load_config(path, ["Global.epoch_num=4"]).Global.epoch_num == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("Global.sede=3", "-o Global.sede: unknown key; did you mean 'seed'?"),
        ("Globl.seed=3", "-o Globl.seed: Globl: unknown key; did you mean 'Global'?"),
        ("seed=3", "-o seed: unknown key; here it is Global.seed"),
        ("Global.seed.x=3", "-o Global.seed.x: Global.seed: found {x: 3}, expected a whole number"),
        ("Global.epoch_num.x=3", "Global.epoch_num holds 40, so there is no key below it"),
        ("Global.epoch_num=ten", "-o Global.epoch_num: found 'ten', expected a whole number"),
        (
            "Optimizer.lr={name: Cosine, learning_rate: 1, warmup: 2}",
            "Optimizer.lr.warmup: unknown key; did you mean 'warmup_",
        ),
        ("Train.dataset.data_dir=null", "-o Train.dataset.data_dir: is empty, expected text"),
        ("Train=3", "-o Train: found 3, expected a section of keys"),
        (
            f"{TRAIN}.MakeShrinkMap.shrink_rato=0.5",
            "shrink_rato: unknown key of MakeShrinkMap; did you mean 'shrink_ratio'?",
        ),
        (
            f"{TRAIN}.MakeShrinkmap.shrink_ratio=0.5",
            f"{TRAIN} holds no 'MakeShrinkmap'; did you mean 'MakeShrinkMap'?",
        ),
        (
            f"{TRAIN}.CopyPaste.limit_paste=true",
            f"{TRAIN} holds no 'CopyPaste'; known: DecodeImage,",
        ),
        (
            f"{TRAIN}.9.DecodeImage.img_mode=RGB",
            f"-o {TRAIN}.9.DecodeImage.img_mode: {TRAIN} has 9 items, 0 to 8",
        ),
        (f"{TRAIN}.-1.KeepKeys=", f"{TRAIN} holds no '-1'"),
        ("Global.epoch_num", "-o Global.epoch_num: lacks a value; write Section.key=value"),
        ("", "-o : lacks a value; write Section.key=value"),
        ("=3", "-o =3: isn't a key path; write Section.key=value, without spaces"),
        ("Global..seed=3", "-o Global..seed: isn't a key path"),
        ("Global.eval_batch_step=[0, 5", "-o Global.eval_batch_step: not valid YAML"),
        ("Global.model_name=a: b: c", "(value 'a: b: c': quote it?)"),
        ("Global.seed=!!python/none x", "the tag !!python/none has no place in a config"),
        ("Architecture.algorithm=Distillation", "-o Architecture.algorithm: found 'Distillation'"),
        (
            f"{TRAIN}.MakeShrinkMap.shrink_ratio=0.6",
            "MakeShrinkMap's schedule is constant 0.6, MakeBorderMap's constant 0.5",
        ),
    ],
)
def test_what_cant_be_set(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(SMALL, [override])
    assert str(caught.value).startswith("-o ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_operator_that_is_there_twice_is_named_by_index(tmp_path: Path) -> None:
    path = changed(tmp_path, ("    - IaaAugment:\n", "    - IaaAugment:\n    - IaaAugment:\n"))
    with pytest.raises(ConfigError, match="holds IaaAugment 2 times; name it by index, 2 or 3"):
        load_config(path, [f"{TRAIN}.IaaAugment.augmenter_args=[]"])
    config = load_config(path, [f"{TRAIN}.3.IaaAugment.augmenter_args=[]"])
    assert look_up(config, f"{TRAIN}.3.IaaAugment.augmenter_args") == ()


def test_all_bad_overrides_and_the_files_faults_in_one_report(tmp_path: Path) -> None:
    path = changed(tmp_path, ("epoch_num: 40", "epoch_nun: 40"))
    faults = inspect_config(path, ["Global.sede=3", "Loss.alpha", "Train.x.y=1"]).faults
    assert [(fault.path, fault.line) for fault in faults] == [
        (str(path), 3),
        ("-o Loss.alpha", None),
        ("-o Global.sede", None),
        ("-o Train.x.y", None),
    ]


def test_bad_overrides_are_named_beside_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text("a: [", encoding="utf-8")
    assert [fault.path for fault in inspect_config(path, ["x"]).faults] == [str(path), "-o x"]
    missing = tmp_path / "d.yml"
    assert [fault.path for fault in inspect_config(missing, ["x"]).faults] == [
        str(missing),
        "-o x",
    ]


def test_values_of_a_loaded_config_are_replaced_and_checked() -> None:
    config = load_config("det_v4_ft.yml")
    shrink, resize = (
        "Train.dataset.transforms.MakeShrinkMap.shrink_ratio",
        "Eval.dataset.transforms.DetResizeForTest",
    )
    limits = {"limit_side_len": 1280, "limit_type": "resize_long"}
    larger = with_values(config, {"Global.epoch_num": 9, resize: limits})
    assert values_of(larger, ["Global.epoch_num", resize, shrink, "Global.checkpoints"]) == {
        "Global.epoch_num": 9, resize: limits, shrink: 0.6, "Global.checkpoints": None,
    }  # fmt: skip
    assert config.Global.epoch_num != 9
    assert with_values(larger, values_of(config, ["Global.epoch_num", resize])) == config
    with pytest.raises(ConfigError) as refused:
        with_values(config, {"Global.epoch_num": 0, shrink: 2.0})
    assert "Global.epoch_num: found 0" in str(refused.value)
    assert "MakeShrinkMap.shrink_ratio: found 2.0" in str(refused.value)
    assert "line" not in str(refused.value)

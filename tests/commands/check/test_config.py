"""The check's config rules: what a YAML would do, here and in each PaddleOCR."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from ppocr_ft.commands.check.advice import ADVICE, advise, advise_on_length
from ppocr_ft.commands.check.diagnosis import ConfigDiagnosis, diagnose
from ppocr_ft.commands.check.shrink_versions import shrink_versions, total_epoch_fault
from ppocr_ft.config import load_config
from ppocr_ft.config.faults import REMEDIES
from ppocr_ft.config.rules import RULES
from tests.support.config_files import CONFIGS, SHIPPED, SMALL, written
from tests.support.pictures import paddleocr_class

TRAIN, EVAL = "Train.dataset.transforms", "Eval.dataset.transforms"
MAPS = ("MakeBorderMap", "MakeShrinkMap")
STUDENT = CONFIGS / "like_v4_student.yml"
LATE_MILESTONES = (
    "Optimizer.lr={name: MultiStepDecay, learning_rate: 2e-4, milestones: [9000], gamma: 0.1}"
)
Change = Callable[[dict[str, Any]], None]


def rules(diagnosis: ConfigDiagnosis) -> list[str]:
    return [finding.rule for finding in diagnosis.findings]


def made_of(path: Path, tmp_path: Path, change: Change) -> Path:
    """The YAML with a change to its data."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(data)
    return written(tmp_path, yaml.safe_dump(data, sort_keys=False))


def ramp(total: object = 500, **more: object) -> dict[str, object]:
    """A YAML's data with both map operators at 0.4 and this ``total_epoch``."""
    keys = {"shrink_ratio": 0.4, "total_epoch": total}
    run = {"epoch_num": 500, **more.pop("Global", {})}  # type: ignore[dict-item]
    dataset = {"transforms": [{name: dict(keys)} for name in MAPS], **more}
    return {"Global": run, "Train": {"dataset": dataset}}


# what the YAML says | its data | ratios of 2.6.1, 2.7/2.8, 2.9+, PP-OCRv6's and ours: first, last
VERSIONS = [
    ("as shipped", ramp(), [(0.4, 0.4), (0.8096, 0.8096), (0.4, 0.4), (0.4, 0.4), (0.4004, 0.6)]),
    (
        "a short run",
        ramp(150),
        [(0.4, 0.4), (1.7653, 1.7653), (0.4, 0.4), (0.4, 0.4), (0.4013, 0.6)],
    ),
    (
        "10000, as advised",
        ramp(10000),
        [(0.4, 0.4), (0.4205, 0.4205), (0.4, 0.4), (0.4, 0.4), (0.4, 0.41)],
    ),
    (
        "another seed",
        ramp(Global={"seed": 100}),
        [(0.4, 0.4), (0.44, 0.44), (0.4, 0.4), (0.4, 0.4), (0.4004, 0.6)],
    ),
    (
        "part of a file an epoch: the ramp works by accident",
        ramp(ratio_list=[1.0, 0.5]),
        [(0.4, 0.4), (0.4004, 0.6), (0.4, 0.4), (0.4004, 0.6), (0.4004, 0.6)],
    ),
    (
        "no total_epoch",
        {"Train": {"dataset": {"transforms": [{"MakeShrinkMap": {"shrink_ratio": 0.5}}]}}},
        [(0.5, 0.5)] * 5,
    ),
    (
        "MakeBorderMap without keys: 2.7 gives no epoch",
        {
            "Train": {
                "dataset": {
                    "transforms": [{"MakeBorderMap": None}, {"MakeShrinkMap": {"total_epoch": 500}}]
                }
            }
        },
        [(0.4, 0.4), (0.4, 0.4), (0.4, 0.4), (0.4, 0.4), (0.4004, 0.6)],
    ),
    (
        "a ramp that ends before the run, part of a file an epoch",
        ramp(100, ratio_list=[1.0, 0.3]),
        [(0.4, 0.4), (0.402, 1.4), (0.4, 0.4), (0.402, 1.4), (0.402, 0.6)],
    ),
]


@pytest.mark.parametrize(
    ("data", "expected"), [row[1:] for row in VERSIONS], ids=[row[0] for row in VERSIONS]
)
def test_the_ratio_of_each_version(data: object, expected: list[tuple[float, float]]) -> None:
    found = shrink_versions(data)
    assert found is not None
    ratios = [(each.first, each.last) for each in found.versions]
    assert [value for pair in ratios for value in pair] == pytest.approx(
        [value for pair in expected for value in pair], abs=5e-5
    )


# total_epoch | what 2.7 and 2.8 then do
EFFECTS = [
    (500, "hmean collapses"),
    (342, "hmean collapses"),
    (341, "masks every text"),
    (203, "only background is learnt"),
    (201, "IndexError"),
    (10000, ""),
]


@pytest.mark.parametrize(("total", "effect"), EFFECTS)
def test_what_comes_of_the_ratio(total: int, effect: str) -> None:
    found = shrink_versions(ramp(total))
    assert found is not None
    assert effect in found.versions[1].effect
    assert bool(found.versions[1].effect) == bool(effect)


def test_the_version_of_ppocrv6_is_told_beside_the_others() -> None:
    for ratios, ratio, why in (
        ([1.0], "constant 0.4", "its counter of epochs stands at 0"),
        ([1.0, 0.3], "0.402 to 1.4", "advance, beyond total_epoch too): MakeShrinkMap masks every"),
    ):
        found = shrink_versions(ramp(100, ratio_list=ratios))
        assert found is not None
        fault = total_epoch_fault(found)
        assert fault is not None
        assert f"PaddleOCR since PP-OCRv6 (mid-2026): {ratio} (" in fault.message
        assert why in fault.message


@pytest.mark.parametrize(
    "data",
    [None, [], {"Train": 3}, {"Train": {"dataset": {"transforms": "x"}}}, ramp("long"), ramp(0)],
    ids=["empty", "list", "no section", "no list", "no number", "zero"],
)
def test_no_ratio_where_the_yaml_gives_none(data: object) -> None:
    assert shrink_versions(data) is None


def test_the_published_conflict_is_explained(tmp_path: Path) -> None:
    found = [each for each in diagnose(STUDENT).findings if each.rule == "total-epoch"]
    assert len(found) == 1
    assert found[0].severity == "warning"
    assert (found[0].file, found[0].line) == (str(STUDENT), 111)
    for part in ("300 equals Global.epoch_num 300", "0.35 + 0.2 * 1024 / 300", "constant 1.033"):
        assert part in found[0].message
    differing = diagnose(STUDENT, ["Global.epoch_num=40"])
    messages = [each.message for each in differing.findings if each.rule == "total-epoch"]
    assert "300 differs from Global.epoch_num 40" in messages[0]
    assert "ramp-length" not in rules(differing)


def test_a_scale_that_the_run_chooses_is_no_fault() -> None:
    resize = f"{EVAL}.2.DetResizeForTest.limit_side_len=1280"
    assert "eval-resize" in rules(diagnose(SMALL, [resize]))
    assert "eval-resize" not in rules(diagnose(SMALL, [resize, "Global.fit_scale=true"]))


# what is unusual | overrides of small.yml | rule | part of the message
UNUSUAL = [
    ("shorter side", [f"{EVAL}.2.DetResizeForTest.limit_type=min"], "eval-resize", "type: min"),
    ("Paddle's default resize", [f"{EVAL}.2={{DetResizeForTest: }}"], "eval-resize", "736"),
    (
        "a fixed shape",
        [f"{EVAL}.2={{DetResizeForTest: {{image_shape: [640, 640]}}}}"],
        "eval-resize",
        "image_shape: (640, 640)",
    ),
    (
        "crops at another scale",
        [f"{TRAIN}.3={{ScaledCrop: {{limit_side_len: 640}}}}"],
        "crop-scale",
        "limit_side_len: 640",
    ),
    (
        "another mean in evaluation",
        [f"{EVAL}.3.NormalizeImage.mean=[0.5, 0.5, 0.5]"],
        "preprocessing",
        "training has (0.485",
    ),
    ("RGB in training", [f"{TRAIN}.0.DecodeImage.img_mode=RGB"], "color-order", "BGR"),
    ("RGB in training only", [f"{TRAIN}.0.DecodeImage.img_mode=RGB"], "preprocessing", "BGR"),
    ("no checkpoint kept", ["Global.save_epoch_step=41"], "save-interval", "40 epochs"),
    ("no evaluation", ["Global.eval_batch_epoch=41"], "evaluation-epochs", "before the first"),
    ("few images", ["Global.freeze_bn_stats=false"], "batch-statistics", "1 image"),
    (
        "a step beyond the run",
        ["Optimizer.lr={name: Step, learning_rate: 2e-4, step_size: 40, gamma: 0.1}"],
        "schedule-length",
        "never falls",
    ),
    (
        "a cycle beyond the run",
        ["Optimizer.lr={name: CyclicalCosine, learning_rate: 2e-4, cycle: 50}"],
        "schedule-length",
        "unit is epochs",
    ),
]


@pytest.mark.parametrize(
    ("overrides", "rule", "part"), [row[1:] for row in UNUSUAL], ids=[row[0] for row in UNUSUAL]
)
def test_what_is_unusual_is_named(overrides: list[str], rule: str, part: str) -> None:
    found = [each for each in diagnose(SMALL, overrides).findings if each.rule == rule]
    assert len(found) == 1
    assert found[0].severity == "warning"
    assert part in found[0].message
    assert found[0].remedy
    if found[0].message.startswith("-o "):
        assert (found[0].file, found[0].line) == (None, None)
    else:
        assert found[0].file == str(SMALL)


# what is unusual | overrides of small.yml | images | rule and severity, or nothing
LENGTHS = [
    ("long enough", ["Global.eval_batch_step=[0, 40]"], 1, None),
    ("evaluated never", ["Global.eval_batch_step=[0, 41]"], 1, ("evaluation_interval", "warning")),
    (
        "first one too late",
        ["Global.eval_batch_step=[1, 40]"],
        1,
        ("evaluation_interval", "warning"),
    ),
    (
        "evaluated by epochs",
        ["Global.eval_batch_step=[0, 41]", "Global.eval_batch_epoch=1"],
        1,
        None,
    ),
    (
        "a last batch dropped",
        [
            "Global.eval_batch_step=[0, 40]",
            "Train.loader={batch_size_per_card: 2, drop_last: true}",
        ],
        3,
        None,
    ),
    (
        "no whole batch, dropped",
        ["Global.eval_batch_step=[0, 1]", "Train.loader={batch_size_per_card: 4, drop_last: true}"],
        3,
        ("batch_size", "error"),
    ),
    (
        "no whole batch, kept",
        ["Global.eval_batch_step=[0, 1]", "Train.loader={batch_size_per_card: 4}"],
        3,
        ("batch_size", "warning"),
    ),
    (
        "warm-up as long as the run",
        ["Global.eval_batch_step=[0, 1]", "Optimizer.lr.warmup_steps=40"],
        1,
        ("warmup_length", "warning"),
    ),
    (
        "a milestone that the warm-up moves out of the run",
        [
            "Global.eval_batch_step=[0, 1]",
            "Optimizer.lr={name: MultiStepDecay, learning_rate: 2e-4, milestones: [39], gamma: "
            "0.1, warmup_steps: 1}",
        ],
        1,
        ("moved_milestones", "error"),
    ),
    (
        "one that it doesn't move",
        [
            "Global.eval_batch_step=[0, 1]",
            "Optimizer.lr={name: MultiStep, learning_rate: 2e-4, milestones: [39], gamma: 0.1, "
            "warmup_steps: 1}",
        ],
        1,
        None,
    ),
    (
        "warm-up a step shorter",
        ["Global.eval_batch_step=[0, 1]", "Optimizer.lr.warmup_steps=39"],
        1,
        None,
    ),
]


@pytest.mark.parametrize(
    ("overrides", "images", "expected"),
    [row[1:] for row in LENGTHS],
    ids=[row[0] for row in LENGTHS],
)
def test_the_run_s_length(
    overrides: list[str], images: int, expected: tuple[str, str] | None
) -> None:
    found = advise_on_length(load_config(SMALL, overrides), images)
    assert [(each.rule, each.severity) for each in found] == ([expected] if expected else [])


@pytest.mark.parametrize("path", [SMALL, *sorted(SHIPPED.glob("*.yml"))], ids=lambda p: p.name)
def test_nothing_is_said_of_sound_configs(path: Path) -> None:
    assert diagnose(path).findings == ()
    assert advise(load_config(path)) == []


def test_every_rule_has_a_remedy() -> None:
    names = {rule.__name__ for rule in (*RULES, *ADVICE)}
    assert names <= set(REMEDIES), "give it the decorator remedy"
    assert all(REMEDIES.values())


def test_faults_of_all_kinds_come_together() -> None:
    diagnosis = diagnose(
        SMALL,
        [
            "Loss.alfa=3",
            "Global.save_epoch_step=100",
            "Eval.dataset.ratio_list=[1, 1]",
            LATE_MILESTONES,
            "Train.loader.batch_size_per_card=many",
            "nonsense",
        ],
    )
    assert diagnosis.config is None
    assert set(rules(diagnosis)) == {
        "unknown-key",
        "ratio-list-length",
        "milestones",
        "save-interval",
        "value",
        "override",
    }


def db_plus_plus(data: dict[str, Any]) -> None:
    data["Architecture"] |= {
        "algorithm": "DB++",
        "Backbone": {"name": "ResNet", "layers": 50, "dcn_stage": [False, True, True, True]},
        "Neck": {"name": "DBFPN", "out_channels": 256, "use_asf": True},
    }


def pse(data: dict[str, Any]) -> None:
    data["Architecture"] |= {"algorithm": "PSE", "Head": {"name": "PSEHead"}}
    data["Loss"] = {"name": "PSELoss", "alpha": 0.7}
    data["PostProcess"] = {"name": "PSEPostProcess", "min_area": 16}
    transforms = data["Train"]["dataset"]["transforms"]
    transforms[4:8] = [{"MakePseGt": {"kernel_num": 7}}, {"RandomCropImgMask": {"size": [64, 64]}}]
    transforms[-1] = {"KeepKeys": {"keep_keys": ["image", "gt_text", "gt_kernels", "mask"]}}


def distilled(data: dict[str, Any]) -> None:
    data["Architecture"] = {"algorithm": "Distillation", "model_type": "det", "Models": {}}
    data["Loss"] = {"name": "CombinedLoss", "loss_config_list": []}
    data["PostProcess"] = {"name": "DistillationDBPostProcess", "unclip_ratio": 1.5}


def own_operator(data: dict[str, Any]) -> None:
    data["Train"]["dataset"]["transforms"].insert(2, {"OurOperator": {"strength": 3}})


# another's YAML | what makes it so | rules that speak | what is not checked
OTHERS = [
    ("DB++", db_plus_plus, {"other-task", "total-epoch"}, ["algorithm DB++"]),
    (
        "PSE",
        pse,
        {"other-task"},
        ["PSELoss", "PSEPostProcess", "transforms.4 MakePseGt", "5 RandomCropImgMask"],
    ),
    ("distilled", distilled, {"other-task", "total-epoch"}, ["CombinedLoss"]),
    ("an operator of one's own", own_operator, {"unknown-name", "total-epoch"}, ["2 OurOperator"]),
]


@pytest.mark.parametrize(
    ("change", "expected", "unchecked"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS]
)
def test_any_paddleocr_detector_is_diagnosed(
    change: Change, expected: set[str], unchecked: list[str], tmp_path: Path
) -> None:
    diagnosis = diagnose(
        made_of(STUDENT, tmp_path, change),
        [
            "Eval.dataset.ratio_list=[1, 1]",
            LATE_MILESTONES,
        ],
    )
    found = set(rules(diagnosis)) - {"no-effect", "eval-resize"}
    assert found == expected | {"not-checked", "ratio-list-length", "milestones"}
    (left_out,) = [each for each in diagnosis.findings if each.rule == "not-checked"]
    for part in unchecked:
        assert part in left_out.message
    assert diagnosis.config is None


def test_an_unknown_operator_does_not_move_the_lines(tmp_path: Path) -> None:
    """Rules look at the pipeline without it; what they say still names the place in the file."""

    def misplaced(data: dict[str, Any]) -> None:
        own_operator(data)
        transforms = data["Train"]["dataset"]["transforms"]
        transforms.append(transforms.pop(5))  # EastRandomCropData, behind all others

    path = made_of(STUDENT, tmp_path, misplaced)
    (found,) = [
        each
        for each in diagnose(path).findings
        if each.rule == "operator-order" and "moves the texts" in each.message
    ]
    assert f"{TRAIN}.10.EastRandomCropData" in found.message
    lines = path.read_text(encoding="utf-8").splitlines()
    assert found.line is not None
    assert "EastRandomCropData" in lines[found.line - 1]


@pytest.mark.parametrize(
    "text",
    ["", "- a\n- b\n", "Global: {epoch_num: [}\n", "Train: 3\nEval: {dataset: 7}\n", "a: *b\n"],
    ids=["empty", "a list", "not YAML", "no sections", "no anchor"],
)
def test_nothing_raises(text: str, tmp_path: Path) -> None:
    diagnosis = diagnose(written(tmp_path, text))
    assert diagnosis.config is None
    assert any(each.severity == "error" for each in diagnosis.findings)
    assert dict(diagnosis.labels) == {}


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    (found,) = diagnose(tmp_path / "none.yml").findings
    assert (found.rule, found.severity) == ("yaml", "error")
    assert "no such file" in found.message


@pytest.mark.parametrize(
    ("version", "index", "knows_epoch"),
    [("2.6.1.3", 0, True), ("2.7.0.3", 1, True), ("2.8.1", 1, True), ("2.10.0", 2, False)],
)
@pytest.mark.parametrize("total", [500, 150, 10000])
def test_the_real_operators_use_these_ratios(
    version: str, index: int, knows_epoch: bool, total: int
) -> None:
    """``epoch`` is what the version's data set hands over: the seed, up to 2.8."""
    names = {"np": np, "cv2": cv2, "Polygon": None, "pyclipper": None}
    operator = paddleocr_class(version, "MakeShrinkMap", "make_shrink_map.py", names)
    given = {"epoch": 1024} if knows_epoch else {}
    found = shrink_versions(ramp(total))
    assert found is not None
    ratio = operator(shrink_ratio=0.4, total_epoch=total, **given).shrink_ratio
    assert found.versions[index].first == pytest.approx(ratio)

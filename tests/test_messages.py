"""Other networks' and projects' names are called what they are, not taken for slips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ppocr_ft.config import inspect_config
from ppocr_ft.config.schema import Config
from ppocr_ft.config.validation import bare_type, choice_of
from ppocr_ft.declaration import Section
from ppocr_ft.errors import DataError
from ppocr_ft.messages import meaning_elsewhere
from ppocr_ft.models.configs import BACKBONES, HEADS, NECKS
from ppocr_ft.optim.configs import OPTIMIZERS, SCHEDULES
from ppocr_ft.transforms.registry import AUGMENTERS, OPERATORS
from tests.support.config_files import SMALL, written

# an override of a detector's YAML | what is said of it
FOREIGN = [
    ("Optimizer.base_lr=0.1", "unknown key; here it is Optimizer.lr.learning_rate"),
    ("Global.output_dir=x", "unknown key; here it is Global.save_model_dir"),
    ("Global.device=gpu:0", "unknown key; here it is Global.use_gpu"),
    ("Global.is_float16=true", "unknown key; here it is Global.use_amp"),
    ("Train.epochs_iters=3", "unknown key; here it is Global.epoch_num"),
    ("Train.use_amp=true", "unknown key; here it is Global.use_amp"),
    ("Optimizer.learning_rate=1", "unknown key; here it is Optimizer.lr.learning_rate"),
    ("Eval.data_dir=x", "unknown key; here it is Eval.dataset.data_dir"),
    ("epoch_num=3", "unknown key; here it is Global.epoch_num"),
    (
        "Architecture.Backbone.name=PPHGNetV2_B5",
        "unknown backbone 'PPHGNetV2_B5'; it is a backbone of PaddleOCR's recognisers and "
        "classifiers, which is not known here",
    ),
    ("Architecture.Backbone.name=ResNet", "DB on ResNet"),
    ("Train.dataset.transforms.2={RandomScaling: {size: 1}}", "it is another detector's operator"),
    ("PostProcess.name=DistillationDBPostProcess", "it is another detector's post-processing"),
    ("Train.dataset.name=MultiScaleDataSet", "it is another task's data set"),
    ("Train.dataset.transforms.1={CTCLabelEncode: }", "it is a recogniser's operator"),
    ("PostProcess.det_db_unclip_ratio=2", "unknown key; here it is PostProcess.unclip_ratio"),
    ("Optimizer.name=SGD", "here it is Momentum, with momentum: 0"),
    ("Architecture.Backbone.name=PPLCNeV3", "did you mean 'PPLCNetV3'?"),
    ("Architecture.Backbone.name=mobilenetv3_", "did you mean 'MobileNetV3'?"),
    ("Architecture.Neck.name=LKPNA", "did you mean 'LKPAN'?"),
    ("Architecture.Head.name=PFHeadlocl", "did you mean 'PFHeadLocal'?"),
    ("Architecture.Backbone.name=PPLCNetV", "unknown backbone 'PPLCNetV'; known: "),
    ("Architecture.Backbone.name=PPLCNetV5", "unknown backbone 'PPLCNetV5'; known: "),
    ("Architecture.Backbone.name=PPHGNet_large", "unknown backbone 'PPHGNet_large'; known: "),
    ("Architecture.Neck.name=LKFPN", "unknown neck 'LKFPN'; known: "),
    ("Architecture.Neck.name=RepRSEFPN", "unknown neck 'RepRSEFPN'; known: "),
    ("Architecture.Head.name=DBHeadLocal", "unknown head 'DBHeadLocal'; known: "),
    ("Global.epoch_nun=3", "did you mean 'epoch_num'?"),
]


@pytest.mark.parametrize(("override", "part"), FOREIGN)
def test_what_is_said_of_a_name(override: str, part: str) -> None:
    key = override.split("=")[0]
    fault, *_ = [each for each in inspect_config(SMALL, [override]).faults if each.key == key]
    assert fault.severity == "error"
    assert part in fault.message
    assert ("did you mean" in fault.message) == ("did you mean" in part)


def test_a_foreign_key_hides_nothing_about_the_one_that_it_resembles() -> None:
    keys = ["Global.pretrain_model", "Global.pretrained_model"]
    faults = inspect_config(SMALL, [f"{key}=[1]" for key in keys]).faults
    assert [fault.key for fault in faults] == keys


# whose | its YAML | key that shows it
FILES = [
    ("PaddleX", "Global: {model: a, mode: train}\nTrain: {epochs_iters: 4}", "Global.mode"),
    ("PaddleX", "Train: {epochs_iters: 4, batch_size: 8}", "Train.epochs_iters"),
    ("inference.yml", "Global: {model_name: a}\nPreProcess: {transform_ops: []}", "PreProcess"),
    ("PaddleDetection", "_BASE_: [a.yml]\nTrainReader: {batch_size: 8}", "TrainReader"),
    ("PaddleDetection", "architecture: YOLOv3\nuse_gpu: true", "architecture"),
    ("PaddleSeg", "train_dataset: {type: Dataset}\niters: 1000", "train_dataset"),
    ("PaddleClas", "Arch: {name: PPLCNet}\nDataLoader: {}", "Arch"),
    ("PaddleOCR 1.x", "Architecture: {function: a}\nGlobal: {algorithm: DB}", "function"),
    ("Ultralytics", "train: a\nval: b\nnames: [text]", "names"),
    ("a text recogniser, SVTR_LCNet", "Architecture: {model_type: rec, algorithm: SVTR_LCNet}", ""),
    ("a classifier of text direction", "Architecture: {model_type: cls}", "model_type"),
]


@pytest.mark.parametrize(("whose", "text", "key"), FILES)
def test_another_projects_yaml_is_one_sentence(
    whose: str, text: str, key: str, tmp_path: Path
) -> None:
    (fault,) = inspect_config(written(tmp_path, text)).faults
    assert whose in fault.message
    assert "configs/det_v4_ft.yml" in fault.message
    assert key in fault.key
    assert fault.line is not None


def test_no_known_name_is_foreign() -> None:
    tables = (BACKBONES, NECKS, HEADS, OPERATORS, AUGMENTERS, OPTIMIZERS, SCHEDULES)
    names = {name for table in tables for name in table} | set(keys_of(Config, set()))
    assert len(names) > 150
    assert [name for name in sorted(names) if meaning_elsewhere(name)] == []


def keys_of(kind: type[Section], done: set[type[Section]]) -> Iterator[str]:
    """Every key of a section and of all that it may hold."""
    if kind in done:
        return
    done.add(kind)
    for name, field in kind.model_fields.items():
        yield name
        for hint in (field.annotation, *field.metadata):
            choice = hint if hasattr(hint, "table") else choice_of(hint)
            kinds = choice.table.values() if choice else [bare_type(hint)]
            for below in kinds:
                if isinstance(below, type) and issubclass(below, Section):
                    yield from keys_of(below, done)


def test_what_a_file_holds_does_not_steer_the_terminal() -> None:
    error = DataError("found \x1b[2J\0\u202e\udcff 文字\ta\nb", path="a\x07.txt")
    assert str(error) == "a\\x07.txt: found \\x1b[2J\\x00\\u202e\\udcff 文字\ta\nb"
    assert error.path == "a\x07.txt", "the place itself stays"

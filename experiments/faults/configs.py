"""Faults of YAML configs, overrides and data sets, before any training."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import yaml

from experiments.faults.case import CONFIG, Case, Ran, WrongError, fault
from experiments.faults.inputs import data_set, entries, label_file, overrides


def dry_run(case: Case, folder: Path, *more: object, train: list[str] | None = None) -> Ran:
    """Run ``train --dry-run`` on a folder with train.txt and val.txt."""
    options = overrides(folder, train or ["train.txt"])
    return case.run(
        "train", "-c", CONFIG, "--dry-run", *options, "Global.save_model_dir=out", *more
    )


def no_text(part: str, texts: str) -> object:
    """Return an attempt with a label file none of whose texts counts."""

    def attempt(case: Case) -> str:
        folder = data_set(case.folder / "data")
        name = "img3.png" if part == "val" else "img0.png"
        label_file(folder / f"{part}.txt", [name], texts)
        dry_run(case, folder).say(f"{part}.txt", 2)
        return case.check(folder).say(f"{part}.txt.*[Nn]o |{part}.txt.*none|{part}.txt.*ignored", 2)

    attempt.__name__ = f"no_text_{part}_{'ignored' if '###' in texts else 'negative'}"
    return fault("reports F2, newcomer F5", f"no text that counts in {part}.txt")(attempt)


for part in ("train", "val"):
    no_text(part, entries("###"))
    no_text(part, "[]")


@fault("newcomer F4", "Eval forgotten: the built-in sample data judge")
def eval_forgotten(case: Case) -> str:
    folder = data_set(case.folder / "data")
    options = overrides(folder)[:4]
    ran = case.run("train", "-c", CONFIG, "--dry-run", *options, "Global.save_model_dir=out")
    return ran.say("val_ratio", 2)


@fault("newcomer F4", "Train forgotten: the built-in sample data are learnt")
def train_forgotten(case: Case) -> str:
    folder = data_set(case.folder / "data")
    options = ["-o", *overrides(folder)[4:]]
    ran = case.run("train", "-c", CONFIG, "--dry-run", *options, "Global.save_model_dir=out")
    return ran.say(r"Train\.dataset", 2)


EVAL_AUGMENTATION = {
    "EastRandomCropData": {"size": [320, 320]},
    "CopyPaste": {},
    "IaaAugment": {"augmenter_args": [{"type": "Fliplr", "args": {"p": 0.5}}]},
    "ColorJitter": {"brightness": 0.3},
}


def eval_augmentation(name: str, keys: object) -> object:
    """Return an attempt with an augmentation in Eval."""

    def attempt(case: Case) -> str:
        folder = data_set(case.folder / "data")
        config = yaml.safe_load(CONFIG.read_text())
        config["Eval"]["dataset"]["transforms"].insert(2, {name: keys})
        (case.folder / "a.yml").write_text(yaml.safe_dump(config, sort_keys=False))
        ran = case.run("eval", "-c", "a.yml", *overrides(folder))
        return ran.say(rf"a\.yml:\d+.*{name}", 2)

    attempt.__name__ = f"eval_{name}"
    return fault("reports F4", f"{name} in Eval is evaluated as if it were the image")(attempt)


for operator, operator_keys in EVAL_AUGMENTATION.items():
    eval_augmentation(operator, operator_keys)


@fault("reports F6", "None in a YAML: no key, no line")
def none_in_yaml(case: Case) -> str:
    config = case.given("inputs/configs/f6_checkpoints_none.yml")
    ran = case.run("train", "-c", config, "--dry-run")
    return ran.say(r"\.yml:\d+.*checkpoints.*None|checkpoints.*\bNone\b", 2)


def none_by_override(key: str) -> object:
    """Return an attempt with the word None for a path."""

    def attempt(case: Case) -> str:
        ran = case.run("check", "-c", CONFIG, "--samples", 0, "-o", f"{key}=None")
        return ran.say(rf"{key}.*None", 2)

    attempt.__name__ = f"none_{key.rsplit('.', 1)[-1]}"
    return fault("reports F6", f"{key}=None")(attempt)


for path_key in (
    "Global.checkpoints",
    "Global.pretrained_model",
    "Global.save_model_dir",
    "Global.save_inference_dir",
    "Train.dataset.data_dir",
):
    none_by_override(path_key)


def transparent(folder: Path, ink: int) -> Path:
    """Write pages whose text only the alpha channel shows, and their label files."""
    data_set(folder)
    for path in folder.glob("*.png"):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        image = np.full((*grey.shape, 4), ink, np.uint8)
        image[..., 3] = 255 - grey
        cv2.imwrite(str(path), image)
    return folder


@fault("reports F7", "transparent PNGs of black ink: 0 boxes, in silence")
def alpha_black(case: Case) -> str:
    folder = transparent(case.folder / "data", 0)
    ran = case.run("predict", "-c", CONFIG, "--images", folder / "img0.png", "--out", "found")
    counted = (
        json.loads((case.folder / "found" / "boxes.json").read_text())
        if (case.folder / "found" / "boxes.json").exists()
        else None
    )
    if counted is not None and not counted:
        raise WrongError("0 boxes")
    return ran.say("transparen|alpha")


@fault("reports F7", "transparent PNGs of white ink")
def alpha_white(case: Case) -> str:
    folder = transparent(case.folder / "data", 255)
    return case.check(folder).say("image-alpha|transparen")


@fault("reports F7", "a plain page under labels")
def plain_page(case: Case) -> str:
    folder = data_set(case.folder / "data")
    cv2.imwrite(str(folder / "img0.png"), np.full((280, 320, 3), 255, np.uint8))
    return case.check(folder).say("contrast|plain|blank|one colour")


@fault("reports F7", "a PNG that is opaque everywhere")
def alpha_opaque(case: Case) -> str:
    folder = data_set(case.folder / "data")
    for path in folder.glob("*.png"):
        cv2.imwrite(str(path), cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2BGRA))
    ran = case.check(folder)
    ran.silent("alpha|transparen")
    return ran.say("0 errors|no error", 0)


@fault("reports F8", "one of several label files missing: trains on the rest")
def label_file_missing(case: Case) -> str:
    folder = data_set(case.folder / "data")
    return dry_run(case, folder, train=["train.txt", "part2.txt"]).say(r"part2\.txt", 2)


@fault("reports F8", "one of Eval's label files missing")
def eval_label_file_missing(case: Case) -> str:
    folder = data_set(case.folder / "data")
    options = overrides(folder, val=["val.txt", "part2.txt"])
    return case.run("eval", "-c", CONFIG, *options).say(r"part2\.txt", 2)


@fault("reports F9, M1", "PaddleX's YAML: unknown keys, 13 of them not shown")
def paddlex(case: Case) -> str:
    config = case.given("inputs/configs/f9_paddlex.yaml")
    ran = case.run("check", "-c", config)
    ran.silent("more$")
    return ran.say("PaddleX", 2)


@fault("reports F9", "check hides errors")
def all_errors(case: Case) -> str:
    folder = data_set(case.folder / "data")
    lines = "".join(f"gone{number}.png\t{entries()}\n" for number in range(12))
    (folder / "train.txt").write_text(lines)
    ran = case.check(folder)
    hidden = [number for number in range(12) if f"gone{number}.png" not in ran.text]
    if hidden:
        raise WrongError(f"{len(hidden)} of 12 missing images aren't named")
    return ran.say("gone11", 2)


FOREIGN_KEYS = ("Optimizer.base_lr", "Global.output_dir", "Global.device", "Global.is_float16")


@fault("reports M2", "keys that PaddleOCR's documents use elsewhere: no suggestion")
def foreign_keys(case: Case) -> str:
    values = [f"{key}=1" for key in FOREIGN_KEYS]
    ran = case.run("check", "-c", CONFIG, "--no-weights", "-o", *values)
    for key in FOREIGN_KEYS:
        ran.say(rf"{key}.*(use_gpu|learning_rate|save_model_dir|use_amp|amp|known|is )", 2)
    return ran.say(r"base_lr")


@fault("reports M5", "a URL that can't be reached: no key, no remedy")
def unreachable(case: Case) -> str:
    url = "http://127.0.0.1:9/weights.pdparams"
    ran = case.run("eval", "-c", CONFIG, "-o", f"Global.pretrained_model={url}")
    return ran.say(r"Global\.pretrained_model", 2)


@fault("reports M6", "the seal detector's YAML is refused")
def seal(case: Case) -> str:
    config = yaml.safe_load(CONFIG.read_text())
    config["Global"]["model_name"] = "PP-OCRv4_mobile_seal_det"
    config["PostProcess"]["box_type"] = "poly"
    for section in ("Train", "Eval"):
        config[section]["dataset"]["name"] = "TextDetDataset"
    (case.folder / "seal.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    folder = data_set(case.folder / "data")
    ran = case.run(
        "train", "-c", "seal.yml", "--dry-run", *overrides(folder), "Global.save_model_dir=out"
    )
    ran.silent("TextDetDataset")
    return ran.say("", 0) or "loads"


@fault("reports M7", "no estimate of memory")
def memory(case: Case) -> str:
    options = overrides(data_set(case.folder / "data"))
    ran = case.run("check", "-c", CONFIG, "--samples", 0, *options)
    return ran.say("[GM]B of memory")


def foreign_part(section: str, name: str) -> object:
    """Return an attempt with a part of a network that is not known here."""

    def attempt(case: Case) -> str:
        ran = case.run(
            "check", "-c", CONFIG, "--no-weights", "-o", f"Architecture.{section}.name={name}"
        )
        ran.silent("did you mean")
        return ran.say(rf"unknown {section.lower()} '{name}'", 2)

    attempt.__name__ = f"foreign_{name}"
    return fault("reports M8", f"{name} is 'corrected' into another network")(attempt)


for foreign_section, foreign_name in (
    ("Backbone", "PPHGNetV2_B5"),
    ("Backbone", "PPLCNetV5"),
    ("Neck", "LKFPN"),
):
    foreign_part(foreign_section, foreign_name)


@fault("reports M9", "latest.pdstate given as weights")
def state_as_weights(case: Case) -> str:
    (case.folder / "latest.pdstate").write_bytes(b"state")
    ran = case.run("eval", "-c", CONFIG, "-o", "Global.checkpoints=latest.pdstate")
    return ran.say(r"latest\.pdparams", 2)


@fault("reports, last line", "random weights at fine-tuning rates: 0 warnings")
def random_weights(case: Case) -> str:
    folder = data_set(case.folder / "data")
    ran = case.run(
        "check", "-c", CONFIG, "--samples", 0, *overrides(folder), "Global.pretrained_model=null"
    )
    return ran.say("random")


@fault("newcomer F18", "a weights file that is missing: no key")
def weights_key(case: Case) -> str:
    ran = case.run("eval", "-c", CONFIG, "-o", "Global.pretrained_model=/my/w.pdparams")
    return ran.say(
        r"Global\.pretrained_model.*/my/w\.pdparams|/my/w\.pdparams.*Global\.pretrained_model", 2
    )


@fault("issue: milestones", "a milestone that the run never reaches")
def milestone(case: Case) -> str:
    values = (
        "Optimizer.lr={name: MultiStep, learning_rate: 0.001, milestones: [16, 22], gamma: 0.1}",
        "Global.epoch_num=4",
    )
    ran = case.run("check", "-c", CONFIG, "--no-weights", "--samples", 0, "-o", *values)
    return ran.say(r"mileston", 2)


@fault("issue: a fourth PaddleOCR", "its ratio is not told")
def fourth_paddleocr(case: Case) -> str:
    folder = data_set(case.folder / "data")
    operators = ("MakeBorderMap", "MakeShrinkMap")
    values = [f"Train.dataset.transforms.{name}.total_epoch=100" for name in operators]
    return case.check(folder, *values).say("since PP-OCRv6.*constant")


@fault("newcomer F12", "what ends a training is printed first and once more last")
def said_once(case: Case) -> str:
    folder = data_set(case.folder / "data")
    options = [*overrides(folder), "Train.dataset.data_dir=/no/such/folder"]
    label_file(folder / "train.txt", [f"absent{number}.png" for number in range(6)])
    (folder / "train.txt").rename(case.folder / "train.txt")
    options.append(f"Train.dataset.label_file_list=[{case.folder / 'train.txt'}]")
    ran = case.run("train", "-c", CONFIG, *options, "Global.save_model_dir=out")
    times = ran.text.count("/no/such/folder")
    if times != 1:
        raise WrongError(f"the folder is named {times} times")
    return ran.say("correct data_dir", 2)

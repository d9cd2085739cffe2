"""The inputs of ``../shared/faults`` that the other rows make anew, tried as they are."""

from __future__ import annotations

from experiments.faults.case import CONFIG, Case, fault
from experiments.faults.inputs import overrides


@fault("reports F3", "../shared/faults/inputs/good: nothing is wrong with it")
def given_good(case: Case) -> str:
    return case.check(case.given("inputs/good")).say("0 errors", 0)


@fault("reports F2", "../shared/faults/inputs/f2_val_ignored")
def given_val_ignored(case: Case) -> str:
    folder = case.given("inputs/f2_val_ignored")
    for command in ("train", "eval", "find_lr", "fit_postprocess"):
        options = ("-c", CONFIG, *overrides(folder), "Global.save_model_dir=out")
        case.run(command, *options).say(r"val\.txt", 2)
    return case.check(folder).say(r"val\.txt.*ignored", 2)


@fault("reports F4", "../shared/faults/inputs/configs/f4_crop.yml")
def given_crop(case: Case) -> str:
    config, folder = case.given("inputs/configs/f4_crop.yml"), case.given("inputs/good")
    options = overrides(folder)
    case.run("train", "-c", config, "--dry-run", *options).say(r"f4_crop\.yml:\d+.*Crop", 2)
    return case.run("eval", "-c", config, *options).say(r"f4_crop\.yml:\d+.*Crop", 2)


@fault("reports F7", "../shared/faults/inputs/f7_alpha_black")
def given_alpha(case: Case) -> str:
    folder = case.given("inputs/f7_alpha_black")
    images = folder / "img0.png"
    case.run("predict", "-c", CONFIG, "--images", images).say(r"[1-9]\d* box", 0)
    return case.check(folder).say("image-alpha", 0)


@fault("real files F13", "../shared/faults/label_files/16_difficult")
def given_difficult(case: Case) -> str:
    folder = case.given("label_files/16_difficult/imgs")
    return case.convert(folder).say("1 text is marked difficult", 0)

"""The parts of a recording: which commands run on what, and what of them is kept."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from experiments.recording.data import draw_broken_data_set, draw_data_set
from experiments.recording.facts import Facts
from experiments.recording.part import Part

ONE_THREAD = ["Global.cpu_threads=1", "Global.print_batch_step=1"]
FEW_EVAL_IMAGES = "Eval.dataset.ratio_list=0.1"
SMALL_CROPS = [
    "Train.dataset.transforms.ScaledCrop.size=[96,64]",
    "Train.dataset.transforms.ScaledCrop.limit_side_len=160",
]
SMALL_EAST_CROPS = "Train.dataset.transforms.EastRandomCropData.size=[96,96]"
SMALL_EVAL = [
    "Eval.dataset.transforms.DetResizeForTest.limit_side_len=160",
    "Eval.dataset.transforms.DetResizeForTest.limit_type=max",
]
DRAWN_DATA = [
    "Train.dataset.data_dir=good",
    "Train.dataset.label_file_list=[good/train.txt]",
    "Eval.dataset.data_dir=good",
    "Eval.dataset.label_file_list=[good/val.txt]",
]
BROKEN_DATA = [item.replace("good", "broken") for item in DRAWN_DATA]
RAMP = [
    f"Train.dataset.transforms.{operator}.{key}"
    for operator in ("MakeBorderMap", "MakeShrinkMap")
    for key in ("shrink_ratio=0.4", "shrink_ratio_end=0.6")
]
BEST = ("best",)
"""Begins the names of what belongs to the best evaluation. Runs from random weights have none that
is better than another, so these are not kept of them."""


def train(part: Part) -> None:
    """Fine-tune the released weights on the sample data set, 12 steps, and fit."""
    small = ["Global.epoch_num=2", "Train.dataset.ratio_list=0.2", FEW_EVAL_IMAGES]
    often = ["Global.eval_batch_step=[0,6]", "Global.save_epoch_step=2"]
    override = ["Global.save_model_dir=run", *small, *often, *ONE_THREAD]
    part.run("train", "train", "-c", part.config("det_v4_ft"), "-o", *override)
    part.keep("run")


def receipts(part: Part) -> None:
    """Fine-tune the released weights on receipts, 12 steps."""
    for name, count in (("train", 24), ("val", 3)):
        lines = (part.receipts / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        text = "".join(f"{line}\n" for line in lines[:count])
        (part.folder / f"{name}.txt").write_text(text, encoding="utf-8")
    data = [
        f"{section}.dataset.{value}"
        for section, name in (("Train", "train.txt"), ("Eval", "val.txt"))
        for value in (f"data_dir={part.receipts}", f"label_file_list=[{name}]")
    ]
    often = ["Global.eval_batch_step=[0,6]", "Global.epoch_num=2", "Global.fit_postprocess=false"]
    override = ["Global.save_model_dir=run", *data, *often, *ONE_THREAD]
    part.run("train", "train", "-c", part.config("det_v4_ft"), "-o", *override)
    part.keep("run")


def resume(part: Part) -> None:
    """Stop a run part way, go on with it, and do the same without the stop."""
    small = ["Global.epoch_num=2", "Train.dataset.ratio_list=0.2", FEW_EVAL_IMAGES]
    sizes = [
        "Train.dataset.transforms.ScaledCrop.size=[256,128]",
        "Eval.dataset.transforms.DetResizeForTest.limit_side_len=480",
    ]
    often = ["Global.eval_batch_step=[0,4]", "Global.fit_postprocess=false"]
    override = [*small, *sizes, *often, *RAMP, *ONE_THREAD]
    arguments = ["-c", part.config("det_v4_ft"), "-o", *override]
    part.run("whole", "train", *arguments, "Global.save_model_dir=whole")
    part.stop_at("step 5/", "stopped", "train", *arguments, "Global.save_model_dir=resumed")
    part.run("resumed", "train", *arguments, "Global.save_model_dir=resumed", "--resume")
    del part.facts.text["resumed: printed"]  # it begins where the signal met the run
    part.keep("whole")
    resumed = Facts()
    resumed.add_folder("whole", part.folder / "resumed", part.tidy)
    unequal = [
        name
        for name, value in resumed.exact.items()
        if part.facts.exact.get(name) != value and "config.resolved" not in name
    ]
    part.facts.exact["unlike the run without a stop"] = unequal


def evaluate(part: Part) -> None:
    """Evaluate the trained checkpoint, and the released weights."""
    common = ["-c", part.config("det_v4_ft"), "--json", "-o", FEW_EVAL_IMAGES, *ONE_THREAD]
    part.run("trained", "eval", *common, "Global.checkpoints=../train/run/best_accuracy")
    part.run("released", "eval", *common, "PostProcess.score_mode=slow")


def fit_postprocess(part: Part) -> None:
    """Fit the post-processing of the trained checkpoint."""
    grid = ["--resizes", "736:max", "--threshs", "0.3", "0.4", "--folds", "2", "--json"]
    places = ["Global.checkpoints=../train/run/best_accuracy", "Global.save_model_dir=run"]
    override = ["-o", FEW_EVAL_IMAGES, *places, *ONE_THREAD]
    part.run("fit", "fit_postprocess", "-c", part.config("det_v4_ft"), *grid, *override)
    part.keep("run")


def export(part: Part) -> None:
    """Export what was fitted, in both layouts, each with its proof; run the exported program."""
    common = ["-c", "../fit_postprocess/run/fitted.yml", "--parity-images", "2", "-o", *ONE_THREAD]
    part.run("pir", "export", *common, "Global.save_inference_dir=inference", "--onnx")
    part.run("legacy", "export", *common, "Global.save_inference_dir=legacy", "--legacy")
    programs = ["inference/inference.json", "inference/inference.onnx", "legacy/inference.pdmodel"]
    part.run_python("maps", "-m", "experiments.recording.exported_maps", *programs)
    part.keep("inference")
    part.keep("legacy")


def predict(part: Part) -> None:
    """Find boxes by the trained checkpoint and by the exported model."""
    draw_data_set(part.folder / "good")
    images = ["--images", "good/images"]
    trained = ["-o", "Global.checkpoints=../train/run/best_accuracy", *ONE_THREAD]
    part.run(
        "trained", "predict", "-c", part.config("det_v4_ft"), *images, "--out", "found", *trained
    )
    labels = ["--save-label", "exported/Label.txt", "--batch", "4"]
    model = ["--model", "../export/inference"]
    part.run("exported", "predict", *model, *images, "--out", "exported", *labels)
    part.keep("found")
    part.keep("exported")


def check(part: Part) -> None:
    """Check a good and a broken data set, a config of PaddleOCR's, and a broken config."""
    draw_data_set(part.folder / "good")
    draw_broken_data_set(part.folder / "broken")
    shutil.copy(part.root / "experiments" / "recording" / "broken_config.yml", part.folder)
    config = ["-c", part.config("det_v4_ft")]
    fix = [*config, "--json", "--fix", "fixed"]
    part.run("good", "check", *config, "--json", "-o", *DRAWN_DATA, "Global.save_model_dir=run")
    part.run("broken", "check", *config, "-o", *BROKEN_DATA, "Global.save_model_dir=run")
    part.run("broken, fixed", "check", *fix, "-o", *BROKEN_DATA, "Global.save_model_dir=run")
    paddleocr = ["-c", _paddleocr_config(part), "--json", "--no-images", "--no-weights"]
    part.run("PaddleOCR's", "check", *paddleocr, "-o", *DRAWN_DATA)
    part.run("config", "check", "-c", "broken_config.yml")
    places = re.findall(r"broken_config\.yml:\d+", part.facts.text["config: printed"])
    part.facts.exact["config: lines with faults"] = sorted(places)
    part.keep("run")
    part.keep("fixed")


def convert(part: Part) -> None:
    """Convert the drawn labels to two formats and back, and try broken ones."""
    draw_data_set(part.folder / "good")
    draw_broken_data_set(part.folder / "broken")
    good = ["--images", "good"]
    part.run(
        "to coco",
        "convert",
        "--from",
        "ppocr",
        "good/train.txt",
        *good,
        "--to",
        "coco",
        "--out",
        "coco",
    )
    back = ["coco/annotations.json", *good, "--out", "from_coco", "--split", "0.7", "--negatives"]
    part.run("from coco", "convert", "--from", "coco", *back)
    part.run(
        "to icdar",
        "convert",
        "--from",
        "ppocr",
        "good/train.txt",
        *good,
        "--to",
        "icdar",
        "--out",
        "icdar",
    )
    part.run("from icdar", "convert", "--from", "icdar", "icdar", *good, "--out", "from_icdar")
    broken = ["--from", "ppocr", "broken/train.txt", "--images", "broken"]
    part.run("broken", "convert", *broken, "--out", "from_broken")
    part.run("broken, skipped", "convert", *broken, "--out", "skipped", "--skip-bad")
    for folder in ("coco", "from_coco", "icdar", "from_icdar", "from_broken", "skipped"):
        part.keep(folder)


def find_lr(part: Part) -> None:
    """Look for a learning rate, in 20 steps on small crops."""
    draw_data_set(part.folder / "good")
    short = ["--start", "1e-6", "--end", "0.1", "--steps", "20"]
    override = ["-o", *DRAWN_DATA, *SMALL_CROPS, *ONE_THREAD, "Global.save_model_dir=run"]
    part.run("find_lr", "find_lr", "-c", part.config("det_v4_ft"), *short, *override)
    part.keep("run")


def compare(part: Part) -> None:
    """Compare two variants in four steps each."""
    sizes = [
        "Train.dataset.ratio_list=0.12",
        FEW_EVAL_IMAGES,
        "Train.dataset.transforms.ScaledCrop.size=[160,96]",
        "Eval.dataset.transforms.DetResizeForTest.limit_side_len=480",
    ]
    momentum = "momentum: Optimizer.name=Momentum Optimizer.lr.learning_rate=0.003"
    variants = [f"{momentum} Optimizer.clip_norm_global=1", "branches: Global.form=branches"]
    arguments = [item for variant in variants for item in ("--arm", variant)]
    override = ["-o", *sizes, *ONE_THREAD, "Global.save_model_dir=run"]
    config = ["-c", part.config("det_v4_ft"), "--epochs", "1"]
    part.run("compare", "compare", *config, *arguments, *override)
    part.keep("run")


def paddleocr_yaml(part: Part) -> None:
    """Train two steps by a YAML in PaddleOCR's own form, images through two threads."""
    draw_data_set(part.folder / "good")
    short = ["Global.epoch_num=1", "Train.dataset.ratio_list=0.8", "Global.pretrained_model=null"]
    sizes = [*DRAWN_DATA, SMALL_EAST_CROPS, *SMALL_EVAL, "Global.cpu_threads=2"]
    usual = ["Global.print_batch_step=1", "Global.fit_postprocess=false"]
    override = [*short, *sizes, *usual, "Global.save_model_dir=run"]
    part.run("train", "train", "-c", _paddleocr_config(part), "-o", *override)
    part.keep("run", without=BEST)


def networks(part: Part) -> None:
    """Train the other shipped networks two steps from random weights."""
    draw_data_set(part.folder / "good")
    short = ["Global.epoch_num=1", "Train.dataset.ratio_list=0.5", "Global.pretrained_model=null"]
    sizes = [*DRAWN_DATA, SMALL_EAST_CROPS, *SMALL_EVAL, *ONE_THREAD]
    for name in ("det_v3_ft", "det_v4_server_ft"):
        places = [f"Global.save_model_dir={name}", "Global.fit_postprocess=false"]
        override = [*short, *sizes, *places]
        part.run(name, "train", "-c", part.config(name), "-o", *override)
        part.keep(name, without=BEST)


def dry_run(part: Part) -> None:
    """Draw the schedule of a longer run, with parameter groups and a ramp of the shrink ratio."""
    groups = ["Optimizer.param_groups=[no_decay,head_first]", "Global.epoch_num=3"]
    override = ["Global.save_model_dir=run", *groups, *RAMP]
    part.run("dry run", "train", "-c", part.config("det_v4_ft"), "--dry-run", "-o", *override)
    part.keep("run")


def report(part: Part) -> None:
    """Make the page of the finished run again."""
    shutil.copytree(part.folder.parent / "train" / "run", part.folder / "run")
    for name in ("report.html", "results.png"):
        (part.folder / "run" / name).unlink()
    part.run("report", "report", "run")
    names = sorted(path.name for path in (part.folder / "run").iterdir())
    part.facts.exact["run: files"] = names


def two_processes(part: Part) -> None:
    """Train on two processes of the CPU, as Paddle's launcher starts them."""
    draw_data_set(part.folder / "good")
    launch = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", "log"]
    gloo = ["--backend", "gloo"]
    tool = [str(part.root / "tools" / "train.py"), "-c", part.config("det_v4_ft")]
    short = ["Global.epoch_num=1", "Global.fit_postprocess=false", *SMALL_CROPS, *SMALL_EVAL]
    override = ["-o", *DRAWN_DATA, *short, *ONE_THREAD, "Global.save_model_dir=run"]
    part.run_python("train", *launch, *gloo, *tool, *override, "Train.loader.batch_size_per_card=2")
    part.facts.text.pop("train: printed")  # the launcher's own lines, with ports
    part.keep("run", without=BEST)


def _paddleocr_config(part: Part) -> str:
    """Return the YAML in PaddleOCR's form, wherever the tests keep it."""
    return str(next((part.root / "tests").rglob("like_v4_mobile.yml")))


PARTS: Mapping[str, tuple[Callable[[Part], None], Sequence[str]]] = {
    "train": (train, ()),
    "receipts": (receipts, ()),
    "resume": (resume, ()),
    "eval": (evaluate, ("train",)),
    "fit_postprocess": (fit_postprocess, ("train",)),
    "export": (export, ("train", "fit_postprocess")),
    "predict": (predict, ("train", "fit_postprocess", "export")),
    "report": (report, ("train",)),
    "check": (check, ()),
    "convert": (convert, ()),
    "find_lr": (find_lr, ()),
    "compare": (compare, ()),
    "paddleocr_yaml": (paddleocr_yaml, ()),
    "networks": (networks, ()),
    "dry_run": (dry_run, ()),
    "two_processes": (two_processes, ()),
}
"""By name: what runs, and the parts whose files it needs."""


def run_part(name: str, root: Path, work: Path, receipts_folder: Path) -> Facts:
    """Run one part in ``work``/NAME, which is emptied first; return its facts as JSON has them."""
    folder = work / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    part = Part(root, folder, receipts_folder)
    PARTS[name][0](part)
    exact, text = json.loads(json.dumps([part.facts.exact, part.facts.text]))
    return Facts(exact, text)

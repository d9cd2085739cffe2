"""Faults of training runs: what they say, keep, and hand on. Each row trains for some seconds."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from experiments.faults.case import CONFIG, ROOT, Case, Ran, WrongError, fault
from experiments.faults.inputs import data_set, overrides

TRAIN_PY = ROOT / "tools" / "train.py"
SMALL = (
    "Global.eval_batch_epoch=1",
    "Eval.dataset.transforms.DetResizeForTest.limit_side_len=320",
    "Train.loader.batch_size_per_card=4",
    "Global.fit_scale=false",
    "Global.fit_targets=false",
    "Global.interpolate=false",
    "Optimizer.fresh_first=0",
)
"""Three steps of three images are too short for what a longer run is fitted by."""
COLLAPSES = "Optimizer.lr.learning_rate=0.5"


@functools.cache
def trained(*more: str) -> tuple[Path, Ran]:
    """Return the folder of a run of three epochs of three images, and what it printed."""
    folder = Path(tempfile.mkdtemp(prefix="ppocr_ft_run_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    options = overrides(data_set(folder / "data"))
    values = (f"Global.save_model_dir={folder / 'run'}", "Global.epoch_num=3", *SMALL, *more)
    ran = Case(folder).run("train", "-c", CONFIG, *options, *values)
    return folder / "run", ran


@fault("reports F3", "at a tie the untrained start stays the best", slow=True)
def tie(case: Case) -> str:
    _, ran = trained()
    ran.silent(r"best \(step 0\)")
    return ran.say(r"best \(step 3\)", 0)


def no_better(part: str) -> str:
    """Return the sentence about a run that collapsed, in one of its outputs."""
    run, ran = trained(COLLAPSES)
    text = {"terminal": ran.text}.get(part) or (run / part).read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if "starting weights" in line.lower()]
    if not lines:
        raise WrongError(f"{part} does not speak of the starting weights")
    return lines[0][:160]


@fault("newcomer F2a", "the terminal hides that nothing beat the start", slow=True)
def no_better_terminal(case: Case) -> str:
    return no_better("terminal")


@fault("newcomer F2a", "fitted.yml hides it", slow=True)
def no_better_fitted(case: Case) -> str:
    return no_better("fitted.yml")


@fault("newcomer F2c", "the report calls the start fine-tuned", slow=True)
def no_better_report(case: Case) -> str:
    return no_better("report.html")


@fault("newcomer F2d", "the model card tells of a training that did not happen", slow=True)
def no_better_card(case: Case) -> str:
    run, _ = trained(COLLAPSES)
    ran = case.run("export", "-c", run / "fitted.yml", "-o", "Global.save_inference_dir=model")
    card = (case.folder / "model" / "model_card.md").read_text(encoding="utf-8")
    for lie in (", fine-tuned", "AdamW"):
        if lie in card:
            raise WrongError(f"the card says {lie!r}")
    return ran.say("step 0|starting weights", 0)


@fault("issue 1", "export does not say which step it exports", slow=True)
def exported_step(case: Case) -> str:
    run, _ = trained()
    ran = case.run("export", "-c", run / "fitted.yml", "-o", "Global.save_inference_dir=model")
    return ran.say("step 3", 0)


@fault("newcomer F3", "two runs in one folder", slow=True)
def two_runs(case: Case) -> str:
    options = overrides(data_set(case.folder / "data"))
    values = [
        *options,
        f"Global.save_model_dir={case.folder / 'run'}",
        "Global.epoch_num=400",
        *SMALL,
    ]
    first = subprocess.Popen(
        [sys.executable, TRAIN_PY, "-c", CONFIG, *values],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (case.folder / "run" / "metrics.csv").exists() and first.poll() is None:
            time.sleep(0.2)
        second = case.run("train", "-c", CONFIG, *values)
        moved = list((case.folder / "run").glob("earlier_*"))
    finally:
        first.kill()
        first.wait()
    if moved:
        raise WrongError("the first run's files are moved away")
    return second.say(str(first.pid), 2)


@fault("newcomer F9a", "fewer epochs than done", slow=True)
def fewer_epochs(case: Case) -> str:
    run, _ = trained()
    ran = case.run("train", "--resume", run, "-o", "Global.epoch_num=2")
    return ran.say("epoch", 2)


@fault("newcomer F9b", "a finished run goes on", slow=True)
def finished(case: Case) -> str:
    run, _ = trained()
    return case.run("train", "--resume", run).say("finished|complete")


@fault("newcomer F9c", "a changed learning rate bends the schedule without a word", slow=True)
def bent_schedule(case: Case) -> str:
    run, _ = trained()
    ran = case.run(
        "train", "--resume", run, "-o", "Global.epoch_num=6", "Optimizer.lr.learning_rate=0.01"
    )
    ran.say("--force", 2)
    return ran.say("learning_rate")


@fault("newcomer F9d", "--resume of a folder that is not there")
def resume_nothing(case: Case) -> str:
    ran = case.run("train", "--resume", "no_such_folder")
    ran.silent("holds weights only")
    return ran.say("no_such_folder", 2)


@fault("newcomer F9e", "--resume needs -c and all -o again", slow=True)
def resume_alone(case: Case) -> str:
    run, _ = trained()
    ran = case.run("train", "--resume", run, "--force", "-o", "Global.epoch_num=4")
    ran.silent("required")
    return ran.say("step 3|epoch 4", 0)


@fault("newcomer F10", "a Chinese folder name in the pictures", slow=True)
def chinese_name(case: Case) -> str:
    options = overrides(data_set(case.folder / "data"))
    values = (f"Global.save_model_dir={case.folder / '输出 1'}", "Global.epoch_num=1", *SMALL)
    ran = case.run("train", "-c", CONFIG, *options, *values)
    ran.silent("Glyph|UserWarning")
    return ran.say("输出 1", 0)


@fault("newcomer F12", "the final table is wider than the terminal", slow=True)
def narrow_table(case: Case) -> str:
    _, ran = trained()
    table = [line for line in ran.text.splitlines() if line.startswith("|")]
    wide = [line for line in table if len(line) > 80]
    if wide:
        raise WrongError(f"{len(wide[0])} columns: {wide[0]}")
    return ran.say(r"best \(step")


@fault("newcomer F12", "no duration, no next command at the end", slow=True)
def next_commands(case: Case) -> str:
    _, ran = trained()
    ran.say(r"predict")
    ran.say(r"report\.html")
    return ran.say(r"\d+ (s|min)\b")


@fault("newcomer F14", "a fit on one or two images is called proven", slow=True)
def fit_on_few(case: Case) -> str:
    _, ran = trained()
    ran.silent("the fitted values are taken")
    return ran.say("fitted|post-?processing")


@fault("newcomer F16", "the page lacks date, duration, command, machine, next steps", slow=True)
def page_facts(case: Case) -> str:
    run, _ = trained()
    page = (run / "report.html").read_text(encoding="utf-8")
    missing = [part for part in ("predict -c", "export -c", "CPU") if part not in page]
    if missing:
        raise WrongError(f"the page has no {', '.join(missing)}")
    return f"a page of {len(page) / 2**20:.1f} MiB"


@fault("newcomer F18", "'1 steps'", slow=True)
def plurals(case: Case) -> str:
    _, ran = trained()
    ran.silent(r"\b1 (steps|epochs|images|texts|samples|groups|parameters)\b")
    return "no plural of one"

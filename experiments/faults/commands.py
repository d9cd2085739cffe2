"""Faults of the installed program: finding configs, missing packages, predict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
from PIL import Image

from experiments.faults.case import CONFIG, ROOT, Case, Ran, WrongError, fault
from experiments.faults.inputs import data_set, page

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in PACKAGES:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocker())
from ppocr_ft.commands.main import main
sys.exit(main(sys.argv[1:]))
"""


def installed(case: Case, *arguments: object) -> Ran:
    """Run ``python -m ppocr_ft`` in the case's folder."""
    return _python(case, "-m", "ppocr_ft", *arguments)


def without(case: Case, packages: tuple[str, ...], *arguments: object) -> Ran:
    """Run a command where some packages can't be imported."""
    return _python(case, "-c", BLOCKED.replace("PACKAGES", repr(packages)), *arguments)


def _python(case: Case, *arguments: object) -> Ran:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=case.folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout)


@fault("newcomer F7", "python -m ppocr_ft fails; no --version")
def version(case: Case) -> str:
    return installed(case, "--version").say(r"\d+\.\d+\.\d+", 0)


@fault("newcomer F7", "a misspelt command: no 'did you mean'")
def misspelt_command(case: Case) -> str:
    installed(case, "find_lr", "--help").say("find-lr|find_lr")
    return installed(case, "trian").say("did you mean 'train'|did you mean train", 2)


@fault("newcomer F7", "shipped configs aren't found by name")
def config_by_name(case: Case) -> str:
    folder = data_set(case.folder / "data")
    page(folder / "one.png")
    ran = installed(case, "check", "-c", "det_v4_ft.yml", "--no-weights", "--samples", 0)
    ran.silent("no such file|does not exist")
    return ran.say("det_v4_ft", 0)


@fault("newcomer F7", "no way to get the configs")
def init(case: Case) -> str:
    ran = installed(case, "init", "--configs", "mine")
    if not list((case.folder / "mine").rglob("det_v4_ft.yml")):
        raise WrongError("init writes no config")
    return ran.say("det_v4_ft.yml|train", 0)


@fault("newcomer F7", "no Python API")
def api(case: Case) -> str:
    names = ("train", "evaluate", "predict", "export_model", "check")
    code = f"import ppocr_ft; print(*(callable(getattr(ppocr_ft, name)) for name in {names}))"
    return _python(case, "-c", code).say("True True True True True", 0)


@fault("newcomer F8a", "without Paddle: a traceback", slow=True)
def no_paddle(case: Case) -> str:
    for command in ("train", "eval"):
        without(case, ("paddle",), command, "-c", CONFIG).say(
            "paddle.*pip install|pip install.*paddle|cpu", 2
        )
    return without(case, ("paddle",), "predict", "-c", CONFIG, "--images", ".").say(
        "pip install", 2
    )


@fault("newcomer F8b", "outside the environment: a traceback")
def no_package(case: Case) -> str:
    done = subprocess.run(
        [sys.executable, "-S", "-E", ROOT / "tools" / "check.py", "--help"],
        cwd=case.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout).say("pip install", 2)


@fault("newcomer F17", "predict leaves files out without a word")
def left_out(case: Case) -> str:
    folder = case.folder / "scans"
    page(folder / "a.png")
    Image.open(folder / "a.png").save(folder / "b.gif")
    (folder / "c.heic").write_bytes(b"\0\0\0\x18ftypheic")
    ran = case.run("predict", "-c", CONFIG, "--images", folder, "--out", "found")
    if not list((case.folder / "found").rglob("b*")):
        raise WrongError("the GIF is left out")
    return ran.say(r"c\.heic.*JPEG|heic")


@fault("newcomer F17", "predict has no closing line")
def closing_line(case: Case) -> str:
    page(case.folder / "scans" / "a.png")
    ran = case.run("predict", "-c", CONFIG, "--images", "scans", "--out", "found")
    return ran.say(r"1 image.*box", 0)


@fault("reports M3", "brackets of a folder's name are read as a pattern")
def brackets(case: Case) -> str:
    folder = case.folder / "--[1]-bids"
    page(folder / "a.png")
    ran = case.run("predict", "-c", CONFIG, "--images", f"{folder}/*.png", "--out", "found")
    return ran.say(r"1 image|a\.png", 0)


@fault("newcomer F18", "OpenCV's own warnings in the output")
def raw_warnings(case: Case) -> str:
    image = cv2.imread(str(page(case.folder / "scans" / "a.png")), cv2.IMREAD_GRAYSCALE)
    Image.fromarray(image.astype("float32")).save(case.folder / "scans" / "float.tif")
    ran = case.run("predict", "-c", CONFIG, "--images", "scans", "--out", "found")
    ran.silent(r"\[ ?WARN|DecompressionBomb")
    return ran.say(r"float\.tif|images")


@fault("newcomer F13", "the figures of the README are those of another run")
def readme(case: Case) -> str:
    text = Path(ROOT / "README.md").read_text(encoding="utf-8")
    if "make train" not in text:
        raise WrongError("the README does not name the command of its figures")
    return "names the command of its figures (tests/test_readme.py)"

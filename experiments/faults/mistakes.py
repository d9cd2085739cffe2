"""The typical mistakes of a newcomer: each is one clear message and exit code 2, or is understood.

These are the rows of ``../shared/faults/newcomer.md`` D that no other fault and no test of training
(tests/commands/train) tries.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import yaml
from PIL import Image

from experiments.faults.case import CONFIG, Case, Ran, fault
from experiments.faults.inputs import LINES, data_set, entries, label_file

Change = Callable[[Path], object]
SOURCE = "newcomer D"


def mistake(title: str, name: str, attempt: Callable[[Case], str]) -> None:
    """Enter an attempt under a name."""
    attempt.__name__ = f"mistake_{name}"
    fault(SOURCE, title)(attempt)


def given(title: str, name: str, pattern: str, *values: str, code: int = 2) -> None:
    """Enter a mistake in values of ``-o``."""

    def attempt(case: Case) -> str:
        ran = case.check(data_set(case.folder / "data"), *values)
        return ran.say(pattern, code)

    mistake(title, name, attempt)


def in_the_data(title: str, name: str, pattern: str, change: Change, code: int = 2) -> None:
    """Enter a mistake in a data set, which ``change`` makes in its folder."""

    def attempt(case: Case) -> str:
        folder = data_set(case.folder / "data")
        change(folder)
        return case.check(folder).say(pattern, code)

    mistake(title, name, attempt)


def in_the_yaml(title: str, name: str, pattern: str, old: str, new: str) -> None:
    """Enter a mistake in a YAML, of the shipped one with a text replaced."""

    def attempt(case: Case) -> str:
        text = CONFIG.read_text(encoding="utf-8")
        assert old in text, old
        (case.folder / "my.yml").write_text(text.replace(old, new, 1), encoding="utf-8")
        return case.run("check", "-c", "my.yml", "--no-weights", "--samples", 0).say(pattern, 2)

    mistake(title, name, attempt)


def as_config(name: str, make: Change, pattern: str) -> None:
    """Enter another thing given as a config; ``make`` writes it to a path."""

    def attempt(case: Case) -> str:
        make(case.folder / name)
        ran = case.run("train", "-c", name)
        words = ran.say(pattern, 2)
        return one_line(ran) or words

    mistake(f"-c {name}", f"config_{Path(name).stem}", attempt)


def one_line(ran: Ran) -> str:
    """Return the one line that was printed, of more than one ""."""
    lines = ran.text.strip().splitlines()
    return lines[0] if len(lines) == 1 else ""


def photo(path: Path) -> None:
    cv2.imwrite(str(path), np.full((20, 20, 3), 255, np.uint8))


as_config("none.yml", lambda path: None, r"none\.yml.*no such file")
as_config("folder", Path.mkdir, "folder")
as_config("photo.jpg", photo, r"photo\.jpg")
as_config("empty.yml", Path.touch, r"empty\.yml.*(empty|mapping|no )")
as_config("text.txt", lambda path: path.write_text("hello", encoding="utf-8"), r"text\.txt")

RATE = "Optimizer.lr.learning_rate"
for word, name in (("fast", "word"), ("'\"0.001\"'", "quotes"), ("0,0005", "comma"),
                   ("-1", "negative"), ("abc/2", "fraction")):  # fmt: skip
    given(f"{RATE}={word}", f"rate_{name}", RATE.replace(".", r"\."), f"{RATE}={word}")
for word, name in (("1e-4", "small"), ("1E-4", "capital"), (".0005", "dot")):
    given(f"{RATE}={word} is understood", f"rate_{name}", "0 errors|no error", f"{RATE}={word}",
          code=0)  # fmt: skip
for key, words in {
    "Global.epoch_num": ("0", "-1", "2.5"),
    "PostProcess.unclip_ratio": ("0", "-1"),
    "Train.loader.batch_size_per_card": ("0",),
    "Global.use_gpu": ("maybe", "'\"false\"'"),
}.items():
    for word in words:
        last = key.rpartition(".")[2]
        plain = "".join(letter for letter in word if letter.isalnum()) + "minus" * ("-" in word)
        given(f"{key}={word}", f"{last}_{plain}", rf"{last}", f"{key}={word}")
for word in ("False", "yes"):
    given(f"Global.use_gpu={word} is understood", f"use_gpu_{word}", "0 errors|no error",
          f"Global.use_gpu={word}", code=0)  # fmt: skip
given("-o without =", "without_equals", "Global.epoch_num", "Global.epoch_num")
given("a misspelt key", "key", "did you mean.*epoch_num", "Global.epoch_nun=3")
given("a misspelt section", "section", "did you mean.*Global", "Globl.epoch_num=3")
given("a list with blanks", "blanks", "0 errors|no error",
      "Train.loader.batch_size_per_card= 2", code=0)  # fmt: skip
given("more images a step than there are", "batch", "batch", "Train.loader.batch_size_per_card=64",
      "Train.loader.drop_last=true")  # fmt: skip
given("unequal shrink ratios", "ratios", "shrink_ratio",
      "Train.dataset.transforms.MakeShrinkMap.shrink_ratio=0.4",
      "Train.dataset.transforms.MakeBorderMap.shrink_ratio=0.6")  # fmt: skip
given("label_file_list is a name", "list", "0 errors|no error",
      "Eval.dataset.label_file_list=data/val.txt", code=0)  # fmt: skip

in_the_yaml("a misspelt operator", "operator", r"my\.yml:\d+.*did you mean", "- MakeShrinkMap",
            "- MakeShrinkMpa")  # fmt: skip
in_the_yaml("a tab", "tab", r"my\.yml:\d+.*tab", "Global:\n  ", "Global:\n\t")
in_the_yaml("a key twice", "twice", r"my\.yml:\d+.*(twice|again|already)", "Global:\n",
            "Global:\n  seed: 1\n  seed: 2\n")  # fmt: skip


def three_in_one(case: Case) -> str:
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["Global"]["epoch_nun"] = config["Optimizer"]["nmae"] = 1
    config["PostProcess"]["unclip"] = 2
    (case.folder / "my.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    ran = case.run("check", "-c", "my.yml", "--no-weights", "--samples", 0)
    for word in ("epoch_nun", "nmae"):
        ran.say(rf"my\.yml:\d+.*{word}.*did you mean", 2)
    return ran.say(r"my\.yml:\d+.*unclip", 2)


mistake("three mistakes in one YAML are said at once", "three", three_in_one)


def relabel(folder: Path, text: bytes) -> None:
    (folder / "train.txt").write_bytes(text)


LINE = f"img0.png\t{entries()}\n"
in_the_data(
    "an image of 0 bytes", "image_empty", r"img0\.png", lambda f: (f / "img0.png").write_bytes(b"")
)
in_the_data("GBK", "gbk", r"train\.txt.*(UTF-8|GB)",
            lambda f: relabel(f, LINE.replace("line 0", "行").encode("gbk")))  # fmt: skip
in_the_data(
    "UTF-16", "utf16", r"train\.txt.*(UTF-16|UTF-8)", lambda f: relabel(f, LINE.encode("utf-16"))
)
in_the_data("an empty label file", "label_empty", r"train\.txt", lambda f: relabel(f, b""))
in_the_data("blanks for a tab", "label_blanks", r"train\.txt.*(tab|delimiter)",
            lambda f: relabel(f, LINE.replace("\t", "    ").encode()))  # fmt: skip
in_the_data("a byte order mark and CRLF are read", "bom", "0 errors",
            lambda f: relabel(f, LINE.replace("\n", "\r\n").encode("utf-8-sig")),
            code=0)  # fmt: skip
in_the_data("train is val", "leak", "also in|both|leak",
            lambda f: label_file(f / "val.txt", ["img0.png"]), code=0)  # fmt: skip
in_the_data("backslashes are read", "backslash", "0 errors",
            lambda f: relabel(f, (r"..\data" + "\\" + LINE).encode()), code=0)  # fmt: skip


def image_kinds(case: Case) -> str:
    """16 bit, grey, RGBA, palette, 1 bit, CMYK; GIF, WebP, TIFF, BMP."""
    folder = case.folder / "data"
    data_set(folder)
    whole = Image.open(folder / "img0.png").convert("RGB")
    modes = {"grey.png": "L", "rgba.png": "RGBA", "palette.png": "P", "bit.png": "1"}
    modes |= {"cmyk.jpg": "CMYK", "a.gif": "P", "a.webp": "RGB", "a.tiff": "RGB", "a.bmp": "RGB"}
    for name, mode in modes.items():
        whole.convert(mode).save(folder / name)
    deep = np.asarray(whole.convert("L"), np.uint16) * 257
    cv2.imwrite(str(folder / "deep.png"), deep)
    label_file(folder / "train.txt", [*modes, "deep.png"])
    ran = case.check(folder)
    ran.silent("can't be|cannot be|decode")
    return ran.say("0 errors", 0)


mistake("all usual kinds of images are read", "kinds", image_kinds)


def heic(case: Case) -> str:
    folder = data_set(case.folder / "data")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    label_file(folder / "train.txt", ["phone.heic", "img0.png"])
    return case.check(folder).say(r"HEIC|JPEG", 2)


mistake("an iPhone's HEIC: what to convert it to", "heic", heic)


def predicted(title: str, name: str, pattern: str, *words: object) -> None:
    def attempt(case: Case) -> str:
        (case.folder / "empty").mkdir()
        return case.run("predict", *words).say(pattern, 2)

    mistake(title, f"predict_{name}", attempt)


def refused_by_the_parser(case: Case) -> str:
    return case.run("predict", "--images", "x").say("-c FILE or --model", 2)


predicted("predict: no such folder", "folder", "absent", "-c", CONFIG, "--images", "absent")
predicted("predict: no image in the folder", "none", "no image", "-c", CONFIG, "--images", "empty")
predicted("predict: a wrong --model", "model", "absent", "--model", "absent", "--images", "empty")
mistake("predict: neither -c nor --model", "predict_neither", refused_by_the_parser)


def exif(case: Case) -> str:
    """Labels on the picture as it is stored, the phone turned it."""
    folder = data_set(case.folder / "data")
    whole = Image.open(folder / "img0.png").convert("RGB")
    turned = Image.Exif()
    turned[0x0112] = 6
    whole.save(folder / "turned.jpg", exif=turned)
    texts = [{"transcription": "a", "points": points} for points in LINES]
    relabel(folder, f"turned.jpg\t{json.dumps(texts)}\n".encode())
    return case.check(folder).say("turned.*EXIF|EXIF.*turn", 0)


mistake("a photo that its EXIF turns", "exif", exif)

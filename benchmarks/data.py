"""The reading chain's time an image, beside that of the real PaddleOCR 2.10.0 in the same run.

Usage: python -m benchmarks.data. One thread, CPU time; every image is read
several times by turns with the same seeds, the best counts. The map operators, which have a
bench of their own, are left out. PaddleOCR's IaaAugment needs albumentations; where that is not
installed, the bare OpenCV calls that it would make stand in for it (which is faster than it is).
"""

from __future__ import annotations

import functools
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ppocr_ft.data.labels import LabelEntry, read_label_file
from ppocr_ft.transforms.crops import EastRandomCropData, ScaledCrop
from ppocr_ft.transforms.geometric import IaaAugment
from ppocr_ft.transforms.image_ops import DecodeImage, NormalizeImage, ToCHWImage
from ppocr_ft.transforms.labels import DetLabelEncode
from ppocr_ft.transforms.pipeline import Pipeline
from ppocr_ft.transforms.resize import DetResizeForTest
from tests.support.paddleocr_wheels import operator_module
from tests.support.pictures import paddleocr_class
from tests.support.samples import SHARED

PEER = "2.10.0"
IMAGES = 40
ROUNDS = 5
CROP_PX = (640, 640)
LIMIT: dict[str, Any] = {"limit_side_len": 960, "limit_type": "max"}
Step = Callable[[dict[str, Any]], dict[str, Any]]


class BareAugment:
    """What IaaAugment's three default steps cost in OpenCV alone."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        image, rng = data["image"], data["rng"]
        h, w = image.shape[:2]
        if rng.random() < 0.5:
            image = cv2.flip(image, 1)
        turn = cv2.getRotationMatrix2D((w / 2, h / 2), rng.uniform(-10, 10), 1.0)
        scale = rng.uniform(0.5, 3)
        image = cv2.warpAffine(image, turn, (w, h))
        data["image"] = cv2.resize(image, (int(w * scale), int(h * scale)))
        data["polys"] = data["polys"] * scale
        return data


class Choice:
    """``numpy.random.choice``, but an array of one is a number: numpy 2.4 makes no int of it."""

    def __init__(self) -> None:
        self._choice = np.random.choice

    def __call__(self, values: Any, size: int | None = None) -> Any:
        return self._choice(values, None if size == 1 else size)


def their_augment() -> tuple[str, Step]:
    try:
        return "albumentations", operator_module(PEER, "iaa_augment").IaaAugment()
    except ImportError:
        return "OpenCV calls for IaaAugment", BareAugment()


def their_chain(train: bool) -> list[Step]:
    operators = operator_module(PEER, "operators")
    labels = {"np": np, "json": json, "get_logger": None}
    load: list[Step] = [
        operators.DecodeImage(img_mode="BGR"),
        paddleocr_class(PEER, "DetLabelEncode", "label_ops.py", labels)(),
    ]
    crop = operator_module(PEER, "random_crop_data").EastRandomCropData
    whole = operators.DetResizeForTest(**LIMIT)
    middle = [their_augment()[1], crop(size=CROP_PX, max_tries=50)] if train else [whole]
    return [*load, *middle, operators.NormalizeImage(order="hwc"), operators.ToCHWImage()]


def our_chain(*middle: Step) -> list[Step]:
    load: list[Step] = [DecodeImage("BGR"), DetLabelEncode()]
    return [*load, *middle, NormalizeImage(order="hwc"), ToCHWImage()]


def run(chain: Step, data: dict[str, Any], seed: int) -> float:
    """CPU ms of one image."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  PaddleOCR's generator
    data["rng"] = np.random.default_rng(seed)
    start = time.thread_time()
    np.ascontiguousarray(chain(data)["image"])  # as putting a batch together does
    return (time.thread_time() - start) * 1e3


def one_after_the_other(steps: Sequence[Step], data: dict[str, Any]) -> dict[str, Any]:
    return functools.reduce(lambda so_far, step: step(so_far), steps, data)


def their_data(entry: LabelEntry, line: str) -> dict[str, Any]:
    return {"image": Path(entry.images[0]).read_bytes(), "label": line}


def our_data(entry: LabelEntry, line: str) -> dict[str, Any]:
    return {"image": Path(entry.images[0]).read_bytes(), "label": entry.texts}


def measure(chains: dict[str, tuple[Step, Any]]) -> dict[str, float]:
    """Return the mean over images of the best time, ms."""
    label_file = SHARED / "data" / "receipts" / "train.txt"
    lines = [line.split("\t", 1)[1] for line in label_file.read_text(encoding="utf-8").splitlines()]
    entries = read_label_file(label_file, label_file.parent).entries[:IMAGES]
    best = {who: np.full(len(entries), np.inf) for who in chains}
    for _ in range(ROUNDS):
        for i, (entry, line) in enumerate(zip(entries, lines, strict=False)):
            for who, (chain, data) in chains.items():
                best[who][i] = min(best[who][i], run(chain, data(entry, line), seed=i))
    return {who: float(times.mean()) for who, times in best.items()}


def print_table(title: str, means: dict[str, float]) -> None:
    print(f"\n{title}\n| chain | ms an image | times faster |\n|---|---|---|")
    theirs = next(iter(means.values()))
    for who, mean in means.items():
        print(f"| {who} | {mean:.2f} | {theirs / mean:.2f} |")


def main() -> None:
    cv2.setNumThreads(1)
    if not (SHARED / "data" / "receipts").is_dir():
        print("no shared receipts here: nothing to read")
        return
    np.random.choice = Choice()  # type: ignore[assignment]
    augment, _ = their_augment()
    crop = EastRandomCropData(CROP_PX, max_tries=50)
    scaled = ScaledCrop(CROP_PX, scale_range=(0.8, 1.25), **LIMIT)
    whole = DetResizeForTest(**LIMIT)
    decode = measure({"decode": (our_chain()[0], our_data)})["decode"]
    print(f"{IMAGES} receipts; decoding alone takes {decode:.2f} ms an image in either chain")

    def theirs(train: bool) -> tuple[Step, Any]:
        return functools.partial(one_after_the_other, their_chain(train)), their_data

    training = {
        f"PaddleOCR {PEER} ({augment})": theirs(True),
        "ppocr_ft, the same operators": (Pipeline(our_chain(IaaAugment(), crop)), our_data),
        "ppocr_ft, ScaledCrop": (Pipeline(our_chain(IaaAugment(), scaled)), our_data),
    }
    print_table(f"Training: decode, IaaAugment, crop to {CROP_PX}, normalise", measure(training))
    evaluation = {
        f"PaddleOCR {PEER}": theirs(False),
        "ppocr_ft": (Pipeline(our_chain(whole)), our_data),
    }
    print_table("Evaluation: decode, longest side 960 px, normalise", measure(evaluation))


if __name__ == "__main__":
    main()

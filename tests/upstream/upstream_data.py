"""A made-up data set in PaddleOCR's form, its YAML, and the maps that it must yield."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ppocr_ft import EpochClock, MakeBorderMap, MakeShrinkMap
from tests.support.samples import quad, sample

MAPS = ("threshold_map", "threshold_mask", "shrink_map", "shrink_mask")
SHAPE = (96, 128)
TOTAL_EPOCHS = 4
GREY_STEP = 20
Maps = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Texts:
    polys: np.ndarray
    ignored: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """The i-th image is plain grey of level ``i * GREY_STEP``, by which a batch tells it."""

    folder: Path
    texts: list[Texts]

    @property
    def label_file(self) -> Path:
        return self.folder / "labels.txt"


def make_dataset(folder: Path, images: int = 6) -> Dataset:
    rng = np.random.default_rng(7)
    texts = [random_texts(rng) for _ in range(images)]
    lines = []
    for i, text in enumerate(texts):
        grey = np.full((*SHAPE, 3), i * GREY_STEP, np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), grey)
        lines.append(f"{i}.png\t{json.dumps(label(text))}\n")
    dataset = Dataset(folder, texts)
    dataset.label_file.write_text("".join(lines), encoding="utf-8")
    return dataset


def random_texts(rng: np.random.Generator) -> Texts:
    """Four texts within the image, large enough for each ratio to leave another kernel."""
    found: list[np.ndarray] = []
    while len(found) < 4:
        polygon = quad(rng, SHAPE).round().astype(np.float32)
        inside = (polygon >= 0).all() and (polygon < SHAPE[::-1]).all()
        if inside and np.ptp(polygon, axis=0).min() > 16:
            found.append(polygon)
    return Texts(np.stack(found), np.array([False, False, False, True]))


def label(texts: Texts) -> list[dict[str, Any]]:
    pairs = zip(texts.polys.tolist(), texts.ignored, strict=True)
    return [{"points": points, "transcription": "###" if i else "text"} for points, i in pairs]


def yaml_config(
    dataset: Dataset,
    *,
    workers: int = 0,
    ratio_list: list[float] | None = None,
    pair: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What PaddleOCR's ``load_config`` makes of a detector's YAML.

    ``pair`` are the keys of both map operators beside the shipped ones.
    """
    shared = {"shrink_ratio": 0.4, **({"total_epoch": TOTAL_EPOCHS} if pair is None else pair)}
    source = {
        "name": "SimpleDataSet",
        "data_dir": str(dataset.folder),
        "label_file_list": [str(dataset.label_file)],
    }
    maps = [
        {"MakeBorderMap": {**shared, "thresh_min": 0.3, "thresh_max": 0.7}},
        {"MakeShrinkMap": {**shared, "min_text_size": 8}},
    ]
    train = {**source, "ratio_list": ratio_list or [1.0]}
    train["transforms"] = [*_decode(), *maps, *_to_tensor(["image", *MAPS])]
    test = {**source, "transforms": [*_decode(), {"DetResizeForTest": None}]}
    test["transforms"] += _to_tensor(["image", "shape", "polys", "ignore_tags"])
    loader = {"drop_last": False, "num_workers": workers}
    return {
        "Global": {"epoch_num": TOTAL_EPOCHS, "use_gpu": False, "distributed": False},
        "Train": {
            "dataset": train,
            "loader": {**loader, "shuffle": True, "batch_size_per_card": 2},
        },
        "Eval": {
            "dataset": test,
            "loader": {**loader, "shuffle": False, "batch_size_per_card": 1},
        },
    }


def _decode() -> list[dict[str, Any]]:
    image = {"img_mode": "BGR", "channel_first": False}
    return [{"DecodeImage": image}, {"DetLabelEncode": None}]


def _to_tensor(keep: list[str]) -> list[dict[str, Any]]:
    unit = {"scale": "1./255.", "mean": [0, 0, 0], "std": [1, 1, 1], "order": "hwc"}
    return [{"NormalizeImage": unit}, {"ToCHWImage": None}, {"KeepKeys": {"keep_keys": keep}}]


def ratio_at(epoch: int) -> float:
    """What the shipped ``total_epoch`` asks for."""
    return 0.4 + 0.2 * min(epoch / TOTAL_EPOCHS, 1)


def maps_at(ratio: float, texts: Texts, shape: tuple[int, int] = SHAPE) -> Maps:
    clock = EpochClock()
    border, shrink = (
        made(shrink_ratio=ratio, clock=clock) for made in (MakeBorderMap, MakeShrinkMap)
    )
    return shrink(border(sample(texts.polys.copy(), shape, texts.ignored)))


def images_of(batches: Iterable[Any]) -> list[tuple[int, Maps]]:
    """Which image each sample of the batches is, and its maps."""
    found = []
    for batch in batches:
        pixels, *maps = (np.asarray(item) for item in batch)
        for i in range(len(pixels)):
            number = round(float(pixels[i].mean()) * 255 / GREY_STEP)
            found.append((number, dict(zip(MAPS, (m[i] for m in maps), strict=True))))
    return found


def assert_ratio(batches: Iterable[Any], dataset: Dataset, ratio: float) -> int:
    """Every sample has exactly the maps of this ratio; how many samples there were."""
    images = images_of(batches)
    for number, maps in images:
        wanted = maps_at(ratio, dataset.texts[number])
        for name in MAPS:
            np.testing.assert_array_equal(maps[name], wanted[name], f"{name} of image {number}")
    return len(images)

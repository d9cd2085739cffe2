"""Seeded samples for the map operators, and the places of real ones."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.data.sample_set import SAMPLE

SHARED = Path(__file__).parents[3] / "shared"


def shared_data(*parts: str) -> Path:
    """A file of the shared data; skips the test, saying so, where it is absent."""
    path = SHARED.joinpath("data", *parts)
    if not path.exists():
        pytest.skip(f"no shared data here: {'/'.join(('data', *parts))}")
    return path


def pictures_of(name: str) -> Path:
    """A folder of labelled pictures: ``sample``, which comes with the package, or shared data."""
    return SAMPLE.data_dir if name == "sample" else shared_data(name)


def sample(polys: Any, shape: tuple[int, int], ignored: Any = None) -> dict[str, Any]:
    """PaddleOCR's data dict, as it reaches the map operators."""
    flags = np.zeros(len(polys), bool) if ignored is None else np.array(ignored, bool)
    return {"image": np.zeros((*shape, 3), np.uint8), "polys": polys, "ignore_tags": flags}


@dataclass(frozen=True)
class RandomSample:
    polys: np.ndarray
    ignored: np.ndarray
    shape: tuple[int, int]


def quad(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A rotated and slightly skewed rectangle that may reach over the border."""
    h, w = shape
    width, height = rng.uniform(3, w), rng.uniform(2, h / 2)
    angle = rng.choice([0.0, rng.uniform(-0.3, 0.3), rng.uniform(-np.pi, np.pi)])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    center = rng.uniform((0, 0), (w, h))
    return corners @ turn + center + rng.normal(0, rng.choice([0, 1.5]), (4, 2))


def curve(rng: np.random.Generator, shape: tuple[int, int], points: int) -> np.ndarray:
    """A bent text of ``points`` points, half of them along each side."""
    h, w = shape
    half = points // 2
    along = np.linspace(0, 1, half)
    length, bend, height = rng.uniform(10, w), rng.uniform(-h / 4, h / 4), rng.uniform(4, h / 4)
    top = np.stack([along * length, bend * np.sin(along * np.pi)], axis=1)
    bottom = (top + np.array([0, height]))[::-1]
    return np.concatenate([top, bottom]) + rng.uniform((-w / 4, 0), (w / 2, h))


def random_sample(seed: int) -> RandomSample:
    """Quads of all sizes and turns, or bent texts of 6 to 14 points, overlapping at will."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(32, 140)), int(rng.integers(32, 140)))
    count = int(rng.integers(1, 8))
    points = int(rng.choice([4, 4, 4, 6, 8, 10, 14]))
    made: list[np.ndarray] = []
    while len(made) < count:
        polygon = quad(rng, shape) if points == 4 else curve(rng, shape, points)
        if (polygon.max(axis=0) > 1).all() and (polygon.min(axis=0) < np.array(shape)[::-1]).all():
            made.append(polygon)
    polys = np.stack(made).astype(np.float32)
    if rng.random() < 0.3:
        polys = np.round(polys)
    return RandomSample(polys, rng.random(count) < 0.15, shape)


def read_labels(
    folder: Path, name: str
) -> Iterator[tuple[tuple[int, int], list[np.ndarray], list[bool]]]:
    """Image size, polygons and ignore flags of every line of a PaddleOCR label file."""
    for line in (folder / name).read_text(encoding="utf-8").splitlines():
        file, label = line.split("\t", 1)
        image = cv2.imread(os.fspath(folder / file))
        texts = json.loads(label)
        polys = [np.array(text["points"], np.float32) for text in texts]
        yield image.shape[:2], polys, [text["transcription"] in ("*", "###") for text in texts]

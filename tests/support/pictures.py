"""Small pictures and data sets for the tests of the data part."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ppocr_ft.transforms.geometric import move
from tests.support.paddleocr_wheels import wheel_dir

DOT_SIGMA_PX = 2.5


def dots(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A black picture of (width, height) with a soft white dot about each point (n, 2).

    Pixel (i, j) covers [j, j + 1) x [i, i + 1), so its middle lies half a pixel on.
    """
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    picture = np.zeros(size[::-1])
    for px, py in points:
        squared = (x - px) ** 2 + (y - py) ** 2
        picture = np.maximum(picture, 255 * np.exp(-squared / (2 * DOT_SIGMA_PX**2)))
    return np.repeat(np.round(picture)[..., np.newaxis], 3, axis=2).astype(np.uint8)


def find_dots(image: np.ndarray) -> np.ndarray:
    """The dots' middles (n, 2), in the same coordinates, dots cut by the border left out."""
    grey = image[..., 0].astype(np.float64)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((grey > 12).astype(np.uint8))
    h, w = grey.shape
    found = []
    for i in range(1, count):
        left, top, width, height, _ = stats[i]
        if left == 0 or top == 0 or left + width == w or top + height == h:
            continue
        rows, columns = np.nonzero(labels == i)
        weights = grey[rows, columns]
        found.append(np.average(np.stack([columns, rows], axis=1) + 0.5, axis=0, weights=weights))
    return np.array(found).reshape(-1, 2)


def quads(rows: int = 3, columns: int = 2, seed: int = 0) -> list[np.ndarray]:
    """Slightly turned quads in a grid of 130 x 70 px cells, corners at least 18 px apart."""
    rng = np.random.default_rng(seed)
    made = []
    for row in range(rows):
        for column in range(columns):
            corner = np.array([130 * column + 20, 70 * row + 18]) + rng.uniform(0, 8, 2)
            box = np.array([[0, 0], [80, 0], [80, 26], [0, 26]])
            made.append((corner + box + rng.uniform(-3, 3, (4, 2))).astype(np.float32))
    return made


def page(polys: Sequence[np.ndarray], size: tuple[int, int] = (300, 230)) -> dict[str, Any]:
    """Operator data: a picture with a dot at every corner, and its texts."""
    points = np.concatenate(polys) if len(polys) else np.empty((0, 2))
    return {
        "image": dots(points, size),
        "polys": [poly.copy() for poly in polys],
        "texts": [f"text {i}" for i in range(len(polys))],
        "ignore_tags": np.zeros(len(polys), bool),
        "img_mode": "BGR",
    }


def run(operators: Sequence[Any], data: dict[str, Any], seed: int) -> dict[str, Any]:
    """Geometric operators one after the other, with a generator of this seed."""
    return move(operators, {**data, "rng": np.random.default_rng(seed)})


def gradient(width: int, height: int) -> np.ndarray:
    """A picture without repetition, so that a wrong place shows."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    waves = 127 + 127 * np.sin(x / 9) * np.cos(y / 7)
    return np.stack([x, y, waves], axis=2).astype(np.uint8)


def text(transcription: str, x: float, y: float, w: float = 40, h: float = 12) -> dict[str, Any]:
    points = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
    return {"transcription": transcription, "points": points}


def write_set(folder: Path, images: Mapping[str, Sequence[dict[str, Any]]]) -> Path:
    """A data set of 120 x 90 px pictures; returns its label file."""
    lines = []
    for name, texts in images.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), gradient(120, 90))
        lines.append(f"{name}\t{json.dumps(list(texts))}\n")
    label_file = folder / "label.txt"
    label_file.write_text("".join(lines), encoding="utf-8")
    return label_file


def noise(seed: int, size: tuple[int, int] = (120, 90)) -> np.ndarray:
    """A picture (h, w, 3) of coarse patches that is like no other one."""
    patches = np.random.default_rng(seed).integers(0, 255, (9, 9, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(patches, size, interpolation=cv2.INTER_CUBIC))


def write_different(folder: Path, images: int) -> None:
    """Make the pictures ``0.png`` ... of a data set differ."""
    for seed in range(images):
        cv2.imwrite(str(folder / f"{seed}.png"), noise(seed))


def paddleocr_class(version: str, name: str, file: str, namespace: dict[str, Any]) -> Any:
    """One class out of a wheel's file that can't be imported whole (it wants all of PaddleOCR)."""
    path = wheel_dir(version) / "paddleocr" / "ppocr" / "data" / "imaug" / file
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wanted = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    exec(compile(ast.Module(wanted, []), str(path), "exec"), namespace)
    return namespace[name]

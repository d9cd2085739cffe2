"""The small data sets that a recording draws for itself: a good one and a broken one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX = 240, 160
TRAIN, EVAL = 14, 4
Label = tuple[str, list[dict[str, Any]]]


def draw_data_set(folder: Path) -> Path:
    """Write ``train.txt``, ``val.txt`` and ``images/*.png`` without a fault; return the folder."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(7)
    for name, count in (("train", TRAIN), ("val", EVAL)):
        labels = [_draw_image(folder, f"images/{name}_{i}.png", rng) for i in range(count)]
        _write_labels(folder / f"{name}.txt", [_line(label) for label in labels])
    return folder


def draw_broken_data_set(folder: Path) -> Path:
    """Write the good data set with one fault in each of its training lines; return the folder."""
    draw_data_set(folder)
    lines = (folder / "train.txt").read_text(encoding="utf-8").splitlines()
    labels = [(image, json.loads(texts)) for image, texts in (line.split("\t") for line in lines)]
    _break_points(labels)
    _break_texts(labels)
    broken = [_line(label) for label in labels]
    broken[9] = broken[9].replace(b".png", b"_gone.png", 1)
    broken[10] = broken[10][:-5]
    broken[11] = broken[11].replace(b"\t", b" ", 1)
    broken[12] = broken[12].replace(b': "', b': "\xb5\xe7', 1)
    (folder / labels[13][0]).write_bytes(b"no picture")
    _write_labels(folder / "train.txt", [*broken, broken[0]])
    leaked = (folder / "val.txt").read_bytes().splitlines()
    _write_labels(folder / "val.txt", [*leaked, _line(labels[6])])
    return folder


def _break_points(labels: list[Label]) -> None:
    """Break the outline of the first text of lines 1 to 6, each in another way."""
    texts = [texts[0] for _, texts in labels[:6]]
    texts[0]["points"] = texts[0]["points"][::-1]
    texts[1]["points"] = texts[1]["points"][:2]
    texts[2]["points"] = [[x + WIDTH_PX - 20, y] for x, y in texts[2]["points"]]
    texts[3]["points"] = [texts[3]["points"][i] for i in (0, 2, 1, 3)]
    texts[4]["points"] = [["a", "b"]] * 4
    texts[5]["points"] = [texts[5]["points"][0]] * 4


def _break_texts(labels: list[Label]) -> None:
    """Repeat a text in line 7, take the transcription from one of line 8, the points in line 9."""
    labels[6][1].append(dict(labels[6][1][0]))
    del labels[7][1][0]["transcription"]
    del labels[8][1][0]["points"]


def _draw_image(folder: Path, name: str, rng: np.random.Generator) -> Label:
    """Draw a few lines of text on a shaded ground with noise."""
    shade = np.linspace(rng.integers(90, 140), rng.integers(170, 230), WIDTH_PX)
    noise = rng.normal(0, 6, (HEIGHT_PX, WIDTH_PX, 3))
    picture = np.clip(shade[None, :, None] + noise, 0, 255).astype(np.uint8)
    tops = range(12, HEIGHT_PX - 40, 36)
    texts = [_draw_text(picture, top, rng) for top in list(tops)[: rng.integers(2, 5)]]
    cv2.imwrite(str(folder / name), picture)
    return name, texts


def _draw_text(picture: NDArray[np.uint8], top: int, rng: np.random.Generator) -> dict[str, Any]:
    word = "".join(rng.choice(list("ACDEHKLMNPRTUX3479"), rng.integers(4, 8)))
    left, scale = int(rng.integers(8, 40)), float(rng.uniform(0.7, 1.0))
    (width, height), below = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
    ink = tuple(int(value) for value in rng.integers(0, 60, 3))
    base = (left, top + height)
    cv2.putText(picture, word, base, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 2, cv2.LINE_AA)
    right, bottom = min(left + width, WIDTH_PX - 1), top + height + below // 2
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return {"transcription": word, "points": corners}


def _line(label: Label) -> bytes:
    image, texts = label
    return f"{image}\t{json.dumps(texts)}".encode()


def _write_labels(path: Path, lines: Sequence[bytes]) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))

"""Small inputs of the faults, made anew: pages with lines of text, label files, configs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

Points = list[list[int]]
LINES: list[Points] = [
    [[20, top], [186, top], [186, top + 26], [20, top + 26]] for top in (35, 95, 155, 215)
]
"""The four texts of every page, px."""


def page(path: Path, seed: int = 0) -> Path:
    """Write a page of 320 x 280 px with a text in each of ``LINES``."""
    image = np.full((280, 320, 3), 245, np.uint8)
    for row, box in enumerate(LINES):
        text = f"Item {(7 * seed + 3 * row) % 100}  {(13 * seed + 5 * row) % 90 + 10}.50"
        place = (box[0][0] + 2, box[3][1] - 6)
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 20, 20), 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
    return path


def entries(transcription: object = None, **more: object) -> str:
    """Return a page's texts as PPOCRLabel writes them."""
    return json.dumps(
        [
            {"transcription": f"line {row}" if transcription is None else transcription}
            | {"points": points}
            | more
            for row, points in enumerate(LINES)
        ]
    )


def label_file(path: Path, names: Iterable[str], texts: str | None = None) -> Path:
    """Write a label file that names pages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = entries() if texts is None else texts
    path.write_text("".join(f"{name}\t{text}\n" for name in names), encoding="utf-8")
    return path


def data_set(folder: Path, train: int = 3, val: int = 1) -> Path:
    """Write pages, train.txt and val.txt."""
    names = [page(folder / f"img{number}.png", number).name for number in range(train + val)]
    label_file(folder / "train.txt", names[:train])
    label_file(folder / "val.txt", names[train:])
    return folder


def overrides(
    folder: Path, train: Sequence[str] = ("train.txt",), val: Sequence[str] = ("val.txt",)
) -> list[str]:
    """Return ``-o`` and what a user writes after it to train on the folder."""
    values = ["-o"]
    for section, names in (("Train", train), ("Eval", val)):
        files = ",".join(str(folder / name) for name in names)
        values += [f"{section}.dataset.data_dir={folder}"]
        values += [
            f"{section}.dataset.label_file_list=[{files}]",
            f"{section}.loader.num_workers=0",
        ]
    return values

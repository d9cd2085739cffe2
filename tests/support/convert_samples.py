"""Small label folders, as other tools write them, for the converters' tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.image_folder import ImageFolder
from ppocr_ft.commands.convert.formats.reading import TAKE_ALL, Entry, Reading, TextChoice
from ppocr_ft.utils.progress import no_progress

WIDTH_PX, HEIGHT_PX = 200, 100
Points = tuple[tuple[float, float], ...]
SQUARE: Points = ((10, 20), (60, 20), (60, 40), (10, 40))


def put_images(folder: Path, *names: str, width: int = WIDTH_PX, height: int = HEIGHT_PX) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8))
    return folder


def put_text(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def put_json(path: Path, label: Any) -> Path:
    return put_text(path, json.dumps(label, ensure_ascii=False))


def read(
    format_name: str, source: Path, images: Path | None = None, choice: TextChoice = TAKE_ALL
) -> Reading:
    folder = ImageFolder(images or (source if source.is_dir() else source.parent))
    reading = Reading(folder, choice)
    FORMATS[format_name].read(source, reading, no_progress)
    return reading


def texts(entry: Entry) -> list[tuple[str, Points]]:
    return [(text.transcription, text.points) for text in entry.texts]


def only(reading: Reading) -> list[tuple[str, Points]]:
    """The texts of the one image of a reading without any finding."""
    assert reading.findings == []
    [entry] = reading.entries
    return texts(entry)


def rules(reading: Reading, severity: str = "error") -> list[str]:
    return [finding.rule for finding in reading.findings if finding.severity == severity]


def places(reading: Reading, folder: Path) -> list[tuple[str | None, int | None, str]]:
    """File below the folder, line and rule of each error."""
    return [
        (f.file and Path(f.file).relative_to(folder).as_posix(), f.line, f.rule)
        for f in reading.findings
        if f.severity == "error"
    ]


def message(reading: Reading, index: int = 0) -> str:
    finding = reading.findings[index]
    return f"{finding.message}; {finding.remedy}"


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def flat(points: Sequence[Sequence[float]]) -> list[float]:
    return [value for point in points for value in point]

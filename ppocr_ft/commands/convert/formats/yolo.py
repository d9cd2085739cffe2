"""YOLO's text files: one for each image, one line for each object.

After Ultralytics' guide (docs.ultralytics.com/datasets): ``class cx cy w h`` for boxes,
``class x1 y1 x2 y2 x3 y3 x4 y4`` for turned ones (OBB), ``class x1 y1 x2 y2 x3 y3 ...`` for
outlines (segmentation); the class is a number from 0 on, the others are shares of the image's width
and height. The names of the classes stand in ``classes.txt`` (labelImg) or under ``names`` of
``data.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ppocr_ft.commands.convert.formats.line_files import (
    NUMBER,
    bad_line,
    most_lines,
    read_line_files,
)
from ppocr_ft.commands.convert.formats.reading import Draft, Format, Reading
from ppocr_ft.commands.convert.formats.sources import SourceFile, read_text
from ppocr_ft.commands.convert.formats.texts import (
    LabelText,
    Polygon,
    Unusable,
    make_text,
    polygon,
    rectangle,
)
from ppocr_ft.utils.progress import ProgressBar

_FORM = "class cx cy w h, or class x1 y1 x2 y2 x3 y3 ..., as shares of the image (0 to 1)"
_LINE = re.compile(rf"\s*(\d+)((?:\s+{NUMBER}){{4}}|(?:(?:\s+{NUMBER}){{2}}){{3,}})\s*")
_CLASS_FILES = ("classes.txt", "obj.names", "predefined_classes.txt")
_LOOKED_ABOVE = 3
_DECIMALS = 3
_BEYOND = 0.01
"""By so much a share may lie outside the image."""


def _read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    names = _class_names(source)

    def parse(line: str, draft: Draft) -> LabelText | None:
        match = fits(line)
        if not match:
            raise bad_line(line, _FORM)
        if draft.name is None:
            return None  # the image's size is needed, and that it is missing was said
        shares = [float(value) for value in match[2].split()]
        points = _outline(shares, *draft.images.size_px(draft.name))
        return make_text(points, category=names.get(match[1], match[1]))

    read_line_files(source, reading, bar, parse, fits, unread=_CLASS_FILES)


def fits(line: str) -> re.Match[str] | None:
    """Match the class and the shares of a line."""
    match = _LINE.fullmatch(line)
    shares = map(float, match[2].split()) if match else ()
    return match if all(-_BEYOND <= share <= 1 + _BEYOND for share in shares) else None


def _outline(shares: list[float], width_px: int, height_px: int) -> Polygon:
    is_box = len(shares) == 4
    if is_box:
        x, y, width, height = shares
        shares = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    xs = [round(x * width_px, _DECIMALS) for x in shares[::2]]
    ys = [round(y * height_px, _DECIMALS) for y in shares[1::2]]
    if is_box:
        return rectangle(xs[0], ys[0], xs[1], ys[1])
    return polygon(list(zip(xs, ys, strict=True)))


def _class_names(source: Path) -> dict[str, str]:
    """Return the names of the classes by number, {} if no file near the source has them."""
    folder = (source if source.is_dir() else source.parent).absolute()
    for near in (folder, *list(folder.parents)[:_LOOKED_ABOVE]):
        for path in (*(near / name for name in _CLASS_FILES), *sorted(near.glob("*.yaml"))):
            names = dict(_names_in(path)) if path.is_file() else {}
            if names:
                return names
    return {}


def _names_in(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = read_text(path)
        label: Any = {"names": text.split("\n")} if path.suffix != ".yaml" else yaml.safe_load(text)
    except (Unusable, yaml.YAMLError, RecursionError):
        return
    names = label.get("names") if isinstance(label, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    for number, name in names.items() if isinstance(names, dict) else ():
        if str(name).strip():
            yield str(number), str(name).strip()


def _recognise(sample: SourceFile) -> str | None:
    return "has lines of a class and shares of 0 to 1" if most_lines(sample, fits) else None


YOLO = Format("yolo", "YOLO's text files: boxes, turned boxes, outlines", _read, _recognise)

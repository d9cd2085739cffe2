"""HierText's JSON: paragraphs, lines and words of many images in one file.

After its description (github.com/google-research-datasets/hiertext): ``annotations`` of images
with ``image_id`` (the file's name without suffix), ``image_width``, ``image_height`` and
``paragraphs``, which have ``lines``, which have ``words``; each with ``vertices`` [[x, y], ...] and
``legible``, lines and words with ``text``. A line's outline is a loose turned rectangle, a word's a
tight polygon. Its files are called ``.jsonl``, but are one JSON each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ppocr_ft.commands.convert.formats.json_forms import (
    ImageForm,
    JsonFile,
    has,
    json_format,
    numbered,
    read_images,
)
from ppocr_ft.commands.convert.formats.reading import LINES, WORDS, Draft, Reading
from ppocr_ft.commands.convert.formats.sources import expect
from ppocr_ft.commands.convert.formats.texts import LabelText, make_text, polygon
from ppocr_ft.utils.progress import ProgressBar

_REMEDY = "download the file again"


def _read_file(file: JsonFile, reading: Reading, bar: ProgressBar) -> None:
    read_images(numbered(file.label["annotations"], "image"), _FORM, file, reading, bar)


def _image(item: dict[str, Any], draft: Draft) -> str:
    expect(item.get("image_id"), str, "'image_id'", _REMEDY)
    return draft.reading.images.by_label(item["image_id"])


def _records(item: dict[str, Any], draft: Draft) -> Iterator[tuple[str, Any]]:
    """Yield the records of the level, and those above it that are not divided further."""
    return _below(item, ["paragraphs", *_parts(draft)], "")


def _parts(draft: Draft) -> list[str]:
    return ["lines", "words"] if draft.reading.choice.level == WORDS else ["lines"]


def _below(record: dict[str, Any], keys: list[str], called: str) -> Iterator[tuple[str, Any]]:
    if not keys:
        yield called, record
        return
    inner: Any = record.get(keys[0])
    expect(inner, list, f"{keys[0]!r} of {called or 'an image'}", _REMEDY)
    if called and not inner:
        yield called, record
    for number, part in enumerate(inner, start=1):
        what = f"{called}, {keys[0][:-1]} {number}".removeprefix(", ")
        expect(part, dict, what, _REMEDY)
        yield from _below(part, keys[1:], what)


def _text(record: dict[str, Any], draft: Draft, where: str) -> LabelText:
    """Return a text; an illegible one, and what should be divided but isn't, are ignored."""
    is_divided = any(part in record for part in _parts(draft))
    ignored = is_divided or not record.get("legible", True)
    return make_text(polygon(record.get("vertices")), record.get("text"), ignored=ignored)


def _is_hiertext(label: Any) -> bool:
    return has(label, annotations=list) and any(
        has(image, paragraphs=list) for image in label["annotations"]
    )


_FORM = ImageForm(_image, _records, _text, ("image_width", "image_height"))
FORMAT = json_format(
    "hiertext",
    "HierText's JSON: its lines, or words",
    {"'annotations' with 'paragraphs'": _is_hiertext},
    _read_file,
    levels=(LINES, WORDS),
)

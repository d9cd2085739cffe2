"""FUNSD's JSON files, one for each image, and XFUND's, one for many.

After FUNSD's description (guillaumejaume.github.io/FUNSD): ``form`` with blocks, which have
``text``, ``box`` [left, top, right, bottom] and ``words`` with the same two; a block may have
several lines of text. XFUND (github.com/doc-analysis/XFUND) has such blocks as ``document`` of each
of its ``documents``, and ``img`` with ``fname``, ``width``, ``height``; its words may be single
characters. So FUNSD's words are read, and XFUND's blocks, if no other level is asked for.
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
    read_image,
    read_images,
)
from ppocr_ft.commands.convert.formats.outlines import edges_box, tally_angles, tally_coordinates
from ppocr_ft.commands.convert.formats.reading import BLOCKS, WORDS, Draft, Reading
from ppocr_ft.commands.convert.formats.sources import below, expect
from ppocr_ft.commands.convert.formats.texts import LabelText, make_text
from ppocr_ft.utils.progress import ProgressBar

_REMEDY = "download the file again"


def _read_file(file: JsonFile, reading: Reading, bar: ProgressBar) -> None:
    if _is_funsd(file.label):
        item = {"name": below(file.path, file.source, ""), "blocks": file.label["form"]}
        read_image({**item, "level": WORDS}, _FORM, reading.draft(file.path))
        return
    documents = numbered(file.label["documents"], "document")
    items = [(called, _xfund_item(document)) for called, document in documents]
    read_images(items, _FORM, file, reading, bar)


def _xfund_item(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    image = document.get("img")
    image = image if isinstance(image, dict) else {}
    blocks = document.get("document")
    return {**image, "name": image.get("fname"), "blocks": blocks, "level": BLOCKS}


def _image(item: dict[str, Any], draft: Draft) -> str:
    expect(item["name"], str, "'fname' of 'img'", _REMEDY)
    return draft.reading.images.by_label(item["name"])


def _records(item: dict[str, Any], draft: Draft) -> Iterator[tuple[str, Any]]:
    takes_words = (draft.reading.choice.level or item["level"]) == WORDS
    for called, block in numbered(item["blocks"], "block"):
        words = block.get("words") if isinstance(block, dict) and takes_words else None
        if words:
            yield from numbered(words, f"{called}, word")
        else:
            yield called, block


def _text(record: dict[str, Any], draft: Draft, where: str) -> LabelText:
    """Return a text; one whose transcription is empty is ignored."""
    points = edges_box(record.get("box"), "box")
    tally_coordinates(draft, record, ("box", "words", "linking"), where)
    tally_angles(draft, [record], where)
    return make_text(points, record.get("text"), ignored=record.get("text") == "")


def _is_funsd(label: Any) -> bool:
    return has(label, form=list)


def _is_xfund(label: Any) -> bool:
    documents = label["documents"] if has(label, documents=list) else [None]
    return not documents or any(has(document, document=list) for document in documents)


_FORM = ImageForm(_image, _records, _text)
FORMAT = json_format(
    "funsd",
    "FUNSD's JSON, a file an image: its words, or blocks; XFUND's: its blocks, or words",
    {
        "a list 'form'": _is_funsd,
        "'documents' with 'document'": _is_xfund,
    },
    _read_file,
    levels=(WORDS, BLOCKS),
)

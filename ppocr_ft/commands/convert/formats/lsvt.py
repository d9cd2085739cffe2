"""LSVT's and ArT's JSON, and UFO's: one file for many images.

After the task pages of the Robust Reading Competition of 2019 (rrc.cvc.uab.es, challenges 14, ArT,
and 16, LSVT): an object of images by their names without suffix (``gt_0``), each a list of texts
with ``points`` [[x, y], ...], ``transcription`` (``###`` for a text to ignore), ``illegibility``
and, in ArT, ``language``. UFO (Unified Format OCR) has the same texts by id, as ``words`` of
``images`` by their file names, with ``img_w`` and ``img_h``.
"""

from __future__ import annotations

from typing import Any

from ppocr_ft.commands.convert.formats.json_forms import (
    ImageForm,
    JsonFile,
    has,
    is_set,
    json_format,
    numbered,
    read_images,
)
from ppocr_ft.commands.convert.formats.outlines import any_polygon
from ppocr_ft.commands.convert.formats.reading import Draft, Reading
from ppocr_ft.commands.convert.formats.texts import LabelText, make_text
from ppocr_ft.utils.progress import ProgressBar

_TEXT_KEYS = {"points", "transcription", "illegibility"}


def _read_file(file: JsonFile, reading: Reading, bar: ProgressBar) -> None:
    images = file.label["images"] if _is_ufo(file.label) else file.label
    items = [(name, _item(name, value)) for name, value in images.items()]
    read_images(items, _FORM, file, reading, bar)


def _item(name: str, value: Any) -> Any:
    """Return LSVT's list of texts as UFO's image; anything else as it is."""
    item = {"words": value} if isinstance(value, list) else value
    return {**item, "name": name} if isinstance(item, dict) else item


def _image(item: dict[str, Any], draft: Draft) -> str:
    return draft.reading.images.by_label(item["name"])


def _words(item: dict[str, Any], draft: Draft) -> list[tuple[str, Any]]:
    return numbered(item.get("words"), "text")


def _text(word: dict[str, Any], draft: Draft, where: str) -> LabelText:
    points = any_polygon(word.get("points"))
    return make_text(points, word.get("transcription"), ignored=is_set(word.get("illegibility")))


def _is_lsvt(label: Any) -> bool:
    return isinstance(label, dict) and any(
        isinstance(word, dict) and set(word) >= _TEXT_KEYS
        for words in label.values()
        if isinstance(words, list)
        for word in words
    )


def _is_ufo(label: Any) -> bool:
    return has(label, images=dict) and any(
        has(image, words=dict) for image in label["images"].values()
    )


_FORM = ImageForm(_image, _words, _text, ("img_w", "img_h"))
FORMAT = json_format(
    "lsvt",
    "JSON of LSVT and ArT: texts by images; UFO's",
    {
        "texts with 'points', 'transcription' and 'illegibility' by images": _is_lsvt,
        "an object 'images' whose images have 'words'": _is_ufo,
    },
    _read_file,
)

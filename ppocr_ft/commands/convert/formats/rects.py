"""ReCTS' JSON files: one for each image.

After the task page of the Robust Reading Competition of 2019 (rrc.cvc.uab.es, challenge 12):
``lines`` and ``chars``, each a list of texts with flat ``points`` of four corners,
``transcription`` and ``ignore`` (1 for a text to ignore). The lines are read.
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
    read_image,
)
from ppocr_ft.commands.convert.formats.outlines import any_polygon
from ppocr_ft.commands.convert.formats.reading import Draft, Reading
from ppocr_ft.commands.convert.formats.sources import below
from ppocr_ft.commands.convert.formats.texts import LabelText, make_text
from ppocr_ft.utils.progress import ProgressBar


def _read_file(file: JsonFile, reading: Reading, bar: ProgressBar) -> None:
    def image(_: dict[str, Any], draft: Draft) -> str:
        return draft.reading.images.by_label(below(file.path, file.source, ""))

    if file.label["chars"]:
        reading.tally(
            "chars",
            "files have single characters beside their lines: the lines were taken",
            "nothing: a detector learns lines",
            str(file.path),
        )
    read_image(file.label, ImageForm(image, _lines, _text), reading.draft(file.path))


def _lines(label: dict[str, Any], draft: Draft) -> list[tuple[str, Any]]:
    return numbered(label["lines"], "line")


def _text(line: dict[str, Any], draft: Draft, where: str) -> LabelText:
    points = any_polygon(line.get("points"))
    return make_text(points, line.get("transcription"), ignored=is_set(line.get("ignore")))


FORMAT = json_format(
    "rects",
    "ReCTS' JSON, a file an image: its lines",
    {"lists 'lines' and 'chars'": lambda label: has(label, lines=list, chars=list)},
    _read_file,
)

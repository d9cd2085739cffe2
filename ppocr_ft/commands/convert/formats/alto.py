"""ALTO XML, as eScriptorium, kraken and Tesseract write it: one file for each page.

After the schema of the Library of Congress (loc.gov/standards/alto): ``MeasurementUnit``,
``sourceImageInformation`` / ``fileName``, ``Page`` with ``WIDTH`` and ``HEIGHT``; a ``TextLine``
has ``Shape`` / ``Polygon`` (``POINTS``: ``x,y x,y`` or ``x y x y``), else ``HPOS``, ``VPOS``,
``WIDTH``, ``HEIGHT``, and its text in the ``CONTENT`` of its ``String`` elements. ``BASELINE`` is
not an outline and not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ppocr_ft.commands.convert.formats.reading import LINES, WORDS, Reading
from ppocr_ft.commands.convert.formats.texts import (
    LabelText,
    Polygon,
    Unusable,
    bounds,
    make_text,
    rectangle,
)
from ppocr_ft.commands.convert.formats.xml_files import Node, find_image, points_of, xml_format

_BOX = ("HPOS", "VPOS", "WIDTH", "HEIGHT")


def _read(root: Node, path: Path, reading: Reading) -> None:
    pages = list(root.below("Page"))
    unit = next((node.text.strip() for node in root.below("MeasurementUnit")), "pixel")
    if len(pages) != 1 or unit != "pixel":
        raise Unusable(
            "bad-structure",
            f"has {len(pages)} <Page> in {unit:.20}; expected one page in pixel",
            "export each page into its own file, in pixel",
        )
    [page] = pages
    draft = reading.draft(path)
    with draft.part(line=page.line):
        draft.name = find_image(draft, next((n.text.strip() for n in root.below("fileName")), None))
        reading.images.check_size(draft.name, page.size_px("WIDTH"), page.size_px("HEIGHT"))
    for node in _parts(page, reading.choice.level):
        with draft.part(line=node.line):
            draft.add(_text(node), f"{path}:{node.line}")
    reading.finish(draft)


def _parts(page: Node, level: str | None) -> Iterator[Node]:
    """Yield the lines, or their words and the lines that have none with a place."""
    for line in page.below("TextLine"):
        words = [word for word in line.all("String") if _has_place(word)]
        yield from (words if level == WORDS else []) or [line]


def _has_place(node: Node) -> bool:
    return node.child("Shape") is not None or node.attributes.keys() >= set(_BOX)


def _text(node: Node) -> LabelText:
    words = node.all("String") or [node]
    said = " ".join(word.attributes.get("CONTENT", "") for word in words).strip()
    return make_text(_outline(node), said or None)


def _outline(node: Node) -> Polygon:
    shape = node.child("Shape")
    outline = None if shape is None else shape.child("Polygon")
    if outline is not None:
        return points_of(outline.attributes.get("POINTS", ""), outline.line)
    if _has_place(node):
        left, top, width, height = (node.number(name) for name in _BOX)
        return rectangle(left, top, left + width, top + height)
    corners = [point for word in node.all("String") if _has_place(word) for point in _outline(word)]
    if corners:
        return rectangle(*bounds(tuple(corners)))
    raise Unusable(
        "no-outline",
        f"<{node.tag}> {node.attributes.get('ID', '')!r:.40} has no Polygon and no HPOS, VPOS, ...",
        "let the tool make outlines of the base lines, and export again",
        node.line,
    )


FORMAT = xml_format("alto", "ALTO XML: lines with their outlines", "alto", _read, (LINES, WORDS))

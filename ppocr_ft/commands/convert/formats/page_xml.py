"""XML of pages: PAGE, as Transkribus, eScriptorium and Aletheia write it, and ALTO: a file a page.

PAGE is after the schema of PRImA (github.com/PRImA-Research-Lab/PAGE-XML): ``Page`` with
``imageFilename``, ``imageWidth`` and ``imageHeight``; a ``TextLine`` has ``Coords`` (``points="x,y
x,y"``, until 2010 ``Point`` elements) and its text in ``TextEquiv`` / ``Unicode``, the one of the
lowest ``index`` first. ``Baseline`` is not an outline and not read.

ALTO, which kraken and Tesseract write too, is after the schema of the Library of Congress
(loc.gov/standards/alto): ``MeasurementUnit``, ``sourceImageInformation`` / ``fileName``, ``Page``
with ``WIDTH`` and ``HEIGHT``; a ``TextLine`` has ``Shape`` / ``Polygon`` (``POINTS``: ``x,y x,y``
or ``x y x y``), else ``HPOS``, ``VPOS``, ``WIDTH``, ``HEIGHT``, and its text in the ``CONTENT`` of
its ``String`` elements. ``BASELINE`` is not an outline and not read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ppocr_ft.commands.convert.formats.reading import LINES, WORDS, Draft, Reading
from ppocr_ft.commands.convert.formats.texts import (
    LabelText,
    Polygon,
    Unusable,
    bounds,
    make_text,
    polygon,
    rectangle,
)
from ppocr_ft.commands.convert.formats.xml_files import Node, find_image, points_of, xml_format

_BOX = ("HPOS", "VPOS", "WIDTH", "HEIGHT")


def _read_page(root: Node, path: Path, reading: Reading) -> None:
    pages = root.all("Page")
    if not pages:
        raise Unusable("bad-structure", "there is no <Page>", "export the page again")
    for page in pages:
        draft = reading.draft(path)
        with draft.part(line=page.line):
            name = find_image(draft, page.attributes.get("imageFilename"))
            draft.set_image(name, page.size_px("imageWidth"), page.size_px("imageHeight"))
        for region in page.below("TextRegion"):
            if next(region.below("TextLine"), None) is None:
                reading.tally(
                    "region-without-lines",
                    "text regions have no lines: not converted",
                    "mark their lines; text that no label covers is learnt as background",
                    f"{path}:{region.line}",
                )
        for line in page.below("TextLine"):
            _add(draft, line, line.all("Word"), _page_text)
        reading.finish(draft)


def _add(draft: Draft, line: Node, words: list[Node], make: Callable[[Node], LabelText]) -> None:
    """Add a line, or its words, if these are asked for and there are any."""
    for node in (words if draft.reading.choice.level == WORDS else []) or [line]:
        with draft.part(line=node.line):
            draft.add(make(node))


def _page_text(node: Node) -> LabelText:
    coords = node.child("Coords")
    if coords is None:
        raise _no_outline(node, "id", "<Coords>")
    if "points" in coords.attributes:
        points = points_of(coords.attributes["points"], coords.line)
    else:
        points = polygon([(point.number("x"), point.number("y")) for point in coords.all("Point")])
    equivalents = sorted(node.all("TextEquiv"), key=lambda e: e.size_px("index") or 0)
    return make_text(points, next((text for e in equivalents if (text := e.said("Unicode"))), None))


def _no_outline(node: Node, id_key: str, what: str) -> Unusable:
    return Unusable(
        "no-outline",
        f"<{node.tag}> {node.attributes.get(id_key, '')!r:.40} has no {what}",
        "let the tool make outlines of the base lines, and export again",
        node.line,
    )


def _read_alto(root: Node, path: Path, reading: Reading) -> None:
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
        name = find_image(draft, next((n.text.strip() for n in root.below("fileName")), None))
        draft.set_image(name, page.size_px("WIDTH"), page.size_px("HEIGHT"))
    for line in page.below("TextLine"):
        _add(draft, line, [word for word in line.all("String") if _has_place(word)], _alto_text)
    reading.finish(draft)


def _has_place(node: Node) -> bool:
    return node.child("Shape") is not None or node.attributes.keys() >= set(_BOX)


def _alto_text(node: Node) -> LabelText:
    words = node.all("String") or [node]
    transcription = " ".join(word.attributes.get("CONTENT", "") for word in words).strip()
    return make_text(_alto_outline(node), transcription or None)


def _alto_outline(node: Node) -> Polygon:
    shape = node.child("Shape")
    outline = None if shape is None else shape.child("Polygon")
    if outline is not None:
        return points_of(outline.attributes.get("POINTS", ""), outline.line)
    if _has_place(node):
        left, top, width, height = (node.number(name) for name in _BOX)
        return rectangle(left, top, left + width, top + height)
    words = [word for word in node.all("String") if _has_place(word)]
    if not words:
        raise _no_outline(node, "ID", "Polygon and no HPOS, VPOS, ...")
    return rectangle(*bounds(point for word in words for point in _alto_outline(word)))


_LEVELS = (LINES, WORDS)
PAGE = xml_format("page", "PAGE XML: lines with their outlines", "PcGts", _read_page, _LEVELS)
ALTO = xml_format("alto", "ALTO XML: lines with their outlines", "alto", _read_alto, _LEVELS)

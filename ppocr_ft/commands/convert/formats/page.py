"""PAGE XML, as Transkribus, eScriptorium and Aletheia write it: one file for each page.

After the schema of PRImA (github.com/PRImA-Research-Lab/PAGE-XML): ``Page`` with ``imageFilename``,
``imageWidth`` and ``imageHeight``; a ``TextLine`` has ``Coords`` (``points="x,y x,y"``, until 2010
``Point`` elements) and its text in ``TextEquiv`` / ``Unicode``, the one of the lowest ``index``
first. ``Baseline`` is not an outline and not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ppocr_ft.commands.convert.formats.reading import LINES, WORDS, Draft, Reading
from ppocr_ft.commands.convert.formats.texts import LabelText, Polygon, Unusable, make_text, polygon
from ppocr_ft.commands.convert.formats.xml_files import Node, find_image, points_of, xml_format


def _read(root: Node, path: Path, reading: Reading) -> None:
    pages = root.all("Page")
    if not pages:
        raise Unusable("bad-structure", "there is no <Page>", "export the page again")
    for page in pages:
        draft = reading.draft(path)
        with draft.part(line=page.line):
            draft.name = find_image(draft, page.attributes.get("imageFilename"))
            width, height = page.size_px("imageWidth"), page.size_px("imageHeight")
            reading.images.check_size(draft.name, width, height)
        _tally_regions_without_lines(page, draft)
        for node in _parts(page, reading.choice.level):
            with draft.part(line=node.line):
                draft.add(_text(node), f"{path}:{node.line}")
        reading.finish(draft)


def _parts(page: Node, level: str | None) -> Iterator[Node]:
    """Yield the lines, or their words and the lines that have none."""
    for line in page.below("TextLine"):
        yield from (line.all("Word") if level == WORDS else []) or [line]


def _tally_regions_without_lines(page: Node, draft: Draft) -> None:
    for region in page.below("TextRegion"):
        if next(region.below("TextLine"), None) is None:
            draft.reading.tally(
                "region-without-lines",
                "text regions have no lines: not converted",
                "mark their lines; text that no label covers is learnt as background",
                f"{draft.file}:{region.line}",
            )


def _text(node: Node) -> LabelText:
    equivalents = sorted(node.all("TextEquiv"), key=lambda e: e.size_px("index") or 0)
    said = next((text for e in equivalents if (text := e.said("Unicode"))), None)
    return make_text(_outline(node), said)


def _outline(node: Node) -> Polygon:
    coords = node.child("Coords")
    if coords is None:
        raise Unusable(
            "no-outline",
            f"<{node.tag}> {node.attributes.get('id', '')!r:.40} has no <Coords>",
            "let the tool make outlines of the base lines, and export again",
            node.line,
        )
    if "points" in coords.attributes:
        return points_of(coords.attributes["points"], coords.line)
    return polygon([(point.number("x"), point.number("y")) for point in coords.all("Point")])


FORMAT = xml_format("page", "PAGE XML: lines with their outlines", "PcGts", _read, (LINES, WORDS))

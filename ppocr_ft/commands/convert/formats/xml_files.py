"""XML labels: a tree of nodes with their lines, and the formats that are files of one root.

What is not as a format has it raises Unusable.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Format, Reading
from ppocr_ft.commands.convert.formats.sources import SourceFile, read_bytes, source_files
from ppocr_ft.commands.convert.formats.texts import Polygon, Unusable, flat_polygon
from ppocr_ft.utils.progress import ProgressBar

_ROOTS: dict[str, str] = {}
"""The names of the formats by the root of their files: filled by ``xml_format``."""
_FIRST_ELEMENT = re.compile(r"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)")
_BROKEN = "export the file again, or correct the line"


@dataclass
class Node:
    """An element: its name and attributes' names without their namespaces, and its line."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def all(self, tag: str) -> list[Node]:
        return [child for child in self.children if child.tag == tag]

    def child(self, tag: str) -> Node | None:
        return next(iter(self.all(tag)), None)

    def said(self, tag: str) -> str | None:
        """Return the text of a child, None if there is no such child or it is empty."""
        child = self.child(tag)
        return (child.text.strip() or None) if child else None

    def below(self, tag: str) -> Iterator[Node]:
        """Yield the elements of a name at any depth, in the order of the file."""
        stack = self.children[::-1]
        while stack:
            node = stack.pop()
            if node.tag == tag:
                yield node
            stack += node.children[::-1]

    def number(self, name: str) -> float:
        """Return an attribute, else the text of a child, as a number."""
        value = self.attributes.get(name, self.said(name))
        try:
            number = float(value or "")
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            message = f"found {value!r:.40} as {name!r} of <{self.tag}>; expected a number"
            raise Unusable("bad-points", message, _BROKEN, self.line)
        return number

    def size_px(self, name: str) -> int | None:
        """Return a width or height, None if there is none or it is 0, as in unfinished files."""
        value = self.attributes.get(name, self.said(name)) or ""
        return int(float(value)) or None if re.fullmatch(r"\d{1,9}(\.0*)?", value) else None


def xml_format(
    name: str,
    meaning: str,
    root: str,
    read_root: Callable[[Node, Path, Reading], None],
    levels: tuple[str, ...] = (),
) -> Format:
    """Make a format of XML files with this root; ``read_root`` raises Unusable for a whole file."""
    _ROOTS[root] = name

    def read(source: Path, reading: Reading, bar: ProgressBar) -> None:
        files = source_files(source, ".xml")
        for path in bar(files, len(files), TITLE, "file"):
            other = _root_of(SourceFile(path))
            if source.is_dir() and other and other not in _ROOTS:
                what = "XML files are of another kind (METS, ...): not read"
                reading.tally("other-file", what, "nothing, if they hold no labels", str(path))
                continue
            try:
                read_root(_read_xml(path, root), path, reading)
            except Unusable as fault:
                reading.report(fault, path)
                reading.left_out.append(str(path))

    def recognise(sample: SourceFile) -> str | None:
        return f"is XML with the root <{root}>" if _root_of(sample) == root else None

    return Format(name, meaning, read, recognise, levels=levels)


def _root_of(sample: SourceFile) -> str | None:
    """Return the name of the first element of a file that begins as XML does."""
    text = (sample.text or "").lstrip()
    first = _FIRST_ELEMENT.search(text) if text.startswith("<") else None
    return first[1] if first else None


def _read_xml(path: Path, root: str) -> Node:
    """Read an XML file; entities are not expanded."""
    top = _parse(read_bytes(path))
    if top.tag != root:
        other = _ROOTS.get(top.tag)
        raise Unusable(
            "bad-structure",
            f"the root is <{top.tag:.40}>; expected <{root}>",
            f"read it with --from {other}" if other else "give a file of this format",
            top.line,
        )
    return top


def _parse(content: bytes) -> Node:
    top = Node("", {}, 1)
    stack = [top]
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        names = {key.rpartition(":")[2]: value for key, value in attributes.items()}
        node = Node(tag.rpartition(":")[2], names, parser.CurrentLineNumber)
        stack[-1].children.append(node)
        stack.append(node)

    def end(_: str) -> None:
        stack.pop()

    def characters(data: str) -> None:
        stack[-1].text += data

    def refuse(*_: object) -> None:
        message = "has a document type declaration (<!DOCTYPE ...>), whose entities aren't expanded"
        raise Unusable("doctype", message, "remove the declaration", parser.CurrentLineNumber)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = characters, refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise Unusable("broken-xml", f"broken XML: {what}", _BROKEN, error.lineno) from None
    except (LookupError, ValueError) as error:
        raise Unusable("broken-xml", f"broken XML: {error}", "save it as UTF-8", 1) from None
    return top.children[0]


def points_of(text: str, line: int) -> Polygon:
    """Return a polygon of ``x,y x,y``, ``x,y;x,y`` or ``x y x y``."""
    words = re.split(r"[\s,;]+", text.strip(" \t\r\n,;"))
    try:
        return flat_polygon([float(word) for word in words])
    except ValueError:
        message = f"found points {text!r:.60}; expected numbers x,y x,y ..."
        raise Unusable("bad-points", message, _BROKEN, line) from None


def find_image(draft: Draft, named: str | None, *, by_file: bool = False) -> str:
    """Return the image that a label names, else the one of the label file's own name.

    ``by_file`` looks for the label file's own name first.
    """
    images = draft.images
    stem = images.name_of(draft.file.with_suffix(""))
    ways: list[Callable[[], str]] = [lambda: images.by_label(stem)]
    if named:
        ways.insert(by_file, lambda: images.by_neighbour(draft.file, named))
    faults = []
    for way in ways:
        try:
            return way()
        except Unusable as missing:
            if missing.rule != "image-missing":
                raise
            faults.append(missing)
    raise faults[by_file if named else 0]

"""CVAT's own XML, "CVAT for images": one file for many images.

After its guide (docs.cvat.ai, XML annotation format 1.1): ``annotations`` with an ``image``
(``name``, ``width``, ``height``) each; a ``box`` has ``xtl``, ``ytl``, ``xbr``, ``ybr`` in px and
``rotation`` in degrees, clockwise about its centre; a ``polygon`` has ``points`` ``x,y;x,y``.
``label`` is the class, an ``attribute`` named text or transcription is what it says, and one named
like a flag (ignore, illegible, ..., difficult) is that flag.
"""

from __future__ import annotations

import math
from pathlib import Path

from ppocr_ft.commands.convert.formats.json_forms import IGNORE_FLAGS, any_set
from ppocr_ft.commands.convert.formats.reading import Draft, Reading
from ppocr_ft.commands.convert.formats.texts import (
    LabelText,
    Polygon,
    Unusable,
    make_text,
    rectangle,
    turned_box,
)
from ppocr_ft.commands.convert.formats.xml_files import Node, named_image, points_of, xml_format

_TRANSCRIPTIONS = ("text", "transcription", "utf8_string")
_CORNERS = ("xtl", "ytl", "xbr", "ybr")


def _read(root: Node, path: Path, reading: Reading) -> None:
    if root.all("track"):
        message = "holds tracks: it is an export of a video"
        raise Unusable("bad-structure", message, "export it as CVAT for images")
    for image in root.all("image"):
        name = image.attributes.get("name")
        draft = reading.draft(path, image.line, what=f"image {name} of {path}")
        with draft.part():
            if not name:
                raise Unusable("bad-structure", "the image has no name", "export it again")
            draft.name = named_image(draft, name)
            width, height = image.size_px("width"), image.size_px("height")
            reading.images.check_size(draft.name, width, height)
        for shape in image.children:
            _add(shape, draft)
        reading.finish(draft)


def _add(shape: Node, draft: Draft) -> None:
    where = f"{draft.file}:{shape.line}"
    if shape.tag == "tag":
        what = "tags of whole images were not converted"
        draft.reading.tally("other-result", what, "nothing, if they are no texts", where)
        return
    category = shape.attributes.get("label")
    with draft.part(line=shape.line, category=category):
        draft.add(_text(shape, category), where)


def _text(shape: Node, category: str | None) -> LabelText:
    named = {a.attributes.get("name", "").lower(): a.text.strip() for a in shape.all("attribute")}
    return make_text(
        _outline(shape),
        next((named[key] for key in _TRANSCRIPTIONS if named.get(key)), None),
        ignored=any_set([named], IGNORE_FLAGS),
        category=category,
        difficult=any_set([named], ("difficult",)),
    )


def _outline(shape: Node) -> Polygon:
    if shape.tag == "polygon":
        return points_of(shape.attributes.get("points", ""), shape.line)
    if shape.tag != "box":
        raise Unusable(
            "unsupported-shape",
            f"is a {shape.tag:.40}, {shape.attributes.get('label')!r:.40}",
            "draw it as a rectangle or a polygon",
            shape.line,
        )
    left, top, right, bottom = (shape.number(name) for name in _CORNERS)
    corners = rectangle(left, top, right, bottom)
    turn = shape.number("rotation") if "rotation" in shape.attributes else 0.0
    if not turn:
        return corners
    size = (right - left, bottom - top)
    return turned_box((left + right) / 2, (top + bottom) / 2, *size, math.radians(turn))


FORMAT = xml_format("cvat", "CVAT for images' XML: boxes, polygons", "annotations", _read)

"""XML of objects with classes: Pascal VOC's, a file an image, and CVAT for images', one for many.

Pascal VOC, as labelImg and roLabelImg write it, is after the VOC development kit and the tools' own
files: ``annotation`` with ``filename``, ``size`` and an ``object`` for each text: ``name`` (its
class), ``difficult`` and ``bndbox`` (``xmin``, ``ymin``, ``xmax``, ``ymax`` in px), or roLabelImg's
``robndbox`` (centre ``cx``, ``cy``, size ``w``, ``h``, ``angle`` in radians, clockwise about the
centre), or Roboflow's ``polygon`` (``x1``, ``y1``, ``x2``, ...) beside a ``bndbox``. There are no
transcriptions. CVAT's export has an ``attributes`` / ``attribute`` (``name``, ``value``)
``rotation`` beside a ``bndbox``, as in its COCO: degrees clockwise about the centre.

CVAT's own XML is after its guide (docs.cvat.ai, XML annotation format 1.1): ``annotations`` with an
``image`` (``name``, ``width``, ``height``) each; a ``box`` has ``xtl``, ``ytl``, ``xbr``, ``ybr``
in px and ``rotation`` in degrees, clockwise about its centre; a ``polygon`` has ``points``
``x,y;x,y``. ``label`` is the class, an ``attribute`` named text or transcription is what it says,
and one named like a flag (ignore, illegible, ..., difficult) is that flag.
"""

from __future__ import annotations

import math
from pathlib import Path

from ppocr_ft.commands.convert.formats.reading import Draft, Reading
from ppocr_ft.commands.convert.formats.texts import (
    IGNORE_FLAGS,
    IGNORE_MARKS,
    LabelText,
    Polygon,
    Unusable,
    any_set,
    degrees_of,
    make_text,
    polygon,
    rectangle,
    turned,
    turned_box,
)
from ppocr_ft.commands.convert.formats.xml_files import Node, find_image, points_of, xml_format

_TRANSCRIPTIONS = ("text", "transcription", "utf8_string")


def _read_voc(root: Node, path: Path, reading: Reading) -> None:
    draft = reading.draft(path)
    with draft.part():
        draft.name = find_image(draft, root.said("filename"), by_file=True)
        size = root.child("size")
        if size is not None:
            draft.set_image(draft.name, size.size_px("width"), size.size_px("height"))
    for item in root.all("object"):
        category = item.said("name")
        if draft.takes(category):
            with draft.part(line=item.line):
                draft.add(_voc_text(item, category, draft))
    reading.finish(draft)


def _voc_text(item: Node, category: str | None, draft: Draft) -> LabelText:
    """Make a text; its flags are elements, or CVAT's attributes, whatever their case."""
    named = {a.said("name") or "": a.said("value") or "" for a in item.below("attribute")}
    attributes = {child.tag: child.text.strip() for child in item.children} | named
    flags = {name.lower(): value for name, value in attributes.items()}
    return make_text(
        _voc_outline(item, flags, draft),
        ignored=category in IGNORE_MARKS or any_set([flags], IGNORE_FLAGS),
        category=category,
        difficult=any_set([flags], ("difficult",)),
    )


def _voc_outline(item: Node, flags: dict[str, str], draft: Draft) -> Polygon:
    robox, points, box = (item.child(tag) for tag in ("robndbox", "polygon", "bndbox"))
    if robox is not None:
        return turned_box(*(robox.number(name) for name in ("cx", "cy", "w", "h", "angle")))
    if points is not None and points.child("x1") is not None:
        count = sum(child.tag.startswith("x") for child in points.children)
        pairs = range(1, count + 1)
        return polygon([(points.number(f"x{i}"), points.number(f"y{i}")) for i in pairs])
    if box is not None:
        corners = rectangle(*(box.number(name) for name in ("xmin", "ymin", "xmax", "ymax")))
        degrees = degrees_of(flags.get("rotation")) if item.child("attributes") else 0.0
        if degrees:
            return turned(corners, degrees)
        draft.tally_angles(flags, {child.tag: child.text for child in box.children})
        return corners
    raise Unusable(
        "unsupported-shape",
        f"the object {item.said('name')!r:.40} has neither bndbox nor robndbox",
        "draw it as a box",
        item.line,
    )


def _read_cvat(root: Node, path: Path, reading: Reading) -> None:
    if root.all("track"):
        message = "holds tracks: it is an export of a video"
        raise Unusable("bad-structure", message, "export it as CVAT for images")
    for image in root.all("image"):
        name = image.attributes.get("name")
        draft = reading.draft(path, image.line, what=f"image {name} of {path}")
        with draft.part():
            if not name:
                raise Unusable("bad-structure", "the image has no name", "export it again")
            image_name = draft.images.by_neighbour(path, name)
            draft.set_image(image_name, image.size_px("width"), image.size_px("height"))
        for shape in image.children:
            category = shape.attributes.get("label")
            if shape.tag == "tag":
                reading.tally(
                    "other-result",
                    "tags of whole images were not converted",
                    "nothing, if they are no texts",
                    f"{path}:{shape.line}",
                )
            elif draft.takes(category):
                with draft.part(line=shape.line):
                    draft.add(_cvat_text(shape, category))
        reading.finish(draft)


def _cvat_text(shape: Node, category: str | None) -> LabelText:
    named = {a.attributes.get("name", "").lower(): a.text.strip() for a in shape.all("attribute")}
    return make_text(
        _cvat_outline(shape),
        next((named[key] for key in _TRANSCRIPTIONS if named.get(key)), None),
        ignored=any_set([named], IGNORE_FLAGS),
        category=category,
        difficult=any_set([named], ("difficult",)),
    )


def _cvat_outline(shape: Node) -> Polygon:
    if shape.tag == "polygon":
        return points_of(shape.attributes.get("points", ""), shape.line)
    if shape.tag != "box":
        raise Unusable(
            "unsupported-shape",
            f"is a {shape.tag:.40}, {shape.attributes.get('label')!r:.40}",
            "draw it as a rectangle or a polygon",
            shape.line,
        )
    left, top, right, bottom = (shape.number(name) for name in ("xtl", "ytl", "xbr", "ybr"))
    corners = rectangle(left, top, right, bottom)
    turn = shape.number("rotation") if "rotation" in shape.attributes else 0.0
    if not turn:
        return corners
    size = (right - left, bottom - top)
    return turned_box((left + right) / 2, (top + bottom) / 2, *size, math.radians(turn))


VOC = xml_format("voc", "Pascal VOC's XML of labelImg and roLabelImg", "annotation", _read_voc)
CVAT = xml_format("cvat", "CVAT for images' XML: boxes, polygons", "annotations", _read_cvat)

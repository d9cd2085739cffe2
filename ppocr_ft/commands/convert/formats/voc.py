"""Pascal VOC's XML: one file for each image, as labelImg and roLabelImg write it.

After the VOC development kit and the tools' own files: ``annotation`` with ``filename``, ``size``
and an ``object`` for each text: ``name`` (its class), ``difficult`` and ``bndbox`` (``xmin``,
``ymin``, ``xmax``, ``ymax`` in px), or roLabelImg's ``robndbox`` (centre ``cx``, ``cy``, size
``w``, ``h``, ``angle`` in radians, clockwise about the centre), or Roboflow's ``polygon`` (``x1``,
``y1``, ``x2``, ...) beside a ``bndbox``. There are no transcriptions. CVAT's export has an
``attributes`` / ``attribute`` (``name``, ``value``) ``rotation`` beside a ``bndbox``, as in its
COCO: degrees clockwise about the centre.
"""

from __future__ import annotations

from pathlib import Path

from ppocr_ft.commands.convert.formats.json_forms import IGNORE_FLAGS, any_set
from ppocr_ft.commands.convert.formats.outlines import degrees_of, tally_angles
from ppocr_ft.commands.convert.formats.reading import Draft, Reading
from ppocr_ft.commands.convert.formats.texts import (
    IGNORE_MARKS,
    Polygon,
    Unusable,
    make_text,
    polygon,
    rectangle,
    turned,
    turned_box,
)
from ppocr_ft.commands.convert.formats.xml_files import Node, find_image, xml_format


def _read(root: Node, path: Path, reading: Reading) -> None:
    draft = reading.draft(path)
    with draft.part():
        draft.name = find_image(draft, root.said("filename"), by_file=True)
        size = root.child("size")
        if size is not None:
            width, height = size.size_px("width"), size.size_px("height")
            reading.images.check_size(draft.name, width, height)
    for item in root.all("object"):
        category = item.said("name")
        flags = _flags(item)
        where = f"{path}:{item.line}"
        with draft.part(line=item.line, category=category):
            text = make_text(
                _outline(item, flags, draft, where),
                ignored=category in IGNORE_MARKS or any_set([flags], IGNORE_FLAGS),
                category=category,
                difficult=any_set([flags], ("difficult",)),
            )
            draft.add(text, where)
    reading.finish(draft)


def _flags(item: Node) -> dict[str, str]:
    """Return what an object's elements and CVAT's attributes say, by names in small letters."""
    named = {a.said("name") or "": a.said("value") or "" for a in item.below("attribute")}
    said = {child.tag: child.text.strip() for child in item.children} | named
    return {name.lower(): value for name, value in said.items()}


def _outline(item: Node, flags: dict[str, str], draft: Draft, where: str) -> Polygon:
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
        tally_angles(draft, (flags, {child.tag: child.text for child in box.children}), where)
        return corners
    raise Unusable(
        "unsupported-shape",
        f"the object {item.said('name')!r:.40} has neither bndbox nor robndbox",
        "draw it as a box",
        item.line,
    )


FORMAT = xml_format("voc", "Pascal VOC's XML of labelImg and roLabelImg", "annotation", _read)

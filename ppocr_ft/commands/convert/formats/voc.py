"""Pascal VOC's XML: one file for each image, as labelImg and roLabelImg write it.

After the VOC development kit and the tools' own files: ``annotation`` with ``filename``, ``size``
and an ``object`` for each text: ``name`` (its class), ``difficult`` and ``bndbox`` (``xmin``,
``ymin``, ``xmax``, ``ymax`` in px), or roLabelImg's ``robndbox`` (centre ``cx``, ``cy``, size
``w``, ``h``, ``angle`` in radians, clockwise about the centre), or Roboflow's ``polygon`` (``x1``,
``y1``, ``x2``, ...) beside a ``bndbox``. There are no transcriptions.
"""

from __future__ import annotations

from pathlib import Path

from ppocr_ft.commands.convert.formats.reading import Reading
from ppocr_ft.commands.convert.formats.texts import (
    IGNORE_MARKS,
    Polygon,
    Unusable,
    make_text,
    polygon,
    rectangle,
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
        with draft.part(line=item.line, category=category):
            text = make_text(
                _outline(item),
                ignored=category in IGNORE_MARKS,
                category=category,
                difficult=item.said("difficult") in ("1", "true", "True"),
            )
            draft.add(text, f"{path}:{item.line}")
    reading.finish(draft)


def _outline(item: Node) -> Polygon:
    turned, points, box = (item.child(tag) for tag in ("robndbox", "polygon", "bndbox"))
    if turned is not None:
        return turned_box(*(turned.number(name) for name in ("cx", "cy", "w", "h", "angle")))
    if points is not None and points.child("x1") is not None:
        count = sum(child.tag.startswith("x") for child in points.children)
        pairs = range(1, count + 1)
        return polygon([(points.number(f"x{i}"), points.number(f"y{i}")) for i in pairs])
    if box is not None:
        return rectangle(*(box.number(name) for name in ("xmin", "ymin", "xmax", "ymax")))
    raise Unusable(
        "unsupported-shape",
        f"the object {item.said('name')!r:.40} has neither bndbox nor robndbox",
        "draw it as a box",
        item.line,
    )


FORMAT = xml_format("voc", "Pascal VOC's XML of labelImg and roLabelImg", "annotation", _read)

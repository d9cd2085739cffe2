"""Label formats of other tools, read into one form and written from it.

A new one is a module with a ``FORMAT``, named here.
"""

from ppocr_ft.commands.convert.formats import (
    alto,
    coco,
    ctw1500,
    cvat,
    dota,
    funsd,
    hiertext,
    icdar,
    labelme,
    labelstudio,
    lsvt,
    mmocr,
    page,
    ppocr,
    rctw,
    rects,
    td500,
    totaltext,
    via,
    voc,
    yolo,
)
from ppocr_ft.commands.convert.formats.reading import Format

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        icdar,
        coco,
        labelme,
        labelstudio,
        totaltext,
        td500,
        rctw,
        yolo,
        dota,
        voc,
        ctw1500,
        page,
        alto,
        cvat,
        lsvt,
        rects,
        mmocr,
        hiertext,
        funsd,
        via,
        ppocr,
    )
}
"""By their names on the command line."""

"""Label formats of other tools, read into one form and written from it.

A new one is a module with a ``FORMAT``, named here.
"""

from ppocr_ft.commands.convert.formats import (
    coco,
    dota,
    funsd,
    hiertext,
    icdar,
    labelme,
    labelstudio,
    lsvt,
    mmocr,
    ppocr,
    rctw,
    rects,
    td500,
    totaltext,
    via,
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

"""Label formats of other tools, read into one form and written from it.

A new one is a module with a ``FORMAT``, named here.
"""

from ppocr_ft.commands.convert.formats import (
    coco,
    dota,
    icdar,
    labelme,
    labelstudio,
    ppocr,
    rctw,
    td500,
    totaltext,
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
        ppocr,
    )
}
"""By their names on the command line."""

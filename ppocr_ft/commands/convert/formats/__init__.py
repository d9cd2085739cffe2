"""Label formats of other tools, read into one form and written from it.

A new one is named here, and made in a module of its own or in that of its kin.
"""

from ppocr_ft.commands.convert.formats.coco import COCO
from ppocr_ft.commands.convert.formats.curved_text import CTW1500, TOTALTEXT
from ppocr_ft.commands.convert.formats.icdar import ICDAR
from ppocr_ft.commands.convert.formats.json_datasets import FUNSD, HIERTEXT, LSVT, MMOCR, RECTS
from ppocr_ft.commands.convert.formats.labelme import LABELME
from ppocr_ft.commands.convert.formats.labelstudio import LABELSTUDIO
from ppocr_ft.commands.convert.formats.line_files import DOTA, RCTW, TD500
from ppocr_ft.commands.convert.formats.object_xml import CVAT, VOC
from ppocr_ft.commands.convert.formats.page_xml import ALTO, PAGE
from ppocr_ft.commands.convert.formats.ppocr import PPOCR
from ppocr_ft.commands.convert.formats.reading import Format
from ppocr_ft.commands.convert.formats.via import VIA
from ppocr_ft.commands.convert.formats.yolo import YOLO

_ALL = (
    ICDAR, COCO, LABELME, LABELSTUDIO, TOTALTEXT, TD500, RCTW, YOLO, DOTA, VOC, CTW1500, PAGE, ALTO,
    CVAT, LSVT, RECTS, MMOCR, HIERTEXT, FUNSD, VIA, PPOCR,
)  # fmt: skip
FORMATS: dict[str, Format] = {form.name: form for form in _ALL}
"""By their names on the command line."""

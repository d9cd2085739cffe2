"""Label formats of other tools, read into one form and written from it."""

from ppocr_ft.commands.convert.formats.image_folder import ImageFolder
from ppocr_ft.commands.convert.formats.reading import Entry, Reading, Shown, unseen
from ppocr_ft.commands.convert.formats.registry import READERS, WRITERS, Writer
from ppocr_ft.commands.convert.formats.split import split
from ppocr_ft.commands.convert.formats.texts import IGNORED, LabelText, Unusable

__all__ = [
    "IGNORED",
    "READERS",
    "WRITERS",
    "Entry",
    "ImageFolder",
    "LabelText",
    "Reading",
    "Shown",
    "Unusable",
    "Writer",
    "split",
    "unseen",
]

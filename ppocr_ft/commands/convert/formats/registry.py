"""Which formats there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from ppocr_ft.commands.convert.formats import coco, icdar, labelme, labelstudio, ppocr, totaltext
from ppocr_ft.commands.convert.formats.reading import Entry, Reading, Shown
from ppocr_ft.commands.convert.formats.texts import Unusable


class Writer(Protocol):
    """Makes the files of a format; one for each conversion."""

    needs_size: bool
    """Whether entries must have their images' sizes."""

    def faults(self, entry: Entry) -> Iterator[Unusable]:
        """Why an entry can't be written in this format."""
        ...

    def files(self, entries: Sequence[Entry], part: str) -> dict[str, bytes]:
        """Contents by path below the output folder; ``part`` is train, val or empty."""
        ...

    def stale(self, folder: Path, written: set[Path]) -> list[Path]:
        """Files there that would be read together with the written ones."""
        ...


Reader = Callable[[Path, Reading, Shown], None]
"""Reads a file or folder into the Reading; DataError where there is nothing to read."""

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "icdar": icdar.read,
        "coco": coco.read,
        "labelme": labelme.read,
        "labelstudio": labelstudio.read,
        "totaltext": totaltext.read,
        "ppocr": ppocr.read,
    }
)

WRITERS: Mapping[str, Callable[[], Writer]] = MappingProxyType(
    {"ppocr": ppocr.Writer, "coco": coco.Writer, "icdar": icdar.Writer}
)

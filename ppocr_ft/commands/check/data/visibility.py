"""Pictures whose text only some programs show, or none: transparent ones, and plain ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ppocr_ft.commands.check.data.parsed_labels import Scan
from ppocr_ft.commands.check.data.pictures import Picture
from ppocr_ft.commands.check.data.rules import finding
from ppocr_ft.errors import Finding


def visibility_findings(scan: Scan, pictures: Mapping[str, Picture]) -> Iterator[Finding]:
    """Yield a finding for each transparent image, and each plain one with texts that count."""
    labelled = set(scan.owners[~scan.ignored].tolist())
    for index, line in enumerate(scan.lines):
        for path in line.images:
            picture = pictures[path]
            if picture.by_alpha:
                message = (
                    f"the image {path} is transparent, and its colours alone show another picture"
                )
                yield finding("image-alpha", message, scan.path, line.number)
            if picture.plain and index in labelled:
                message = f"the image {path} shows nothing: all its pixels have one colour"
                yield finding("image-plain", message, scan.path, line.number)

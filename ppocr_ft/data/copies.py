"""Images that a tool made of one picture: turned, mirrored, darkened copies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

_ROBOFLOW = re.compile(r"(.+)\.rf\.[0-9A-Za-z]{8,}")
"""Roboflow names the copies of ``photo.jpg`` ``photo_jpg.rf.HASH.jpg``."""


def original_of(name: str) -> str:
    """Return the picture of which the image is a copy, by its name; the image itself otherwise.

    Copies of one picture may lie in different folders (``train/``, ``valid/``).
    """
    path = PurePosixPath(name.replace("\\", "/"))
    match = _ROBOFLOW.fullmatch(path.stem)
    return match[1] if match else name


def by_original(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names grouped by the picture of which they are copies, in their order."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(original_of(name), []).append(name)
    return groups

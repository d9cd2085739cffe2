"""Images of Train that are held out for Eval: whole ones, and all that show the same together.

Which ones follows from the names, labels and pixels of the images alone: every command, whatever
its seed, holds out the same.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ppocr_ft.data.dataset import read_content
from ppocr_ft.data.labels import LabelEntry
from ppocr_ft.errors import DataError
from ppocr_ft.messages import counted
from ppocr_ft.transforms.likeness import (
    COMPARED_PX,
    LOOK_SIDE_PX,
    Grey,
    Look,
    Size,
    candidates,
    look_of,
    reduced,
    show_the_same,
)
from ppocr_ft.utils.progress import ProgressBar, no_progress, read_ahead
from ppocr_ft.utils.system import cores

Place = tuple[str, int]
"""A label file and a line."""
_KEPT_GREYS = 256
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


def place_of(entry: LabelEntry) -> Place:
    """Return the entry's label file and line."""
    return entry.label_file, entry.line


def held_out(
    entries: Sequence[LabelEntry],
    data_dir: str | Path,
    ratio: float,
    bar: ProgressBar = no_progress,
) -> frozenset[Place]:
    """Return the lines whose images are held out: ``ratio`` of those with text, and of the others.

    Images that show the same stay together, so that the number may be smaller; at least one image
    with a text that counts is on each side.

    Raises:
        DataError: there are not two groups of images with text.
    """
    ranks = [_rank(entry, data_dir) for entry in entries]
    groups = sorted(alike(entries, bar), key=lambda group: min(ranks[i] for i in group))
    counts = [bool((~entry.texts.ignored).any()) for entry in entries]
    with_text = [group for group in groups if any(counts[i] for i in group)]
    if len(with_text) < 2:
        raise DataError(
            f"can't hold images out for Eval: of {counted(len(entries), 'image')} there is "
            f"{len(with_text) or 'none'} with a text that counts, those that show the same counted "
            "as one; name validation images in Eval.dataset",
            key="Global.val_ratio",
        )
    without = [group for group in groups if not any(counts[i] for i in group)]
    chosen = [*_share(with_text, ratio, least=1), *_share(without, ratio)]
    return frozenset(place_of(entries[i]) for group in chosen for i in group)


def _rank(entry: LabelEntry, data_dir: str | Path) -> bytes:
    """Return a number that follows from the image's name below ``data_dir``, as if drawn."""
    name = os.path.relpath(entry.images[0], data_dir).replace(os.sep, "/")
    return hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()


def _share(groups: Sequence[list[int]], ratio: float, least: int = 0) -> list[list[int]]:
    """Return groups, in their order, that make up ``ratio`` of the lines as far as they fit.

    ``least``: so many groups at least, the smallest; one group always remains.
    """
    room = round(ratio * sum(map(len, groups)))
    chosen = []
    for group in groups[: -1 if least else None]:
        if len(group) <= room:
            chosen.append(group)
            room -= len(group)
    return chosen or sorted(groups, key=len)[:least]


def alike(entries: Sequence[LabelEntry], bar: ProgressBar = no_progress) -> list[list[int]]:
    """Group the entries by what their images show: indices, rising in each group.

    In one group are images of one path, of one content, encoded or sized differently, copies that
    Roboflow has made of one picture (``NAME.rf.HASH``), and the images of one line.
    """
    owners: dict[str, int] = {}
    groups = _Groups(len(entries))
    for index, entry in enumerate(entries):
        for path in entry.images:
            groups.join(index, owners.setdefault(path, index))
    paths = list(owners)
    seen: dict[Hashable, int] = {}
    looks: list[tuple[str, Look]] = []
    read = read_ahead(_look, paths, cores())
    for path, (digest, look) in zip(paths, bar(read, len(paths), "compare images"), strict=True):
        for key in filter(None, (digest, original_of(path))):
            groups.join(owners[path], seen.setdefault(key, owners[path]))
        if look is not None:
            looks.append((path, look))
    compared = PathComparer()
    only = [look for _, look in looks]
    for i, j in candidates(only, only):
        one, other = looks[i][0], looks[j][0]
        if i < j and groups.of(owners[one]) != groups.of(owners[other]) and compared(one, other):
            groups.join(owners[one], owners[other])
    return groups.members()


def _look(path: str) -> tuple[bytes, Look | None]:
    """Return the hash of the file's content, and its look; nothing of a file that can't be used."""
    try:
        content = read_content(path)
    except DataError:
        return b"", None
    digest = hashlib.blake2b(content, digest_size=16).digest()
    try:
        return digest, look_of(reduced(content, None, LOOK_SIDE_PX))
    except DataError:
        return digest, None


class PathComparer:
    """Says whether two image files show the same; ``sizes`` are those stored, if known."""

    def __init__(self, sizes: Mapping[str, Size | None] | None = None) -> None:
        self._sizes = sizes or {}
        self._grey = lru_cache(_KEPT_GREYS)(self._read)

    def __call__(self, one: str, other: str) -> bool:
        first, second = self._grey(one), self._grey(other)
        return first is not None and second is not None and show_the_same(first, second)

    def _read(self, path: str) -> Grey | None:
        try:
            return reduced(read_content(path), self._sizes.get(path), COMPARED_PX)
        except DataError:
            return None  # it was there a moment ago


class _Groups:
    """Indices 0 .. count - 1 that are joined to groups; each is known by its first member."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def of(self, index: int) -> int:
        while self._parents[index] != index:
            self._parents[index] = index = self._parents[self._parents[index]]
        return index

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.of(one), self.of(other)))
        self._parents[second] = first

    def members(self) -> list[list[int]]:
        groups: dict[int, list[int]] = {}
        for index in range(len(self._parents)):
            groups.setdefault(self.of(index), []).append(index)
        return list(groups.values())


def label_lines(label_files: Iterable[str], places: frozenset[Place]) -> tuple[bytes, bytes]:
    """Return the lines of the label files: those that are not held out, and those that are."""
    kept, held = bytearray(), bytearray()
    for path in dict.fromkeys(label_files):
        lines = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
        for number, line in enumerate(lines, start=1):
            if line.strip():
                part = held if (path, number) in places else kept
                part += line.rstrip(b"\r") + b"\n"
    return bytes(kept), bytes(held)

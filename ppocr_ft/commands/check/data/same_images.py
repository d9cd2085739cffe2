"""The same image on two lines of a split, or in training and evaluation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ppocr_ft.commands.check.data.parsed_labels import Scan
from ppocr_ft.commands.check.data.pictures import Picture
from ppocr_ft.commands.check.data.rules import finding
from ppocr_ft.data.copies import original_of
from ppocr_ft.errors import DataError, Finding
from ppocr_ft.transforms.likeness import (
    COMPARED_PX,
    Grey,
    Look,
    candidates,
    reduced,
    show_the_same,
)

Place = tuple[str, int]
"""Label file and line."""
Pictures = Mapping[str, Picture]
_KEPT_GREYS = 256


@dataclass(frozen=True)
class Same:
    """The image ``path`` at ``place``, seen before as ``other_path`` at ``other``."""

    place: Place
    path: str
    other: Place
    other_path: str
    how: str

    def message(self, where: str) -> str:
        """Return the message; ``where`` is the name of ``other``."""
        named = "" if self.other_path == self.path else f" as {self.other_path}"
        return f"the image {self.path} is {where}{self.other[0]}:{self.other[1]}{named}{self.how}"


def duplicates(scans: Sequence[Scan], pictures: Pictures) -> list[Same]:
    """Return images of one split that an earlier line has too."""
    first_places: dict[str | bytes, tuple[Place, str]] = {}
    same = []
    for place, path in _images(scans):
        keys = _keys(path, pictures)
        before = next((first_places[key] for key in keys if key in first_places), None)
        if before is not None:
            same.append(Same(place, path, *before, _how(path, before[1], "the same content")))
        for key in keys:
            first_places.setdefault(key, (place, path))
    return same


def leaks(train: Sequence[Scan], evaluation: Sequence[Scan], pictures: Pictures) -> list[Same]:
    """Return images of both evaluation and training, re-encoded, resized and turned ones too."""
    first_places: dict[str | bytes, tuple[Place, str]] = {}
    for place, path in _images(train):
        for key in _keys(path, pictures):
            first_places.setdefault(key, (place, path))
    same, rest = [], []
    for place, path in _images(evaluation):
        before = next(
            (first_places[key] for key in _keys(path, pictures) if key in first_places), None
        )
        if before is not None:
            same.append(Same(place, path, *before, _how(path, before[1], "the same content")))
        else:
            rest.append((place, path))
    same += _near(list(_images(train)), rest, pictures)
    known = {(one.place, one.other) for one in same}
    by_name = _copies(list(_images(train)), _images(evaluation))
    return same + [one for one in by_name if (one.place, one.other) not in known]


def _copies(
    train: list[tuple[Place, str]], evaluation: Iterable[tuple[Place, str]]
) -> Iterator[Same]:
    """Yield pairs that a tool made of one picture, turned or darkened, as their names say."""
    theirs: dict[str, list[tuple[Place, str]]] = {}
    for place, path in train:
        theirs.setdefault(original_of(path), []).append((place, path))
    for place, path in evaluation:
        original = original_of(path)
        how = f", a copy of the same picture, {original}, by its name"
        for other, other_path in theirs.get(original, ()) if original != path else ():
            yield Same(place, path, other, other_path, how)


def _near(
    train: list[tuple[Place, str]], evaluation: list[tuple[Place, str]], pictures: Pictures
) -> Iterator[Same]:
    """Yield pairs that show the same picture; of each evaluation image the first."""
    ours, our_looks = _with_looks(evaluation, pictures)
    theirs, their_looks = _with_looks(train, pictures)
    grey = lru_cache(_KEPT_GREYS)(lambda path: _grey(path, pictures))
    done = set()
    for i, j in candidates(our_looks, their_looks):
        (place, path), (other, other_path) = ours[i], theirs[j]
        if (place, path) in done:
            continue
        one, two = grey(path), grey(other_path)
        if one is not None and two is not None and show_the_same(one, two):
            done.add((place, path))
            yield Same(place, path, other, other_path, ", encoded or sized differently")


def _with_looks(
    images: list[tuple[Place, str]], pictures: Pictures
) -> tuple[list[tuple[Place, str]], list[Look]]:
    looks = [(image, pictures[image[1]].look) for image in images if image[1] in pictures]
    kept = [(image, look) for image, look in looks if look is not None]
    return [image for image, _ in kept], [look for _, look in kept]


def _grey(path: str, pictures: Pictures) -> Grey | None:
    stored = pictures[path].stored_px
    try:
        return None if stored is None else reduced(Path(path).read_bytes(), stored, COMPARED_PX)
    except (OSError, DataError):
        return None  # it was there a moment ago


def _images(scans: Sequence[Scan]) -> Iterator[tuple[Place, str]]:
    for scan in scans:
        for line in scan.lines:
            yield from (((scan.path, line.number), path) for path in line.images)


def _keys(path: str, pictures: Pictures) -> list[str | bytes]:
    """Return the keys of an image: its place and its content."""
    picture = pictures.get(path)
    name = os.path.normcase(os.path.abspath(path))  # noqa: PTH100  a Path an image costs time
    return [name, picture.digest] if picture and picture.digest else [name]


def _how(path: str, other: str, difference: str) -> str:
    same = os.path.abspath(path) == os.path.abspath(other)  # noqa: PTH100
    return "" if same else f", with {difference}"


def same_image_findings(
    train: Sequence[Scan],
    evaluation: Sequence[Scan],
    leaked: Sequence[Same],
    doubled: Sequence[Same],
) -> Iterator[Finding]:
    """Yield a finding per image, and one for a label file that is in both splits."""
    for scan in evaluation:
        if in_both(scan, train):
            yield finding("leak", "the label file is that of the training too", scan.path)
    for same in leaked:
        yield finding("leak", same.message("in the training set too, at "), *same.place)
    for same in doubled:
        yield finding("image-duplicate", same.message("already at "), *same.place)


def in_both(scan: Scan, train: Sequence[Scan]) -> bool:
    """Return whether the label file is also one of the training's."""
    label_file = Path(scan.path).resolve()
    return any(label_file == Path(other.path).resolve() for other in train)

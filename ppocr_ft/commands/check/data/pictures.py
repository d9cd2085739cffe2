"""The images of label lines: size, EXIF, damage, and which of them show the same."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from ppocr_ft.commands.check.data.parsed_labels import Scan
from ppocr_ft.commands.check.data.rules import finding
from ppocr_ft.data.dataset import read_content
from ppocr_ft.data.held_out import PathComparer, original_of
from ppocr_ft.errors import DataError, Finding
from ppocr_ft.transforms.image_ops import (
    OTHERWISE_LEVELS,
    alpha_of,
    decode,
    drawn_on_ground,
    may_have_alpha,
    show_otherwise,
)
from ppocr_ft.transforms.likeness import (
    LEAST_CONTRAST,
    LOOK_SIDE_PX,
    Look,
    Size,
    candidates,
    look_of,
    reduced,
)
from ppocr_ft.utils.console import captured_stderr
from ppocr_ft.utils.progress import ProgressBar, read_ahead

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # sizes are measured

_FIRST_QUARTER_TURN = 5
SHORTEST_PX, LONGEST_PX, LONGEST_ASPECT = 32, 10_000, 10.0
"""An image with a side or an aspect beyond these is extreme."""
ROW_PX = 128
"""A long image of this height at most is a row, as of a table, and no page."""


@dataclass(frozen=True)
class Picture:
    """An image file. ``size_px`` is None if ``fault`` says why it can't be decoded.

    ``size_px`` is as training sees it, turned by EXIF; ``stored_px`` is as stored.
    """

    fault: str | None
    size_px: Size | None = None
    stored_px: Size | None = None
    orientation: int = 1
    truncated: bool = False
    digest: bytes = b""
    look: Look | None = None
    damage: str = ""
    """What the decoder says of it: libjpeg makes a picture of damaged data too."""
    by_alpha: bool = False
    """Whether its colours, without the alpha channel, show another picture."""
    plain: bool = False
    """Whether all its pixels look the same."""


Pictures = Mapping[str, Picture]
Place = tuple[str, int]
"""Label file and line."""
Placed = tuple[Place, str]
"""The path of an image with the place that names it."""


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


def look_at_all(
    paths: Sequence[str], *, looks: bool, workers: int | None, bar: ProgressBar
) -> dict[str, Picture]:
    """Look at each file; ``workers`` threads read them (None: one per processor)."""
    threads = os.cpu_count() or 1 if workers is None else workers
    with captured_stderr() as printed:
        read = read_ahead(partial(look_at, look=looks), paths, threads)
        pictures = dict(zip(paths, bar(read, len(paths), "looking at images"), strict=True))
        if not printed():
            return pictures
    # One at a time: the decoder doesn't say which image it speaks of.
    usable = [path for path, picture in pictures.items() if picture.fault is None]
    for path in bar(usable, len(usable), "looking for damage"):
        with captured_stderr() as printed:
            look_at(path)
            words = "; ".join(dict.fromkeys(printed().splitlines()))
        pictures[path] = replace(pictures[path], damage=words)
    return pictures


def look_at(path: str, look: bool = False) -> Picture:
    """Look at the image file ``path``; ``look`` adds what near duplicates are found by.

    Pixels are decoded at an eighth of the size if that suffices; the size is the header's.
    """
    try:
        content = read_content(path)
        stored, orientation = _header(content)
        grey = reduced(content, stored, LOOK_SIDE_PX)
    except DataError as fault:
        return Picture(fault.message)
    return Picture(
        fault=None,
        size_px=_as_seen(stored, orientation, grey.shape),
        stored_px=stored,
        orientation=orientation,
        truncated=_is_truncated(content),
        digest=hashlib.blake2b(content, digest_size=16).digest(),
        look=look_of(grey) if look else None,
        by_alpha=may_have_alpha(content) and _is_shown_by_alpha(content),
        plain=grey.std() < LEAST_CONTRAST and _is_plain(content),
    )


def _is_shown_by_alpha(content: bytes) -> bool:
    colors = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if colors is None:
        return False
    pixels = np.asarray(colors, np.uint8)
    alpha = alpha_of(content, pixels)
    return alpha is not None and show_otherwise(pixels, drawn_on_ground(pixels, alpha))


def _is_plain(content: bytes) -> bool:
    """Return whether no channel has more levels between any two pixels than compression makes."""
    pixels = decode(content, cv2.IMREAD_COLOR, None)
    return bool((np.ptp(pixels.reshape(-1, 3), axis=0) < OTHERWISE_LEVELS).all())


def _header(content: bytes) -> tuple[Size, int]:
    """Return size as stored, and EXIF orientation, 1 to 8."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            orientation = image.getexif().get(Base.Orientation, 1)
            return image.size, orientation if orientation in range(2, 9) else 1
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pixels = decode(content, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION, None)
        return (pixels.shape[1], pixels.shape[0]), 1


def _as_seen(stored: Size, orientation: int, shape: tuple[int, ...]) -> Size:
    """Return the size after EXIF's turn, if the reduced shape (h, w) shows that OpenCV did it.

    Which formats' EXIF OpenCV reads depends on its version.
    """
    width, height = stored
    aspect = shape[1] / shape[0]
    turned = abs(height / width - aspect) <= abs(width / height - aspect)
    return (height, width) if orientation >= _FIRST_QUARTER_TURN and turned else stored


def _is_truncated(content: bytes) -> bool:
    """Return whether a JPEG or PNG lacks its end; thumbnails inside have their own ends."""
    if content.startswith(b"\xff\xd8"):
        return content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda")
    return content.startswith(b"\x89PNG") and b"IEND" not in content


def picture_findings(scan: Scan, pictures: Pictures) -> Iterator[Finding]:
    """Yield the faults of each line's images; EXIF is judged beside the labels."""
    labelled = set(scan.owners[~scan.ignored].tolist())
    for index, line in enumerate(scan.lines):
        for path in line.images:
            for rule, message in _complaints(path, pictures[path], index in labelled):
                yield finding(rule, message, scan.path, line.number)


def _complaints(path: str, picture: Picture, labelled: bool) -> Iterator[tuple[str, str]]:
    """Yield rules and messages; ``labelled``: the image has texts that count."""
    if picture.size_px is None:
        yield "image-unreadable", f"the image {path} {picture.fault}"
        return
    if picture.truncated:
        yield "image-truncated", f"the image {path} ends too early: its last part is missing"
    elif picture.damage:
        yield "image-damaged", f"the decoder says of the image {path}: {picture.damage}"
    width, height = picture.size_px
    extreme = _extreme(min(width, height), max(width, height))
    if extreme:
        is_row = width > height and ROW_PX >= height >= SHORTEST_PX and width <= LONGEST_PX
        rule = "image-row" if is_row else "image-size"
        yield rule, f"the image {path} has {width} x {height} px, {extreme}"
    if picture.by_alpha:
        message = f"the image {path} is transparent, and its colours alone show another picture"
        yield "image-alpha", message
    if picture.plain and labelled:
        yield "image-plain", f"the image {path} shows nothing: all its pixels have one colour"


def _extreme(shorter: int, longer: int) -> str:
    if shorter < SHORTEST_PX:
        return f"a side under {SHORTEST_PX} px"
    if longer > LONGEST_PX:
        return f"a side over {LONGEST_PX} px"
    if longer > LONGEST_ASPECT * shorter:
        return f"one side more than {LONGEST_ASPECT:g} times the other"
    return ""


def duplicates(scans: Sequence[Scan], pictures: Pictures) -> list[Same]:
    """Return images of one split that an earlier line has too."""
    first_places: dict[str | bytes, Placed] = {}
    same = []
    for place, path in _images(scans):
        before = _seen_before(place, path, first_places, pictures)
        if before is not None:
            same.append(before)
        for key in _keys(path, pictures):
            first_places.setdefault(key, (place, path))
    return same


def leaks(train: Sequence[Scan], evaluation: Sequence[Scan], pictures: Pictures) -> list[Same]:
    """Return images of both evaluation and training, re-encoded, resized and turned ones too."""
    trained = list(_images(train))
    first_places: dict[str | bytes, Placed] = {}
    for place, path in trained:
        for key in _keys(path, pictures):
            first_places.setdefault(key, (place, path))
    same, rest = [], []
    for place, path in _images(evaluation):
        before = _seen_before(place, path, first_places, pictures)
        if before is not None:
            same.append(before)
        else:
            rest.append((place, path))
    same += _near(trained, rest, pictures)
    known = {(one.place, one.other) for one in same}
    by_name = _copies(trained, _images(evaluation))
    return same + [one for one in by_name if (one.place, one.other) not in known]


def _seen_before(
    place: Place, path: str, first_places: Mapping[str | bytes, Placed], pictures: Pictures
) -> Same | None:
    """Return the image with its first place by path or content, if it has one."""
    for key in _keys(path, pictures):
        if key in first_places:
            other, other_path = first_places[key]
            is_one_file = os.path.abspath(path) == os.path.abspath(other_path)  # noqa: PTH100
            how = "" if is_one_file else ", with the same content"
            return Same(place, path, other, other_path, how)
    return None


def _copies(train: list[Placed], evaluation: Iterable[Placed]) -> Iterator[Same]:
    """Yield pairs that a tool made of one picture, turned or darkened, as their names say."""
    theirs: dict[str, list[Placed]] = {}
    for place, path in train:
        theirs.setdefault(original_of(path), []).append((place, path))
    for place, path in evaluation:
        original = original_of(path)
        how = f", a copy of the same picture, {original}, by its name"
        for other, other_path in theirs.get(original, ()) if original != path else ():
            yield Same(place, path, other, other_path, how)


def _near(train: list[Placed], evaluation: list[Placed], pictures: Pictures) -> Iterator[Same]:
    """Yield pairs that show the same picture; of each evaluation image the first."""
    ours, our_looks = _with_looks(evaluation, pictures)
    theirs, their_looks = _with_looks(train, pictures)
    compared = PathComparer({path: picture.stored_px for path, picture in pictures.items()})
    done = set()
    for i, j in candidates(our_looks, their_looks):
        (place, path), (other, other_path) = ours[i], theirs[j]
        if (place, path) not in done and compared(path, other_path):
            done.add((place, path))
            yield Same(place, path, other, other_path, ", encoded or sized differently")


def _with_looks(images: list[Placed], pictures: Pictures) -> tuple[list[Placed], list[Look]]:
    looks = [(image, pictures[image[1]].look) for image in images if image[1] in pictures]
    kept = [(image, look) for image, look in looks if look is not None]
    return [image for image, _ in kept], [look for _, look in kept]


def _images(scans: Sequence[Scan]) -> Iterator[Placed]:
    for scan in scans:
        for line in scan.lines:
            yield from (((scan.path, line.number), path) for path in line.images)


def _keys(path: str, pictures: Pictures) -> list[str | bytes]:
    """Return the keys of an image: its place and its content."""
    picture = pictures.get(path)
    name = os.path.normcase(os.path.abspath(path))  # noqa: PTH100  a Path an image costs time
    return [name, picture.digest] if picture and picture.digest else [name]


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

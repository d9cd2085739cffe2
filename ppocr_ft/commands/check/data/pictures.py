"""The images of label lines: size, EXIF, damage, and a hash of their look."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from ppocr_ft.commands.check.data.parsed_labels import Scan
from ppocr_ft.commands.check.data.rules import finding
from ppocr_ft.errors import DataError, Finding
from ppocr_ft.transforms.image_ops import decode
from ppocr_ft.transforms.likeness import (
    LEAST_CONTRAST,
    LOOK_SIDE_PX,
    Look,
    Size,
    look_of,
    reduced,
)
from ppocr_ft.transforms.transparency import (
    OTHERWISE_LEVELS,
    alpha_of,
    drawn_on_ground,
    may_have_alpha,
    show_otherwise,
)
from ppocr_ft.utils.prefetch import read_ahead
from ppocr_ft.utils.progress import ProgressBar
from ppocr_ft.utils.stderr import captured_stderr

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
        content = Path(path).read_bytes()
    except OSError as error:
        return Picture(f"can't be read: {error.strerror}")
    try:
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
            return image.size, orientation if orientation in range(1, 9) else 1
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


def picture_findings(scan: Scan, pictures: Mapping[str, Picture]) -> Iterator[Finding]:
    """Yield the faults of each line's images; EXIF is judged beside the labels."""
    for line in scan.lines:
        for path in line.images:
            for rule, message in _complaints(path, pictures[path]):
                yield finding(rule, message, scan.path, line.number)


def _complaints(path: str, picture: Picture) -> Iterator[tuple[str, str]]:
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


def _extreme(shorter: int, longer: int) -> str:
    if shorter < SHORTEST_PX:
        return f"a side under {SHORTEST_PX} px"
    if longer > LONGEST_PX:
        return f"a side over {LONGEST_PX} px"
    if longer > LONGEST_ASPECT * shorter:
        return f"one side more than {LONGEST_ASPECT:g} times the other"
    return ""

"""Whether two pictures show the same, also encoded or sized differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.transforms.image_ops import decode

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]
_FREQUENCIES, _THUMB_PX, _HASHED_PX = 12, 32, 64
BITS = _FREQUENCIES**2 - 1
_MOST_BITS_APART = 28
_LEAST_THUMB_CORRELATION = 0.75
LEAST_CONTRAST = 4.0
"""Standard deviation, in grey levels, below which a picture is too empty to be recognised."""
COMPARED_PX = 256
"""The longer side at which two pictures are compared place by place."""
_PLACES = 16
_NOISE_VARIANCE = 100.0
_LEAST_LOCAL_LIKENESS = 0.4
_MOST_ASPECT_APART = 0.05
_BLOCK = 2048
Size = tuple[int, int]
"""Width and height, px."""
_REDUCED = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    1: cv2.IMREAD_GRAYSCALE,
}
LOOK_SIDE_PX = 64
"""The shorter side of a reduced picture is at least this, unless the image is smaller."""


@dataclass(frozen=True)
class Look:
    """What a picture looks like: BITS signs, int8, a thumbnail, and width by height."""

    signs: NDArray[np.int8]
    thumb: Grey
    aspect: float


def look_of(grey: Grey) -> Look | None:
    """Return the picture's look; None if it is too empty to be recognised."""
    thumb = _shrunk(grey, (_THUMB_PX, _THUMB_PX))
    if thumb.std() < LEAST_CONTRAST:
        return None
    spectrum = cv2.dct(_shrunk(grey, (_HASHED_PX, _HASHED_PX)))
    lowest = np.asarray(spectrum)[:_FREQUENCIES, :_FREQUENCIES].ravel()[1:]  # but the mean
    signs = np.where(lowest > np.median(lowest), 1, -1).astype(np.int8)
    return Look(signs, thumb.round().astype(np.uint8), grey.shape[1] / grey.shape[0])


def _shrunk(grey: Grey, size_px: tuple[int, int]) -> Floats:
    """Shrink to float32 of ``size_px`` (width, height)."""
    return np.asarray(cv2.resize(grey, size_px, interpolation=cv2.INTER_AREA), np.float32)


def candidates(first: Sequence[Look], second: Sequence[Look]) -> Iterator[tuple[int, int]]:
    """Yield pairs (i, j) that may show the same: by hash, thumbnail and aspect."""
    for i in range(0, len(first), _BLOCK):
        left = np.stack([look.signs for look in first[i : i + _BLOCK]]).astype(np.float32)
        for j in range(0, len(second), _BLOCK):
            right = np.stack([look.signs for look in second[j : j + _BLOCK]]).astype(np.float32)
            agreeing = left @ right.T  # bits that agree less those that differ
            near = np.argwhere(agreeing >= BITS - 2 * _MOST_BITS_APART).tolist()
            yield from ((i + a, j + b) for a, b in near if _resemble(first[i + a], second[j + b]))


def _resemble(one: Look, other: Look) -> bool:
    if abs(one.aspect / other.aspect - 1) > _MOST_ASPECT_APART:
        return False
    correlation = np.corrcoef(one.thumb.ravel(), other.thumb.ravel())[0, 1]
    return bool(correlation >= _LEAST_THUMB_CORRELATION)


def show_the_same(one: Grey, other: Grey) -> bool:
    """Return whether two pictures differ nowhere by more than encoding and resizing do."""
    return local_likeness(one, other) >= _LEAST_LOCAL_LIKENESS


def local_likeness(one: Grey, other: Grey) -> float:
    """Return the smallest correlation of two pictures around any place; 1 if they are the same.

    Both are brought to the smaller one's size, at most COMPARED_PX, and compared within windows
    of a sixteenth of that; noise of 10 grey levels counts for nothing.
    """
    smaller = min((one, other), key=lambda picture: picture.size)
    scale = min(1.0, COMPARED_PX / max(smaller.shape))
    width, height = (max(round(side * scale), _THUMB_PX) for side in smaller.shape[::-1])
    a, b = (cv2.GaussianBlur(_shrunk(p, (width, height)), (0, 0), 1.0) for p in (one, other))
    window = (max(width, height) // _PLACES | 1,) * 2

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.blur(values, window))

    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
    common = mean(a * b) - mean_a * mean_b
    return float(((2 * common + _NOISE_VARIANCE) / (variances + _NOISE_VARIANCE)).min())


def reduced(content: bytes, stored: Size | None, side_px: int) -> NDArray[np.uint8]:
    """Return (h, w) grey, turned by EXIF, the shorter side reduced to ``side_px`` or more.

    ``stored`` is the image's size, if it is known: it saves decoding small images twice.

    Raises:
        DataError: OpenCV, and so training, can't decode it.
    """
    if stored is None:
        height, width = decode(content, _REDUCED[8], None).shape
        stored = 8 * width, 8 * height
    factor = next((f for f in _REDUCED if min(stored) >= f * side_px), 1)
    return decode(content, _REDUCED[factor], None)

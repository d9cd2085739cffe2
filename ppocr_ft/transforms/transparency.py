"""Transparent images: drawn on white or on black, whichever shows what is in them.

A runtime that drops the alpha channel, as PaddleOCR does, sees colours that no viewer shows: black
text on a transparent ground is often stored as black on black.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(h, w, 3) BGR."""
Alpha = NDArray[np.uint8]
"""(h, w); 0 is transparent, 255 opaque."""

OTHERWISE_LEVELS = 16
"""Grey levels by which two colours look different."""
OTHERWISE_SHARE = 0.001
"""Share of the pixels that must look different."""
_TURNS: tuple[Callable[[NDArray[np.uint8]], NDArray[np.uint8]], ...] = tuple(
    lambda image, turns=turns, flip=flip: np.rot90(image[:, ::-1] if flip else image, turns)  # type: ignore[misc]
    for flip in (False, True)
    for turns in range(4)
)
"""What EXIF's eight orientations do."""


def alpha_of(content: bytes, colors: Pixels) -> Alpha | None:
    """Return the alpha channel of an image file that was decoded to ``colors``.

    It is turned as ``colors`` are. None if there is none, or if it says nothing: wholly opaque, or
    wholly transparent.
    """
    stored = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 3 or stored.shape[2] != 4:
        return None
    pixels = np.asarray(stored >> 8 if stored.dtype == np.uint16 else stored)
    if pixels.dtype not in (np.uint8, np.uint16):
        return None
    alpha = _turned_as(colors, pixels.astype(np.uint8))
    return None if alpha is None or alpha.min() == 255 or alpha.max() == 0 else alpha


def may_have_alpha(content: bytes) -> bool:
    """Return False for what surely has none, so that it is decoded once only."""
    if content.startswith(b"\x89PNG"):  # colour types 4 and 6 have alpha, a palette has tRNS
        return content[25:26] in (b"\4", b"\6") or b"tRNS" in content[: content.find(b"IDAT")]
    return not content.startswith(b"\xff\xd8") and content[12:16] != b"VP8 "


def _turned_as(colors: Pixels, stored: NDArray[np.uint8]) -> Alpha | None:
    """Return the alpha of ``stored`` (h, w, 4), with the turn that makes its colours ``colors``."""
    turned = [turn(stored) for turn in _TURNS]
    fitting = [image for image in turned if image.shape[:2] == colors.shape[:2]]
    if not fitting:
        return None
    if (fitting[0][..., :3] == colors).all():
        return np.ascontiguousarray(fitting[0][..., 3])
    apart = [float(cv2.norm(np.ascontiguousarray(of[..., :3]), colors)) for of in fitting]
    return np.ascontiguousarray(fitting[int(np.argmin(apart))][..., 3])


def drawn_on_ground(colors: Pixels, alpha: Alpha) -> Pixels:
    """Return the image on white or on black: the one that its visible content differs from more."""
    share = alpha.astype(np.float32)[..., np.newaxis] / 255
    brightness = float((cv2.cvtColor(colors, cv2.COLOR_BGR2GRAY) * share[..., 0]).sum())
    ground = 0 if brightness > 127.5 * float(share.sum()) else 255
    return np.rint(colors * share + ground * (1 - share)).astype(np.uint8)


def show_otherwise(colors: Pixels, drawn: Pixels) -> bool:
    """Return whether the colours alone show another picture than the one that is drawn."""
    apart = np.abs(colors.astype(np.int16) - drawn).max(axis=2) > OTHERWISE_LEVELS
    return bool(apart.mean() > OTHERWISE_SHARE)

"""The size that an image file claims, by its header alone."""

from __future__ import annotations

import struct
from collections.abc import Callable

from ppocr_ft.errors import DataError
from ppocr_ft.limits import MOST_PIXELS

Size = tuple[int, int]
"""Width and height, px."""
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
"""JPEG's markers of a frame, whose header has the size, and those without a length."""
_MOST_PX_PER_BYTE = {_JPEG: 512, _PNG: 8 * 1032}
"""Of a JPEG a block of 8 x 8 pixels takes a bit at least; of a PNG deflate makes 1032 bytes of one
(RFC 1951: 258 bytes of 2 bits), with a bit a pixel."""


def check_size(content: bytes, path: str | None) -> None:
    """Refuse an image before it is decoded, which would fill the memory.

    Formats that are not looked into (AVIF, PNM, ...) have the limit of OpenCV, 2**30 pixels, or
    of their own.

    Raises:
        DataError: it claims more than MOST_PIXELS, or, a JPEG, far more than its bytes can hold.
    """
    width, height = claimed_size(content) or (0, 0)
    claims = f"can't be used: it claims {width:,} x {height:,} pixels"
    if width * height > MOST_PIXELS:
        raise DataError(
            f"{claims}, {width * height:,} in all; at most {MOST_PIXELS:,} are read: "
            "cut it into parts, or save it smaller",
            path=path,
        )
    px_per_byte = next(
        (px for magic, px in _MOST_PX_PER_BYTE.items() if content.startswith(magic)), 0
    )
    if px_per_byte and width * height > px_per_byte * len(content):
        message = f"{claims}, and has {len(content):,} bytes, in which they can't be"
        raise DataError(f"{message}: save it again", path=path)
    if content.startswith(_PNG) and _longest_chunk(content) > len(content):
        raise DataError("can't be decoded; it is a damaged PNG", path=path)


def _longest_chunk(content: bytes) -> int:
    """Return the longest length that a PNG's chunks claim, for which OpenCV would take memory."""
    at, longest = 8, 0
    while at + 4 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        longest = max(longest, length)
        at += length + 12
    return longest


def claimed_size(content: bytes) -> Size | None:
    """Return the size in the header; None if it isn't found, or the format is another one."""
    read = next((read for magic, read in _READERS.items() if content.startswith(magic)), None)
    try:
        return read(content) if read else None
    except struct.error:  # it ends too early
        return None


def _jpeg(content: bytes) -> Size | None:
    at = content.find(b"\xff", 2)
    while 0 <= at < len(content) - 1:
        marker = content[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        if marker == 0xFF:  # filling
            at += 1
            continue
        at += 2
        if marker and marker not in _ALONE:
            (length,) = struct.unpack_from(">H", content, at)
            at += length
        at = content.find(b"\xff", at)
    return None


def _png(content: bytes) -> Size:
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _gif(content: bytes) -> Size:
    width, height = struct.unpack_from("<HH", content, 6)
    return width, height


def _bmp(content: bytes) -> Size:
    is_old = struct.unpack_from("<I", content, 14) == (12,)
    width, height = struct.unpack_from("<HH" if is_old else "<ii", content, 18)
    return abs(width), abs(height)


def _webp(content: bytes) -> Size | None:
    """Of the extended form; the others have 14 bits a side."""
    if content[12:16] != b"VP8X":
        return None
    sides = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
    return next(sides), next(sides)


def _tiff(content: bytes) -> Size | None:
    """Of the first picture, in a TIFF or BigTIFF."""
    order = "<" if content.startswith(b"II") else ">"
    is_big = struct.unpack_from(f"{order}H", content, 2) == (43,)
    offset, count, entry, value = ("Q", "Q", 20, 12) if is_big else ("I", "H", 12, 8)
    (start,) = struct.unpack_from(order + offset, content, 8 if is_big else 4)
    (entries,) = struct.unpack_from(order + count, content, start)
    start += struct.calcsize(order + count)
    sides: dict[int, int] = {}
    for at in range(start, min(start + entries * entry, len(content)), entry):
        tag, kind = struct.unpack_from(f"{order}HH", content, at)
        form = {3: "H", 4: "I", 16: "Q"}.get(kind)
        if tag in (256, 257) and form:
            sides.setdefault(tag, struct.unpack_from(order + form, content, at + value)[0])
    return (sides[256], sides[257]) if len(sides) == 2 else None


def _jpeg_2000(content: bytes) -> Size | None:
    at = content.find(b"\xff\x4f\xff\x51")
    if at < 0:
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", content, at + 8)
    return right - left, bottom - top


_READERS: dict[bytes, Callable[[bytes], Size | None]] = {
    _JPEG: _jpeg,
    _PNG: _png,
    b"GIF8": _gif,
    b"BM": _bmp,
    b"RIFF": _webp,
    b"II": _tiff,
    b"MM": _tiff,
    b"\0\0\0\x0cjP  ": _jpeg_2000,
    b"\xff\x4f\xff\x51": _jpeg_2000,
}

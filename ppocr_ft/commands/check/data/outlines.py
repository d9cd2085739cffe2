"""Polygons that can't be drawn, cross themselves, are outside, run backwards or come twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.data.parsed_labels import Scan
from ppocr_ft.commands.check.data.pictures import Picture
from ppocr_ft.commands.check.data.rules import finding
from ppocr_ft.config.faults import Severity
from ppocr_ft.errors import Finding
from ppocr_ft.geometry import convex_hull, self_crossing, signed_areas, uncrossed
from ppocr_ft.transforms.polygons import TextPolygons

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
BEYOND_PX = 1.0
"""A point may be this far outside its image: labels are rounded."""
LEAST_AREA = 1.0
"""Square pixels; MakeShrinkMap masks a text of less."""
_BLOCK = 100_000
_NAMED = 5
"""So many texts of a line are named in a warning."""
_NONE = (np.empty(0), np.empty(0), np.empty(0, bool), np.empty(0), np.empty(0))


@dataclass(frozen=True)
class Outlines:
    """Measures and faults of each text (n,) of a label file.

    sizes_px: (n, 2) width and height of its image, infinite if that was not opened.
    beyond_px: how far it reaches beyond the image, 0 or less if it doesn't.
    empty: training can't draw it, as MakeShrinkMap sees it: clipped to the image it has no area.
    crossing, anticlockwise, misplaced: misplaced ones are outside the image as EXIF turns it, on
    lines whose labels fit the picture as stored.
    """

    scan: Scan
    sizes_px: Floats
    beyond_px: Floats
    areas: Floats
    empty: Flags
    crossing: Flags
    anticlockwise: Flags
    misplaced: Flags

    @property
    def reaches_beyond(self) -> Flags:
        """Texts with a point outside the image."""
        return self.beyond_px > BEYOND_PX

    @property
    def unusable(self) -> Flags:
        """Texts to be learnt that can't be."""
        return self.empty & ~self.scan.ignored


def outlines(scan: Scan, pictures: Mapping[str, Picture]) -> Outlines:
    """Measure the polygons against the pictures; those not in ``pictures`` are endless."""
    upright, stored = _line_sizes(scan, pictures)
    sizes = upright[scan.owners]
    blocks = [
        _measure(polys, sizes[part], stored[scan.owners[part]])
        for part, polys in _blocks(scan.polygons)
    ]
    areas, clipped, crossing, beyond, stored_beyond = (
        np.concatenate(column) for column in zip(_NONE, *blocks, strict=True)
    )
    fits_stored = ~_any_of_line(scan, stored_beyond > BEYOND_PX)
    return Outlines(
        scan=scan,
        sizes_px=sizes,
        beyond_px=beyond,
        areas=areas,
        empty=np.abs(clipped) < LEAST_AREA,
        crossing=crossing,
        anticlockwise=areas < 0,
        misplaced=(_any_of_line(scan, beyond > BEYOND_PX) & fits_stored)[scan.owners],
    )


def _blocks(polygons: TextPolygons) -> Iterator[tuple[slice, TextPolygons]]:
    """Yield texts in blocks of _BLOCK, so that a data set's millions need little memory."""
    for start in range(0, len(polygons), _BLOCK):
        end = min(start + _BLOCK, len(polygons))
        first, last = polygons.starts[[start, end]]
        starts = polygons.starts[start : end + 1] - first
        yield slice(start, end), TextPolygons(polygons.coords[first:last], starts)


def _measure(
    polygons: TextPolygons, sizes: Floats, stored: Floats
) -> tuple[Floats, Floats, Flags, Floats, Floats]:
    """Return signed areas (n,), the same clipped to ``sizes`` (n, 2), and crossings.

    Then how far, in px, each polygon reaches outside its image of ``sizes``, and of ``stored``.
    """
    coords, starts = polygons.coords.astype(np.float64), polygons.starts
    last = np.repeat(sizes, polygons.counts, axis=0) - 1
    clipped = signed_areas(np.clip(coords, 0, last), starts)
    crossing = self_crossing(coords, starts)
    lowest = np.minimum.reduceat(coords, starts[:-1])
    highest = np.maximum.reduceat(coords, starts[:-1])
    beyond, stored_beyond = (
        np.asarray(np.maximum(-lowest, highest - size).max(axis=1)) for size in (sizes, stored)
    )
    return signed_areas(coords, starts), clipped, crossing, beyond, stored_beyond


def _line_sizes(scan: Scan, pictures: Mapping[str, Picture]) -> tuple[Floats, Floats]:
    """Return the smallest size (lines, 2) of a line's images, as displayed and as stored."""
    upright, stored = (np.full((len(scan.lines), 2), np.inf) for _ in range(2))
    for index, line in enumerate(scan.lines):
        for path in line.images:
            picture = pictures.get(path)
            if picture is not None and picture.size_px and picture.stored_px:
                upright[index] = np.minimum(upright[index], picture.size_px)
                stored[index] = np.minimum(stored[index], picture.stored_px)
    return upright, stored


def _any_of_line(scan: Scan, flags: Flags) -> Flags:
    """Return (lines,), whether a text of the line is flagged in ``flags`` (n,)."""
    return np.bincount(scan.owners[flags], minlength=len(scan.lines)) > 0


def doubtful(measured: Outlines) -> Flags:
    """Flag texts (n,) with a fault, except those that EXIF has moved away."""
    wrong = measured.empty | measured.crossing | measured.anticlockwise | measured.reaches_beyond
    return wrong & ~measured.misplaced


def outline_findings(measured: Outlines) -> Iterator[Finding]:
    """Yield one finding per rule and line; its message names the texts concerned."""
    scan = measured.scan
    messages: dict[tuple[int, str, Severity], list[str]] = {}
    for i in np.flatnonzero(doubtful(measured)).tolist():
        for rule, what in _complaints(measured, i):
            severity: Severity = "error" if measured.unusable[i] else "warning"
            key = int(scan.owners[i]), rule, severity
            messages.setdefault(key, []).append(f"{describe_text(scan, i)} {what}")
    for (owner, rule, severity), texts in messages.items():
        number = scan.lines[owner].number
        message = "; ".join(texts) if severity == "error" else _some(texts)
        yield finding(rule, message, scan.path, number, severity)


def _some(texts: list[str]) -> str:
    more = [f"and {len(texts) - _NAMED} more"] if len(texts) > _NAMED else []
    return "; ".join([*texts[:_NAMED], *more])


def describe_text(scan: Scan, i: int) -> str:
    """Return the text's place on the line and in the image."""
    x, y = scan.polygons[i][0].tolist()
    return f"text {scan.numbers[i]} at ({x:g}, {y:g})"


def _complaints(measured: Outlines, i: int) -> Iterator[tuple[str, str]]:
    """Yield rule and fault; a fault that follows from another one is left out."""
    width, height = measured.sizes_px[i]
    size = f" of {width:.0f} x {height:.0f} px" if np.isfinite(width) else ""
    points = measured.scan.polygons[i]
    if is_crossed(measured, i):
        if uncrossed(points.astype(np.float64)) is None:
            yield "polygon-crossing", "crosses itself"
        else:
            yield "points-order", "crosses itself, as its points are listed in a wrong order"
    elif measured.empty[i]:
        if abs(measured.areas[i]) >= LEAST_AREA:
            yield "polygon-outside", f"lies outside the image{size}"
        else:
            are_shares = points.min() >= 0 and 0 < points.max() <= 1
            why = ": its points are shares of the image (0 to 1), no px" if are_shares else ""
            yield "polygon-empty", f"has an area of {abs(measured.areas[i]):.2g} square px{why}"
        return
    elif measured.anticlockwise[i]:
        yield "points-order", "runs anticlockwise"
    if measured.reaches_beyond[i]:
        beyond = measured.beyond_px[i]
        yield "polygon-outside", f"reaches {beyond:.4g} px beyond the image{size}"


def is_crossed(measured: Outlines, i: int) -> bool:
    """Return whether text i crosses itself; points on one line don't, they are empty."""
    if not measured.crossing[i]:
        return False
    hull = convex_hull(measured.scan.polygons[i])
    return len(hull) > 0 and abs(signed_areas(hull, np.array([0, len(hull)]))[0]) >= LEAST_AREA


def exif_findings(measured: Outlines, pictures: Mapping[str, Picture]) -> Iterator[Finding]:
    """Yield each line with a turned image; an error if no text is where training looks."""
    scan = measured.scan
    misplaced = _any_of_line(scan, measured.misplaced)
    unusable = _any_of_line(scan, measured.unusable & measured.misplaced)
    for index, line in enumerate(scan.lines):
        for path in line.images:
            picture = pictures[path]
            if picture.orientation == 1:
                continue
            message = f"EXIF turns or mirrors the image {path} (orientation {picture.orientation})"
            if misplaced[index]:
                message += ", but its labels fit only the picture as it is stored"
            severity: Severity = "error" if unusable[index] else "warning"
            yield finding("image-exif", message, scan.path, line.number, severity)


def repeated(scan: Scan) -> dict[int, int]:
    """Return texts with the same points as another one of their line, and the one to keep.

    The one that stays is the first that is not ignored, or the first.
    """
    groups: dict[tuple[int, bytes], list[int]] = {}
    for i in _suspects(scan).tolist():
        points = scan.polygons[i]
        ordered = points[np.lexsort(points.T)] + 0.0  # -0 becomes 0
        groups.setdefault((int(scan.owners[i]), ordered.tobytes()), []).append(i)
    result = {}
    for group in groups.values():
        stays = min(group, key=lambda i: (bool(scan.ignored[i]), i))
        result.update({i: stays for i in group if i != stays})
    return result


def _suspects(scan: Scan) -> NDArray[np.int64]:
    """Return texts that share a hash of their line and points, in any order, with another."""
    parts = [_hashes(polys) for _, polys in _blocks(scan.polygons)]
    hashes = np.concatenate([np.empty(0, np.uint64), *parts])
    hashes += scan.owners.astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93)
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[inverse] > 1)


def _hashes(polygons: TextPolygons) -> NDArray[np.uint64]:
    """Return hashes (n,) that don't depend on the order of a polygon's points."""
    bits = (polygons.coords.astype(np.float64) + 0.0).view(np.uint64)  # -0 becomes 0
    mixed = bits * np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)
    points = mixed[:, 0] ^ (mixed[:, 1] >> np.uint64(7))
    points *= points >> np.uint64(17) | np.uint64(1)
    return np.asarray(np.add.reduceat(points, polygons.starts[:-1]))


def repeat_findings(scan: Scan) -> Iterator[Finding]:
    """Yield one finding per line with texts that repeat another."""
    messages: dict[int, list[str]] = {}
    for i, stays in sorted(repeated(scan).items()):
        same = f"{describe_text(scan, i)} has the points of text {scan.numbers[stays]}"
        messages.setdefault(int(scan.owners[i]), []).append(same)
    for owner, texts in messages.items():
        number = scan.lines[owner].number
        yield finding("polygon-duplicate", _some(texts), scan.path, number)

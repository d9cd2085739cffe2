"""The check for images labelled by word among images labelled by line.

An image by words has texts without spaces inside, most of them with a neighbour on the same row no
farther than a space is wide. One by lines has texts with spaces inside, and few such neighbours.
Images that show neither, such as those of few texts, or of scripts without spaces, don't count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.data.parsed_labels import Scan
from ppocr_ft.commands.check.data.rules import finding
from ppocr_ft.errors import Finding
from ppocr_ft.utils.sampling import evenly_spaced

LOOKED_AT = 2000
"""So many lines of a label file, evenly spread, are judged."""
_LEAST_TEXTS, _MOST_TEXTS = 5, 400
_BY_WORDS = {"least_close": 0.4, "most_spaced": 0.02}
_BY_LINES = {"most_close": 0.35, "least_spaced": 0.15}
_MOST_UNSPACED = 0.1
"""An image with more texts than that in a script without spaces tells nothing of words."""
_LEAST_SHARE, _LEAST_IMAGES = 0.1, 3
"""The rarer kind must be so frequent, to be no accident."""


def mixed_findings(scans: Sequence[Scan]) -> Iterator[Finding]:
    """Yield one warning at the first image of the rarer kind; none if all are of one kind."""
    places: dict[str, list[tuple[str, int]]] = {"words": [], "lines": []}
    for scan in scans:
        for index in evenly_spaced(len(scan.lines), LOOKED_AT):
            kind = _kind(scan, index)
            if kind:
                places[kind].append((scan.path, scan.lines[index].number))
    rarer, other = sorted(places, key=lambda kind: len(places[kind]))
    few, many = len(places[rarer]), len(places[other])
    if few < max(_LEAST_IMAGES, _LEAST_SHARE * (few + many)):
        return
    lines = ", ".join(f"{path}:{line}" for path, line in places[rarer][:5])
    message = f"{few} images are labelled by {rarer} and {many} by {other}; by {rarer}: {lines}"
    yield finding("labels-mixed", message, *places[rarer][0])


def _kind(scan: Scan, index: int) -> str | None:
    shares = shares_of_line(scan, index)
    if shares is None:
        return None
    close, spaced = shares
    if close >= _BY_WORDS["least_close"] and spaced <= _BY_WORDS["most_spaced"]:
        return "words"
    if close <= _BY_LINES["most_close"] and spaced >= _BY_LINES["least_spaced"]:
        return "lines"
    return None


def shares_of_line(scan: Scan, index: int) -> tuple[float, float] | None:
    """Return the shares of texts with a neighbour a space away, and of those with a space inside.

    None if the line has too few texts to learn from, or too many, or some in a script without
    spaces.
    """
    start, end = np.searchsorted(scan.owners, [index, index + 1])
    chosen = ~scan.ignored[start:end]
    if not _LEAST_TEXTS <= chosen.sum() <= _MOST_TEXTS:
        return None
    if scan.unspaced[start:end][chosen].mean() > _MOST_UNSPACED:
        return None
    close = _has_close_neighbour(_boxes(scan, start, end)[chosen])
    return float(close.mean()), float(scan.spaced[start:end][chosen].mean())


def _boxes(scan: Scan, start: int, end: int) -> NDArray[np.float64]:
    """Return left, top, right and bottom (n, 4) of the texts from ``start`` to ``end``."""
    edges = scan.polygons.starts[start : end + 1]
    coords = scan.polygons.coords[edges[0] : edges[-1]].astype(np.float64)
    starts = edges[:-1] - edges[0]
    lowest, highest = np.minimum.reduceat(coords, starts), np.maximum.reduceat(coords, starts)
    return np.concatenate([lowest, highest], axis=1)


def _has_close_neighbour(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether a box (n,) has one of similar height beside it on the row, a space away.

    ``boxes`` (n, 4): left, top, right, bottom.
    """
    left, top, right, bottom = (boxes[:, [k]] for k in range(4))
    height = np.maximum(bottom - top, 1e-6)
    lower = np.minimum(height, height.T)
    overlap = np.minimum(bottom, bottom.T) - np.maximum(top, top.T)
    gap = np.maximum(left.T - right, left - right.T)
    close = (overlap > 0.5 * lower) & (np.maximum(height, height.T) < 1.5 * lower)
    close &= (gap > -0.3 * lower) & (gap < 0.6 * lower)
    np.fill_diagonal(close, False)
    return np.asarray(close.any(axis=1))

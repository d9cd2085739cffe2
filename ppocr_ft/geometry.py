"""Polygons of labels: areas, sides, directions, offsets.

A polygon is ``(k, 2)``, x before y, in pixels. This file knows nothing of images or networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
import pyclipper
import shapely
from numpy.typing import NDArray

Polygon = NDArray[np.generic]
Floats = NDArray[np.float64]
Shapes = NDArray[np.object_]
LONG_ASPECT = 2.0
"""The direction of a text less than so many times as long as high can't be told well."""


def as_shapely(polygons: Sequence[Polygon]) -> Shapes:
    """Return shapely polygons ``(n,)`` of ``n`` rings of at least 3 points each, in one call."""
    counts = np.array([len(p) for p in polygons], dtype=np.int64)
    if len(counts) == 0:
        return np.empty(0, dtype=object)
    coords = np.concatenate([np.asarray(p, dtype=np.float64) for p in polygons])
    starts = np.concatenate([[0], np.cumsum(counts)])
    return shapely_rings(coords, starts)


def shapely_rings(coords: NDArray[np.generic], starts: NDArray[np.int64]) -> Shapes:
    """Return shapely polygons of points ``(m, 2)``; i has ``coords[starts[i]:starts[i + 1]]``."""
    counts = np.diff(starts)
    index = np.repeat(np.arange(len(counts)), counts)
    rings = shapely.linearrings(np.asarray(coords, dtype=np.float64), indices=index)
    return np.asarray(shapely.polygons(rings), dtype=object)


def areas(polygons: Sequence[Polygon]) -> Floats:
    """Return areas ``(n,)`` in square pixels, always >= 0."""
    return np.asarray(shapely.area(as_shapely(polygons)), dtype=np.float64)


def perimeters(polygons: Sequence[Polygon]) -> Floats:
    """Return perimeters ``(n,)`` in pixels."""
    return np.asarray(shapely.length(as_shapely(polygons)), dtype=np.float64)


def rectangle_sides(area: Floats, perimeter: Floats) -> tuple[Floats, Floats]:
    """Return the shorter and the longer sides (n,), px, of rectangles (n,) by area and perimeter.

    They are the roots of ``s**2 - perimeter / 2 * s + area``.
    """
    half = perimeter / 2
    root = np.sqrt(np.maximum(half**2 - 4 * area, 0))
    return np.asarray((half - root) / 2), np.asarray((half + root) / 2)


def box_sides(polygons: Sequence[Polygon]) -> tuple[Floats, Floats]:
    """Return the shorter and the longer side (n,), px, of each polygon's smallest rotated box."""
    boxes = shapely.oriented_envelope(as_shapely(polygons))
    return rectangle_sides(shapely.area(boxes), shapely.length(boxes))


def tilts(polygons: Sequence[Polygon]) -> Floats:
    """Return how far each polygon's smallest rotated box is from upright (n,), 0 to 45 degrees.

    The polygons have an area.
    """
    corners = shapely.get_coordinates(
        shapely.get_exterior_ring(shapely.oriented_envelope(as_shapely(polygons)))
    ).reshape(-1, 5, 2)
    side = corners[:, 1] - corners[:, 0]
    angles = np.degrees(np.arctan2(side[:, 1], side[:, 0])) % 90
    return np.asarray(np.minimum(angles, 90 - angles))


def signed_areas(coords: Polygon, starts: NDArray[np.int64]) -> Floats:
    """Return shoelace areas ``(n,)`` in px^2 of polygons in the form of ``shapely_rings``.

    An area is above 0 if the points run clockwise in the image, whose y axis points down.
    """
    if len(starts) < 2:
        return np.empty(0)
    points = coords.astype(np.float64)
    after = np.arange(1, len(points) + 1)
    after[starts[1:] - 1] = starts[:-1]
    here = points - np.repeat(points[starts[:-1]], np.diff(starts), axis=0)
    there = here[after]
    twice = here[:, 0] * there[:, 1] - here[:, 1] * there[:, 0]
    return np.asarray(np.add.reduceat(twice, starts[:-1]) / 2)


def self_crossing(coords: Polygon, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return ``(n,)`` whether a polygon's edges cross or touch, or its points are on one line."""
    crossing = np.ones(len(starts) - 1, dtype=bool)
    crossing[_convex_quads(coords, starts)] = False
    doubtful, counts = np.flatnonzero(crossing), np.diff(starts)
    if len(doubtful):
        points = coords[np.repeat(crossing, counts)]
        ends = np.concatenate([[0], np.cumsum(counts[doubtful])])
        crossing[doubtful] = ~shapely.is_valid(shapely_rings(points, ends))
    return crossing


def _convex_quads(coords: Polygon, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which polygons have four corners that turn the same way; fast, as most labels do."""
    quads = np.flatnonzero(np.diff(starts) == 4)
    corners = coords[starts[quads][:, np.newaxis] + np.arange(4)].astype(np.float64)  # (q, 4, 2)
    edges = np.roll(corners, -1, axis=1) - corners
    ahead = np.roll(edges, -1, axis=1)
    turns = edges[..., 0] * ahead[..., 1] - edges[..., 1] * ahead[..., 0]
    convex = (turns > 0).all(axis=1) | (turns < 0).all(axis=1)
    return np.asarray(quads[convex])


def clockwise(polygon: Floats) -> Floats:
    """Return the polygon from the same first point on, clockwise in the image."""
    turned = signed_areas(polygon, np.array([0, len(polygon)]))[0] < 0
    return np.concatenate([polygon[:1], polygon[:0:-1]]) if turned else polygon


def uncrossed(polygon: Floats) -> Floats | None:
    """Reorder the points of a self-crossing polygon so that its edges don't cross, if possible.

    Two orders are tried: the second half reversed (for a label that lists a text's lower edge from
    left to right, like the upper one), and the points' order around their convex hull.
    """
    half = len(polygon) // 2
    for points in (np.concatenate([polygon[:half], polygon[half:][::-1]]), _around(polygon)):
        if points is not None and not self_crossing(points, np.array([0, len(points)]))[0]:
            return clockwise(points)
    return None


def _around(polygon: Floats) -> Floats | None:
    """Return the points in their order on the convex hull, if all are on it."""
    hull = convex_hull(polygon)
    if len(hull) != len(polygon):
        return None
    first = int(np.flatnonzero((hull == polygon[0]).all(axis=1))[0])
    return np.asarray(np.roll(hull, -first, axis=0))


def convex_hull(polygon: Polygon) -> Floats:
    """Return the smallest convex polygon around the points; no points if they span no area."""
    hull = shapely.convex_hull(shapely.MultiPoint(np.asarray(polygon, dtype=np.float64)))
    corners = shapely.get_coordinates(hull)[:-1]
    return np.asarray(corners if len(corners) > 2 else np.empty((0, 2)))


def largest_piece(polygon: Polygon) -> tuple[Floats, float]:
    """Return the largest piece of a self-crossing polygon, without crossings, and its area share.

    No points and 0 if it has no area.
    """
    pieces = shapely.get_parts(shapely.make_valid(as_shapely([polygon])))
    pieces = pieces[shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON]
    area = shapely.area(pieces)
    if not len(pieces) or not area.max() > 0:
        return np.empty((0, 2)), 0.0
    ring = shapely.get_exterior_ring(pieces[int(area.argmax())])
    return np.asarray(shapely.get_coordinates(ring)[:-1]), float(area.max() / area.sum())


def largest_pieces(shapes: Shapes) -> Shapes:
    """Return the largest polygon (n,) of each shape."""
    pieces, owners = shapely.get_parts(shapes, return_index=True)
    order = np.argsort(shapely.area(pieces), kind="stable")
    largest = np.full(len(shapes), shapely.Polygon(), dtype=object)
    largest[owners[order]] = pieces[order]
    return largest


def parts_inside(
    polygons: Sequence[Polygon], box: tuple[float, float, float, float]
) -> list[Floats]:
    """Return each polygon's largest part inside a box (left, top, right, bottom).

    No points if that has no area. Of a self-crossing polygon the largest piece is looked at.
    """
    pieces = largest_pieces(shapely.make_valid(as_shapely(polygons)))
    parts = largest_pieces(shapely.intersection(pieces, shapely.box(*box)))
    return [shapely.get_coordinates(ring)[:-1] for ring in shapely.get_exterior_ring(parts)]


def offset(polygon: Polygon, distance_px: float) -> list[NDArray[np.int32]]:
    """Move a polygon's edges outwards (inwards if negative) by ``distance_px``, with round corners.

    Returns the resulting rings, each ``(m, 2)`` of whole pixels: none if nothing is left, several
    if the polygon falls apart. Vatti clipping as DB's label making uses it (Liao et al. 2020,
    "Real-time Scene Text Detection with Differentiable Binarization").
    """
    return ring_arrays(offset_rings(polygon.tolist(), distance_px))


def offset_quads(quads: Polygon, distances_px: Floats) -> list[list[NDArray[np.int32]]]:
    """Return each quad's rings as ``offset`` gives them; fast.

    ``quads`` ``(n, 4, 2)`` are moved outwards by ``distances_px`` ``(n,)``.
    """
    from ppocr_ft.offset_loops import grown_quads

    whole = np.trunc(quads).astype(np.float32)  # Clipper takes whole numbers
    points, starts = grown_quads(whole, distances_px)
    edges = starts.tolist()
    rings = [[points[start:end]] for start, end in pairwise(edges)]
    for i in np.flatnonzero(np.diff(starts) == 0).tolist():
        rings[i] = offset(quads[i], float(distances_px[i]))
    return rings


Ring = list[list[int]]


def offset_rings(path: list[list[float]], distance_px: float) -> list[Ring]:
    """Do the same as ``offset`` for one polygon, a list of [x, y], and return lists."""
    clipper = pyclipper.PyclipperOffset()
    clipper.AddPath(path, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    rings: list[Ring] = clipper.Execute(distance_px)
    return rings


def rings_flat(rings: Sequence[Ring]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return all points (m, 2), and the index (n + 1,) at which each ring starts.

    Faster than numpy's own reading of nested lists.
    """
    starts = np.zeros(len(rings) + 1, dtype=np.int64)
    np.cumsum([len(ring) for ring in rings], out=starts[1:])
    numbers = chain.from_iterable(chain.from_iterable(rings))
    return np.fromiter(numbers, np.int32, 2 * int(starts[-1])).reshape(-1, 2), starts


def ring_arrays(rings: Sequence[Ring]) -> list[NDArray[np.int32]]:
    """Return each ring as ``(m, 2)``."""
    points, starts = rings_flat(rings)
    return [points[a:b] for a, b in pairwise(starts.tolist())]

"""The drawing surface of the sample data set: premultiplied colour, coverage and text fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

OVERSAMPLE = 2
"""Patches and scenes are drawn at this multiple of the final image's size."""

LABEL_MARGIN_PX = 2 * OVERSAMPLE
"""Distance between a field's ink and its label, in scene pixels."""

INK_THRESHOLD = 0.3
"""Coverage above which a pixel counts as ink when a field is measured."""

Image = NDArray[np.float32]
Color = tuple[float, float, float]
Polygon = NDArray[np.float64]
"""Convex, (k, 2) pixels."""

Rng = np.random.Generator


@dataclass(frozen=True)
class Ink:
    """Coverage of one text field, (h, w) in 0..1, and of its unlit elements (None: it has none)."""

    text: str
    lit: Image
    unlit: Image | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in scene pixels."""
        return self.lit.shape[1], self.lit.shape[0]


@dataclass(frozen=True)
class Field:
    """One text field: corners (4, 2) float32 pixels, clockwise from the text's top left."""

    text: str
    corners: Image

    def mapped(self, transform: Callable[[Image], Image]) -> Field:
        return replace(self, corners=transform(self.corners).astype(np.float32))


@dataclass
class Patch:
    """A picture with an alpha channel.

    ``bgr`` (h, w, 3) and ``alpha`` (h, w) are float32; ``bgr`` is already multiplied by
    ``alpha``, so that light (lamps, reflections) is just added to it.
    """

    bgr: Image
    alpha: Image
    fields: list[Field] = field(default_factory=list)

    @classmethod
    def clear(cls, width: int, height: int) -> Patch:
        return cls(np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32))

    @classmethod
    def opaque(cls, bgr: Image) -> Patch:
        return cls(np.ascontiguousarray(bgr, np.float32), np.ones(bgr.shape[:2], np.float32))

    @property
    def width(self) -> int:
        return int(self.alpha.shape[1])

    @property
    def height(self) -> int:
        return int(self.alpha.shape[0])

    def paint(self, mask: Image, color: Color | Image, at: tuple[int, int] = (0, 0)) -> None:
        """Lays a colour (or picture of the mask's size) over this patch where the mask covers."""
        mine, theirs = self._overlap(mask.shape, at)
        cover = mask[theirs]
        if not cover.size:
            return
        if isinstance(color, tuple):
            self._over(mine, cv2.merge([cover * np.float32(part) for part in color]), cover)
        else:
            self._over(mine, color[theirs] * cover[..., None], cover)

    def shine(self, mask: Image, color: Color, at: tuple[int, int] = (0, 0)) -> None:
        """Add light to the pixels under the mask."""
        mine, theirs = self._overlap(mask.shape, at)
        if self.alpha[mine].size:
            self.bgr[mine] += cv2.merge([mask[theirs] * np.float32(part) for part in color])

    def label(self, ink: Ink, at: tuple[int, int]) -> None:
        """Record the ink's tight box, widened by LABEL_MARGIN_PX, as a field."""
        columns = np.flatnonzero((ink.lit > INK_THRESHOLD).any(axis=0))
        rows = np.flatnonzero((ink.lit > INK_THRESHOLD).any(axis=1))
        left, right = columns[0] - LABEL_MARGIN_PX, columns[-1] + 1 + LABEL_MARGIN_PX
        top, bottom = rows[0] - LABEL_MARGIN_PX, rows[-1] + 1 + LABEL_MARGIN_PX
        box = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
        self.fields.append(Field(ink.text, box + np.asarray(at, np.float32)))

    def draw(self, polygon: Polygon, color: Color, opacity: float = 1.0) -> None:
        """Paints one polygon and touches only its surroundings."""
        low = np.floor(polygon.min(axis=0)).astype(int) - 1
        width, height = (int(n) for n in np.ceil(polygon.max(axis=0)).astype(int) - low + 2)
        mask = polygon_mask(width, height, [polygon - low]) * np.float32(opacity)
        self.paint(mask, color, (int(low[0]), int(low[1])))

    def write(self, ink: Ink, color: Color, at: tuple[int, int]) -> None:
        """Paints a field's ink and labels it."""
        self.paint(ink.lit, color, at)
        self.label(ink, at)

    def paste(self, other: Patch, at: tuple[int, int], *, shadow: float = 0.0) -> None:
        """Lays another patch over this one, with its fields; ``shadow`` 0..1 is its darkness."""
        if shadow:
            depth = 3 * OVERSAMPLE
            soft = cv2.GaussianBlur(pad(other.alpha, 2 * depth), (0, 0), depth * 0.8)
            self.paint(soft * shadow, (0.0, 0.0, 0.0), (at[0] - depth, at[1] - depth))
        mine, theirs = self._overlap(other.alpha.shape, at)
        if self.alpha[mine].size:
            self._over(mine, other.bgr[theirs], other.alpha[theirs])
        shift = np.asarray(at, np.float32)
        self.fields += [one.mapped(lambda corners: corners + shift) for one in other.fields]

    def _over(self, where: tuple[slice, slice], premultiplied: Image, alpha: Image) -> None:
        keep = 1.0 - alpha
        bgr = self.bgr[where]
        bgr *= cv2.merge([keep, keep, keep])
        bgr += premultiplied
        self.alpha[where] = self.alpha[where] * keep + alpha

    def _overlap(
        self, shape: tuple[int, ...], at: tuple[int, int]
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return the common part of this patch and a (h, w) one at (x, y): own slices, then its."""
        left, top = max(at[0], 0), max(at[1], 0)
        right, bottom = min(at[0] + shape[1], self.width), min(at[1] + shape[0], self.height)
        right, bottom = max(right, left), max(bottom, top)
        mine = (slice(top, bottom), slice(left, right))
        theirs = (slice(top - at[1], bottom - at[1]), slice(left - at[0], right - at[0]))
        return mine, theirs


def clipped(values: NDArray[np.floating]) -> Image:
    """Values as coverage, cut to 0..1."""
    cover: Image = np.clip(values, 0.0, 1.0).astype(np.float32)
    return cover


def pad(mask: Image, border_px: int) -> Image:
    return np.pad(mask, border_px)


def apart(patch: Patch, ink: Ink) -> Patch:
    """Keep bare text on one line farther from the next field than its own words are apart."""
    border_px = round(1.6 * ink.size[1])
    wide = Patch.clear(patch.width + 2 * border_px, patch.height)
    wide.paste(patch, (border_px, 0))
    return wide


def rotated(patch: Patch, angle_deg: float) -> Patch:
    """Turn the patch counter-clockwise about its centre, on a surface that holds all of it."""
    turn = np.deg2rad(angle_deg)
    cos, sin = abs(np.cos(turn)), abs(np.sin(turn))
    width = int(np.ceil(patch.width * cos + patch.height * sin))
    height = int(np.ceil(patch.width * sin + patch.height * cos))
    matrix = cv2.getRotationMatrix2D((patch.width / 2, patch.height / 2), angle_deg, 1.0)
    matrix[:, 2] += (width - patch.width) / 2, (height - patch.height) / 2
    return Patch(
        cv2.warpAffine(patch.bgr, matrix, (width, height)),
        cv2.warpAffine(patch.alpha, matrix, (width, height)),
        [one.mapped(lambda xy: xy @ matrix[:, :2].T + matrix[:, 2]) for one in patch.fields],
    )


@lru_cache(maxsize=32)
def rounded_rect(width: int, height: int, radius_px: int) -> Image:
    """Anti-aliased coverage (height, width) of a rectangle with round corners; read-only."""
    radius = min(radius_px, width // 2, height // 2)
    x = np.abs(np.arange(width) + 0.5 - width / 2) - (width / 2 - radius)
    y = np.abs(np.arange(height) + 0.5 - height / 2) - (height / 2 - radius)
    outside = np.hypot(np.maximum(x, 0)[None, :], np.maximum(y, 0)[:, None])
    inside = np.minimum(np.maximum(x[None, :], y[:, None]), 0)
    cover = clipped(radius - outside - inside + 0.5)
    cover.setflags(write=False)
    return cover


def disc(diameter_px: int) -> Image:
    return rounded_rect(diameter_px, diameter_px, diameter_px)


def polygon_mask(width: int, height: int, polygons: list[Polygon]) -> Image:
    """Anti-aliased coverage (height, width) of convex polygons."""
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        points = np.round(polygon * 16).astype(np.int32)
        cv2.fillConvexPoly(mask, points, 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255.0


def capsule(start: tuple[float, float], end: tuple[float, float], width: float) -> Polygon:
    """Return a straight stroke as a polygon (4, 2)."""
    p, q = np.asarray(start, float), np.asarray(end, float)
    along = (q - p) / max(float(np.hypot(*(q - p))), 1e-6)
    across = np.array([-along[1], along[0]]) * width / 2
    return np.array([p + across, q + across, q - across, p - across])


def uniform(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def scaled_px(rng: Rng, low: float, high: float) -> int:
    """Draw a random length in scene pixels, from bounds in pixels of the final image."""
    return round(uniform(rng, low, high) * OVERSAMPLE)

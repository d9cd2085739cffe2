"""One image on its way through the geometric operators, and the one sampling of its pixels.

Coordinates are px with pixel (i, j) covering [j, j + 1) x [i, i + 1), as imgaug (PaddleOCR up to
2.6) and cv2.resize have it: scaling maps x to s * x, mirroring x to width - x. Matrices are 3x3,
on column vectors (x, y, 1); x grows to the right, y downwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.transforms.labels import Texts
from ppocr_ft.transforms.polygons import TextPolygons, ignore_flags

Matrix = NDArray[np.float64]
Points = NDArray[np.float64]
Boxes = NDArray[np.float64]
Image = NDArray[np.uint8]
Size = tuple[int, int]
"""Width and height, px."""

_SUBPIXEL_BITS = 4
"""Fixed-point digits of the outlines that cv2.fillConvexPoly takes."""
_WHOLE_PX_TOLERANCE = 1e-6
"""A turn by 90 degrees makes no canvas one px larger by its rounding."""


def translation(x: float, y: float) -> Matrix:
    """Move by ``x`` and ``y`` px."""
    matrix = np.eye(3)
    matrix[:2, 2] = x, y
    return matrix


def scaling(x: float, y: float) -> Matrix:
    """Scale by the factors ``x`` and ``y``."""
    return np.diag([x, y, 1.0])


def mirroring(width_px: float) -> Matrix:
    """Exchange left and right: x to ``width_px - x``."""
    return translation(width_px, 0) @ scaling(-1, 1)


def rotation(degrees: float, center: tuple[float, float] = (0.0, 0.0)) -> Matrix:
    """Turn clockwise as seen, about ``center``."""
    angle = np.deg2rad(degrees)
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return translation(*center) @ turn @ translation(-center[0], -center[1])


def perspective(source: Points, target: Points) -> Matrix:
    """Return the matrix that maps four points (4, 2) to four others, no three in a line."""
    return np.asarray(
        cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32)),
        np.float64,
    )


def fitted(matrix: Matrix, size: Size) -> tuple[Matrix, Size]:
    """Return the matrix, and a canvas, that hold the whole of a canvas of ``size`` after it.

    The moved canvas's bounding box, grown to whole px, becomes the new one.
    """
    w, h = size
    corners = transform(matrix, np.array([[0, 0], [w, 0], [w, h], [0, h]]))
    left, top = np.floor(corners.min(axis=0) + _WHOLE_PX_TOLERANCE)
    right, bottom = np.ceil(corners.max(axis=0) - _WHOLE_PX_TOLERANCE)
    new = max(int(right - left), 1), max(int(bottom - top), 1)
    return translation(-left, -top) @ matrix, new


def is_affine(matrix: Matrix) -> bool:
    """Return whether parallel lines stay parallel."""
    return bool(np.allclose(matrix[2] / matrix[2, 2], (0, 0, 1), atol=1e-12))


def transform(matrix: Matrix, points: NDArray[Any]) -> Points:
    """Map points (n, 2) by ``matrix``."""
    mapped = points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:], np.float64)


@dataclass(frozen=True)
class Window:
    """A window's upper left corner and its size, px."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


def reach_into(window: Window, boxes: Boxes) -> NDArray[np.bool_]:
    """Flag the boxes (n, 4) that touch the window; a common edge is enough (as in PaddleOCR)."""
    left, top, right, bottom = boxes.T
    return np.asarray(
        (right >= window.left)
        & (left <= window.right)
        & (bottom >= window.top)
        & (top <= window.bottom)
    )


@dataclass(frozen=True)
class ImageLayer:
    """An image (h, w, 3) uint8 and the 3x3 matrix from its px to the canvas's.

    ``outline`` (k, 2), in canvas px, is the visible part; None: all.
    """

    image: Image
    matrix: Matrix
    outline: Points | None = None

    def moved(self, matrix: Matrix) -> ImageLayer:
        outline = None if self.outline is None else transform(matrix, self.outline)
        return ImageLayer(self.image, matrix @ self.matrix, outline)


@dataclass(frozen=True)
class Sample:
    """A canvas: the layers on it, and the places of its texts.

    ``layers``: the page first, then pasted images. ``filled_px``: the size of the canvas's part
    that shows them, ``filled_from`` its upper left corner (x, y); the rest is black, or, with
    ``on_paper``, of the colour of the page's edges. ``donor``: an image to paste from.
    """

    layers: tuple[ImageLayer, ...]
    size_px: Size
    filled_px: Size
    texts: Texts
    donor: Sample | None = None
    filled_from: Size = (0, 0)
    on_paper: bool = False

    @classmethod
    def of(cls, data: dict[str, Any]) -> Sample:
        """Read ``image`` (h, w, 3), ``polys``, ``texts``, ``ignore_tags`` and ``ext_data``."""
        image, polys = data["image"], data["polys"]
        transcriptions = tuple(data.get("texts", [""] * len(polys)))
        flags = ignore_flags(data["ignore_tags"], len(polys))
        size = image.shape[1], image.shape[0]
        others = data.get("ext_data", ())
        return cls(
            layers=(ImageLayer(image, np.eye(3)),),
            size_px=size,
            filled_px=size,
            texts=Texts(TextPolygons.of(polys), transcriptions, flags),
            donor=cls.of(others[0]) if others else None,
        )

    def moved(self, matrix: Matrix, size_px: Size) -> Sample:
        """Map everything by ``matrix`` onto a canvas of ``size_px``."""
        polygons = self.texts.polygons
        coords = transform(matrix, polygons.coords).astype(polygons.coords.dtype)
        texts = replace(self.texts, polygons=TextPolygons(coords, polygons.starts))
        layers = tuple(layer.moved(matrix) for layer in self.layers)
        return Sample(layers, size_px, size_px, texts, self.donor)

    def select(self, chosen: NDArray[np.bool_]) -> Sample:
        """Keep only the texts flagged in ``chosen`` (n,)."""
        return replace(self, texts=self.texts.select(chosen))

    def ignoring(self, flags: NDArray[np.bool_]) -> Sample:
        """Ignore the texts flagged in ``flags`` (n,) too."""
        return replace(self, texts=replace(self.texts, ignored=self.texts.ignored | flags))

    def within(self, filled_px: Size, filled_from: Size = (0, 0)) -> Sample:
        """Show only this part of the canvas and keep only texts that touch it."""
        touching = reach_into(Window(*filled_from, *filled_px), self.boxes())
        return replace(self.select(touching), filled_px=filled_px, filled_from=filled_from)

    def boxes(self) -> Boxes:
        """Return each text's bounding box (n, 4): left, top, right, bottom."""
        return self.texts.boxes()


def render(sample: Sample) -> Image:
    """Return the canvas (h, w, 3) uint8: each layer sampled once, bilinearly."""
    left, top = sample.filled_from
    to_filled = translation(-left, -top)
    page, *pasted = (layer.moved(to_filled) for layer in sample.layers)
    image = _warp(page.image, page.matrix, sample.filled_px)
    if pasted and image is page.image:
        image = image.copy()
    for layer in pasted:
        _paste(layer, image)
    if sample.filled_px == sample.size_px:
        return image
    (w, h), (filled_w, filled_h) = sample.size_px, sample.filled_px
    paper = _edge_color(page.image) if sample.on_paper else 0
    canvas = np.full((h, w, 3), paper, np.uint8)
    canvas[top : top + filled_h, left : left + filled_w] = image
    return canvas


def _edge_color(image: Image) -> Image:
    """Return the median color (3,) of the image's outermost pixels."""
    edges = image[0], image[-1], image[:, 0], image[:, -1]
    return np.asarray(np.median(np.concatenate(edges), axis=0), np.uint8)


def _warp(image: Image, matrix: Matrix, size_px: Size) -> Image:
    """Warp ``image`` by ``matrix``; black outside the image.

    Without a turn the page's last pixels are repeated over its edge, as in cv2.resize. OpenCV
    samples four channels twice as fast as three, hence the fourth.
    """
    if np.array_equal(matrix, np.eye(3)) and size_px == (image.shape[1], image.shape[0]):
        return image
    half = translation(0.5, 0.5)  # OpenCV's coordinates are of pixel centres
    to_centers = translation(-0.5, -0.5)
    if not is_affine(matrix):
        warped = cv2.warpPerspective(image, to_centers @ matrix @ half, size_px)
        return np.asarray(warped, np.uint8)
    part, left, top = _sampled_part(image, matrix, size_px)
    if not part.size:
        return np.zeros((size_px[1], size_px[0], 3), np.uint8)
    centers = to_centers @ matrix @ translation(left, top) @ half
    four = cv2.cvtColor(part, cv2.COLOR_BGR2BGRA)
    warped = cv2.warpAffine(four, centers[:2] / centers[2, 2], size_px, flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR), np.uint8)


def _sampled_part(image: Image, matrix: Matrix, size_px: Size) -> tuple[Image, int, int]:
    """Return what of ``image`` an affine warp reads, and the part's left and top in it, px."""
    (w, h), corners = size_px, np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    back: Matrix = np.linalg.inv(matrix).astype(np.float64)
    read = transform(back, corners * (w, h))
    left, top = np.floor(read.min(axis=0)).astype(int) - 1
    right, bottom = np.ceil(read.max(axis=0)).astype(int) + 1
    image_h, image_w = image.shape[:2]
    x, y = np.clip([left, right], 0, image_w), np.clip([top, bottom], 0, image_h)
    part = image[y[0] : y[1], x[0] : x[1]]
    straight = matrix[0, 1] == 0 and matrix[1, 0] == 0
    if not straight or not part.size:
        return part, int(x[0]), int(y[0])
    above, below, before, behind = map(int, (y[0] - top, bottom - y[1], x[0] - left, right - x[1]))
    repeated = cv2.copyMakeBorder(part, above, below, before, behind, cv2.BORDER_REPLICATE)
    return np.asarray(repeated, np.uint8), int(left), int(top)


def _paste(layer: ImageLayer, canvas: Image) -> None:
    """Paste a layer's part inside its outline onto ``canvas`` (h, w, 3), edges blended."""
    outline = layer.outline
    if outline is None:
        raise ValueError("a pasted layer needs an outline")
    h, w = canvas.shape[:2]
    left, top = np.clip(np.floor(outline.min(axis=0)), 0, (w, h)).astype(int)
    right, bottom = np.clip(np.ceil(outline.max(axis=0)), 0, (w, h)).astype(int)
    if right <= left or bottom <= top:
        return
    size = int(right - left), int(bottom - top)
    patch = _warp(layer.image, translation(-left, -top) @ layer.matrix, size)
    mask = np.zeros((size[1], size[0]), np.uint8)
    points = np.round((outline - (left, top) - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillConvexPoly(mask, points, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    alpha = np.divide(mask[..., np.newaxis], 255, dtype=np.float32)
    part = canvas[top:bottom, left:right]
    part[...] = np.round(part + alpha * (patch.astype(np.float32) - part))

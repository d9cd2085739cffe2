"""The sampling of a sample's pixels, once for all geometric operators."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.transforms.matrices import Matrix, is_affine, translation
from ppocr_ft.transforms.sample import ImageLayer, Sample, Size

Image = NDArray[np.uint8]

_SUBPIXEL_BITS = 4
"""Fixed-point digits of the outlines that cv2.fillConvexPoly takes."""


def render(sample: Sample) -> Image:
    """Return the canvas (h, w, 3) uint8: each layer sampled once, bilinearly."""
    page, *pasted = sample.layers
    image = _warp(page.image, page.matrix, sample.filled_px)
    if pasted and image is page.image:
        image = image.copy()
    for layer in pasted:
        _paste(layer, image)
    if sample.filled_px == sample.size_px:
        return image
    (w, h), (filled_w, filled_h) = sample.size_px, sample.filled_px
    canvas = np.zeros((h, w, 3), np.uint8)
    canvas[:filled_h, :filled_w] = image
    return canvas


def _warp(image: Image, matrix: Matrix, size_px: Size) -> Image:
    """Warp ``image`` by ``matrix``; black outside the image.

    Without a turn the page's last pixels are repeated over its edge, as in cv2.resize.
    """
    if np.array_equal(matrix, np.eye(3)) and size_px == (image.shape[1], image.shape[0]):
        return image
    half = translation(0.5, 0.5)  # OpenCV's coordinates are of pixel centres
    centers = np.linalg.inv(half) @ matrix @ half
    straight = matrix[0, 1] == 0 and matrix[1, 0] == 0
    options: dict[str, Any] = {
        "flags": cv2.INTER_LINEAR,
        "borderMode": cv2.BORDER_REPLICATE if straight else cv2.BORDER_CONSTANT,
    }
    if is_affine(matrix):
        warped = cv2.warpAffine(image, centers[:2] / centers[2, 2], size_px, **options)
    else:
        options["borderMode"] = cv2.BORDER_CONSTANT
        warped = cv2.warpPerspective(image, centers, size_px, **options)
    return np.asarray(warped, np.uint8)


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
    alpha = _coverage(outline - (left, top), size)
    part = canvas[top:bottom, left:right]
    part[...] = np.round(part + alpha * (patch.astype(np.float32) - part))


def _coverage(outline: NDArray[np.float64], size_px: Size) -> NDArray[np.float32]:
    """Return (h, w, 1): the share of each pixel inside the outline, 0 to 1."""
    mask = np.zeros((size_px[1], size_px[0]), np.uint8)
    points = np.round((outline - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillConvexPoly(mask, points, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return np.divide(mask[..., np.newaxis], 255, dtype=np.float32)

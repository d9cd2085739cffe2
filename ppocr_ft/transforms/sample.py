"""One image on its way through the geometric operators: nothing is resampled yet.

Coordinates are px with pixel (i, j) covering [j, j + 1) x [i, i + 1), as imgaug (PaddleOCR up to
2.6) and cv2.resize have it: scaling maps x to s * x, mirroring x to width - x.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.transforms.labels import Texts
from ppocr_ft.transforms.matrices import identity, transform
from ppocr_ft.transforms.polygons import TextPolygons, ignore_flags

Boxes = NDArray[np.float64]


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


Matrix = NDArray[np.float64]
Size = tuple[int, int]
"""Width and height, px."""


@dataclass(frozen=True)
class ImageLayer:
    """An image (h, w, 3) uint8 and the 3x3 matrix from its px to the canvas's.

    ``outline`` (k, 2), in canvas px, is the visible part; None: all.
    """

    image: NDArray[np.uint8]
    matrix: Matrix
    outline: NDArray[np.float64] | None = None

    def moved(self, matrix: Matrix) -> ImageLayer:
        outline = None if self.outline is None else transform(matrix, self.outline)
        return ImageLayer(self.image, matrix @ self.matrix, outline)


@dataclass(frozen=True)
class Sample:
    """A canvas: the layers on it, and the places of its texts.

    ``layers``: the page first, then pasted images. ``filled_px``: the canvas's part from the upper
    left that shows them; the rest is black. ``donor``: an image to paste from.
    """

    layers: tuple[ImageLayer, ...]
    size_px: Size
    filled_px: Size
    texts: Texts
    donor: Sample | None = None

    @classmethod
    def of(cls, data: dict[str, Any]) -> Sample:
        """Read ``image`` (h, w, 3), ``polys``, ``texts``, ``ignore_tags`` and ``ext_data``."""
        image, polys = data["image"], data["polys"]
        transcriptions = tuple(data.get("texts", [""] * len(polys)))
        flags = ignore_flags(data["ignore_tags"], len(polys))
        size = image.shape[1], image.shape[0]
        others = data.get("ext_data", ())
        return cls(
            layers=(ImageLayer(image, identity()),),
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
        return replace(self, layers=layers, size_px=size_px, filled_px=size_px, texts=texts)

    def select(self, chosen: NDArray[np.bool_]) -> Sample:
        """Keep only the texts flagged in ``chosen`` (n,)."""
        return replace(self, texts=self.texts.select(chosen))

    def ignoring(self, flags: NDArray[np.bool_]) -> Sample:
        """Ignore the texts flagged in ``flags`` (n,) too."""
        return replace(self, texts=replace(self.texts, ignored=self.texts.ignored | flags))

    def within(self, filled_px: Size) -> Sample:
        """Show only the canvas's part ``filled_px`` and keep only texts that touch it."""
        touching = reach_into(Window(0, 0, *filled_px), self.boxes())
        return replace(self.select(touching), filled_px=filled_px)

    def boxes(self) -> NDArray[np.float64]:
        """Return each text's bounding box (n, 4): left, top, right, bottom."""
        return self.texts.boxes()

    def fields(self) -> dict[str, Any]:
        """Return ``polys``, ``texts`` and ``ignore_tags`` as operators on dicts have them."""
        texts = self.texts
        return {
            "polys": [texts.polygons[i] for i in range(len(texts))],
            "texts": list(texts.transcriptions),
            "ignore_tags": texts.ignored.copy(),
        }

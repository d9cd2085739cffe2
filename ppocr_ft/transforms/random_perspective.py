"""PP-OCRv6's random perspective: shear, scale, turn and tilt of the whole page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le, Lt
from pydantic import BeforeValidator, Strict

from ppocr_ft.declaration import Share
from ppocr_ft.geometry import areas
from ppocr_ft.transforms.geometric import GeometricOperator
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.sample import (
    Matrix,
    Sample,
    Size,
    fitted,
    rotation,
    scaling,
    translation,
)

REFERENCE_SIDE_PX = 640.0
"""Side of the image for which ``perspective`` is given; a larger one tilts as much as a whole."""
MOST_PERSPECTIVE = 0.0015
"""Beyond 1 / REFERENCE_SIDE_PX a corner of the page could lie behind the viewer."""

Grey = Annotated[float, Ge(0), Le(255)]
Colour = Annotated[
    tuple[Grey, Grey, Grey],
    Strict(False),
    BeforeValidator(lambda value: (value,) * 3 if isinstance(value, (int, float)) else value),
]


@dataclass(frozen=True)
class View:
    """One drawn view of the page.

    tilt: growth of the depth per px to the right and downwards, 1 / px.
    degrees: turn clockwise. scale: factor of both sides. shear: tangents along x and along y.
    """

    tilt: tuple[float, float]
    degrees: float
    scale: float
    shear: tuple[float, float]

    def matrix(self, size: Size) -> Matrix:
        """Return the matrix, with the page's middle as origin afterwards."""
        depth, slant = np.eye(3), np.eye(3)
        depth[2, :2] = self.tilt
        slant[0, 1], slant[1, 0] = self.shear
        turn = rotation(self.degrees) @ scaling(self.scale, self.scale)
        return slant @ turn @ depth @ translation(-size[0] / 2, -size[1] / 2)


@register
class RandomPerspective(GeometricOperator[View | None]):
    """Look at the page from another side: tilt, turn, scale and shear it about its middle.

    PP-OCRv6's operator (PaddleOCR 3.7). Texts of which too little is left, and those whose middle
    has left the canvas, are dropped.

    Args:
        prob: probability.
        degrees: largest angle, either way.
        scale: largest relative change of the size.
        shear: largest slant along x, and along y, degrees.
        perspective: largest growth of the depth per px, for an image with a longest side of
            640 px; the same view as a whole for any other.
        fit_output: whether the canvas is fitted to the moved page; otherwise it keeps its size.
        fill_value: colour of what is beyond the page; black only.
        min_area_ratio: a text with less of its area than this is dropped.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self,
        prob: Share = 0.3,
        degrees: Annotated[float, Ge(0), Le(180)] = 0.0,
        scale: Annotated[float, Ge(0), Lt(1)] = 0.2,
        shear: Annotated[float, Ge(0), Lt(45)] = 5.0,
        perspective: Annotated[float, Ge(0), Le(MOST_PERSPECTIVE)] = 0.0002,
        fit_output: bool = True,
        fill_value: Colour = (0.0, 0.0, 0.0),
        min_area_ratio: Share = 0.1,
    ) -> None:
        self.prob = prob
        self.degrees = degrees
        self.scale = scale
        self.shear = shear
        self.perspective = perspective
        self.fit_output = fit_output
        self.min_area_ratio = min_area_ratio

    @staticmethod
    def check_keys(section: Any) -> None:
        """Refuse a coloured background."""
        if any(section.fill_value):
            shown = ", ".join(f"{value:g}" for value in section.fill_value)
            raise ValueError(
                f"fill_value is [{shown}]; what is beyond the page is black here, as for all "
                "operators: give [0, 0, 0]"
            )

    def draw(self, rng: np.random.Generator, sample: Sample) -> View | None:
        if rng.random() >= self.prob:
            return None
        tilt = self.perspective * REFERENCE_SIDE_PX / max(sample.size_px)
        slant = np.tan(np.deg2rad(rng.uniform(-self.shear, self.shear, 2)))
        return View(
            tilt=(float(rng.uniform(-tilt, tilt)), float(rng.uniform(-tilt, tilt))),
            degrees=float(rng.uniform(-self.degrees, self.degrees)),
            scale=float(rng.uniform(1 - self.scale, 1 + self.scale)),
            shear=(float(slant[0]), float(slant[1])),
        )

    def apply(self, drawn: View | None, sample: Sample) -> Sample:
        if drawn is None:
            return sample
        w, h = sample.size_px
        matrix = drawn.matrix((w, h))
        if self.fit_output:
            matrix, size = fitted(matrix, (w, h))
        else:
            matrix, size = translation(w / 2, h / 2) @ matrix, (w, h)
        return _left(sample, sample.moved(matrix, size), self.min_area_ratio)


def _left(before: Sample, moved: Sample, min_area_ratio: float) -> Sample:
    """Keep the texts with their middle on the canvas and enough of their area."""
    rings = [moved.texts.polygons[i] for i in range(len(moved.texts))]
    if not rings:
        return moved
    old = areas([before.texts.polygons[i] for i in range(len(before.texts))])
    middles = np.array([ring.mean(axis=0) for ring in rings])
    inside = ((middles > 0) & (middles < moved.size_px)).all(axis=1)
    return moved.select(inside & (areas(rings) > old * min_area_ratio))

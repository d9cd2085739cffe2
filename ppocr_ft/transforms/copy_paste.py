"""The operator that pastes texts of another image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.declaration import Share
from ppocr_ft.transforms.geometric import GeometricOperator
from ppocr_ft.transforms.labels import Texts
from ppocr_ft.transforms.polygons import TextPolygons
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.sample import (
    ImageLayer,
    Matrix,
    Sample,
    Window,
    perspective,
    reach_into,
    rotation,
    transform,
    translation,
)

Quad = NDArray[np.float64]

MOST_PASTED = 30
PLACE_TRIES = 50


@dataclass(frozen=True)
class Pasted:
    """One text to paste: its index in the donor, and the matrix that moves it to its place."""

    text: int
    matrix: Matrix


@register
class CopyPaste(GeometricOperator[tuple[Pasted, ...]]):
    """Paste texts of another image onto this one, turned by any angle.

    PaddleOCR 2.10.0's operator. Nothing is cut out or pasted here: each text becomes a layer,
    which is sampled with the page when that is. A text that isn't a quad is taken by its smallest
    rotated rectangle (PaddleOCR takes no such image). ``ext_data_num`` says how many images it
    wants in ``ext_data``.

    Args:
        objects_paste_ratio: share of the other image's texts that is pasted, at least one text.
        limit_paste: whether a pasted text may cover no other one.
    """

    ext_data_num = 1

    def __init__(self, objects_paste_ratio: Share = 0.2, limit_paste: bool = True) -> None:
        self.objects_paste_ratio = objects_paste_ratio
        self.limit_paste = limit_paste

    def draw(self, rng: np.random.Generator, sample: Sample) -> tuple[Pasted, ...]:
        donor = sample.donor
        if donor is None:
            return ()
        most = min(int(self.objects_paste_ratio * len(donor.texts)), MOST_PASTED)
        usable = rng.permutation(np.flatnonzero(~donor.texts.ignored))
        taken = sample.boxes()
        pasted = []
        for text in usable[: max(most, 1)].tolist():
            matrix, box = _turned(_quad(donor, text), float(rng.integers(360)))
            place = self._place(rng, box, taken, sample)
            if place is None:
                continue
            pasted.append(Pasted(text, translation(*place) @ matrix))
            taken = np.concatenate([taken, box[np.newaxis] + np.tile(place, 2)])
        return tuple(pasted)

    def _place(
        self, rng: np.random.Generator, box: Quad, taken: Quad, sample: Sample
    ) -> tuple[int, int] | None:
        """Return how far the text with the box ``box`` (4,) moves; None: there is no room."""
        w, h = sample.size_px
        right, bottom = w - int(np.ceil(box[2])), h - int(np.ceil(box[3]))
        if right < 0 or bottom < 0:
            return None
        for _ in range(PLACE_TRIES if self.limit_paste else 1):
            x, y = int(rng.integers(right + 1)), int(rng.integers(bottom + 1))
            window = Window(box[0] + x, box[1] + y, box[2] - box[0], box[3] - box[1])
            if not (self.limit_paste and reach_into(window, taken).any()):
                return x, y
        return None

    def apply(self, drawn: tuple[Pasted, ...], sample: Sample) -> Sample:
        donor = sample.donor
        if donor is None or not drawn:
            return sample
        quads = [_quad(donor, one.text) for one in drawn]
        outlines = [transform(one.matrix, quad) for one, quad in zip(drawn, quads, strict=True)]
        page = donor.layers[0].image
        layers = tuple(
            ImageLayer(page, one.matrix, outline)
            for one, outline in zip(drawn, outlines, strict=True)
        )
        texts = _with(sample.texts, donor.texts, [one.text for one in drawn], outlines)
        return replace(sample, layers=sample.layers + layers, texts=texts)


def _quad(donor: Sample, text: int) -> Quad:
    points = np.asarray(donor.texts.polygons[text], np.float32)
    quad = points if len(points) == 4 else cv2.boxPoints(cv2.minAreaRect(points))
    return np.asarray(quad, np.float64)


def _turned(quad: Quad, degrees: float) -> tuple[Matrix, Quad]:
    """Return the matrix that straightens and turns the text, and its bounding box (4,) then.

    The box's upper left corner is (0, 0).
    """
    sides = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
    width, height = max(sides[0], sides[2], 1.0), max(sides[1], sides[3], 1.0)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    matrix = rotation(-degrees) @ perspective(quad, corners)
    turned = transform(rotation(-degrees), corners)
    offset = turned.min(axis=0)
    box = np.concatenate([np.zeros(2), turned.max(axis=0) - offset])
    return translation(*-offset) @ matrix, box


def _with(texts: Texts, donor: Texts, chosen: list[int], outlines: list[Quad]) -> Texts:
    """Return ``texts``, followed by the chosen ones of ``donor`` at their new places."""
    polygons = [texts.polygons[i] for i in range(len(texts))] + [
        outline.astype(np.float32) for outline in outlines
    ]
    transcriptions = texts.transcriptions + tuple(donor.transcriptions[i] for i in chosen)
    return Texts(
        TextPolygons.of(polygons),
        transcriptions,
        np.concatenate([texts.ignored, donor.ignored[chosen]]),
    )

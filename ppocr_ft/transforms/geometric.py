"""Operators of random geometry: their common part, IaaAugment with its steps, and CopyPaste."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import cv2
import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray
from pydantic import BeforeValidator

from ppocr_ft.declaration import Listed, PositiveFloat, Range, Rising, Share
from ppocr_ft.transforms.labels import Texts
from ppocr_ft.transforms.polygons import TextPolygons
from ppocr_ft.transforms.registry import (
    AUGMENTERS,
    AugmenterItem,
    AugmenterSection,
    augmenter,
    register,
)
from ppocr_ft.transforms.sample import (
    ImageLayer,
    Matrix,
    Sample,
    Size,
    Window,
    fitted,
    mirroring,
    perspective,
    reach_into,
    render,
    rotation,
    scaling,
    transform,
    translation,
)

Drawn = TypeVar("Drawn")
Quad = NDArray[np.float64]

MOST_PASTED = 30
PLACE_TRIES = 50


class GeometricOperator(ABC, Generic[Drawn]):
    """Moves a sample's texts and pixels; the pixels are sampled after the last one."""

    MOVES_TEXTS: ClassVar[bool] = True
    """Whether maps that were drawn before it no longer fit."""
    FINAL: ClassVar[bool] = False
    """Whether it gives the crop that enters the network, so that no other may follow."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, sample: Sample) -> Drawn:
        """Return the random choice for this sample."""

    @abstractmethod
    def apply(self, drawn: Drawn, sample: Sample) -> Sample:
        """Return the sample after it; nothing is random here."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Apply this operator alone; see ``move``."""
        return move([self], data)


def move(operators: Sequence[GeometricOperator[Any]], data: dict[str, Any]) -> dict[str, Any]:
    """Apply all, then sample the pixels once.

    Reads ``rng`` (a numpy Generator) and what ``Sample.of`` reads; replaces ``image``,
    ``polys``, ``texts`` and ``ignore_tags``. The choices go into ``drawn``, one per operator.
    """
    sample, drawn = Sample.of(data), []
    for operator in operators:
        drawn.append(operator.draw(data["rng"], sample))
        sample = operator.apply(drawn[-1], sample)
    data.update(sample.texts.fields(), image=render(sample), drawn=tuple(drawn))
    return data


class Augmenter(ABC):
    """A step of IaaAugment: it draws one value, which gives a matrix and a new size."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Any:
        """Return the random value; None: leave the image alone."""

    @abstractmethod
    def matrix(self, drawn: Any, size: Size) -> tuple[Matrix, Size]:
        """Return the effect of a drawn value on a canvas of ``size`` (width, height)."""


@augmenter
class Fliplr(Augmenter):
    """Mirror left and right.

    Args:
        p: probability.
    """

    def __init__(self, p: Share = 1.0) -> None:
        self.p = p

    def draw(self, rng: np.random.Generator) -> bool | None:
        return True if rng.random() < self.p else None

    def matrix(self, drawn: bool, size: Size) -> tuple[Matrix, Size]:
        return mirroring(size[0]), size


@augmenter
class Affine(Augmenter):
    """Rotate about the middle, clockwise; what turns in is black.

    Args:
        rotate: lowest and highest angle, degrees.
        p: probability; PaddleOCR up to 2.10 turns each image.
        fit_output: whether the canvas grows to hold the whole turned image; otherwise it keeps its
            size, and what turns out of it is lost.
    """

    def __init__(
        self, rotate: Range[float] = (0.0, 0.0), p: Share = 1.0, fit_output: bool = False
    ) -> None:
        self.rotate = rotate
        self.p = p
        self.fit_output = fit_output

    def draw(self, rng: np.random.Generator) -> float | None:
        return float(rng.uniform(*self.rotate)) if rng.random() < self.p else None

    def matrix(self, drawn: float, size: Size) -> tuple[Matrix, Size]:
        turn = rotation(drawn, (size[0] / 2, size[1] / 2))
        return fitted(turn, size) if self.fit_output else (turn, size)


@augmenter
class Resize(Augmenter):
    """Scale both sides by one factor.

    Args:
        size: lowest and highest factor of both sides.
    """

    def __init__(self, size: Rising[PositiveFloat] = (1.0, 1.0)) -> None:
        self.size = size

    def draw(self, rng: np.random.Generator) -> float:
        return float(rng.uniform(*self.size))

    def matrix(self, drawn: float, size: Size) -> tuple[Matrix, Size]:
        w, h = (max(int(side * drawn), 1) for side in size)
        return scaling(drawn, drawn), (w, h)


@augmenter
class Perspective(Augmenter):
    """Move each corner, either way; PaddleOCR has none.

    Corners move by at most a quarter of the sides, so that two of them never meet.

    Args:
        scale: lowest and highest bound on how far a corner moves, of which each image draws its
            own, as a share of the sides.
        p: probability.
    """

    def __init__(
        self, scale: Range[Annotated[float, Ge(0), Le(0.25)]] = (0.0, 0.05), p: Share = 0.5
    ) -> None:
        self.scale = scale
        self.p = p

    def draw(self, rng: np.random.Generator) -> tuple[tuple[float, float], ...] | None:
        if rng.random() >= self.p:
            return None
        bound = rng.uniform(*self.scale)
        return tuple((float(x), float(y)) for x, y in rng.uniform(-bound, bound, (4, 2)))

    def matrix(self, drawn: tuple[tuple[float, float], ...], size: Size) -> tuple[Matrix, Size]:
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
        moved = corners + np.array(drawn)
        return perspective(corners * size, moved * size), size


PADDLEOCR_STEPS: tuple[AugmenterSection, ...] = tuple(
    AUGMENTERS[name].model_validate({"args": args})
    for name, args in (
        ("Fliplr", {"p": 0.5}),
        ("Affine", {"rotate": (-10, 10)}),
        ("Resize", {"size": (0.5, 3)}),
    )
)


@register
class IaaAugment(GeometricOperator[tuple[Any, ...]]):
    """Change the geometry at random, in the order of ``augmenter_args``.

    PaddleOCR's operator; neither imgaug nor albumentations is needed.

    Args:
        augmenter_args: list of ``{type, args}``; null: PaddleOCR's own three.

    Raises:
        ConfigError: an unknown step or a value that it can't use, naming the key.
    """

    def __init__(
        self,
        augmenter_args: Annotated[
            Listed[AugmenterItem],
            BeforeValidator(lambda value: PADDLEOCR_STEPS if value is None else value),
        ] = PADDLEOCR_STEPS,
    ) -> None:
        self.steps = tuple(step.build() for step in augmenter_args)

    def draw(self, rng: np.random.Generator, sample: Sample) -> tuple[Any, ...]:
        """Return one value per step; None if a step is left out this time."""
        return tuple(step.draw(rng) for step in self.steps)

    def apply(self, drawn: tuple[Any, ...], sample: Sample) -> Sample:
        for step, value in zip(self.steps, drawn, strict=True):
            if value is not None:
                sample = sample.moved(*step.matrix(value, sample.size_px))
        return sample


@register
class Rotate90(GeometricOperator[int]):
    """Turn the whole image by quarters, clockwise, pixel by pixel; PaddleOCR has none.

    The points of a text keep their order: its first one stays where reading begins. For pages that
    may lie on their side or upside down.

    Args:
        p_90: probability of a quarter turn.
        p_180: probability of half a turn.
        p_270: probability of three quarters.

    Raises:
        ConfigError: probabilities that add up to more than 1.
    """

    def __init__(self, p_90: Share = 0.1, p_180: Share = 0.1, p_270: Share = 0.1) -> None:
        self.limits = np.cumsum([p_270, p_180, p_90])

    @staticmethod
    def check_keys(section: Any) -> None:
        """Refuse probabilities that add up to more than 1."""
        total = section.p_90 + section.p_180 + section.p_270
        if total > 1 + 1e-9:
            raise ValueError(f"p_90, p_180 and p_270 add up to {total:g}; 1 is the most")

    def draw(self, rng: np.random.Generator, sample: Sample) -> int:
        """Return the number of quarters, 0 to 3."""
        return 3 - int(np.searchsorted(self.limits, rng.random(), side="right"))

    def apply(self, drawn: int, sample: Sample) -> Sample:
        turn = np.rint(rotation(90.0 * drawn))  # else its zeros would be nearly so
        return sample.moved(*fitted(turn, sample.size_px)) if drawn else sample


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
        texts_here, chosen = sample.texts, [one.text for one in drawn]
        polygons = [texts_here.polygons[i] for i in range(len(texts_here))]
        polygons += [outline.astype(np.float32) for outline in outlines]
        texts = Texts(
            TextPolygons.of(polygons),
            texts_here.transcriptions + tuple(donor.texts.transcriptions[i] for i in chosen),
            np.concatenate([texts_here.ignored, donor.texts.ignored[chosen]]),
        )
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

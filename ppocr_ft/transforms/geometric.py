"""Operators of random geometry: their common part, and IaaAugment with its steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import numpy as np
from annotated_types import Ge, Le
from pydantic import BeforeValidator

from ppocr_ft.declaration import (
    Listed,
    PositiveFloat,
    Range,
    Rising,
    Share,
)
from ppocr_ft.transforms.registry import (
    AUGMENTERS,
    AugmenterItem,
    AugmenterSection,
    augmenter,
    register,
)
from ppocr_ft.transforms.sample import (
    Matrix,
    Sample,
    Size,
    mirroring,
    perspective,
    render,
    rotation,
    scaling,
)

Drawn = TypeVar("Drawn")


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
    data.update(sample.fields(), image=render(sample), drawn=tuple(drawn))
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
    """Rotate about the middle, clockwise.

    The canvas keeps its size: what turns out of it is lost, what turns in is black.

    Args:
        rotate: lowest and highest angle, degrees.
        p: probability.
    """

    def __init__(self, rotate: Range[float] = (0.0, 0.0), p: Share = 1.0) -> None:
        self.rotate = rotate
        self.p = p

    def draw(self, rng: np.random.Generator) -> float | None:
        return float(rng.uniform(*self.rotate)) if rng.random() < self.p else None

    def matrix(self, drawn: float, size: Size) -> tuple[Matrix, Size]:
        return rotation(drawn, (size[0] / 2, size[1] / 2)), size


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

"""Operators of random geometry: what they have in common, and IaaAugment with its steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.matrices import Matrix, mirroring, perspective, rotation, scaling
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.render import render
from ppocr_ft.transforms.sample import Sample, Size

Drawn = TypeVar("Drawn")


class GeometricOperator(ABC, Generic[Drawn]):
    """Moves a sample's texts and pixels; the pixels are sampled after the last one."""

    FINAL: ClassVar[bool] = False
    """Whether it gives the crop that enters the network, so that no other may follow."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, sample: Sample) -> Drawn:
        """The random choice, for this sample."""

    @abstractmethod
    def apply(self, drawn: Drawn, sample: Sample) -> Sample:
        """The sample after it; nothing is random here."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """This operator alone; see ``move``."""
        return move([self], data)


def move(operators: Sequence[GeometricOperator[Any]], data: dict[str, Any]) -> dict[str, Any]:
    """Apply all, then sample the pixels once.

    Reads ``rng`` (a numpy Generator) and what ``Sample.of`` reads; replaces ``image``,
    ``polys``, ``texts`` and ``ignore_tags``. The choices go into ``drawn``, one an operator.
    """
    sample, drawn = Sample.of(data), []
    for operator in operators:
        drawn.append(operator.draw(data["rng"], sample))
        sample = operator.apply(drawn[-1], sample)
    data.update(sample.fields(), image=render(sample), drawn=tuple(drawn))
    return data


Range = tuple[float, float]
FARTHEST_CORNER_RATIO = 0.25
"""A corner may move by this share of the side; two of them then never meet."""


class Augmenter(ABC):
    """``KEYS``: the arguments that a YAML may give it."""

    KEYS: ClassVar[tuple[str, ...]]

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Any:
        """The random value; None: leave the image alone."""

    @abstractmethod
    def matrix(self, drawn: Any, size: Size) -> tuple[Matrix, Size]:
        """What a drawn value does to a canvas of ``size`` (width, height)."""


class Fliplr(Augmenter):
    """Mirrors left and right with probability ``p``."""

    KEYS = ("p",)

    def __init__(self, p: float = 1.0) -> None:
        self.p = _share(p, "p")

    def draw(self, rng: np.random.Generator) -> bool | None:
        return True if rng.random() < self.p else None

    def matrix(self, drawn: bool, size: Size) -> tuple[Matrix, Size]:
        return mirroring(size[0]), size


class Affine(Augmenter):
    """Rotates about the middle by ``rotate`` degrees (lowest, highest), clockwise.

    The canvas keeps its size: what turns out of it is lost, what turns in is black.
    """

    KEYS = ("rotate", "p")

    def __init__(self, rotate: float | Range = 0.0, p: float = 1.0) -> None:
        self.rotate = _range(rotate, "rotate")
        self.p = _share(p, "p")

    def draw(self, rng: np.random.Generator) -> float | None:
        return float(rng.uniform(*self.rotate)) if rng.random() < self.p else None

    def matrix(self, drawn: float, size: Size) -> tuple[Matrix, Size]:
        return rotation(drawn, (size[0] / 2, size[1] / 2)), size


class Resize(Augmenter):
    """Scales both sides by one factor, uniform in ``size`` (lowest, highest)."""

    KEYS = ("size",)

    def __init__(self, size: float | Range = 1.0) -> None:
        self.size = _range(size, "size")
        if self.size[0] <= 0:
            raise ConfigError(f"found {size!r}; factors must be above 0", key="size")

    def draw(self, rng: np.random.Generator) -> float:
        return float(rng.uniform(*self.size))

    def matrix(self, drawn: float, size: Size) -> tuple[Matrix, Size]:
        w, h = (max(int(side * drawn), 1) for side in size)
        return scaling(drawn, drawn), (w, h)


class Perspective(Augmenter):
    """With probability ``p`` moves each corner by up to ``scale`` of the sides, either way.

    ``scale`` is a range (lowest, highest), of which each image draws its own bound.
    """

    KEYS = ("scale", "p")

    def __init__(self, scale: float | Range = (0.0, 0.05), p: float = 0.5) -> None:
        self.scale = _range(scale, "scale")
        if not 0 <= self.scale[0] <= self.scale[1] <= FARTHEST_CORNER_RATIO:
            raise ConfigError(
                f"found {scale!r}; it must lie within 0 and {FARTHEST_CORNER_RATIO}", key="scale"
            )
        self.p = _share(p, "p")

    def draw(self, rng: np.random.Generator) -> tuple[tuple[float, float], ...] | None:
        if rng.random() >= self.p:
            return None
        bound = rng.uniform(*self.scale)
        return tuple((float(x), float(y)) for x, y in rng.uniform(-bound, bound, (4, 2)))

    def matrix(self, drawn: tuple[tuple[float, float], ...], size: Size) -> tuple[Matrix, Size]:
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
        moved = corners + np.array(drawn)
        return perspective(corners * size, moved * size), size


AUGMENTERS: dict[str, type[Augmenter]] = {
    kind.__name__: kind for kind in (Fliplr, Affine, Resize, Perspective)
}


def augmenter(type: str, args: dict[str, Any] | None = None) -> Augmenter:
    """One step from its YAML item ``{type, args}``.

    Raises:
        ConfigError: no augmenter of that name, or no such argument.
    """
    if type not in AUGMENTERS:
        known = ", ".join(AUGMENTERS)
        raise ConfigError(f"found {type!r}; expected one of {known}", key="type")
    kind = AUGMENTERS[type]
    unknown = [key for key in args or {} if key not in kind.KEYS]
    if unknown:
        raise ConfigError(f"{type} takes {', '.join(kind.KEYS)}, not {unknown[0]}", key="args")
    return kind(**(args or {}))


def _share(value: float, key: str) -> float:
    if not 0 <= value <= 1:
        raise ConfigError(f"found {value!r}; a probability lies within 0 and 1", key=key)
    return float(value)


def _range(value: float | Range, key: str) -> Range:
    low, high = (value, value) if isinstance(value, (int, float)) else value
    if low > high:
        raise ConfigError(f"found {value!r}; expected [lowest, highest]", key=key)
    return float(low), float(high)


PADDLEOCR_STEPS: tuple[dict[str, Any], ...] = (
    {"type": "Fliplr", "args": {"p": 0.5}},
    {"type": "Affine", "args": {"rotate": (-10, 10)}},
    {"type": "Resize", "args": {"size": (0.5, 3)}},
)


@register
class IaaAugment(GeometricOperator[tuple[Any, ...]]):
    """PaddleOCR's operator; neither imgaug nor albumentations is needed.

    Args:
        augmenter_args: steps ``{type, args}``, applied in their order: Fliplr, Affine, Resize,
            Perspective. PaddleOCR's three if not given.

    Raises:
        ConfigError: an unknown step or a value that it can't use, naming the key.
    """

    def __init__(self, augmenter_args: Sequence[Mapping[str, Any]] | None = None) -> None:
        steps = PADDLEOCR_STEPS if augmenter_args is None else augmenter_args
        self.steps = tuple(augmenter(**_item(step, i)) for i, step in enumerate(steps))

    def draw(self, rng: np.random.Generator, sample: Sample) -> tuple[Any, ...]:
        """One value a step; None where a step is left out this time."""
        return tuple(step.draw(rng) for step in self.steps)

    def apply(self, drawn: tuple[Any, ...], sample: Sample) -> Sample:
        for step, value in zip(self.steps, drawn, strict=True):
            if value is not None:
                sample = sample.moved(*step.matrix(value, sample.size_px))
        return sample


def _item(step: Mapping[str, Any], i: int) -> dict[str, Any]:
    if not isinstance(step, Mapping) or "type" not in step or set(step) - {"type", "args"}:
        raise ConfigError(f"found {step!r}; expected type and args", key=f"augmenter_args.{i}")
    return dict(step)

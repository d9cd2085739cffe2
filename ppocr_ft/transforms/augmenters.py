"""The steps of IaaAugment: each draws one value, which gives a matrix and a new size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.matrices import Matrix, mirroring, perspective, rotation, scaling
from ppocr_ft.transforms.sample import Size

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

"""The operator of random geometry: mirroring, rotating, scaling, perspective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.augmenters import augmenter
from ppocr_ft.transforms.geometric import GeometricOperator
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.sample import Sample

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
            Perspective (see augmenters.py). PaddleOCR's three if not given.

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

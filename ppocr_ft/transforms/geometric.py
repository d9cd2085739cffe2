"""What all geometric operators are: a random choice, and what follows from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from ppocr_ft.transforms.render import render
from ppocr_ft.transforms.sample import Sample

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

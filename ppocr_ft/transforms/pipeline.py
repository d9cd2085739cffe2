"""Operators one after the other; neighbouring geometric ones sample the pixels once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.geometric import CopyPaste, GeometricOperator, move
from ppocr_ft.transforms.image_ops import DecodeImage
from ppocr_ft.transforms.labels import DetLabelEncode
from ppocr_ft.transforms.registry import Operator
from ppocr_ft.transforms.shrink_schedule import check_one_schedule


class Pipeline:
    """Calls the operators in their order.

    Neighbouring geometric operators change polygons and a matrix only; after the last of them
    the pixels are sampled once.

    Raises:
        ConfigError: a geometric operator after one that gives the final crop, or map operators
            of different shrink schedules.
    """

    def __init__(self, operators: Sequence[Operator]) -> None:
        self.operators = tuple(operators)
        geometric = [op for op in operators if isinstance(op, GeometricOperator)]
        for op in geometric[:-1]:
            if op.FINAL:
                name, last = type(op).__name__, type(geometric[-1]).__name__
                raise ConfigError(
                    f"{last} comes after {name}, which gives the final crop; put it before"
                )
        check_one_schedule(operators)
        self._steps: list[Operator] = []
        for is_geometric, run in groupby(operators, lambda op: isinstance(op, GeometricOperator)):
            neighbours: list[Any] = list(run)
            self._steps += [partial(move, neighbours)] if is_geometric else neighbours
        loading = DecodeImage | DetLabelEncode
        self._loading = tuple(op for op in operators if isinstance(op, loading))

    @property
    def wants_donor(self) -> bool:
        """Whether an operator takes texts of another image, which goes into ``ext_data``."""
        return any(isinstance(op, CopyPaste) for op in self.operators)

    def load(self, data: dict[str, Any]) -> dict[str, Any]:
        """Decode image and label, no more."""
        for op in self._loading:
            data = op(data)
        return data

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        for step in self._steps:
            data = step(data)
        return data

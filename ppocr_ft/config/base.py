"""What every section of a config is made of: strict, frozen models and a choice by name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    Strict,
    model_serializer,
)
from pydantic_core import CoreSchema, core_schema

# Bounds are annotated_types, not Field(): pydantic 2.11.0 and older let a default leak from one
# key to another through a Field that both share.
Item = TypeVar("Item")
Listed = Annotated[tuple[Item, ...], Strict(False)]
"""A YAML list."""

NonNegativeInt = Annotated[int, Ge(0)]
PositiveInt = Annotated[int, Ge(1)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
"""A share or a probability, 0 to 1."""

OpenShare = Annotated[float, Gt(0), Lt(1)]
"""Strictly between 0 and 1."""

Text = Annotated[str, MinLen(1)]

_DECIMAL = r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*"
_FRACTION = re.compile(rf"{_DECIMAL}(?:/{_DECIMAL})?", re.ASCII)


def parse_fraction(text: str) -> float:
    """``1./255.`` as a number, without eval.

    Raises:
        ValueError: not a decimal number or the quotient of two.
    """
    match = _FRACTION.fullmatch(text)
    if match is None:
        raise ValueError(f"found {text!r}, expected a number or a fraction such as 1./255.")
    top, bottom = float(match[1]), float(match[2] or 1)
    if bottom == 0 or not math.isfinite(top / bottom):
        raise ValueError(f"found {text!r}, which is no finite number")
    return top / bottom


def _number_of(value: object) -> object:
    return parse_fraction(value) if isinstance(value, str) else value


Number = Annotated[float, BeforeValidator(_number_of)]
"""A number; a fraction of two such as ``1./255.`` too."""


@dataclass(frozen=True)
class OneOf:
    """One of ``names``: a ``Literal`` whose choices stand in a table elsewhere."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.literal_schema(list(self.names))


def one_as_list(value: object) -> object:
    """A single text as a list of one; PaddleOCR takes either."""
    return (value,) if isinstance(value, str) else value


def empty_as_defaults(value: object) -> object:
    """``args:`` with nothing behind it is ``args: {}``."""
    return {} if value is None else value


class Section(BaseModel):
    """A part of a config: unknown keys and values of another type are faults, values don't change.

    ``NO_EFFECT`` are PaddleOCR's keys that are let pass with a warning; each says why.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    NO_EFFECT: ClassVar[Mapping[str, str]] = {}

    @model_serializer(mode="wrap")
    def _serialize(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        return self._without_defaulted_nulls(dump(self))

    def _without_defaulted_nulls(self, values: dict[str, Any]) -> dict[str, Any]:
        """Only a null that differs from its key's default says anything."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in values.items()
            if value is not None or fields[name].default is not None
        }

    def arguments(self) -> dict[str, Any]:
        """The keys that have a value, as plain data: arguments for what the section describes."""
        values = self.model_dump()
        values.pop("name", None)
        return without_nulls(values)


def without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Choice:
    """One of several sections; which, says the value of ``by``.

    With ``by`` empty the value is a mapping of one name to its arguments, as PaddleOCR writes
    operators: ``MakeShrinkMap: {shrink_ratio: 0.4}``. ``what`` is the word for messages.
    ``may_stand_alone``: in the place of a list of them.
    """

    what: str
    table: Mapping[str, type[Section]]
    by: str = "name"
    may_stand_alone: bool = False

    @property
    def names(self) -> list[str]:
        """Those to choose from."""
        return list(self.table)

    def spelled_out(self, value: object) -> object:
        """A value in full, where it may be written in short."""
        return value

    def name_of(self, value: object) -> str | None:
        """The name that ``value`` gives, whether it is known or not; None: it gives none."""
        if isinstance(value, Section):
            return next((name for name, kind in self.table.items() if type(value) is kind), None)
        if not isinstance(value, dict):
            return None
        name = value.get(self.by) if self.by else next(iter(value), None)
        return name if isinstance(name, str) and (self.by or len(value) == 1) else None

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        choices = {name: handler.generate_schema(kind) for name, kind in self.table.items()}
        return core_schema.tagged_union_schema(choices, discriminator=self.name_of)

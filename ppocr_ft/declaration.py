"""The means to declare keys: types with their limits, sections, and a choice by name.

``constructor_keys`` makes a section of a constructor.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, TypeVar

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    Strict,
    ValidationError,
    model_serializer,
)
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from ppocr_ft.messages import show, suggest

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

_WORDS_FOR_NOTHING = frozenset(("none", "null", "nil", "~", "false"))


def _no_word_for_nothing(value: object, or_null: str = "") -> object:
    """Refuse what stands for "no path" in Python and other languages; a file is rarely named so."""
    if value is False or (isinstance(value, str) and not value.strip()):
        raise ValueError(f"found {show(value)}, expected a path{or_null}")
    if isinstance(value, str) and value.strip().casefold() in _WORDS_FOR_NOTHING:
        raise ValueError(f"found the word {value.strip()}{or_null or ', expected a path'}")
    return value


FilePath = Annotated[str, BeforeValidator(_no_word_for_nothing)]
"""A file or a folder, which must be given."""
OptionalPath = Annotated[
    str | None,
    BeforeValidator(
        partial(_no_word_for_nothing, or_null="; YAML's nothing is null (or leave the value out)")
    ),
]
"""A file or a folder; null: none."""


def is_url(text: str) -> bool:
    """Return whether the text names something on another machine."""
    return text.lower().startswith(("http://", "https://"))


def _no_url(value: object, what: str) -> object:
    if isinstance(value, str) and is_url(value):
        raise ValueError(f"found the URL {value}; it is read from this machine: {what}")
    return value


def _one_folder(value: object) -> object:
    """Refuse PaddleX's and others' lists of folders."""
    if isinstance(value, (list, tuple)):
        raise ValueError(
            f"found {show(value)}; a data set has one folder: name one that is above them all, "
            "and let the label files' image paths start there"
        )
    return _no_url(value, "download the images and name their folder")


ImageFolder = Annotated[FilePath, BeforeValidator(_one_folder)]
"""A folder of images on this machine."""
LabelPath = Annotated[
    FilePath, BeforeValidator(partial(_no_url, what="download the label file and name the copy"))
]
"""A label file on this machine."""

_DECIMAL = r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*"
_FRACTION = re.compile(rf"{_DECIMAL}(?:/{_DECIMAL})?", re.ASCII)


def parse_fraction(text: str) -> float:
    """Return ``1./255.`` as a number, without eval.

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


Number = Annotated[
    float, BeforeValidator(lambda value: parse_fraction(value) if isinstance(value, str) else value)
]
"""A number; a fraction of two such as ``1./255.`` too."""


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"found [{pair[0]:g}, {pair[1]:g}], expected [lowest, highest]")
    return pair


def _same_twice(value: object) -> object:
    return (value, value) if isinstance(value, (int, float)) else value


Rising = Annotated[tuple[Item, Item], Strict(False), AfterValidator(_rising)]
"""A YAML list ``[lowest, highest]``."""
Range = Annotated[Rising[Item], BeforeValidator(_same_twice)]
"""A YAML list ``[lowest, highest]``; one number means both."""


@dataclass(frozen=True)
class OneOf:
    """One of ``names``: a ``Literal`` whose choices are in a table elsewhere."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.literal_schema(list(self.names))


def one_as_list(value: object) -> object:
    """Return a single text as a list of one; PaddleOCR accepts either."""
    return (value,) if isinstance(value, str) else value


def empty_as_defaults(value: object) -> object:
    """Read ``args:`` without a value as ``args: {}``."""
    return {} if value is None else value


class Section(BaseModel):
    """A part of a config: unknown keys and values of another type are faults, values don't change.

    ``NO_EFFECT`` are PaddleOCR's keys that are accepted with a warning, with the reason for each.
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
        """Leave out each null that is its key's default."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in values.items()
            if value is not None or fields[name].default is not None
        }

    def arguments(self) -> dict[str, Any]:
        """Return the keys that have a value as plain data, to call the constructor with."""
        values = self.model_dump()
        values.pop("name", None)
        return without_nulls(values)


def without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that aren't None."""
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Choice:
    """One of several sections, chosen by the value of the key ``by``.

    With ``by`` empty the value is a mapping of one name to its arguments, as PaddleOCR writes
    operators: ``MakeShrinkMap: {shrink_ratio: 0.4}``. ``what`` is the word for messages.
    ``table`` may grow later. ``may_stand_alone``: one value may replace a list of them.
    ``one_letter``: only a name with one wrong letter is taken for a slip, as of names of networks.
    """

    what: str
    table: Mapping[str, type[Section]]
    by: str = "name"
    may_stand_alone: bool = False
    one_letter: bool = False

    @property
    def names(self) -> list[str]:
        """The names to choose from."""
        return list(self.table)

    def spelled_out(self, value: object) -> object:
        """Return the full form of a value that may be written in short."""
        return value

    def name_of(self, value: object) -> str | None:
        """Return the name that ``value`` gives, known or not; None if it gives none."""
        if isinstance(value, Section):
            return next((name for name, kind in self.table.items() if type(value) is kind), None)
        if not isinstance(value, dict):
            return None
        name = value.get(self.by) if self.by else next(iter(value), None)
        return name if isinstance(name, str) and (self.by or len(value) == 1) else None

    def refusal(self, value: object) -> str:
        """Return the message for a value that gives no known name."""
        name = self.name_of(value)
        if name is not None:
            return f"unknown {self.what} {name!r}{self._suggestion(name)}"
        if not self.by:
            return self._no_single_name(value)
        names = ", ".join(sorted(self.names))
        if not isinstance(value, dict):
            return f"found {show(value)}, expected keys, first of all {self.by}: one of {names}"
        if self.by not in value:
            return f"missing; expected one of {names}"
        return f"found {show(value[self.by])}, expected one of {names}"

    def _suggestion(self, name: str) -> str:
        return suggest(name, self.names, one_letter=self.one_letter)

    def _no_single_name(self, value: object) -> str:
        if isinstance(value, dict) and len(value) > 1:
            first, second = list(value)[:2]
            return (
                f"{first!r} and {second!r} stand at the same indentation; an {self.what} is one "
                "name, its arguments are indented further"
            )
        if isinstance(value, str):
            return f"found the text {value!r}; an {self.what} is written '- {value}:', with a colon"
        return f"found {show(value)}, expected an {self.what}: one name and its arguments"

    def _read(self, value: object) -> Section:
        """Read ``value`` as the section of its name.

        Faults have their place in the data: below the name if that is a key itself.
        """
        name = self.name_of(value)
        if name is None or name not in self.table:
            raise ValueError(self.refusal(value))
        try:
            return self.table[name].model_validate(value)
        except ValidationError as reason:
            placed = [
                InitErrorDetails(
                    type=details["type"],
                    loc=details["loc"] if self.by else (name, *details["loc"]),
                    input=details["input"],
                    ctx=details.get("ctx", {}),
                )
                for details in reason.errors(include_url=False)
            ]
            raise ValidationError.from_exception_data(reason.title, placed) from None

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

"""How a part that a YAML names declares its keys: once, at its constructor.

The constructor's signature gives names, types, limits and defaults, the ``Args:`` of its
docstring the meanings. ``schema_of`` makes the config's section of it, ``checked_by`` checks what
the constructor is called with; ``key_table`` has the documentation's tables.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    Strict,
    ValidationError,
    create_model,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from ppocr_ft.errors import ConfigError
from ppocr_ft.messages import describe, is_telling, show, suggest

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


def _number_of(value: object) -> object:
    return parse_fraction(value) if isinstance(value, str) else value


Number = Annotated[float, BeforeValidator(_number_of)]
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
"""Likewise; one number stands for both."""


@dataclass(frozen=True)
class OneOf:
    """One of ``names``: a ``Literal`` whose choices stand in a table elsewhere."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.literal_schema(list(self.names))


def one_as_list(value: object) -> object:
    """Return a single text as a list of one; PaddleOCR takes either."""
    return (value,) if isinstance(value, str) else value


def empty_as_defaults(value: object) -> object:
    """Read ``args:`` with nothing behind it as ``args: {}``."""
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


SectionKind = TypeVar("SectionKind", bound=Section)


def without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Choice:
    """One of several sections; which, says the value of ``by``.

    With ``by`` empty the value is a mapping of one name to its arguments, as PaddleOCR writes
    operators: ``MakeShrinkMap: {shrink_ratio: 0.4}``. ``what`` is the word for messages.
    ``table`` may grow later. ``may_stand_alone``: in the place of a list of them.
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
        """Return a value in full, where it may be written in short."""
        return value

    def name_of(self, value: object) -> str | None:
        """Return the name that ``value`` gives, whether it is known or not; None: it gives none."""
        if isinstance(value, Section):
            return next((name for name, kind in self.table.items() if type(value) is kind), None)
        if not isinstance(value, dict):
            return None
        name = value.get(self.by) if self.by else next(iter(value), None)
        return name if isinstance(name, str) and (self.by or len(value) == 1) else None

    def refusal(self, value: object) -> str:
        """Return what to say of a value that gives no known name."""
        name = self.name_of(value)
        if name is not None:
            return f"unknown {self.what} {name!r}{suggest(name, self.names)}"
        if not self.by:
            return self._no_single_name(value)
        known = ", ".join(sorted(self.names))
        if not isinstance(value, dict):
            return f"found {show(value)}, expected keys, first of all {self.by}: one of {known}"
        if self.by not in value:
            return f"missing; expected one of {known}"
        return f"found {show(value[self.by])}, expected one of {known}"

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

        Faults are placed as in the data: below the name where that is a key itself.
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


def schema_of(
    constructor: Callable[..., object],
    base: type[SectionKind],
    check: Callable[[Any], None] | None = None,
    leave_out: Collection[str] = (),
    *,
    documented: bool = True,
) -> type[SectionKind]:
    """Return the section whose keys are a constructor's parameters.

    ``*args`` and ``**kwargs`` are no keys, nor are the names in ``leave_out``, which code gives.
    ``check`` is called with a section whose values are right each by itself, and raises
    ValueError where they don't go together, or ConfigError to name the key. ``documented``: whether
    each key needs a meaning.

    Raises:
        TypeError: a parameter has no type, or no line under ``Args:`` in the docstring.
    """
    is_class = isinstance(constructor, type)
    function = constructor.__init__ if is_class else constructor
    hints = get_type_hints(function, include_extras=True)
    meanings = _meanings(inspect.getdoc(constructor)) if documented else None
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(constructor).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in leave_out:
            continue
        if name not in hints or (meanings is not None and name not in meanings):
            lacking = "line under Args: in the docstring" if name in hints else "type"
            raise TypeError(f"{constructor.__name__}: its key {name!r} has no {lacking}")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints[name], Field(default, description=(meanings or {}).get(name)))
    validators: dict[str, Any] = {}
    if check is not None:
        validators["_check_together"] = model_validator(mode="after")(_after(check))
    section = create_model(
        constructor.__name__,
        __base__=base,
        __module__=constructor.__module__,
        __validators__=validators,
        **fields,
    )
    section.__doc__ = constructor.__doc__
    return section


def _after(check: Callable[[Any], None]) -> Callable[[SectionKind], SectionKind]:
    def checked(section: SectionKind) -> SectionKind:
        try:
            check(section)
        except ConfigError as reason:
            key = (reason.key,) if reason.key else ()
            placed = InitErrorDetails(
                type="value_error", loc=key, input=section, ctx={"error": reason.message}
            )
            title = type(section).__name__
            raise ValidationError.from_exception_data(title, [placed]) from None
        return section

    return checked


def _meanings(docstring: str | None) -> dict[str, str] | None:
    """Return the entries under ``Args:``, each as one line; None where there is no docstring."""
    if docstring is None:
        return None
    block = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)*)", docstring, re.MULTILINE)
    entries: dict[str, str] = {}
    name = ""
    for line in (block[1] if block else "").splitlines():
        entry = re.match(r" {4}(\w+): (.*)", line)
        if entry:
            name = entry[1]
            entries[name] = entry[2]
        elif line.strip():
            entries[name] += f" {line.strip()}"
    return entries


def read_section(
    section: type[SectionKind], keys: Mapping[str, Any], path: str = ""
) -> SectionKind:
    """Return the section that holds ``keys``, whose own key is ``path``.

    Raises:
        ConfigError: a key that isn't known, or a value that can't be used; it names the key.
    """
    try:
        return section.model_validate(dict(keys))
    except ValidationError as reason:
        start = (path,) if path else ()
        faults = {
            (*start, *details["loc"]): describe(details)
            for details in reason.errors(include_url=False)
            if is_telling(details)
        }
    (place, message), *others = faults.items()
    if others:
        within = {place[: len(start) + 1] for place in faults}
        place = within.pop() if len(within) == 1 else start
        message = "; ".join(f"{_dotted(place)}: {words}" for place, words in faults.items())
    raise ConfigError(message, key=_dotted(place) or None)


def _dotted(place: tuple[str | int, ...]) -> str:
    return ".".join(map(str, place))


Constructor = TypeVar("Constructor", bound=type)


def checked_by(kind: Constructor, section: type[Section]) -> Constructor:
    """Make a class check its constructor's arguments by ``section``, which is made from it.

    The constructor gets each value as the section has read it: a list as a tuple, say.
    """
    if not section.model_fields:
        return kind
    init = kind.__init__  # type: ignore[misc]
    signature = inspect.signature(init)

    @functools.wraps(init)
    def checked_init(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        given = {
            name: bound.arguments[name] for name in section.model_fields if name in bound.arguments
        }
        values = read_section(section, given)
        bound.arguments.update({name: getattr(values, name) for name in section.model_fields})
        init(*bound.args, **bound.kwargs)

    kind.__init__ = checked_init  # type: ignore[misc]
    return kind


CheckedKind = TypeVar("CheckedKind", bound=type)


def checked(kind: CheckedKind) -> CheckedKind:
    """Make a class check its constructor's arguments by their annotated types.

    A method ``check_keys(section)`` may refuse values that don't go together.
    """
    check = getattr(kind, "check_keys", None)
    return checked_by(kind, schema_of(kind, Section, check, documented=False))


class ConstructorSection(Section):
    """The keys of a constructor."""

    if TYPE_CHECKING:

        def __getattr__(self, key: str) -> Any:
            """Return the value of one of its parameters."""


class PartSection(ConstructorSection):
    """The keys of a part: the ``name`` that chooses it, and its constructor's parameters."""

    name: str = ""


def part_section(kind: type) -> type[PartSection]:
    """Return the section of a class that a YAML names, and check the constructor's calls by it."""
    name = kind.__name__
    base = create_model(
        name, __base__=PartSection, name=(Annotated[str, OneOf((name,))], Field(name))
    )
    section = schema_of(kind, base)
    checked_by(kind, section)
    return section

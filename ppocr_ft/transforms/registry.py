"""Operators, and IaaAugment's steps, by the names that a YAML gives them, with their sections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
    model_validator,
)

from ppocr_ft.constructor_keys import ConstructorSection, checked_by, schema_of
from ppocr_ft.declaration import Choice, Section, empty_as_defaults, without_nulls

Operator = Callable[[dict[str, Any]], dict[str, Any]]
Kind = TypeVar("Kind", bound=type)


class OperatorSection(ConstructorSection):
    """One operator of a YAML: ``- Name: {arguments}``, or ``- Name:`` for the defaults."""

    OPERATOR: ClassVar[Any]
    """The operator's class."""

    @property
    def name(self) -> str:
        return type(self).__name__

    def is_a(self, *kinds: type) -> bool:
        """Return whether the operator is of one of these classes."""
        return issubclass(self.OPERATOR, kinds)

    def arguments(self) -> dict[str, Any]:
        return without_nulls(self.model_dump()[self.name] or {})

    def build(self, **run: Any) -> Any:
        """Return the operator; ``run`` is what only the run knows."""
        return self.OPERATOR(**self.arguments(), **run)

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: object) -> object:
        if isinstance(value, dict) and list(value) == [cls.__name__]:
            value = value[cls.__name__]
        return empty_as_defaults(value)

    @model_serializer(mode="wrap")
    def _serialize(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {self.name: self._without_defaulted_nulls(dump(self)) or None}


OPERATORS: dict[str, type[OperatorSection]] = {}
"""Every registered operator's section, by the operator's name."""
OperatorItem = Annotated[OperatorSection, Choice("operator", OPERATORS, by="")]


def register(kind: Kind) -> Kind:
    """Let YAMLs name an operator by its class name from now on.

    Its keys are its constructor's parameters (see ``constructor_keys``), by which calls of
    the constructor are checked too. A method ``check_keys(section)`` may refuse values that
    don't fit together.

    Raises:
        ValueError: another operator has that name already.
        TypeError: a parameter has no type, or no line under ``Args:`` in the docstring.
    """
    name = kind.__name__
    if name in OPERATORS:
        raise ValueError(f"an operator named {name} is registered already")
    section = schema_of(kind, OperatorSection, check=getattr(kind, "check_keys", None))
    section.OPERATOR = checked_by(kind, section)
    OPERATORS[name] = section
    return kind


class AugmenterSection(Section):
    """A step of IaaAugment in a YAML: ``{type, args}``."""

    AUGMENTER: ClassVar[Any]
    """The step's class."""

    type: str
    args: Section

    def build(self) -> Any:
        """Return the step."""
        return self.AUGMENTER(**self.args.arguments())


AUGMENTERS: dict[str, type[AugmenterSection]] = {}
"""Every step's section, by the step's name."""
AugmenterItem = Annotated[AugmenterSection, Choice("augmenter", AUGMENTERS, by="type")]


def augmenter(step: Kind) -> Kind:
    """Let YAMLs name a step of IaaAugment by its class name from now on.

    Its arguments are its constructor's parameters, as an operator's are.
    """
    name = step.__name__
    arguments = schema_of(step, Section)
    fields: dict[str, Any] = {
        "type": (Literal[name], name),
        "args": (Annotated[arguments, BeforeValidator(empty_as_defaults)], arguments()),
    }
    section = create_model(name, __base__=AugmenterSection, __module__=step.__module__, **fields)
    section.__doc__ = step.__doc__
    section.AUGMENTER = checked_by(step, arguments)
    AUGMENTERS[name] = section
    return step

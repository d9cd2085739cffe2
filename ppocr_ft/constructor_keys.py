"""The keys of a part that a YAML names, declared once: at its constructor.

The constructor's signature gives names, types, limits and defaults, the ``Args:`` of its
docstring the meanings. ``schema_of`` makes the config's section of it, ``checked_by`` checks what
the constructor is called with.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

from pydantic import Field, ValidationError, create_model, model_validator
from pydantic_core import InitErrorDetails

from ppocr_ft.declaration import OneOf, Section
from ppocr_ft.errors import ConfigError
from ppocr_ft.messages import describe, is_telling

SectionKind = TypeVar("SectionKind", bound=Section)
Constructor = TypeVar("Constructor", bound=type)


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
    ``check`` is called with a section whose values are each right alone, and raises ValueError if
    they don't fit together, or ConfigError to name the key. ``documented``: whether each key needs
    a meaning.

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
    """Return the entries under ``Args:``, each as one line; None without a docstring."""
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


def checked_by(kind: Constructor, section: type[Section]) -> Constructor:
    """Make a class check its constructor's arguments by ``section``, which is made from it.

    The constructor gets each value as the section has read it: for example a list as a tuple.
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


def checked(kind: Constructor) -> Constructor:
    """Make a class check its constructor's arguments by their annotated types.

    A method ``check_keys(section)`` may refuse values that don't fit together.
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

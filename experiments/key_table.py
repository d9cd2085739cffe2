"""The documentation of a section's keys, read from their declaration."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MultipleOf

from ppocr_ft.declaration import Choice, OneOf, Section
from ppocr_ft.messages import in_yaml

_PLAIN = {bool: "true or false", int: "whole number", float: "number", str: "text"}


@dataclass(frozen=True)
class Key:
    """One row: ``values`` are type and limits in words; ``default`` is empty if a value is needed.

    ``meaning`` is one line with the unit.
    """

    name: str
    values: str
    default: str
    meaning: str


def keys_of(section: type[Section]) -> tuple[Key, ...]:
    """Return a section's keys in the order of their declaration."""
    hints = get_type_hints(section, include_extras=True)
    docstrings = _attribute_docstrings(section)
    keys = []
    for name, field in section.model_fields.items():
        default = "" if field.is_required() else in_yaml(_plain(field.default))
        meaning = field.description or docstrings.get(name, "")
        meaning = meaning[:1].upper() + meaning[1:]
        keys.append(Key(name, values_in_words(hints[name]), default, meaning))
    return tuple(keys)


def _plain(value: object) -> object:
    if isinstance(value, Section):
        return value.model_dump()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _attribute_docstrings(section: type[Section]) -> dict[str, str]:
    """Return the docstrings below a class's fields, each as one line."""
    texts: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        if not issubclass(kind, Section) or kind is Section:
            continue
        try:
            source = textwrap.dedent(inspect.getsource(kind))
        except (OSError, TypeError):  # made of a constructor, or of no file
            continue
        body = ast.parse(source).body[0]
        texts.update(_below_fields(body.body if isinstance(body, ast.ClassDef) else []))
    return texts


def _below_fields(body: list[ast.stmt]) -> Iterable[tuple[str, str]]:
    for field, text in pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield field.target.id, " ".join(str(text.value.value).split())


def values_in_words(hint: Any, limits: tuple[object, ...] = ()) -> str:
    """Return which values a key of this type accepts: ``number, 0 to 1``."""
    origin, members = get_origin(hint), get_args(hint)
    if origin is Annotated:
        choice = next((meta for meta in hint.__metadata__ if isinstance(meta, Choice)), None)
        if choice is not None:
            return f"{choice.what}: {', '.join(choice.names)}"
        names = next((meta.names for meta in hint.__metadata__ if isinstance(meta, OneOf)), ())
        if names:
            return ", ".join(names)
        return values_in_words(members[0], (*hint.__metadata__, *limits))
    if origin in (Union, UnionType):
        return ", or ".join(values_in_words(member, limits) for member in members)
    if hint in (None, type(None)):
        return "null"
    if origin is Literal:
        return ", ".join(in_yaml(member).strip("'") for member in members)
    if origin is dict:
        return f"{values_in_words(members[1])}s by name"
    if origin is tuple:
        return _list_in_words(members)
    bounds = _bounds_in_words(limits)
    return ", ".join(filter(None, (_PLAIN.get(hint, "section"), bounds)))


def _list_in_words(members: tuple[Any, ...]) -> str:
    if members[-1] is Ellipsis:
        return f"list of {values_in_words(members[0])}"
    items = list(dict.fromkeys(values_in_words(member) for member in members))
    return f"list of {len(members)}: {'; '.join(items)}"


def _bounds_in_words(limits: tuple[object, ...]) -> str:
    low = next((limit for limit in limits if isinstance(limit, (Ge, Gt))), None)
    high = next((limit for limit in limits if isinstance(limit, (Le, Lt))), None)
    words = []
    if isinstance(low, Ge) and isinstance(high, Le):
        words.append(f"{low.ge} to {high.le}")
    else:
        if low is not None:
            words.append(f"{low.ge} or more" if isinstance(low, Ge) else f"above {low.gt}")
        if high is not None:
            words.append(f"{high.le} or less" if isinstance(high, Le) else f"below {high.lt}")
    words += [
        f"a multiple of {limit.multiple_of}" for limit in limits if isinstance(limit, MultipleOf)
    ]
    return ", ".join(words)

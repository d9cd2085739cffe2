"""Data beside the schema: unknown keys and names found, keys without effect taken out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ppocr_ft.config.faults import Fault, error, found_by, join_key, warning
from ppocr_ft.declaration import Choice, Section
from ppocr_ft.messages import nearest, show, suggest


class Pruner:
    """Walks data beside the schema and takes out what the schema doesn't know.

    ``broken`` are keys whose value can't be told to be of any known kind; ``unsure`` sections in
    which an unknown key may have been meant for another one; ``meant`` what it is near to.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.broken: list[str] = []
        self.unsure: list[str] = []
        self.meant: list[str] = []

    def section(
        self, kind: type[Section], data: dict[str, Any], key: str, name_of_kind: str = ""
    ) -> dict[str, Any]:
        known = _hints(kind)
        kept = {}
        for name, value in data.items():
            below = join_key(key, name)
            if name in known:
                kept[name] = self.value(known[name], value, below)
            elif name in kind.NO_EFFECT:
                reason = kind.NO_EFFECT[name]
                told = warning(below, f"has no effect here: {reason}")
                self.faults += found_by("no_effect", [told])
            else:
                hint = suggest(name, known, kind.NO_EFFECT)
                owner = f" of {name_of_kind}" if name_of_kind else ""
                told = error(below, f"unknown key{owner}{hint}")
                self.faults += found_by("unknown_key", [told])
                self.unsure += [key] if key else []
                self.meant.append(join_key(key, nearest(name, known) or name))
        return kept

    def value(self, hint: object, data: object, key: str) -> object:
        choice = next((meta for meta in _metadata(hint) if isinstance(meta, Choice)), None)
        if choice is not None:
            return self._chosen(choice, choice.spelled_out(data), key)
        kind = _bare(hint)
        if get_origin(kind) is tuple and _stands_alone(get_args(kind)[0], data):
            data = [data]
        if get_origin(kind) is tuple and isinstance(data, list):
            item = get_args(kind)[0]
            return [self.value(item, value, join_key(key, i)) for i, value in enumerate(data)]
        if get_origin(kind) is None and isinstance(kind, type) and isinstance(data, dict):
            return self.section(kind, data, key) if issubclass(kind, Section) else data
        return data

    def _chosen(self, choice: Choice, data: object, key: str) -> object:
        name = choice.name_of(data)
        if name is None or name not in choice.table:
            named = choice.by and isinstance(data, dict)
            where = join_key(key, choice.by) if named else key
            told = error(where, choice.refusal(data))
            self.faults += found_by("unknown_name", [told])
            self.broken.append(key)
            return data
        kind = choice.table[name]
        assert isinstance(data, dict)  # name_of gives a name for nothing else
        if choice.by:
            return self.section(kind, data, key, name)
        arguments = data[name]
        if arguments is not None and not isinstance(arguments, dict):
            below = join_key(key, name)
            self.faults.append(
                error(below, f"found {show(arguments)}, expected arguments as keys, or nothing")
            )
            self.broken.append(below)
            return data
        return {name: self.section(kind, arguments or {}, join_key(key, name), name)}


def _stands_alone(item: object, data: object) -> bool:
    alone = any(isinstance(meta, Choice) and meta.may_stand_alone for meta in _metadata(item))
    return alone and isinstance(data, (str, dict))


@cache
def _hints(kind: type[Section]) -> Mapping[str, object]:
    """The types of a section's keys, with their metadata."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.model_fields}


def _metadata(hint: object) -> tuple[object, ...]:
    return tuple(getattr(hint, "__metadata__", ()))


def _bare(hint: object) -> object:
    """A type without its metadata and without ``| None``."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else hint
    return hint

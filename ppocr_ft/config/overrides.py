"""Values of keys as ``-o`` names them, in plain data: read, and written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ppocr_ft.config.faults import OVERRIDE_MARK, Fault, Place, join_key
from ppocr_ft.config.source_map import Tree, parse_yaml
from ppocr_ft.messages import show, suggest


@dataclass(frozen=True)
class Override:
    """One ``key=value``; ``value`` is plain YAML data.

    ``written`` is where it stands if that isn't the command line.
    """

    key: str
    value: object
    written: Place | None = None

    @property
    def place(self) -> Place:
        return self.written or Place(f"{OVERRIDE_MARK}{self.key}")


class _DeadEndError(Exception):
    """An override's key leads nowhere; the message says from which part on."""


def parse_override(text: str) -> Override | Fault:
    """Return the override that the text says, or what is wrong with it."""
    key, equals, value_text = (part.strip() for part in text.partition("="))
    place = f"{OVERRIDE_MARK}{key or text}"
    if not equals:
        return Fault("error", place, None, key, "lacks a value; write Section.key=value")
    if not all(key.split(".")):
        message = "isn't a key path; write Section.key=value, without spaces"
        return Fault("error", place, None, key, message)
    tree = parse_yaml(value_text, place)
    if tree.faults:
        reason = tree.faults[0].message
        return Fault("error", place, None, key, f"{reason} (value {show(value_text)}: quote it?)")
    return Override(key, tree.data)


def apply_override(tree: Tree, override: Override) -> None:
    """Write the value into ``tree``, making sections that are missing or empty.

    Whether the schema knows the key is found out later, with the file's own keys. A key that
    leads through what can't hold keys, or to a list item that isn't there, becomes a fault.
    """
    try:
        _write(tree, override)
    except _DeadEndError as reason:
        place = override.place
        tree.faults.append(Fault("error", place.path, place.line, override.key, str(reason)))


def _write(tree: Tree, override: Override) -> None:
    holder: Any = [tree.data]
    slot: Any = 0
    key, parts = "", override.key.split(".")
    while parts:
        if holder[slot] is None:
            holder[slot] = {}
        node = holder[slot]
        if not isinstance(node, (dict, list)):
            raise _DeadEndError(f"{key} holds {show(node)}, so there is no key below it")
        if isinstance(node, list):
            parts = [*_item_parts(node, parts[0], key), *parts[1:]]
            slot = int(parts[0])
        else:
            tree.places.setdefault(key, override.place)
            slot = parts[0]
            node.setdefault(slot, None)
        holder, key = node, join_key(key, parts.pop(0))
    holder[slot] = override.value
    tree.put_place(key, override.place)


def value_at(data: object, key: str) -> object:
    """Return the value of a key as ``-o`` names it in plain data; None if it isn't given."""
    node: Any = data
    parts = key.split(".")
    try:
        while parts:
            if isinstance(node, list):
                parts = [*_item_parts(node, parts[0], key), *parts[1:]]
                node = node[int(parts.pop(0))]
            else:
                part = parts.pop(0)
                node = node.get(part) if isinstance(node, dict) else None
    except _DeadEndError:
        return None
    return node


def _item_parts(items: list[Any], part: str, key: str) -> list[str]:
    """Turn an operator's name into its index and name, an augmenter's into its index."""
    if part.isascii() and part.isdigit():
        if int(part) < len(items):
            return [part]
        raise _DeadEndError(f"{key} has {len(items)} items, 0 to {len(items) - 1}")
    paths = [path for name, path in _item_names(items) if name == part]
    if len(paths) == 1:
        return paths[0]
    if paths:
        indices = " or ".join(path[0] for path in paths)
        raise _DeadEndError(f"{key} holds {part} {len(paths)} times; name it by index, {indices}")
    names = {name for name, _ in _item_names(items)}
    raise _DeadEndError(f"{key} holds no {part!r}{suggest(part, names)}")


def _item_names(items: list[Any]) -> Iterator[tuple[str, list[str]]]:
    for i, item in enumerate(items):
        if isinstance(item, dict) and isinstance(item.get("type"), str):
            yield item["type"], [str(i)]
        elif isinstance(item, dict) and len(item) == 1:
            (name,) = item
            yield name, [str(i), name]

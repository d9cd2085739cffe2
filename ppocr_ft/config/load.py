"""From a YAML file and ``-o`` overrides to a Config, or to one error that lists every fault."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppocr_ft.config.faults import (
    OVERRIDE_MARK,
    Fault,
    Place,
    config_error,
    in_order,
    join_key,
    tagged,
)
from ppocr_ft.config.rules import check_rules
from ppocr_ft.config.schema import Config
from ppocr_ft.config.source_map import Tree, parse_yaml
from ppocr_ft.config.validation import check, other_task, translate_draft_names
from ppocr_ft.messages import nearest, show, suggest

_PACKAGE = Path(__file__).parents[1]
FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
"""Where the shipped configs are: in an installed package, and in a clone."""


@dataclass(frozen=True)
class Inspection:
    """The result of reading a config file: ``config`` is None if any fault is an error."""

    config: Config | None
    faults: tuple[Fault, ...]


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config in PaddleOCR's YAML: a file, or the name of one that comes with the package.

    ``overrides`` are ``-o`` arguments, ``Section.key=value`` with a YAML value; list items by
    index or by operator name: ``Train.dataset.transforms.MakeShrinkMap.shrink_ratio=0.6``.

    Raises:
        ConfigError: the file can't be read, or anything in it or in ``overrides`` is wrong. It
            lists every fault with file and line, key, what was found and what would be right.
    """
    inspection = inspect_config(path, overrides)
    if inspection.config is not None:
        return inspection.config
    errors = [fault for fault in inspection.faults if fault.severity == "error"]
    raise config_error(path, errors)


def inspect_config(path: str | Path, overrides: Sequence[str] = ()) -> Inspection:
    """Do the same as ``load_config``, but never raise: ``faults`` has errors and warnings."""
    return inspect_tree(read_tree(path, overrides))


def read_tree(path: str | Path, overrides: Sequence[str] = ()) -> Tree:
    """Return the file and the overrides as plain data, not checked by the schema; never raise."""
    parsed = [parse_override(text) for text in overrides]
    override_faults = tagged("override", (one for one in parsed if isinstance(one, Fault)))
    path = find_config(path)
    text = read_text(path)
    if isinstance(text, Fault):
        return Tree(None, faults=[text, *override_faults])
    tree = parse_yaml(text, str(path))
    tree.faults += override_faults
    for override in parsed if isinstance(tree.data, dict) else ():
        if isinstance(override, Override):
            apply_override(tree, override)
    return tree


def inspect_tree(tree: Tree) -> Inspection:
    """Inspect a file that has been read. Network names of early drafts are changed in ``tree``.

    Rules between keys are checked in the sections whose keys are all right.
    """
    other = other_task(tree.data)
    if other is not None:
        tree.add(other)
    if other is not None or (tree.data is None and tree.faults):
        return Inspection(None, in_order(tree.faults))
    translate_draft_names(tree)
    checked = check(tree.data, tree.unreadable)
    rule_faults = [] if checked.usable is None else check_rules(checked.usable)
    for fault in [*checked.faults, *filter(checked.is_sure, rule_faults)]:
        tree.add(fault)
    faults = in_order(tree.faults)
    if checked.config is None or any(fault.severity == "error" for fault in faults):
        return Inspection(None, faults)
    return Inspection(checked.config.with_warnings(faults), faults)


def with_values(config: Config, values: Mapping[str, object]) -> Config:
    """Return the config with other values of keys as ``-o`` names them; its warnings stay.

    Raises:
        ConfigError: schema or rules refuse them; it lists every fault.
    """
    if not values:
        return config
    tree = _written_out(config)
    for key, value in values.items():
        apply_override(tree, Override(key, value))
    tree.places.clear()  # the lines would be those of no file
    inspection = inspect_tree(tree)
    if inspection.config is None:
        raise config_error("", [one for one in inspection.faults if one.severity == "error"])
    return inspection.config.with_warnings(config.warnings)


def values_of(config: Config, keys: Sequence[str]) -> dict[str, object]:
    """Return the values of keys as ``-o`` names them, plain data; None for one not given."""
    data = _written_out(config).data
    return {key: value_at(data, key) for key in keys}


def _written_out(config: Config) -> Tree:
    return parse_yaml(config.to_yaml(), "")


def shipped_configs() -> dict[Path, str]:
    """Return the configs that come with the package, each with what it is for: its first line."""
    folder = next((folder for folder in FOLDERS if folder.is_dir()), FOLDERS[0])
    return {
        path: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        for path in sorted(folder.glob("*.yml"))
    }


def shipped_models() -> dict[str, Path]:
    """Return the config that comes with the package for each released model, by its name.

    Of two for the same model it is the one with the shorter name.
    """
    models: dict[str, Path] = {}
    for path in shipped_configs():
        data = parse_yaml(path.read_text(encoding="utf-8"), str(path)).data
        models.setdefault(str(value_at(data, "Global.model_name")), path)
    return models


def find_config(path: str | Path) -> Path:
    """Return the file of that path or, where there is none, the shipped config of that name.

    The name is ``det_v4_ft.yml`` or ``det_v4_ft``. Any other path is returned as it is.
    """
    given = Path(path)
    if given.exists() or given.name != str(path):
        return given
    named = [file for file in shipped_configs() if given.name in (file.name, file.stem)]
    return named[0] if named else given


def read_text(path: Path) -> str | Fault:
    """Return a config file's text, or a fault if it can't be read."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return _file_fault(path, f"no such file{_near(path)}")
    except IsADirectoryError:
        return _file_fault(path, "a folder; name the YAML file in it")
    except (OSError, ValueError) as reason:
        return _file_fault(path, f"can't be read: {getattr(reason, 'strerror', None) or reason}")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _file_fault(path, "UTF-16 text; save it as UTF-8")
    if b"\0" in raw:
        return _file_fault(path, "a binary file; a config is YAML text")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        line = raw.count(b"\n", 0, reason.start) + 1
        byte = raw[reason.start]
        return _file_fault(path, f"not UTF-8 text (byte 0x{byte:02x}); save it as UTF-8", line)


def _near(path: Path) -> str:
    """Return the guess at what was meant: a file beside it, or a config of the package."""
    siblings = path.parent.glob("*.y*ml") if path.parent.is_dir() else ()
    near = nearest(path.name, [sibling.name for sibling in siblings])
    if near:
        return f"; did you mean {near!r}?"
    near = nearest(path.name, [file.name for file in shipped_configs()])
    return f"; did you mean {near!r}, which comes with the package?" if near else ""


def _file_fault(path: Path, message: str, line: int | None = None) -> Fault:
    return Fault("error", str(path), line, "", message)


@dataclass(frozen=True)
class Override:
    """One ``key=value``; ``value`` is plain YAML data."""

    key: str
    value: object

    @property
    def place(self) -> Place:
        return Place(f"{OVERRIDE_MARK}{self.key}")


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
        tree.faults.append(Fault("error", place.path, None, override.key, str(reason)))


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
                node = node.get(parts.pop(0)) if isinstance(node, dict) else None
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

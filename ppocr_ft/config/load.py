"""From a YAML file and ``-o`` overrides to a Config, or to one error that lists every fault."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppocr_ft.config.faults import Fault, config_error, in_order, is_under, join_key, tagged
from ppocr_ft.config.overrides import Override, apply_override, parse_override, value_at
from ppocr_ft.config.rules import check_rules
from ppocr_ft.config.schema import Config
from ppocr_ft.config.source_map import Tree, parse_yaml
from ppocr_ft.config.validation import check, other_task, translate_draft_names
from ppocr_ft.messages import nearest, show

_PACKAGE = Path(__file__).parents[1]
EXTENDS = "extends"
"""The key at the top that names another config, whose values hold where the file has none."""
OWN_NAMES = ("Eval.also",)
"""Sections whose keys are the user's names, so that an empty one says: none."""
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
    tree = _extended(parse_yaml(text, str(path)), [path])
    tree.faults += override_faults
    for override in parsed if isinstance(tree.data, dict) else ():
        if isinstance(override, Override):
            apply_override(tree, override)
    return tree


def _extended(tree: Tree, files: list[Path]) -> Tree:
    """Return the tree of the config that ``extends`` names, with this tree's values put into it.

    A section keeps the other config's values of keys that it doesn't name; an operator of a list is
    named as in ``-o``, any other list is replaced. ``files`` are the file and those that extend it.
    """
    if not isinstance(tree.data, dict) or EXTENDS not in tree.data:
        return tree
    base = _base(tree, files)
    if isinstance(base, Fault):
        return Tree(None, faults=[*tree.faults, base])  # what else is missing can't be told
    base.faults += tree.faults
    base.unreadable += tree.unreadable
    own = {key: value for key, value in tree.data.items() if key != EXTENDS}
    dotted = list(_dotted(own))
    for key in dotted:
        place = tree.place_of(key)
        message = "has a dot, which is for -o; write each part under the one before"
        base.faults.append(Fault("error", place.path, place.line, key, message))
    for key, value in _leaves(own, "", base.data) if isinstance(base.data, dict) else ():
        if any(is_under(key, wrong) for wrong in dotted):
            continue
        apply_override(base, Override(key, value, tree.place_of(key)))
        base.places |= {part: at for part, at in tree.places.items() if is_under(part, key)}
    return base


def _base(tree: Tree, files: list[Path]) -> Tree | Fault:
    named = value_at(tree.data, EXTENDS)
    place = tree.place_of(EXTENDS)
    if not isinstance(named, str):
        message = f"found {show(named)}; name a config of the package, such as det_v4_ft, or a file"
        return Fault("error", place.path, place.line, EXTENDS, message)
    beside = files[-1].parent / named
    path = beside if _is_file(beside) else _shipped(named) or beside
    if any(path.resolve() == file.resolve() for file in files):
        message = f"{named} extends this file in turn"
        return Fault("error", place.path, place.line, EXTENDS, message)
    text = read_text(path)
    if isinstance(text, Fault):
        return Fault("error", place.path, place.line, EXTENDS, f"{path}: {text.message}")
    return _extended(parse_yaml(text, str(path)), [*files, path])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _dotted(node: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield the keys with a dot in their own name, but for names that are the user's."""
    for name, value in node.items():
        key = join_key(above, name)
        if "." in str(name) and above not in OWN_NAMES:
            yield key
        elif isinstance(value, dict):
            yield from _dotted(value, key)


def _leaves(node: Mapping[str, Any], above: str, base: object) -> Iterator[tuple[str, object]]:
    """Yield keys as ``-o`` names them, with the values that take the place of those in ``base``.

    A section or operator without any key changes nothing, one of another ``name`` is taken whole.
    """
    for name, value in node.items():
        key = join_key(above, name)
        known = value_at(base, key)
        known = known if isinstance(known, dict) else {}
        if isinstance(value, dict) and value and not _is_other(value, known):
            yield from _leaves(value, key, base)
        elif value not in (None, {}) or not known or key in OWN_NAMES:
            yield key, value


def _is_other(part: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Return whether a part is of another kind than the known one, whose keys it can't have."""
    named = "name" in part and "name" in known and part["name"] != known["name"]
    return named and not any(isinstance(value, dict) for value in known.values())


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


CONFIG_SUFFIXES = (".yml", ".yaml")


def find_config(path: str | Path) -> Path:
    """Return the file of that path or, where there is none, the shipped config of that name.

    The name is ``det_v4_ft.yml`` or ``det_v4_ft``. Any other path is returned as it is.
    """
    given = Path(path)
    return given if given.exists() else _shipped(str(path)) or given


def _shipped(name: str) -> Path | None:
    return next((file for file in shipped_configs() if name in (file.name, file.stem)), None)


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

"""From a YAML file and ``-o`` overrides to a Config, or to one error that lists every fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppocr_ft.config.faults import Fault, config_error, in_order, tagged
from ppocr_ft.config.overrides import Override, apply_override, parse_overrides, value_at
from ppocr_ft.config.paddleocr_compat import refuse_other_tasks, translate_draft_names
from ppocr_ft.config.rules import check_rules
from ppocr_ft.config.schema import Config
from ppocr_ft.config.shipped import find_config
from ppocr_ft.config.source_map import Tree, parse_yaml, read_text
from ppocr_ft.config.validation import check


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
    parsed, override_faults = parse_overrides(overrides)
    override_faults = tagged("override", override_faults)
    path = find_config(path)
    text = read_text(path)
    if isinstance(text, Fault):
        return Tree(None, faults=[text, *override_faults])
    tree = parse_yaml(text, str(path))
    tree.faults += override_faults
    if isinstance(tree.data, dict):
        for override in parsed:
            apply_override(tree, override)
    return tree


def inspect_tree(tree: Tree) -> Inspection:
    """Inspect a file that has been read. Network names of early drafts are changed in ``tree``.

    Rules between keys are checked in the sections whose keys are all right.
    """
    unreadable = tree.data is None and tree.faults
    if unreadable or refuse_other_tasks(tree):
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

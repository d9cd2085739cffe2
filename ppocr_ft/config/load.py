"""From a YAML file and ``-o`` overrides to a Config, or to one error that lists every fault."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppocr_ft.config.faults import Fault, config_error, error, in_order, tagged, warning
from ppocr_ft.config.overrides import Override, apply_override, parse_overrides, value_at
from ppocr_ft.config.rules import check_rules
from ppocr_ft.config.schema import Config
from ppocr_ft.config.source_map import Tree, parse_yaml
from ppocr_ft.config.validation import check
from ppocr_ft.messages import nearest, other_projects_file

_PACKAGE = Path(__file__).parents[1]
FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
"""Where the shipped configs are: in an installed package, and in a clone."""

OTHER_TASKS = {
    "rec": "a text recogniser",
    "cls": "a classifier of text direction",
    "table": "a table recogniser",
    "kie": "key information extraction",
    "e2e": "detection and recognition in one network",
    "sr": "super-resolution of text",
}
OTHER_ALGORITHMS = ("DB++", "EAST", "SAST", "PSE", "FCE", "CT", "DRRG", "PGNet", "SDMGR")
USE_INSTEAD = "start from configs/det_v4_ft.yml"


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


def other_task(data: object) -> Fault | None:
    """Return the fault of a YAML that isn't for a single DB detector."""
    other = other_projects_file(data)
    if other is not None:
        return error(*other, rule="other_task")
    architecture = _section(data, "Architecture")
    task, algorithm = architecture.get("model_type"), architecture.get("algorithm")
    key = "algorithm"
    if isinstance(task, str) and task in OTHER_TASKS:
        key = "model_type"
        name = f", {algorithm}" if isinstance(algorithm, str) else ""
        message = (
            f"found {task!r}, {OTHER_TASKS[task]}{name}: this project trains text detectors (det); "
            f"{USE_INSTEAD}"
        )
    elif algorithm == "Distillation":
        message = (
            "found 'Distillation': one detector is trained here, without a teacher; "
            f"{USE_INSTEAD}. A distilled .pdparams can be its Global.pretrained_model"
        )
    elif algorithm in OTHER_ALGORITHMS:
        message = f"found {algorithm!r}: this project trains DB detectors; {USE_INSTEAD}"
    else:
        return None
    return error(f"Architecture.{key}", message, rule="other_task")


def translate_draft_names(tree: Tree) -> None:
    """Read the first drafts of PaddleOCR's PP-OCRv4 YAMLs, whose network names it dropped.

    PaddleOCR itself never had networks of these names (its issue #10685).
    """
    architecture = _section(tree.data, "Architecture")
    backbone, head = _section(architecture, "Backbone"), _section(architecture, "Head")

    def rename(section: dict[str, Any], key: str, name: str) -> None:
        draft, section["name"] = section["name"], name
        message = f"{draft!r} is a draft's name for {name!r} and is read as that"
        tree.add(warning(f"Architecture.{key}.name", message, rule="draft_name"))

    if backbone.get("name") == "PPLCNetNew":
        rename(backbone, "Backbone", "PPLCNetV3")
    if backbone.get("name") == "PPHGNet" and backbone.get("scale") == "small":
        del backbone["scale"]
        rename(backbone, "Backbone", "PPHGNet_small")
    if head.get("name") == "CBNHeadLocal":
        rename(head, "Head", "PFHeadLocal")


def _section(parent: object, name: str) -> dict[str, Any]:
    section = parent.get(name) if isinstance(parent, dict) else None
    return section if isinstance(section, dict) else {}

"""Checking data against the schema: unknown keys and names, keys without effect, wrong values.

YAMLs that need special treatment: other projects' and tasks', and names of early drafts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ppocr_ft.config.faults import Fault, error, is_under, join_key, warning
from ppocr_ft.config.schema import Config
from ppocr_ft.config.source_map import Tree
from ppocr_ft.declaration import Choice, Section
from ppocr_ft.messages import describe, is_telling, nearest, other_projects_file, show, suggest

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
_SPARE_SPLIT = {
    "dataset": {
        "data_dir": "unknown",
        "label_file_list": ["unknown"],
        "transforms": [{"ToCHWImage": None}],
    }
}
_SPARE_SECTIONS: dict[str, Any] = {
    "Architecture": {
        "Backbone": {"name": "PPLCNetV3"},
        "Neck": {"name": "RSEFPN", "out_channels": 96},
        "Head": {"name": "DBHead"},
    },
    "Optimizer": {"name": "Adam", "lr": {"learning_rate": 0.001}, "regularizer": {"name": "L2"}},
    "Train": _SPARE_SPLIT,
    "Eval": _SPARE_SPLIT,
}
"""Stand in for faulty sections that have no default, so that the rules can look at the rest."""


MOST_PLACES = 3
"""A key with more places than this, such as ``name``, is not known by its name alone."""


@dataclass(frozen=True)
class Checked:
    """The outcome of ``check``.

    ``usable`` is ``config`` or, if that is None, the config without the keys that have an error,
    which are ``unsure``; where it can't do without one, its whole section is a spare one.
    """

    config: Config | None
    faults: list[Fault]
    usable: Config | None = None
    unsure: frozenset[str] = frozenset()

    def is_sure(self, fault: Fault) -> bool:
        """Return whether a finding about ``usable`` depends only on keys that are right."""
        return not any(
            is_under(key, unsure) or is_under(unsure, key)
            for key in (fault.key, *fault.related)
            for unsure in self.unsure
        )


def check(data: object, unreadable: Sequence[str] = ()) -> Checked:
    """Read plain data as a Config. Faults carry keys only; the caller knows the lines.

    ``unreadable`` are keys whose values are known to be wrong and not to be reported again.
    """
    if not isinstance(data, dict):
        content = "the file is empty" if data is None else f"found {show(data)}"
        expected = "sections such as Global: and Train:"
        return Checked(None, [error("", f"{content}, expected {expected}")])
    pruner = Pruner()
    pruned = pruner.section(Config, data, "")
    config, messages = _read(pruned)
    unexplained = {
        key: message
        for key, message in messages.items()
        if not any(is_under(key, other) for other in pruner.explained)
        and key not in pruner.unsure
        and not any(is_under(key, other) or is_under(other, key) for other in unreadable)
    }
    value_faults = (error(*finding, rule="value") for finding in unexplained.items())
    faults = [*pruner.faults, *value_faults]
    wrong = [*messages, *(fault.key for fault in faults if fault.severity == "error"), *unreadable]
    if not wrong:
        return Checked(config, faults, config)
    unsure = frozenset([*wrong, *pruner.explained, *pruner.unsure])
    rest = _without(pruned, wrong)
    usable, lacking = _read(rest)
    if usable is None:
        sections = {key.split(".")[0] for key in lacking}
        rest = {name: value for name, value in rest.items() if name not in sections}
        spares = {name: _SPARE_SECTIONS[name] for name in sections & _SPARE_SECTIONS.keys()}
        usable, _ = _read({**rest, **spares})
        unsure |= sections
    return Checked(None, faults, usable, unsure)


def _without(data: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return a copy without these keys; without the list of an item."""
    copied = deepcopy(data)
    for key in keys:
        *path, last = key.split(".")
        owner: Any = copied
        for part in path:
            owner = _below(owner, part)
        if isinstance(owner, dict):
            owner.pop(last, None)
        elif isinstance(owner, list):
            owner.clear()
    return copied


def _below(owner: Any, part: str) -> Any:
    if isinstance(owner, dict):
        return owner.get(part)
    if isinstance(owner, list) and part.isdecimal() and int(part) < len(owner):
        return owner[int(part)]
    return None


def _read(data: dict[str, Any]) -> tuple[Config | None, dict[str, str]]:
    """Return the config, or what is wrong with each key's value."""
    try:
        return Config.model_validate(data), {}
    except ValidationError as reason:
        errors = reason.errors(include_url=False)
    return None, {
        _key_of(details, data): describe(details) for details in errors if is_telling(details)
    }


def _key_of(details: ErrorDetails, data: Any) -> str:
    """Return the key of a finding in the data, in which a text may replace a list of one."""
    parts: list[str | int] = []
    for part in details["loc"]:
        if isinstance(part, int):
            if not isinstance(data, list) or part >= len(data):
                break
            data = data[part]
        else:
            data = data.get(part) if isinstance(data, dict) else None
        parts.append(part)
    return join_key(*parts)


class Pruner:
    """Walks through data and schema together and removes keys that the schema doesn't know.

    ``explained`` are keys without further findings: their value is of no known kind, or an unknown
    key next to them was meant for them. ``unsure`` are the sections of unknown keys.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.explained: list[str] = []
        self.unsure: list[str] = []

    def section(
        self, kind: type[Section], data: dict[str, Any], key: str, name_of_kind: str = ""
    ) -> dict[str, Any]:
        fields = _hints(kind)
        kept = {}
        for name, value in data.items():
            below = join_key(key, name)
            if name in fields:
                kept[name] = self.value(fields[name], value, below)
            elif name in kind.NO_EFFECT:
                reason = kind.NO_EFFECT[name]
                message = f"has no effect here: {reason}"
                self.faults.append(warning(below, message, rule="no_effect"))
            else:
                elsewhere = _other_places(name, key)
                hint = elsewhere or suggest(name, fields, kind.NO_EFFECT)
                owner = f" of {name_of_kind}" if name_of_kind else ""
                message = f"unknown key{owner}{hint}"
                self.faults.append(error(below, message, rule="unknown_key"))
                meant = name if elsewhere else nearest(name, fields) or name
                self.explained.append(join_key(key, meant))
                self.unsure += [key] if key else []
        return kept

    def value(self, hint: object, data: object, key: str) -> object:
        choice = choice_of(hint)
        if choice is not None:
            return self._chosen(choice, choice.spelled_out(data), key)
        kind = bare_type(hint)
        if get_origin(kind) is tuple:
            item = get_args(kind)[0]
            alone = choice_of(item)
            if alone is not None and alone.may_stand_alone and isinstance(data, (str, dict)):
                data = [data]
            if isinstance(data, list):
                return [self.value(item, value, join_key(key, i)) for i, value in enumerate(data)]
        if get_origin(kind) is dict and isinstance(data, dict):
            item = get_args(kind)[1]
            return {name: self.value(item, of, join_key(key, name)) for name, of in data.items()}
        if get_origin(kind) is None and isinstance(kind, type) and isinstance(data, dict):
            return self.section(kind, data, key) if issubclass(kind, Section) else data
        return data

    def _chosen(self, choice: Choice, data: object, key: str) -> object:
        name = choice.name_of(data)
        if name is None or name not in choice.table:
            named = choice.by and isinstance(data, dict)
            where = join_key(key, choice.by) if named else key
            self.faults.append(error(where, choice.refusal(data), rule="unknown_name"))
            self.explained.append(key)
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
            self.explained.append(below)
            return data
        return {name: self.section(kind, arguments or {}, join_key(key, name), name)}


def _other_places(name: str, key: str) -> str:
    """Return ``; here it is Optimizer.lr.gamma`` for a key that other sections have, else ''."""
    split = key.split(".")[0] if key.split(".")[0] in ("Train", "Eval") else "Train"
    places = [place.replace("Train", split) for place in _places_of_keys().get(name, ())]
    if not places or len(places) > MOST_PLACES:
        return ""
    return f"; here it is {' or '.join(join_key(place, name) for place in places)}"


@cache
def _places_of_keys() -> Mapping[str, list[str]]:
    """Return the sections that have each key; without those that a name chooses."""
    places: dict[str, list[str]] = {}

    def enter(kind: type[Section], path: str) -> None:
        for name, hint in _hints(kind).items():
            places.setdefault(name, []).append(path)
            below = bare_type(hint)
            if choice_of(hint) is not None or name == "Eval":
                continue
            if isinstance(below, type) and issubclass(below, Section):
                enter(below, join_key(path, name))

    enter(Config, "")
    return places


@cache
def _hints(kind: type[Section]) -> Mapping[str, object]:
    """Return the types of a section's keys, with their metadata."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.model_fields}


def choice_of(hint: object) -> Choice | None:
    """Return the choice that a key's type is annotated with."""
    metadata = getattr(hint, "__metadata__", ())
    return next((meta for meta in metadata if isinstance(meta, Choice)), None)


def bare_type(hint: object) -> object:
    """Return a type without its metadata and without ``| None``."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        return bare_type(members[0]) if len(members) == 1 else hint
    return hint


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

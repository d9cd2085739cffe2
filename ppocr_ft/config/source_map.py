"""YAML text to plain data with the line of every key, and back. Nothing is ever executed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import yaml

from ppocr_ft.config.faults import Fault, Place, Severity, is_under, join_key
from ppocr_ft.messages import show

MAX_NODES = 20_000
"""Far above any config; stops an alias bomb before it fills the memory."""
MAX_DEPTH = 40
"""Far above any config's nesting."""

TOO_DEEP = "nested too deeply to be a config"
_TAG = "tag:yaml.org,2002:"
_RESOLVERS: tuple[tuple[str, str, str], ...] = (
    ("null", r"(?:~|null|Null|NULL|)$", "~nN\0"),
    ("bool", r"(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE)$", "yYnNtTfF"),
    ("bool", r"(?:on|On|ON|off|Off|OFF)$", "oO"),
    ("int", r"[-+]?[0-9]+$", "-+0123456789"),
    (
        "float",
        r"(?:[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+0123456789.",
    ),
    ("merge", r"<<$", "<"),
)


@dataclass
class Tree:
    """A config as plain data (dict, list, str, int, float, bool, None), with the place of each key.

    ``places`` maps dotted keys to the places where they were written; ``faults`` are the faults so
    far; ``unreadable`` are keys whose value could not be read and is None.
    """

    data: object
    places: dict[str, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def place_of(self, key: str) -> Place:
        """Return the place of ``key``; for one that isn't written, the place of its section."""
        while key not in self.places and key:
            key = key.rpartition(".")[0]
        return self.places.get(key, Place(""))

    def put_place(self, key: str, place: Place) -> None:
        """Record that ``key`` and all below it was written at ``place``."""
        for below in [other for other in self.places if is_under(other, key)]:
            del self.places[below]
        self.places[key] = place

    def locate(self, fault: Fault) -> Fault:
        """Return the fault with its file and line filled in."""
        place = self.place_of(fault.key)
        return replace(fault, path=place.path, line=place.line)

    def add(self, fault: Fault) -> None:
        self.faults.append(self.locate(fault))


class _Loader(yaml.SafeLoader):
    """Reads plain scalars as YAML 1.2 does: ``1e-4`` is a number, ``12:30`` and a date are text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):
    """Quotes texts that ``_Loader`` or a YAML 1.1 reader would not read as that text."""


for _name, _pattern, _first in _RESOLVERS:
    _firsts = ["" if char == "\0" else char for char in _first]
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(_pattern), _firsts)
    _Dumper.add_implicit_resolver(f"{_TAG}{_name}", re.compile(_pattern), _firsts)


def _represent_items(dumper: yaml.SafeDumper, items: tuple[object, ...]) -> yaml.Node:
    short = not any(isinstance(item, (dict, tuple)) for item in items)
    return dumper.represent_sequence(f"{_TAG}seq", items, flow_style=short)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    escaped = '"' if set(text) & set("\x85\u2028\u2029\ufeff") else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=escaped)


_Dumper.add_representer(tuple, _represent_items)
_Dumper.add_representer(str, _represent_text)


def dump_yaml(data: Mapping[str, object]) -> str:
    """Return YAML of plain data, keys in their order; ``parse_yaml`` reads the same data back."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def parse_yaml(text: str, path: str) -> Tree:
    """Read YAML text; its faults as YAML are in the tree's ``faults``."""
    tree = Tree(None, {"": Place(path, 1)})
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        if node is not None:
            tree.data = _Reader(path, tree).read(node, "")
    except yaml.YAMLError as reason:
        line, message = _syntax_message(text, reason)
        tree.faults.append(Fault("error", path, line, "", message))
    except RecursionError:
        tree.faults.append(Fault("error", path, None, "", TOO_DEEP))
    return tree


def _syntax_message(text: str, reason: yaml.YAMLError) -> tuple[int | None, str]:
    mark = getattr(reason, "problem_mark", None) or getattr(reason, "context_mark", None)
    if isinstance(reason, yaml.reader.ReaderError):
        line = text.count("\n", 0, reason.position) + 1
        character = reason.character if isinstance(reason.character, str) else chr(reason.character)
        return line, f"holds the control character {character!r}, which YAML forbids"
    problem = getattr(reason, "problem", None) or str(reason)
    if mark is None:
        return None, f"not valid YAML: {problem}"
    lines = text.splitlines()
    line = min(mark.line, max(len(lines) - 1, 0)) + 1
    written = lines[line - 1] if lines else ""
    return line, f"not valid YAML: {problem}{_syntax_hint(problem, written)}"


def _syntax_hint(problem: str, written: str) -> str:
    if "\t" in written:
        return "; the line holds a tab, YAML indents with spaces only"
    hints = {
        "mapping values are not allowed": "; a wrong indentation, or a text with ': ' to quote",
        "could not find expected ':'": "; a key lacks its ':'",
        "expected <block end>": "; its indentation fits no line above",
        "undefined alias": "; an anchor (&name) stands above its use (*name)",
        "another document": "; a config has no '---' between documents",
    }
    return next((hint for part, hint in hints.items() if part in problem), "")


class _TooLargeError(yaml.YAMLError):
    problem = f"more than {MAX_NODES} values, aliases counted each time they are used"


class _Reader:
    """Turns composed nodes into plain data and notes lines and faults in a tree."""

    def __init__(self, path: str, tree: Tree) -> None:
        self._path = path
        self._tree = tree
        self._open: list[yaml.Node] = []
        self._count = 0

    def read(self, node: yaml.Node, key: str) -> object:
        self._count += 1
        if self._count > MAX_NODES:
            raise _TooLargeError
        if any(node is parent for parent in self._open):
            return self._unreadable(node, key, "an alias that holds itself")
        if len(self._open) >= MAX_DEPTH:
            return self._unreadable(node, key, TOO_DEEP)
        self._open.append(node)
        try:
            return self._read_kind(node, key)
        finally:
            self._open.pop()

    def _read_kind(self, node: yaml.Node, key: str) -> object:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, key)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            items = []
            for i, item in enumerate(node.value):
                self._tree.places[join_key(key, i)] = self._place(item)
                items.append(self.read(item, join_key(key, i)))
            return items
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, key)
        return self._foreign_tag(node, key)

    def _mapping(self, node: yaml.MappingNode, parent: str) -> dict[str, object]:
        result: dict[str, object] = {}
        merges: list[yaml.Node] = []
        for name_node, value_node in node.value:
            if name_node.tag == f"{_TAG}merge":
                merges.append(value_node)
                continue
            if not isinstance(name_node, yaml.ScalarNode):
                self._fault(name_node, parent, "a key must be a plain name")
                continue
            name = str(name_node.value)
            key = join_key(parent, name)
            if name in result and not self._is_empty(name_node, key, result[name]):
                continue
            self._tree.places[key] = self._place(name_node)
            result[name] = self.read(value_node, key)
        for source in merges:
            self._merge(result, source, parent)
        return result

    def _is_empty(self, name_node: yaml.Node, key: str, first: object) -> bool:
        """Report a key that is given twice; return whether the second one counts.

        That of an empty first one does, as in PaddleOCR's PP-OCRv5_server_det.yml.
        """
        line = self._tree.places[key].line
        if first is None and key not in self._tree.unreadable:
            message = f"given twice, empty in line {line}; this one counts"
            self._fault(name_node, key, message, "warning")
            return True
        self._fault(name_node, key, f"given twice, first in line {line}; keep one of them")
        return False

    def _merge(self, result: dict[str, object], source: yaml.Node, parent: str) -> None:
        """Merge ``<<: *other``: keys that aren't given yet; the first of several sources wins."""
        sources = source.value if isinstance(source, yaml.SequenceNode) else [source]
        for node in sources:
            if not isinstance(node, yaml.MappingNode):
                self._fault(node, parent, "<< merges a section (or a list of sections) only")
                continue
            inherited = Tree(None, {})
            merged = _Reader(self._path, inherited)
            merged._open, merged._count = self._open, self._count
            values = merged.read(node, parent)
            self._count = merged._count
            self._tree.faults += inherited.faults
            self._tree.unreadable += inherited.unreadable
            for name, value in values.items() if isinstance(values, dict) else ():
                if name in result:
                    continue
                result[name] = value
                key = join_key(parent, name)
                self._tree.places |= {k: v for k, v in inherited.places.items() if is_under(k, key)}

    def _scalar(self, node: yaml.ScalarNode, key: str) -> object:
        read = _SCALARS.get(node.tag)
        if read is None:
            return self._foreign_tag(node, key)
        try:
            return read(str(node.value))
        except (ValueError, KeyError):
            message = f"found {show(node.value)}, which isn't of type {_short(node.tag)}"
            return self._unreadable(node, key, message)

    def _foreign_tag(self, node: yaml.Node, key: str) -> object:
        return self._unreadable(node, key, f"the tag {_short(node.tag)} has no place in a config")

    def _unreadable(self, node: yaml.Node, key: str, message: str) -> object:
        self._fault(node, key, message)
        self._tree.unreadable.append(key)
        return None

    def _fault(self, node: yaml.Node, key: str, message: str, severity: Severity = "error") -> None:
        place = self._place(node)
        self._tree.faults.append(Fault(severity, place.path, place.line, key, message))

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._path, node.start_mark.line + 1)


def _read_bool(text: str) -> bool:
    return {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}[
        text.lower()
    ]


def _read_float(text: str) -> float:
    special = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}
    plain = text.lower().replace(".inf", "inf").replace(".nan", "nan").lstrip("+")
    return special[plain] if plain in special else float(text)


_SCALARS: Mapping[str, Callable[[str], object]] = {
    f"{_TAG}null": lambda text: None,
    f"{_TAG}bool": _read_bool,
    f"{_TAG}int": int,
    f"{_TAG}float": _read_float,
    f"{_TAG}str": str,
    f"{_TAG}merge": str,
}


def _short(tag: str) -> str:
    return tag.replace(_TAG, "!!")

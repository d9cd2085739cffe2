"""Write docs/keys.md from the declarations of the keys, and make comments of them for configs.

Usage: make keys. Nothing is written where all is up to date. A comment is the key's meaning as far
as it fits into the line; what follows it after a semicolon is a remark of that file and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from experiments.key_table import Key, keys_of
from experiments.marked_tables import Table
from ppocr_ft.config.faults import join_key
from ppocr_ft.config.schema import Config
from ppocr_ft.config.source_map import parse_yaml
from ppocr_ft.config.validation import Pruner, bare_type, choice_of
from ppocr_ft.declaration import Section
from ppocr_ft.engine.monitor.history import RULES
from ppocr_ft.optim.configs import OPTIMIZERS, OptimizerSection

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "keys.md"
CONFIGS = ROOT / "configs"
MAX_WIDTH, COMMENT_COLUMN = 100, 36
HEAD = """\
# Keys

Every key of a config with its values, its default and its meaning. `make keys` writes this page
from the declarations in the code, by which configs are checked too. Where the default is empty, the
key must be given. At the top `extends` may name another config, see train.md. Any other key is a
fault, with the line and the nearest name.
"""


def document() -> str:
    """Return the text of docs/keys.md."""
    parts = [HEAD, *_described(Config, "", set())]
    rows = [[f"`{rule.name}`", first_line(rule.diagnose.__doc__)] for rule in RULES]
    parts.append("## Verdicts of the monitor\n\nFor `Global.stop_on`; [monitor.md](monitor.md).\n")
    parts.append(Table("verdicts", ["verdict", "rule"], rows).markdown() + "\n")
    return "\n".join(parts)


def _described(section: type[Section], path: str, done: set[type[Section]]) -> Iterator[str]:
    """Yield the texts of a section and of all below it that aren't ``done``."""
    done.add(section)
    if path:
        yield f"## {path}\n"
        yield f"{first_line(section.__doc__)}\n"
        rows = [_row(section, key) for key in keys_of(section)]
        if rows:
            yield Table(path, ["key", "values", "default", "meaning"], rows).markdown() + "\n"
        yield from _without_effect(section.NO_EFFECT)
    hints = get_type_hints(section, include_extras=True)
    for name in section.model_fields:
        below = join_key(path, name)
        for title, kind in _sections_of(hints[name], below):
            if kind not in done:
                yield from _described(kind, title, done)


def _sections_of(hint: object, path: str) -> Iterator[tuple[str, type[Section]]]:
    """Yield the sections that a key of this type may hold, with their titles."""
    choice = choice_of(hint)
    if choice is not None:
        yield from ((f"{path}: {name}", kind) for name, kind in choice.table.items())
        return
    kind = bare_type(hint)
    members = getattr(kind, "__args__", ())
    if members:
        named = get_origin(kind) is dict
        yield from _sections_of(members[-1 if named else 0], f"{path}.NAME" if named else path)
    elif isinstance(kind, type) and issubclass(kind, Section):
        yield path, kind


def _row(section: type[Section], key: Key) -> list[str]:
    default = f"`{key.default}`" if key.default else ""
    if section is OptimizerSection:
        default = _optimizer_defaults(key.name) or default
    cells = [f"`{key.name}`", key.values, default, key.meaning]
    return [cell.replace("``", "`").replace("|", "\\|") for cell in cells]


def _optimizer_defaults(key: str) -> str:
    """Return Paddle's defaults of an optimizer's own key: ``0.9 (Adam, AdamW)``."""
    users: dict[object, list[str]] = {}
    for name, kind in OPTIMIZERS.items():
        if key in kind.defaults:
            users.setdefault(kind.defaults[key], []).append(name)
    return "; ".join(f"`{_plain(value)}` ({', '.join(names)})" for value, names in users.items())


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _without_effect(keys: Mapping[str, str]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for name, reason in keys.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    if reasons:
        lines = [f"- {', '.join(names)}: {reason}" for reason, names in reasons.items()]
        yield "PaddleOCR's keys that are let pass without effect:\n\n" + "\n".join(lines) + "\n"


def first_line(docstring: str | None) -> str:
    return (docstring or "").strip().split("\n")[0].replace("``", "`")


class _Meanings(Pruner):
    """Walks a config beside the schema and notes what each of its keys means."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, str] = {}

    def section(
        self, kind: type[Section], data: dict[str, Any], key: str, name_of_kind: str = ""
    ) -> dict[str, Any]:
        for declared in keys_of(kind):
            self.of[join_key(key, declared.name)] = declared.meaning
        if name_of_kind and key.endswith(name_of_kind):  # an operator
            self.of[key] = first_line(kind.__doc__)
        return super().section(kind, data, key, name_of_kind)


def commented(text: str) -> str:
    """Return a config's text with each key's comment brought up to date."""
    tree = parse_yaml(text, "")
    meanings = _Meanings()
    assert isinstance(tree.data, dict)
    meanings.section(Config, tree.data, "")
    lines = text.split("\n")
    for key, place in tree.places.items():
        meaning, index = meanings.of.get(key, ""), (place.line or 0) - 1
        if meaning and "  # " in lines[index] and "{" not in lines[index]:
            lines[index] = _line(lines[index], meaning, key)
    return "\n".join(lines)


def _line(line: str, meaning: str, key: str) -> str:
    code, _, comment = line.partition("  # ")
    start = code.rstrip().ljust(COMMENT_COLUMN - 2) + "  # "
    wordings = [words for words in _wordings(meaning) if len(start + words) <= MAX_WIDTH]
    if not wordings:
        raise ValueError(f"{key}: {meaning!r} begins with no clause that fits behind {code!r}")
    kept = any(comment == words or comment.startswith(f"{words}; ") for words in wordings)
    return start + (comment if kept else wordings[0])


def _wordings(meaning: str) -> list[str]:
    """Return the meaning as a comment, ever shorter: a sentence, then its first clauses."""
    sentence = meaning.replace("`", "").split(". ")[0].rstrip(".")
    if sentence[1:2].islower() or sentence[1:2] == " ":
        sentence = sentence[:1].lower() + sentence[1:]
    clauses = sentence.split("; ")
    wordings = ["; ".join(clauses[:count]) for count in range(len(clauses), 0, -1)]
    return [*wordings, *(clauses[0].split(mark)[0] for mark in (": ", ", "))]


def main() -> None:
    text = document()
    if not DOCUMENT.is_file() or DOCUMENT.read_text(encoding="utf-8") != text:
        DOCUMENT.write_text(text, encoding="utf-8")
        print(f"written: {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

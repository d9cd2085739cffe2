"""Texts for users: the nearest known name, values as YAML writes them, and pydantic's findings.

Each finding says what was found and what would be right.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping

from pydantic_core import ErrorDetails

from ppocr_ft.foreign_names import meaning_elsewhere

MAX_SHOWN_CHARS = 60
MAX_LISTED_NAMES = 16


def suggest(word: str, names: Collection[str], unlisted: Collection[str] = ()) -> str:
    """Return ``; did you mean 'shrink_ratio'?``, or all ``names`` if none is near.

    ``unlisted`` names are guessed too, but not listed. A name that another network or project
    has is no slip: it is called what it is there.
    """
    elsewhere = meaning_elsewhere(word)
    if elsewhere is not None:
        return f"; {elsewhere}"
    near = nearest(word, (*names, *unlisted))
    if near is not None:
        return f"; did you mean {near!r}?"
    if not names:
        return "; none is known here"
    if len(names) <= MAX_LISTED_NAMES:
        return f"; known: {', '.join(sorted(names))}"
    return ""


def nearest(word: str, names: Collection[str]) -> str | None:
    """Return the one of ``names`` that ``word`` may be a slip of."""
    if meaning_elsewhere(word) is not None:
        return None
    by_folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return by_folded[near[0]] if near else None


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 image`` or ``2,000 images``; ``plural`` if it isn't the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def show(value: object) -> str:
    """Return a value in YAML's words, shortened to one line."""
    text = in_yaml(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 3]}..."


def in_yaml(value: object) -> str:
    """Return a value in YAML's words, in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {in_yaml(below)}' for name, below in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(in_yaml, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def describe(details: ErrorDetails) -> str:
    """Return a finding of pydantic's in plain words."""
    return _WORDS.get(details["type"], _other)(details)


def is_telling(details: ErrorDetails) -> bool:
    """Return whether a finding says anything.

    Pydantic also reports a list as too short if only its items are wrong.
    """
    context = details.get("ctx", {})
    if details["type"] != "too_short":
        return True
    return len(details["input"]) < int(context["min_length"])


def _expected(words: str) -> Callable[[ErrorDetails], str]:
    def describe(details: ErrorDetails) -> str:
        value = details["input"]
        if value is None:
            return f"is empty, expected {words}"
        return f"found {show(value)}, expected {words}{_quote_hint(value, words)}"

    return describe


def _quote_hint(value: object, words: str) -> str:
    if not isinstance(value, str):
        return ""
    patterns = {
        "a whole number": r"[-+]?\d+",
        "a number": r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?",
        "true or false": r"(?i:true|false)",
    }
    if value.strip().casefold() == "none":
        return "; YAML's nothing is null"
    quoted = words in patterns and re.fullmatch(patterns[words], value)
    return "; take the quotes away" if quoted else ""


def _bound(template: str, name: str) -> Callable[[ErrorDetails], str]:
    def describe(details: ErrorDetails) -> str:
        limit = format(details.get("ctx", {})[name], "g")
        return f"found {show(details['input'])}, must be {template.format(limit)}"

    return describe


def _one_of(details: ErrorDetails) -> str:
    expected = str(details.get("ctx", {})["expected"])
    value = details["input"]
    choices = expected.replace(" or ", ", ").replace("'", "").split(", ")
    hint = suggest(value, choices) if isinstance(value, str) else ""
    hint = "" if hint.startswith("; known") else hint  # they are listed anyhow
    words = f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    words = words.replace("True", "true").replace("False", "false")
    return f"found {show(value)}, expected {words}{hint}"


def _length(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    limit = int(context.get("min_length", context.get("max_length", 0)))
    bound = "at least" if "min_length" in context else "at most"
    return f"found {show(details['input'])}, expected {bound} {counted(limit, 'value')}"


def _missing(details: ErrorDetails) -> str:
    if isinstance(details["loc"][-1], int):
        return f"found {show(details['input'])}, expected {details['loc'][-1] + 1} values"
    return "missing; it has no default"


def _own_words(details: ErrorDetails) -> str:
    return str(details.get("ctx", {}).get("error", details["msg"]))


def _other(details: ErrorDetails) -> str:
    return f"found {show(details['input'])}: {details['msg']}"


_WORDS: Mapping[str, Callable[[ErrorDetails], str]] = {
    "extra_forbidden": lambda details: "unknown key",
    "int_type": _expected("a whole number"),
    "float_type": _expected("a number"),
    "bool_type": _expected("true or false"),
    "string_type": _expected("text"),
    "string_unicode": _expected("text of valid characters"),
    "tuple_type": _expected("a list"),
    "dict_type": _expected("names, each with keys of its own"),
    "model_type": _expected("a section of keys"),
    "none_required": _expected("nothing (null)"),
    "finite_number": _expected("a finite number"),
    "string_too_short": _expected("a text that isn't empty"),
    "greater_than": _bound("above {}", "gt"),
    "greater_than_equal": _bound("{} or more", "ge"),
    "less_than": _bound("below {}", "lt"),
    "less_than_equal": _bound("{} or less", "le"),
    "multiple_of": _bound("a multiple of {}", "multiple_of"),
    "literal_error": _one_of,
    "too_short": _length,
    "too_long": _length,
    "missing": _missing,
    "value_error": _own_words,
}

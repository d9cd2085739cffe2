"""The page's texts: ``languages/LANGUAGE.json``, in groups; a page holds all of its languages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from ppocr_ft.engine import outcome
from ppocr_ft.utils.program import as_started

LANGUAGES = ("en", "zh")
NOTHING_TO_COMPARE: Sequence[outcome.Kind] = ("unjudged", "no-start")
"""Outcomes whose sentence the page takes as it is."""


@cache
def texts(language: str) -> Mapping[str, str]:
    """Return the texts of a language by ``GROUP.NAME``."""
    path = files("ppocr_ft.report.page") / "languages" / f"{language}.json"
    groups = json.loads(path.read_text(encoding="utf-8"))
    if language == "en":
        groups["said"] |= {kind: outcome.SENTENCES[kind] for kind in NOTHING_TO_COMPARE}
        groups |= {"advice": outcome.ADVICE, "between": outcome.WEIGHTS}
    return {
        f"{group}.{name}": text for group, named in groups.items() for name, text in named.items()
    }


for _language in LANGUAGES:  # with the program: when a run ends, the package may be another one
    texts(_language)


class Translated:
    """A text in every language; a template writes it as one ``<span>`` per language.

    The keywords fill the text's placeholders, which may have a format (``{gain:+.4f}``). They may
    be translated texts too.
    """

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        self.values = values

    def text(self, language: str) -> str:
        """Return the text in ``language``, without markup, in English if there is none.

        ``ppocr-ft NAME`` becomes what has to be typed here.
        """
        values = {name: text_of(value, language) for name, value in self.values.items()}
        text = texts(language).get(self.key) or texts("en")[self.key]
        return as_started(text.format(**values))

    def __html__(self) -> str:
        spans = [Markup('<span lang="{}">{}</span>').format(x, self.text(x)) for x in LANGUAGES]
        return Markup("").join(spans)


Label = Translated | str


def text_of(value: object, language: str) -> object:
    """Return a translated value's text; any other value as it is."""
    return value.text(language) if isinstance(value, Translated) else value


def name_of(group: str, name: str) -> Label:
    """Return the text ``GROUP.NAME``, or ``name`` itself if there is none."""
    key = f"{group}.{name}"
    return Translated(key) if key in texts("en") else name

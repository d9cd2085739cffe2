"""JSON labels: files told apart by what they hold, and images with their records of texts.

What is not as a format has it raises Unusable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Format, Reading, Writer
from ppocr_ft.commands.convert.formats.sources import (
    JSON_SUFFIXES,
    SourceFile,
    read_json,
    source_files,
)
from ppocr_ft.commands.convert.formats.texts import LabelText, Unusable
from ppocr_ft.utils.progress import ProgressBar, no_progress

Forms = Mapping[str, Callable[[Any], bool]]
"""What a format's files have, in words that follow "it has", and whether a file has it."""
_KNOWN: dict[str, Forms] = {}
"""By the formats' names: filled by ``json_format``."""
_NAMED_KEYS = 8


@dataclass(frozen=True)
class JsonFile:
    """A label file that is read: its content, its path, and the file or folder asked for.

    ``bar`` is that over its images.
    """

    label: Any
    path: Path
    source: Path
    reading: Reading
    bar: ProgressBar


def json_format(
    name: str,
    meaning: str,
    forms: Forms,
    read_file: Callable[[JsonFile], None],
    writer: Callable[[], Writer] | None = None,
    levels: tuple[str, ...] = (),
) -> Format:
    """Return the format of JSON files that have one of ``forms``."""
    _KNOWN[name] = forms

    def read(source: Path, reading: Reading, bar: ProgressBar) -> None:
        files = source_files(source, *JSON_SUFFIXES)
        is_one = len(files) == 1
        for path in files if is_one else bar(files, len(files), TITLE, "file"):
            try:
                label = read_json(path)
                if not _form(label, forms):
                    raise _other_form(label, name)
                bar_of_images = bar if is_one else no_progress
                read_file(JsonFile(label, path, source, reading, bar_of_images))
            except Unusable as fault:
                reading.report(fault, path)
                reading.left_out.append(str(path))

    def recognise(sample: SourceFile) -> str | None:
        form = _form(sample.json, forms)
        return form and f"has {form}"

    return Format(name, meaning, read, recognise, writer, levels)


def _form(label: Any, forms: Forms) -> str | None:
    return next((words for words, fits in forms.items() if fits(label)), None)


def _other_form(label: Any, name: str) -> Unusable:
    for other, forms in _KNOWN.items():
        form = _form(label, forms)
        if form:
            message = f"is no file of {name}, but of {other}: it has {form}"
            return Unusable("other-format", message, f"read it with --from {other}")
    return unknown_form(label)


def unknown_form(label: Any) -> Unusable:
    """Return the fault of a file that is of no format: what it holds, and the known forms."""
    known = "; ".join(f"{name} ({', or '.join(forms)})" for name, forms in sorted(_KNOWN.items()))
    message = f"is of no known form of JSON labels: found {_described(label)}"
    return Unusable("bad-structure", message, f"give one of the known forms: {known}")


def _described(label: Any) -> str:
    """Return what a file holds: the first keys, the length of a list."""
    if isinstance(label, list) and label:
        return f"a list of {len(label)}, the first being {_described(label[0])}"
    if isinstance(label, dict) and label:
        keys = ", ".join(repr(key)[:40] for key in list(label)[:_NAMED_KEYS])
        more = f" and {len(label) - _NAMED_KEYS} more" if len(label) > _NAMED_KEYS else ""
        return f"an object with the key{'s' * (len(label) > 1)} {keys}{more}"
    return f"{label!r:.40}"


class ImageForm(ABC):
    """How a format says what an image is, and which texts it has; each method may raise Unusable.

    ``size`` are the keys of width and height, ``list_of_texts`` the key of the texts and the noun
    that names one.
    """

    size: tuple[str, str] = ("width", "height")
    list_of_texts: tuple[str, str] = ("", "")

    @abstractmethod
    def image(self, item: dict[str, Any], draft: Draft) -> str:
        """Return the image's name."""

    def records(self, item: dict[str, Any], draft: Draft) -> Iterable[tuple[str, Any]]:
        """Return the texts' records, each with the words that name it."""
        key, noun = self.list_of_texts
        return numbered(item.get(key), noun)

    @abstractmethod
    def text(self, record: dict[str, Any], draft: Draft) -> LabelText:
        """Make the text of a record."""

    def category(self, record: dict[str, Any]) -> str | None:
        """Return the class of a record."""
        return None


def read_images(items: Sequence[tuple[str, Any]], form: ImageForm, file: JsonFile) -> None:
    """Read the images of a file, each with the words that name it."""
    for called, item in file.bar(items, len(items), TITLE):
        draft = file.reading.draft(file.path, what=f"{called} of {file.path}")
        read_image(item, form, draft, called)


def read_image(item: Any, form: ImageForm, draft: Draft, called: str = "") -> None:
    """Read one image's label; ``called`` names it within its file, if that has several."""
    records: list[tuple[str, Any]] = []
    with draft.part(called):
        expect(item, dict, "an image", "export the file again")
        with draft.part(called):
            draft.set_image(form.image(item, draft), *(item.get(key) for key in form.size))
        records = list(form.records(item, draft))
    for what, record in records:
        category = form.category(record) if isinstance(record, dict) else None
        if draft.takes(category):
            with draft.part(", ".join(filter(None, (called, what)))):
                expect(record, dict, "a text", "export the file again")
                draft.add(replace(form.text(record, draft), category=category))
    draft.reading.finish(draft)


def numbered(records: Any, noun: str) -> list[tuple[str, Any]]:
    """Return each record of a list or an object with its name: ``line 1``, or ``line KEY``."""
    expect(records, (list, dict), f"the {noun}s", "export the file again")
    named = records.items() if isinstance(records, dict) else enumerate(records, start=1)
    return [(f"{noun} {key}", record) for key, record in named]


def expect(value: object, kind: type | tuple[type, ...], what: str, remedy: str) -> None:
    """Check the type of a value."""
    if not isinstance(value, kind):
        raise Unusable("bad-structure", f"found {value!r:.60} as {what}", remedy)


def string_at(record: Mapping[str, Any], key: str, remedy: str) -> str:
    """Return the string under a key."""
    expect(record.get(key), str, repr(key), remedy)
    return str(record[key])


def has(label: object, **kinds: type) -> bool:
    """Return whether a label is an object with these keys, each of its kind."""
    return isinstance(label, dict) and all(
        isinstance(label.get(key), kind) for key, kind in kinds.items()
    )


def object_at(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object under a key, an empty one where there is none."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def lowered(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a user named, by the names in small letters."""
    return {name.lower(): value for name, value in attributes.items()}


def category_names(records: object) -> dict[str, str]:
    """Return the names of categories by their ids, from a list of objects with both."""
    named = [r for r in records if isinstance(r, dict)] if isinstance(records, list) else []
    return {str(record.get("id")): str(record.get("name")) for record in named}


def first_given(places: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> Any:
    """Return the first value that isn't null: by places, then by keys; None if there is none."""
    return next((p[key] for p in places for key in keys if p.get(key) is not None), None)

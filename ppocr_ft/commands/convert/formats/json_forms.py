"""Label files in JSON: told apart by what they hold, and refused by the name of what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Format, Reading, Writer
from ppocr_ft.commands.convert.formats.recognition import (
    JSON_SUFFIXES,
    SourceFile,
    described_json,
    known_json,
    unknown_json,
)
from ppocr_ft.commands.convert.formats.sources import expect, read_json, source_files
from ppocr_ft.commands.convert.formats.texts import LabelText, Unusable
from ppocr_ft.utils.progress import ProgressBar, no_progress

Forms = Mapping[str, Callable[[Any], bool]]
"""What a format's files have, in words that follow "it has", and whether a file has it."""


@dataclass(frozen=True)
class JsonFile:
    """The content of a label file, its path, and the file or folder that was asked for."""

    label: Any
    path: Path
    source: Path


ReadFile = Callable[[JsonFile, Reading, ProgressBar], None]
"""Reads one file; the bar is that over its images."""

IGNORE_FLAGS = ("ignore", "ignored", "illegible", "illegibility", "unreadable", "dontcare")
"""Names under which tools and users mark a text to ignore."""
_KNOWN: dict[str, Forms] = {}
"""By the formats' names: filled by ``json_format``."""


def json_format(
    name: str,
    meaning: str,
    forms: Forms,
    read_file: ReadFile,
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
                read_file(JsonFile(label, path, source), reading, bar if is_one else no_progress)
            except Unusable as fault:
                reading.report(fault, path)
                reading.left_out.append(str(path))

    def recognise(sample: SourceFile) -> str | None:
        form = _form(sample.json, forms)
        return form and f"has {form}"

    return Format(name, meaning, read, writer, recognise, levels, ", or ".join(forms))


@dataclass(frozen=True)
class ImageForm:
    """How a format says what an image is, and which texts it has.

    ``image`` returns its name; ``size`` are the keys of width and height; ``records`` are the
    texts, each with the words that name it; ``text`` makes one of a record at a place. Each may
    raise Unusable. ``category`` is the class of a record.
    """

    image: Callable[[dict[str, Any], Draft], str]
    records: Callable[[dict[str, Any], Draft], Iterable[tuple[str, Any]]]
    text: Callable[[dict[str, Any], Draft, str], LabelText]
    size: tuple[str, str] = ("width", "height")
    category: Callable[[dict[str, Any], Draft], str | None] = lambda *_: None


def read_images(
    items: Sequence[tuple[str, Any]],
    form: ImageForm,
    file: JsonFile,
    reading: Reading,
    bar: ProgressBar,
) -> None:
    """Read the images of a file, each with the words that name it."""
    for called, item in bar(items, len(items), TITLE):
        read_image(item, form, reading.draft(file.path, what=f"{called} of {file.path}"), called)


def numbered(records: Any, what: str) -> list[tuple[str, Any]]:
    """Return each record of a list or an object with its name: ``line 1``, or ``line KEY``.

    Raises:
        Unusable: it is something else.
    """
    expect(records, (list, dict), f"the {what}s", "export the file again")
    named = records.items() if isinstance(records, dict) else enumerate(records, start=1)
    return [(f"{what} {key}", record) for key, record in named]


def first_given(places: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> Any:
    """Return the first value that isn't null: by places, then by keys; None if there is none."""
    return next((p[key] for p in places for key in keys if p.get(key) is not None), None)


def read_image(item: Any, form: ImageForm, draft: Draft, called: str = "") -> None:
    """Read one image's label; ``called`` names it within its file, if that has several."""
    records: list[tuple[str, Any]] = []
    with draft.part(called):
        expect(item, dict, "an image", "export the file again")
        with draft.part(called):
            draft.name = form.image(item, draft)
            images = draft.reading.images
            images.check_size(draft.name, *(item.get(key) for key in form.size))
        records = list(form.records(item, draft))
    for what, record in records:
        place = ", ".join(filter(None, (called, what)))
        category = form.category(record, draft) if isinstance(record, dict) else None
        if draft.leaves_out(category):
            continue
        with draft.part(place, category=category):
            expect(record, dict, "a text", "export the file again")
            text = form.text(record, draft, f"{draft.file}, {place}")
            draft.add(replace(text, category=category), f"{draft.file}, {place}")
    draft.reading.finish(draft)


def has(label: object, **kinds: type) -> bool:
    """Return whether a label is an object with these keys, each of its kind."""
    return isinstance(label, dict) and all(
        isinstance(label.get(key), kind) for key, kind in kinds.items()
    )


def any_set(places: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> bool:
    """Return whether one of the flags is set in one of the places."""
    return any(is_set(place.get(key)) for place in places for key in keys)


def is_set(flag: object) -> bool:
    """Return whether a flag is set, in the ways in which tools write it."""
    return flag in (1, True, "1", "true", "True")


def _form(label: Any, forms: Forms) -> str | None:
    return next((words for words, fits in forms.items() if fits(label)), None)


def _other_form(label: Any, name: str) -> Unusable:
    for other, forms in _KNOWN.items():
        form = _form(label, forms)
        if form:
            message = f"is no file of {name}, but of {other}: it has {form}"
            return Unusable("other-format", message, f"read it with --from {other}")
    words = {known: ", or ".join(forms) for known, forms in _KNOWN.items()}
    return Unusable("bad-structure", unknown_json(described_json(label)), known_json(words))

"""Which format a source is of: ``--from auto``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from ppocr_ft.data.label_kinds import other_kind
from ppocr_ft.errors import DataError

LOOKED_AT = 20
"""The number of files of each suffix that are looked at in a folder."""
JSON_SUFFIXES = (".json", ".jsonl")
_SUFFIXES = (".csv", ".gt", *JSON_SUFFIXES, ".txt", ".xml")
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_LISTED = 3
_NAMED_KEYS = 8
_NO_LABELS = ("is PPOCRLabel's", "these are recognition labels")
"""What ``other_kind`` says of files that hold no boxes at all."""


@dataclass(frozen=True)
class SourceFile:
    """A file of a source, read once for all formats.

    ``text`` is None where it can't be read, with signs in place of what isn't UTF-8; ``json`` is
    None where it is no JSON.
    """

    path: Path

    @cached_property
    def text(self) -> str | None:
        try:
            content = self.path.read_bytes()
        except OSError:
            return None
        encoding = "utf-16" if content[:2] in UTF16_MARKS else "utf-8-sig"
        return content.decode(encoding, errors="replace")

    @cached_property
    def lines(self) -> list[str]:
        """Its lines that aren't blank."""
        return [line.rstrip("\r") for line in (self.text or "").split("\n") if line.strip()]

    @cached_property
    def json(self) -> Any:
        if self.path.suffix.lower() not in JSON_SUFFIXES:
            return None
        try:
            return json.loads(self.text or "")
        except (ValueError, RecursionError):
            return None


class Recogniser(Protocol):
    """A format, for this module."""

    @property
    def json_forms(self) -> str: ...
    @property
    def recognise(self) -> Callable[[SourceFile], str | None]: ...


def recognise(source: Path, formats: Mapping[str, Recogniser]) -> tuple[str, str]:
    """Return the name of a source's format and the reason, ``FILE REASON``.

    Raises:
        DataError: there is no such source, or none or several of the formats fit.
    """
    found: dict[str, str] = {}
    looked_at = []
    for sample in _samples(source):
        looked_at.append(sample)
        for name, form in formats.items():
            reason = form.recognise(sample)
            if reason:
                found.setdefault(name, f"{sample.path} {reason}")
    if len(found) == 1:
        return found.popitem()
    if found:
        fitting = "; ".join(f"{name}: {reason}" for name, reason in found.items())
        raise DataError(f"several label formats fit; say which with --from: {fitting}", path=source)
    for sample in looked_at:
        kind = other_kind(sample.path, (sample.text or "").encode().split(b"\n"), "\t") or ""
        if kind.startswith(_NO_LABELS):
            raise DataError(kind, path=sample.path)
        _check_json(sample)
    if looked_at and all(sample.json is not None for sample in looked_at):
        holds = described_json(looked_at[0].json)
        known = {name: form.json_forms for name, form in formats.items() if form.json_forms}
        raise DataError(f"{unknown_json(holds)}; {known_json(known)}", path=looked_at[0].path)
    if not looked_at:
        kinds = f"{', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}"
        raise DataError(f"holds no label file ({kinds}) that isn't empty", path=source)
    names = ", ".join(str(sample.path) for sample in looked_at[:_LISTED])
    more = f" and {len(looked_at) - _LISTED} more" if len(looked_at) > _LISTED else ""
    raise DataError(
        f"no label format is recognised; looked at: {names}{more}; considered: "
        f"{', '.join(formats)}; say which it is with --from, then its faults are named",
        path=source,
    )


def _check_json(sample: SourceFile) -> None:
    """Raise a DataError if a file is JSON by its name alone."""
    if sample.path.suffix.lower() in JSON_SUFFIXES:
        try:
            json.loads(sample.text or "")
        except (ValueError, RecursionError) as error:
            message = f"broken JSON: {error}; export the file again"
            raise DataError(message, path=sample.path) from None


def _samples(source: Path) -> Iterator[SourceFile]:
    if source.is_file():
        yield SourceFile(source)
        return
    if not source.is_dir():
        raise DataError("there is no such file or folder", path=source)
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in _SUFFIXES)
    for suffix in _SUFFIXES:
        of_suffix = (p for p in files if p.suffix.lower() == suffix and _has_content(p))
        yield from map(SourceFile, islice(of_suffix, LOOKED_AT))


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def unknown_json(holds: str) -> str:
    """Return the message of a JSON file of no known form; ``holds`` is what was found."""
    return f"is of no known form of JSON labels: found {holds}"


def known_json(forms: Mapping[str, str]) -> str:
    """Return the remedy for it; ``forms`` says by format what the files hold."""
    return f"give one of the known forms: {'; '.join(f'{n} ({f})' for n, f in forms.items())}"


def described_json(label: Any) -> str:
    """Return what a file holds: the first keys, the length of a list."""
    if isinstance(label, list) and label:
        return f"a list of {len(label)}, the first being {described_json(label[0])}"
    if isinstance(label, dict) and label:
        keys = ", ".join(repr(key)[:40] for key in list(label)[:_NAMED_KEYS])
        more = f" and {len(label) - _NAMED_KEYS} more" if len(label) > _NAMED_KEYS else ""
        return f"an object with the key{'s' * (len(label) > 1)} {keys}{more}"
    return f"{label!r:.40}"

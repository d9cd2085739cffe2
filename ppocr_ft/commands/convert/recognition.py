"""Which format a source is of: ``--from auto``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.json_files import unknown_form
from ppocr_ft.commands.convert.formats.sources import JSON_SUFFIXES, SourceFile
from ppocr_ft.data.labels import other_kind
from ppocr_ft.errors import DataError

_LOOKED_AT = 20
"""The number of files of each suffix that are looked at in a folder."""
_SUFFIXES = (".csv", ".gt", *JSON_SUFFIXES, ".txt", ".xml")
_LISTED = 3
_NO_LABELS = ("is PPOCRLabel's", "these are recognition labels")
"""What ``other_kind`` says of files that hold no boxes at all."""


def recognise(source: Path) -> tuple[str, str]:
    """Return the name of a source's format and the reason, ``FILE REASON``.

    Raises:
        DataError: there is no such source, or none or several of the formats fit.
    """
    reasons: dict[str, str] = {}
    looked_at = list(_samples(source))
    for sample in looked_at:
        for name, form in FORMATS.items():
            reason = form.recognise(sample)
            if reason:
                reasons.setdefault(name, f"{sample.path} {reason}")
    if len(reasons) == 1:
        return reasons.popitem()
    if reasons:
        fitting = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise DataError(f"several label formats fit; say which with --from: {fitting}", path=source)
    if not looked_at:
        kinds = f"{', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}"
        raise DataError(f"holds no label file ({kinds}) that isn't empty", path=source)
    raise _unknown(looked_at, source)


def _samples(source: Path) -> Iterator[SourceFile]:
    if source.is_file():
        yield SourceFile(source)
        return
    if not source.is_dir():
        raise DataError("there is no such file or folder", path=source)
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in _SUFFIXES)
    for suffix in _SUFFIXES:
        of_suffix = (path for path in files if path.suffix.lower() == suffix)
        with_content = (p for p in of_suffix if p.is_file() and p.stat().st_size > 0)
        yield from map(SourceFile, islice(with_content, _LOOKED_AT))


def _unknown(samples: list[SourceFile], source: Path) -> DataError:
    """Return why files are of no format: by the first that tells it, else by their names."""
    for sample in samples:
        kind = other_kind(sample.path, (sample.text or "").encode().split(b"\n"), "\t") or ""
        if kind.startswith(_NO_LABELS):
            return DataError(kind, path=sample.path)
        if sample.path.suffix.lower() in JSON_SUFFIXES:
            try:
                json.loads(sample.text or "")
            except (ValueError, RecursionError) as error:
                message = f"broken JSON: {error}; export the file again"
                return DataError(message, path=sample.path)
    if all(sample.json is not None for sample in samples):
        fault = unknown_form(samples[0].json)
        return DataError(f"{fault.message}; {fault.remedy}", path=samples[0].path)
    names = ", ".join(str(sample.path) for sample in samples[:_LISTED])
    more = f" and {len(samples) - _LISTED} more" if len(samples) > _LISTED else ""
    return DataError(
        f"no label format is recognised; looked at: {names}{more}; considered: "
        f"{', '.join(FORMATS)}; say which it is with --from, then its faults are named",
        path=source,
    )

"""Label files, cleaned: what can be repaired is, what training can't use is left out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.data.dataset import DataReport
from ppocr_ft.commands.check.data.outlines import (
    LEAST_AREA,
    Outlines,
    doubtful,
    is_crossed,
    repeated,
)
from ppocr_ft.commands.check.data.parsed_labels import BOM, ParsedLine, parse_line, read_content
from ppocr_ft.data.labels import decode_line
from ppocr_ft.errors import DataError
from ppocr_ft.geometry import clockwise, convex_hull, largest_piece, signed_areas, uncrossed

Floats = NDArray[np.float64]
_SMALL_LOSS = 0.05
"""The share of a crossing outline's area that may be cut off; beyond it the text is ignored."""
_REPAIRED_IN_LINE = {
    "label-delimiter": "delimiter put in",
    "label-encoding": "bytes that are not UTF-8 replaced",
    "label-bom": "byte order mark removed",
}


def write_fixed(report: DataReport, out: Path) -> list[str]:
    """Write a cleaned copy of each label file of the report to the folder ``out``.

    Returns every change, as ``path:line: what``. Lines without a fault are copied byte for byte.
    The copies go with the same ``data_dir``: images that were found elsewhere get their path from
    it. Training files lose the images that the evaluation has too.

    Raises:
        DataError: a file of that name is in ``out`` already, or no line of a file would be left;
            nothing is written.
    """
    parts = {part.scan.path: part for part in report.parts}
    targets = _targets(list(parts), Path(out))
    fixed = {path: _fix_file(part, report) for path, part in parts.items()}
    emptied = [
        f"of {path} no line would be left: {changes[-1]}"
        for path, (lines, changes) in fixed.items()
        if lines is not None and not any(line.strip() for line in lines)
    ]
    if emptied:
        raise DataError(f"nothing was written: {'; '.join(emptied)}")
    Path(out).mkdir(parents=True, exist_ok=True)
    changes = []
    for path, (lines, file_changes) in fixed.items():
        changes += file_changes
        if lines is not None:
            targets[path].write_bytes(b"".join(line + b"\n" for line in lines))
    return changes


def _targets(paths: list[str], out: Path) -> dict[str, Path]:
    """Give each label file a name of its own in ``out``."""
    targets: dict[str, Path] = {}
    for path in paths:
        name, count = Path(path).name, 1
        while out / name in targets.values():
            count += 1
            name = f"{Path(path).stem}_{count}{Path(path).suffix}"
        targets[path] = out / name
        if targets[path].exists():
            raise DataError("is there already; give a new folder", path=targets[path])
    return targets


def _fix_file(measured: Outlines, report: DataReport) -> tuple[list[bytes] | None, list[str]]:
    """Return the file's mended lines, None if there is none to mend, and the changes."""
    scan = measured.scan
    try:
        content = read_content(scan.source.label_file)
    except OSError as error:
        return None, [f"{scan.path}: not written, it can't be read: {error.strerror}"]
    if not scan.lines:
        return None, [f"{scan.path}: not written, it has no label line"]
    file_changes = [f"{scan.path}: byte order mark removed"] if content.has_bom else []
    if content.wide:
        file_changes.append(f"{scan.path}: {content.wide.upper()} turned into UTF-8")
    moved = {scan.places.paths[name] for name in scan.places.moved}
    touched = {finding.line for finding in report.findings if finding.file == scan.path}
    touched |= {line.number for line in scan.lines if not moved.isdisjoint(line.images)}
    index_of = {line.number: index for index, line in enumerate(scan.lines)}
    fixer = _Fixer(measured, report)
    lines = []
    for number, raw in enumerate(content.lines, start=1):
        kept: bytes | None = raw
        if number in index_of and (number in touched or number in fixer.left_out):
            kept, changes = fixer.line(raw, index_of[number])
            file_changes += [f"{scan.path}:{number}: {change}" for change in changes]
        if kept is not None:
            lines.append(kept)
    return lines[:-1] if lines and not lines[-1] else lines, file_changes


def _left_out(path: str, report: DataReport) -> dict[int, str]:
    """Return the lines of the file whose image is also elsewhere, with that place."""
    reasons = {}
    for same in report.leaks:
        if same.other[0] == path:
            place = f"{same.place[0]}:{same.place[1]}"
            reasons[same.other[1]] = f"its image is in the evaluation too, at {place}"
    for same in report.duplicates:
        if same.place[0] == path:
            place = f"{same.other[0]}:{same.other[1]}"
            reasons[same.place[1]] = f"its image is already at {place}"
    return reasons


@dataclass
class _Fixer:
    """Repairs one file's lines. ``left_out``: lines to leave out, and why."""

    measured: Outlines
    report: DataReport

    def __post_init__(self) -> None:
        self.left_out = _left_out(self.measured.scan.path, self.report)
        self.doubtful = doubtful(self.measured)
        self.repeats = repeated(self.measured.scan)

    def line(self, raw: bytes, index: int) -> tuple[bytes | None, list[str]]:
        """Return the mended line, None if it is left out, and what was done to it."""
        scan = self.measured.scan
        parsed = parse_line(raw, scan.source.delimiter)
        reason = self._reason_to_leave(parsed, index)
        if reason:
            return None, [f"line left out: {reason}"]
        name, moves = self._name(parsed)
        changes = [_REPAIRED_IN_LINE[f.rule] for f in parsed.faults if f.rule in _REPAIRED_IN_LINE]
        items, text_changes = self._items(parsed, index)
        if not changes and not text_changes and not moves:
            return raw, []
        if parsed.items and not items:
            gone = "line left out: none of its texts is left, but its image is not without text"
            return None, [*text_changes, gone]
        if changes == [_REPAIRED_IN_LINE["label-bom"]] and not text_changes and not moves:
            return decode_line(raw).lstrip(BOM).encode(), changes
        label = json.dumps(items, ensure_ascii=False)
        if any("\ud800" <= character <= "\udfff" for character in label):
            label = json.dumps(items)  # UTF-8 can't hold half of a pair but as its escape
        line = f"{name}{scan.source.delimiter}{label}".encode()
        return line, [*changes, *moves, *text_changes]

    def _name(self, parsed: ParsedLine) -> tuple[str, list[str]]:
        """Return the text in the place of the image path, and what was done to it."""
        scan = self.measured.scan
        paths = {
            name: _from(scan.source.data_dir, scan.places.paths[name])
            for name in parsed.images
            if name in scan.places.moved
        }
        names = [paths.get(name, name) for name in parsed.images]
        changes = [f"image path {name} written as {path}" for name, path in paths.items()]
        if not changes:
            return parsed.name, []
        return names[0] if len(names) == 1 else json.dumps(names, ensure_ascii=False), changes

    def _reason_to_leave(self, parsed: ParsedLine, index: int) -> str | None:
        line = self.measured.scan.lines[index]
        if parsed.items is None or not parsed.images:
            return _listed(fault.message for fault in parsed.faults)
        faults = self.measured.scan.places.faults
        if len(line.images) < len(parsed.images):
            return _listed(faults[name].message for name in parsed.images if name in faults)
        for path in line.images:
            picture = self.report.pictures.get(path)
            if picture is not None and picture.fault:
                return f"the image {path} {picture.fault}"
        return self.left_out.get(line.number)

    def _items(self, parsed: ParsedLine, index: int) -> tuple[list[Any], list[str]]:
        """Return the mended elements of the label, and what was done to them."""
        items: list[Any] = list(parsed.items or [])
        text_changes = []
        for number in sorted(set(range(1, len(items) + 1)) - set(parsed.numbers.tolist())):
            items[number - 1] = None
            text_changes.append(f"text {number} left out: it can't be read")
        start, end = np.searchsorted(self.measured.scan.owners, [index, index + 1]).tolist()
        for i in range(start, end):
            if not self.doubtful[i] and i not in self.repeats:
                continue
            number = int(self.measured.scan.numbers[i])
            items[number - 1], changes = self._text(i, items[number - 1])
            text_changes += [f"text {number} {change}" for change in changes]
        return [item for item in items if item is not None], text_changes

    def _text(self, i: int, item: dict[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
        if i in self.repeats:
            same = self.measured.scan.numbers[self.repeats[i]]
            return None, [f"left out: it has the points of text {same}"]
        points, changes = np.array(item["points"], np.float64), []
        if is_crossed(self.measured, i):
            points, ignore, change = _uncross(points)
            changes.append(change)
            item = {**item, "transcription": "###"} if ignore else item
        elif self.measured.anticlockwise[i]:
            points = clockwise(points)
            changes.append("put clockwise")
        clipped = np.clip(points, 0, self.measured.sizes_px[i] - 1)
        if abs(signed_areas(clipped, np.array([0, len(clipped)]))[0]) < LEAST_AREA:
            return None, ["left out: it has no area inside the image"]
        if self.measured.reaches_beyond[i]:
            points = clipped
            changes.append("clipped to the image")
        return {**item, "points": _plain(points)}, changes


def _listed(words: Iterable[str]) -> str:
    """Join words: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _from(data_dir: Path, path: str) -> str:
    """Return the way from ``data_dir`` to a file, with slashes."""
    try:
        return os.path.relpath(path, data_dir).replace("\\", "/")
    except ValueError:  # on another drive
        return os.path.abspath(path)  # noqa: PTH100


def _uncross(points: Floats) -> tuple[Floats, bool, str]:
    """Return an outline without crossings, whether to ignore the text, and what was done."""
    ordered = uncrossed(points)
    if ordered is not None:
        return ordered, False, "put into an order in which its edges don't cross"
    piece, share = largest_piece(points)
    if share >= 1 - _SMALL_LOSS:
        return clockwise(piece), False, "freed of a small crossing"
    hull = clockwise(convex_hull(points))
    return hull, True, 'set to "###" with its convex hull, as its outline crosses itself'


def _plain(points: Floats) -> list[list[float]]:
    """Return whole numbers as such, others to a hundredth of a pixel."""
    rounded = np.round(points, 2).tolist()
    return [[int(v) if v == int(v) else v for v in point] for point in rounded]

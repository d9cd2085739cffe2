"""A test of refactoring: record what every command does, and say later whether it is the same.

record    run all parts and write what they gave: losses, metrics, boxes, weights, files, messages
compare   run them again and say for each part whether it is equal

Everything runs through the command lines (tools/*.py, one thread), so that modules may move and be
renamed. Losses, rates, boxes and weights must be equal to the last bit; text of messages may differ
and is only said. A record holds for one machine and one set of libraries; elsewhere compare refuses
it. Times, memory and absolute paths are not compared.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.recording.facts import Facts
from experiments.recording.parts import PARTS, run_part

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".cache" / "same_as_before"
RECORD = WORK / "record.json"
RECEIPTS = ROOT.parent / "shared" / "data" / "receipts"
LIBRARIES = (
    "paddlepaddle",
    "paddlepaddle-gpu",
    "numpy",
    "opencv-python",
    "numba",
    "shapely",
    "pyclipper",
    "pillow",
    "paddle2onnx",
    "onnxruntime",
    "rapidocr-paddle",
)
EXAMPLES = """\
examples:
  python -m experiments.same_as_before record
        before the refactoring: writes .cache/same_as_before/record.json
  python -m experiments.same_as_before compare
        after each large step
  python -m experiments.same_as_before compare --only check convert
  python -m experiments.same_as_before compare --record /elsewhere/record.json

exit codes: 0 recorded, or equal but for text; 1 something else differs; 2 there is no record that
could be compared with
"""
EQUAL, DIFFERS, TEXT_DIFFERS, NOT_RUN = "equal", "differs", "text differs", "not compared"
ABSENT = "(absent)"
"""Stands for a value that only one of the two has."""
SHOWN_CHARACTERS, SHOWN_KINDS = 100, 4


class Refused(Exception):  # noqa: N818  an outcome
    """There is nothing to compare with; the message says why."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    part: str
    what: str
    result: str
    detail: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Record or compare; return the exit code."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command == "record" and options.only:
        parser.error("--only belongs to compare; a record has all parts")
    try:
        if options.command == "record":
            return _record(options.record, options.receipts)
        return _compare(options.record, options.receipts, options.only or list(PARTS))
    except Refused as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("record", "compare"))
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="PART",
        choices=list(PARTS),
        help=f"compare these parts, and those that they need: {', '.join(PARTS)}",
    )
    parser.add_argument("--record", type=Path, default=RECORD, metavar="FILE", help="the record")
    parser.add_argument(
        "--receipts", type=Path, default=RECEIPTS, metavar="DIR", help="the receipts' folder"
    )
    return parser


def _record(path: Path, receipts: Path) -> int:
    """Run all parts and write the record."""
    parts = _run(list(PARTS), receipts)
    record = {
        "commit": _commit(),
        "machine": machine(),
        "parts": {name: {"exact": f.exact, "text": f.text} for name, f in parts.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    shutil.rmtree(WORK / "work")
    print(f"{path}: {len(parts)} parts, {path.stat().st_size / 2**20:.1f} MiB")
    return 0


def _compare(path: Path, receipts: Path, names: Sequence[str]) -> int:
    """Run the parts, print the table and return the exit code."""
    record = _read(path)
    recorded = {name: Facts(**facts) for name, facts in record["parts"].items()}
    current = _run(with_needs(names), receipts)
    rows = [row for name in current for row in rows_of(name, recorded.get(name), current[name])]
    rows += [
        Row(name, "all", NOT_RUN, f"{receipts} is not here")
        for name in with_needs(names)
        if name not in current
    ]
    print(f"\nagainst the record of {record['commit']}:\n{table(rows)}\n")
    return conclude(rows)


def _run(names: Sequence[str], receipts: Path) -> dict[str, Facts]:
    """Run the parts in their order; that of the receipts only where they are."""
    parts = {}
    for name in names:
        if name == "receipts" and not receipts.is_dir():
            print(f"receipts: not run, since {receipts} is not here")
            continue
        start = time.monotonic()
        print(f"{name} ...", end="", flush=True)
        parts[name] = run_part(name, ROOT, WORK / "work", receipts)
        print(f" {time.monotonic() - start:.0f} s")
    return parts


def with_needs(names: Sequence[str]) -> list[str]:
    """Return the parts and those that they need, in the order in which they run."""
    needed_parts = {needed for name in names for needed in (name, *PARTS[name][1])}
    return [name for name in PARTS if name in needed_parts]


def _read(path: Path) -> dict[str, Any]:
    """Return the record.

    Raises:
        Refused: there is none, or it was made on another machine or with other libraries.
    """
    if not path.is_file():
        raise Refused(f"{path} is not there; make it at the commit to compare with, by: record")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    other = describe_differences(record["machine"], machine())
    if other:
        raise Refused(
            f"{path} was made elsewhere: {other}. Float results belong to one machine and its "
            "libraries: record the old commit here, then compare"
        )
    return record


def rows_of(part: str, before: Facts | None, now: Facts) -> list[Row]:
    """Return a row for each thing that differs, and one for all that are equal."""
    if before is None:
        return [Row(part, "all", NOT_RUN, "the record has no such part")]
    rows, equal = [], 0
    for before_facts, now_facts, result in (
        (before.exact, now.exact, DIFFERS),
        (before.text, now.text, TEXT_DIFFERS),
    ):
        for name in dict.fromkeys([*before_facts, *now_facts]):
            pair = before_facts.get(name, ABSENT), now_facts.get(name, ABSENT)
            if difference := describe_differences(*pair):
                rows.append(Row(part, name, result, difference))
            else:
                equal += 1
    return [Row(part, f"{equal} things", EQUAL), *rows]


def describe_differences(before: Any, now: Any) -> str:
    """Return the first difference of each kind; empty where two values of JSON are equal.

    Two differences are of one kind if only indices of lists tell their places apart.
    """
    kinds: dict[str, list[str]] = {}
    for place, difference in _differences(before, now, ""):
        kinds.setdefault(re.sub(r"\[\d+\]", "[]", place), []).append(f"{place}: {difference}")
    lines = [
        first.removeprefix(": ") + (f" (and {len(others)} more like it)" if others else "")
        for first, *others in list(kinds.values())[:SHOWN_KINDS]
    ]
    if len(kinds) > SHOWN_KINDS:
        lines.append(f"{len(kinds) - SHOWN_KINDS} other kinds")
    return "; ".join(lines)


def _differences(before: Any, now: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield each place where the two differ, and how."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            inside = f"{place}.{key}" if place else str(key)
            yield from _differences(before.get(key, ABSENT), now.get(key, ABSENT), inside)
    elif isinstance(before, list) and isinstance(now, list):
        for index, pair in enumerate(zip(before, now, strict=False)):
            yield from _differences(*pair, f"{place}[{index}]")
        if len(before) != len(now):
            yield place, f"{len(before)} -> {len(now)} items"
    elif isinstance(before, str) and isinstance(now, str) and "\n" in before + now:
        yield from _differences(before.splitlines(), now.splitlines(), f"{place}line")
    elif before != now and (before == before or now == now):  # NaN equals NaN here
        yield place, f"{_short(before)} -> {_short(now)}"


def _short(value: Any) -> str:
    text = ABSENT if value is ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def table(rows: Sequence[Row]) -> str:
    """Return the rows below each other, aligned."""
    cells = [("part", "what", "result", ""), *((r.part, r.what, r.result, r.detail) for r in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(3)]
    return "\n".join(
        "  ".join([*(row[i].ljust(widths[i]) for i in range(3)), row[3]]).rstrip() for row in cells
    )


def conclude(rows: Sequence[Row]) -> int:
    """Print the sum of it; return 1 where more than text differs."""
    differing = sorted({row.part for row in rows if row.result == DIFFERS})
    texts = sum(row.result == TEXT_DIFFERS for row in rows)
    left_out = sorted({row.part for row in rows if row.result == NOT_RUN})
    if left_out:
        print(f"not compared: {', '.join(left_out)}")
    if differing:
        print(f"differs: {', '.join(differing)}; its files are in {WORK / 'work'}")
        return 1
    print(f"equal, but for {texts} texts" if texts else "equal")
    shutil.rmtree(WORK / "work")
    return 0


def machine() -> dict[str, str | None]:
    """Return what float results depend on: processor, Python and libraries."""
    versions = {name: _version(name) for name in LIBRARIES}
    return {"processor": _processor(), "Python": platform.python_version(), **versions}


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """Return the processor's model with its instruction sets' hash, which Linux has."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    values = dict(line.split("\t", 1) for line in reversed(lines) if "\t" in line)
    flags = sorted(values.get("flags", "").split())
    vectors = " ".join(flag for flag in flags if flag.startswith(("avx", "fma", "amx")))
    model = values.get("model name", platform.machine()).strip(": \t")
    return f"{model}; {vectors}"


def _commit() -> str:
    """Return the commit of the checkout, and whether it has changes."""
    git = ["git", "-C", os.fspath(ROOT)]
    commit = subprocess.run([*git, "log", "-1", "--format=%h %s"], capture_output=True, text=True)
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    return commit.stdout.strip() + (" (with local changes)" if status.stdout.strip() else "")


if __name__ == "__main__":
    sys.exit(main())

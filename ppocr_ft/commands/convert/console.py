"""What ``convert`` prints: its findings, a few of each kind, and what it has written."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.convert.run import Conversion
from ppocr_ft.errors import Finding
from ppocr_ft.messages import counted
from ppocr_ft.utils.files import write_whole

SHOWN, SCREEN = 5, 20
"""The most findings that are shown of a kind, and of all kinds where there are many."""
FINDINGS_FILE = "convert_findings.log"
_NAMED = 5
_PLAIN = re.compile(r"[\w./\\ +=@~-]+")


def told(findings: Sequence[Finding]) -> tuple[list[str], bool]:
    """Return a line for each finding, a few of each kind, and whether some are only counted."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.severity, finding.rule), []).append(finding)
    shown = max(1, min(SHOWN, SCREEN // max(1, len(kinds))))
    lines = []
    for (severity, rule), alike in kinds.items():
        lines += [described(finding) for finding in alike[:shown]]
        if len(alike) > shown:
            lines.append(f"{severity}: ... {len(alike) - shown:,} more of this kind ({rule})")
    return lines, any(len(alike) > shown for alike in kinds.values())


def described(finding: Finding) -> str:
    """Return one line: where, what, and what to do."""
    where = finding.file or ""
    if finding.line is not None:
        where += f":{finding.line}"
    parts = [finding.severity, where, f"{finding.message}; {finding.remedy}"]
    return ": ".join(part for part in parts if part)


def write_findings(findings: Sequence[Finding], folder: Path) -> Path | str:
    """Write all findings into a file of the folder; return its path, or why there is none."""
    path = folder / FINDINGS_FILE
    content = "".join(f"{described(finding)}\n" for finding in findings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.encode("utf-8", errors="backslashreplace"))
    except OSError as error:
        return f"no file: {path} can't be written ({error.strerror})"
    return path


def summary(done: Conversion, to_format: str, images: Path) -> list[str]:
    """Describe what was written, and what was not; the last line says how to train on it."""
    lines = []
    if done.errors:
        rules = Counter(finding.rule for finding in done.findings if finding.severity == "error")
        kinds = ", ".join(f"{rule} {count:,}" for rule, count in rules.most_common())
        lines.append(f"{counted(done.errors, 'fault')}: {kinds}")
    if not done.files:
        return [*lines, _nothing(done)]
    if done.left_out:
        names = ", ".join([*done.left_out[:_NAMED], *["..."] * (len(done.left_out) > _NAMED)])
        lines.append(f"left out with a fault: {len(done.left_out)} ({names})")
    lines += [str(path) for path in done.files[:2]]
    if len(done.files) > 2:
        lines.append(f"... {len(done.files):,} files in all")
    sizes = {part: len(entries) for part, entries in done.parts.items() if part}
    parts = ", ".join(f"{part} {counted(size, 'image')}" for part, size in sizes.items())
    lines.append(f"written: {done.describe()}{f' ({parts})' if parts else ''}")
    return [*lines, *(_config(done, images) if to_format == "ppocr" else [])]


def _nothing(done: Conversion) -> str:
    good = sum(len(entries) for entries in done.parts.values())
    exists = any(finding.rule == "output-exists" for finding in done.findings)
    may_skip = good and not exists
    hint = f"; --skip-bad writes the {counted(good, 'image')} without fault" if may_skip else ""
    return f"nothing was written{hint}"


def _config(done: Conversion, images: Path) -> list[str]:
    """Return the line about how to train on it; a fifth of a single part is held out."""
    words = ["Global.val_ratio=0.2"] if len(done.files) == 1 else []
    for section, path in zip(("Train", "Eval"), done.files, strict=False):
        words += [
            f"{section}.dataset.data_dir={_in_yaml(images)}",
            f"{section}.dataset.label_file_list=[{_in_yaml(path)}]",
        ]
    return [f"to train on it: -o {shlex.join(words)}"]


def _in_yaml(path: Path) -> str:
    """Return the path, in quotes if YAML would read it as something else."""
    is_plain = _PLAIN.fullmatch(str(path)) and str(path).strip() == str(path)
    return str(path) if is_plain else json.dumps(str(path), ensure_ascii=False)

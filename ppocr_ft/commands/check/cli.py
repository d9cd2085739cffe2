"""Command line and output of ``check``: the faults of a config, its data and its weights."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ppocr_ft.commands.common import command, import_paddle, parser
from ppocr_ft.errors import WRONG_INPUT, Finding
from ppocr_ft.messages import counted
from ppocr_ft.utils.console import wrapped
from ppocr_ft.utils.program import as_started

if TYPE_CHECKING:
    from ppocr_ft.commands.check.run import Check

SAMPLES = 4
SHOWN = 5
"""The number of warnings of a rule that are written out; the others are only counted."""
EXAMPLES = """\
  ppocr-ft check -c det_v4_ft.yml
  ppocr-ft check --no-weights -o Train.dataset.data_dir=/my/data \\
        -c PaddleOCR/configs/det/ch_PP-OCRv4/ch_PP-OCRv4_det_student.yml
        any PaddleOCR detector's YAML, trained here or there
  ppocr-ft check -c my.yml --fix fixed/
        cleaned label files; the old ones stay as they are
  ppocr-ft check -c my.yml --model output/latest
        labels that this detector contradicts, the worst first; label_faults.png shows them
  ppocr-ft check -c my.yml --no-images --json > issues.json
geometry.png, samples.png, with --model label_faults.png and, where warnings are too many to print,
check.txt go to Global.save_model_dir."""
EPILOGUE = """

exit codes: 0 nothing that stops a training, perhaps warnings; 2 an error; 1 anything else"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = options_of(argv)
    with contextlib.redirect_stdout(sys.stderr):  # libraries talk, and stdout may be JSON
        with contextlib.suppress(ImportError):
            import_paddle()
        from ppocr_ft.commands.check.run import CheckOptions, check, save_findings

        parts = CheckOptions(
            options.images, options.weights, options.samples, options.fix, options.model
        )
        result = check(options.config, options.override, parts)
        if is_cut(result.findings) and not options.json:
            save_findings(result, "\n".join(grouped(result.findings, None)) + "\n")
    print(json.dumps(result.as_dict(), ensure_ascii=False) if options.json else text_of(result))
    return WRONG_INPUT if result.has_errors else 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(
        "check",
        "Check a config, its data and its weights, before any training.",
        EXAMPLES + EPILOGUE,
        begins=True,
    )
    arguments.add_argument(
        "--json", action="store_true", help="print one JSON object, nothing else"
    )
    arguments.add_argument(
        "--fix", type=Path, metavar="OUT", help="write cleaned label files into this folder"
    )
    arguments.add_argument(
        "--model",
        metavar="PATH",
        help="compare the labels with what a detector finds: a run's folder, a config, or a "
        "checkpoint of the network of -c",
    )
    arguments.add_argument(
        "--no-images",
        dest="images",
        action="store_false",
        help="labels only: no image need be there",
    )
    arguments.add_argument(
        "--no-weights", dest="weights", action="store_false", help="don't look at the weights"
    )
    arguments.add_argument(
        "--samples",
        type=_count,
        default=SAMPLES,
        metavar="N",
        help=f"so many training samples in samples.png ({SAMPLES}); 0: no picture",
    )
    return arguments.parse_args(argv)


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"found {text}; 0 or more")
    return count


def text_of(result: Check) -> str:
    """Return the result for people: findings by rule, then tables, then counts."""
    from ppocr_ft.commands.check.geometry_result import geometry_lines

    parts = [grouped(result.findings)]
    if is_cut(result.findings):
        parts.append([f"every warning is in {result.written or 'the output of --json'}"])
    if result.data is not None:
        counts = result.data.counts.items()
        parts.append([f"read: {path}: {numbers.describe()}" for path, numbers in counts])
    parts.append(_ratios(result))
    if result.geometry is not None:
        parts.append(geometry_lines(result.geometry))
    if result.weights is not None:
        about, *table = result.weights.summary().splitlines()
        parts.append([*wrapped(about, other="  "), *table])
    parts.append(result.changes)
    parts.append([f"note: {note}" for note in result.notes])
    parts.append([f"drawn: {path}" for path in result.files])
    parts.append([described(result.findings)])
    return as_started("\n\n".join("\n".join(lines) for lines in parts if lines))


def _ratios(result: Check) -> list[str]:
    """Return the shrink ratio by PaddleOCR version; nothing if a finding says it already."""
    if result.ratios is None or any(finding.rule == "total-epoch" for finding in result.findings):
        return []
    versions = result.ratios.versions
    if len({(version.first, version.last) for version in versions}) == 1:
        return [f"shrink ratio: constant {versions[0].first:g}, here and in every PaddleOCR"]
    described_versions = [f"  {version.describe()}" for version in versions]
    return ["shrink ratio that this YAML gives, first to last epoch:", *described_versions]


def grouped(
    findings: Sequence[Finding], at_most: int | None = SHOWN, *, cut_errors: bool = False
) -> list[str]:
    """Return lines: a headline per rule, its findings with file and line, and what to do.

    ``at_most`` warnings of a rule are written out (all if None), and with ``cut_errors`` as many
    errors. Findings of one file in the same words share a line.
    """
    lines: list[str] = []
    by_rule = sorted(findings, key=lambda each: (each.severity, each.rule))
    for rule, group in groupby(by_rule, key=lambda each: (each.severity, each.rule)):
        limit = at_most if cut_errors or rule[0] == "warning" else None
        lines += _rule_lines(*rule, list(group), limit)
    return lines


def is_cut(findings: Sequence[Finding]) -> bool:
    """Return whether ``grouped`` leaves some out."""
    return len(grouped(findings)) < len(grouped(findings, None))


def described(findings: Sequence[Finding]) -> str:
    """Return ``2 errors, 1 warning``."""
    errors = sum(finding.severity == "error" for finding in findings)
    return f"{counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}"


def _rule_lines(severity: str, rule: str, group: list[Finding], at_most: int | None) -> list[str]:
    lines = [f"{severity} {rule}" + f" ({len(group):,})" * (len(group) > 1)]
    alike: dict[tuple[str | None, str], list[Finding]] = {}
    for finding in group:
        alike.setdefault((finding.file, finding.message), []).append(finding)
    shown = list(alike.values())[:at_most]
    for same in shown:
        lines += wrapped(f"{_place(same)}{same[0].message}", "  ", "    ")
    left = len(group) - sum(map(len, shown))
    if left:
        lines.append(f"  ... and {left:,} more")
    remedies = dict.fromkeys(finding.remedy for same in shown for finding in same)
    for remedy in remedies:
        lines += wrapped(f"-> {remedy}", "  ", "     ")
    return lines


def _place(same: Sequence[Finding]) -> str:
    """Return ``FILE:3: ``, or ``FILE:3-5, 8: `` for findings of several lines."""
    if same[0].file is None:
        return ""
    numbers = sorted({finding.line for finding in same if finding.line is not None})
    runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ends = [(run[0][1], run[-1][1]) for run in (list(pairs) for _, pairs in runs)]
    lines = ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ends)
    return f"{same[0].file}:{lines}: " if lines else f"{same[0].file}: "

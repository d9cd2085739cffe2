"""Findings for people: grouped by rule, the errors first."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby

from ppocr_ft.errors import Finding
from ppocr_ft.messages import counted

WIDTH = 100
SHOWN = 5
"""The number of warnings of a rule that are written out; the others are only counted."""


def grouped(
    findings: Sequence[Finding], at_most: int | None = SHOWN, *, cut_errors: bool = False
) -> list[str]:
    """Return lines: a headline per rule, its findings with file and line, and what to do.

    ``at_most`` warnings of a rule are written out (all if None), and with ``cut_errors`` as many
    errors. Findings of one file in the same words share a line.
    """
    lines: list[str] = []
    for rule, group in groupby(_sorted(findings), key=lambda each: (each.severity, each.rule)):
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


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    """Sort by severity and rule; within a rule keep the order."""
    return sorted(findings, key=lambda each: (each.severity, each.rule))


def _rule_lines(severity: str, rule: str, group: list[Finding], at_most: int | None) -> list[str]:
    lines = [f"{severity} {rule}" + f" ({len(group):,})" * (len(group) > 1)]
    alike: dict[tuple[str | None, str], list[Finding]] = {}
    for finding in group:
        alike.setdefault((finding.file, finding.message), []).append(finding)
    shown = list(alike.values())[:at_most]
    for same in shown:
        lines += _wrapped(f"{_place(same)}{same[0].message}", "  ", "    ")
    left = len(group) - sum(map(len, shown))
    if left:
        lines.append(f"  ... and {left:,} more")
    remedies = dict.fromkeys(finding.remedy for same in shown for finding in same)
    for remedy in remedies:
        lines += _wrapped(f"-> {remedy}", "  ", "     ")
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


def _wrapped(text: str, first: str, other: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=other,
        break_long_words=False,
        break_on_hyphens=False,
    )

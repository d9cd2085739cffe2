"""Findings for people: grouped by rule, the errors first."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby

from ppocr_ft.errors import Finding

WIDTH = 100
SHOWN = 5
"""The number of findings of a rule that are written out; the others are only counted."""


def grouped(findings: Sequence[Finding], at_most: int = SHOWN) -> list[str]:
    """Return lines: a headline per rule, its findings with file and line, and what to do."""
    lines: list[str] = []
    for rule, group in groupby(_sorted(findings), key=lambda each: (each.severity, each.rule)):
        lines += _rule_lines(*rule, list(group), at_most)
    return lines


def counted(findings: Sequence[Finding]) -> str:
    """Return ``2 errors, 1 warning``."""
    errors = sum(finding.severity == "error" for finding in findings)
    return f"{_number(errors, 'error')}, {_number(len(findings) - errors, 'warning')}"


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    """Sort by severity and rule; within a rule keep the order."""
    return sorted(findings, key=lambda each: (each.severity, each.rule))


def _rule_lines(severity: str, rule: str, group: list[Finding], at_most: int) -> list[str]:
    lines = [f"{severity} {rule}" + f" ({len(group)})" * (len(group) > 1)]
    for finding in group[:at_most]:
        lines += _wrapped(f"{_place(finding)}{finding.message}", "  ", "    ")
    if len(group) > at_most:
        lines.append(f"  ... and {len(group) - at_most} more")
    remedies = dict.fromkeys(finding.remedy for finding in group[:at_most])
    for remedy in remedies:
        lines += _wrapped(f"-> {remedy}", "  ", "     ")
    return lines


def _place(finding: Finding) -> str:
    if finding.file is None:
        return ""
    return f"{finding.file}:{finding.line}: " if finding.line is not None else f"{finding.file}: "


def _wrapped(text: str, first: str, other: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=other,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"

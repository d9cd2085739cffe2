"""Some pairs of ``make determinism`` are what docs/determinism.md says; it has a row for each."""

from __future__ import annotations

import re

import pytest

from experiments.determinism import DOCUMENT, NOT_MEASURED, PAIRS
from tests.support.processes import python

SHORT = (2, 4)
"""The others are the same code with other keys; resume is in tests/engine/test_resume.py."""


def rows() -> list[tuple[str, str]]:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.findall(r"^\| ([\d ]*) ?\| (.*) \| (.*) \|$", text, re.MULTILINE)
    return [(name, said) for number, name, said in found if name != "runs"]


def test_the_page_has_every_pair() -> None:
    assert rows() == [*((name, wanted) for name, _, _, wanted in PAIRS), *NOT_MEASURED]


@pytest.mark.slow
def test_some_pairs_are_what_the_page_says() -> None:
    done = python("-m", "experiments.determinism", "--only", *map(str, SHORT))
    assert done.returncode == 0, done.stdout + done.stderr
    for number in SHORT:
        name, _, _, wanted = PAIRS[number - 1]
        assert f"| {number} | {name} | {wanted} |" in done.stdout

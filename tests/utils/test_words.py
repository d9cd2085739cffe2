"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from ppocr_ft.utils.words import counted


@pytest.mark.parametrize(
    ("number", "wanted"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps"), (1200, "1,200 steps")]
)
def test_the_noun_follows_the_number(number: int, wanted: str) -> None:
    assert counted(number, "step") == wanted

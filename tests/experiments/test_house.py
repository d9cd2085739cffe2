"""docs/architecture.md has a place for each table of ``make house``, and names files that exist."""

from __future__ import annotations

import re

import pytest

from experiments import house
from experiments.marked_tables import Table, replaced

DOCUMENT = house.DOCUMENT.read_text(encoding="utf-8")


def test_files_to_touch_are_there() -> None:
    assert len(house.changes().rows) == len(house.CHANGES)


def test_a_file_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(house.CHANGES, "a room", ("ppocr_ft/gone.py",))
    with pytest.raises(FileNotFoundError, match=r"a room: ppocr_ft/gone\.py is not there"):
        house.changes()


@pytest.mark.parametrize("name", ["house_sizes", "house_changes", "house_step"])
def test_the_document_has_a_place_for_each_table(name: str) -> None:
    assert "| cell |" in replaced(DOCUMENT, Table(name, ["head"], [["cell"]]))


def test_every_file_that_the_document_names_is_there() -> None:
    names = set(re.findall(r"`(?:ppocr_ft/)?([\w/]+/[a-z_]+\.py)`", DOCUMENT))
    assert len(names) > 15
    roots = (house.PACKAGE, house.ROOT)
    assert [name for name in names if not any((root / name).is_file() for root in roots)] == []

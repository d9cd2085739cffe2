"""docs/keys.md and the comments of the shipped configs are what the declarations say."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.keys_table import CONFIGS, DOCUMENT, commented, document
from experiments.shipped_configs import texts

SHIPPED = sorted(CONFIGS.glob("*.yml"))


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run make keys"


def test_each_key_has_a_meaning() -> None:
    rows = [line.split(" | ") for line in document().split("\n") if line.startswith("| `")]
    keys = {cells[0].strip("| `") for cells in rows if cells[-1].strip("| ") == ""}
    assert keys == {"name", "preset", "type", "args", "lr", "regularizer", "dataset", "loader"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_comments_are_the_keys_meanings(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert commented(text) == text, "run make keys"


def test_shipped_configs_are_as_written() -> None:
    written = texts()
    assert sorted(written) == SHIPPED, "run make configs; remove what the table has no longer"
    stale = [path.name for path, text in written.items() if path.read_text("utf-8") != text]
    assert stale == [], "run make configs"
    assert all(len(line) <= 100 or "https://" in line for text in written.values()
               for line in text.split("\n"))  # fmt: skip


def test_another_comment_is_replaced_and_a_remark_stays() -> None:
    text = (CONFIGS / "det_v4_ft.yml").read_text(encoding="utf-8")
    line = next(line for line in text.split("\n") if "print_batch_step" in line)
    assert line.endswith("# steps between two printed lines")
    assert commented(text.replace(line, f"{line[:-5]}rows")) == text
    remark = text.replace(line, f"{line}; a row each")
    assert commented(remark) == remark

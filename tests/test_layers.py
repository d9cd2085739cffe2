"""Data flows one way: no part of the package imports what DESIGN's table keeps from it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.layers import ALLOWED, ANYWHERE, LIBRARIES, NO_PADDLE

PACKAGE = Path(__file__).parents[1] / "ppocr_ft"
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; name the module in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts_imported(path: Path) -> set[str]:
    names = (name.split(".") for name in imported(path))
    return {name[1] for name in names if name[0] == "ppocr_ft" and len(name) > 1}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_what_its_layer_allows(path: Path) -> None:
    part = part_of(path)
    assert part in ALLOWED, f"{part} is in no layer; add it to tests/support/layers.py"
    allowed = ALLOWED[part] | ANYWHERE | {part}
    assert parts_imported(path) <= allowed


@pytest.mark.parametrize(
    "path", [p for p in FILES if part_of(p) in LIBRARIES], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_uses_only_the_libraries_of_its_layer(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported(path)}
    outside = roots - set(sys.stdlib_module_names) - {"ppocr_ft"}
    assert outside <= LIBRARIES[part_of(path)]


@pytest.mark.parametrize(
    "path", [p for p in FILES if part_of(p) in NO_PADDLE], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_paddle_stays_out_of_the_parts_that_work_without_it(path: Path) -> None:
    assert "paddle" not in {name.split(".")[0] for name in imported(path)}


def test_a_forbidden_import_is_seen(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from ppocr_ft.engine import loop\n")
    assert parts_imported(bad) == {"engine"}

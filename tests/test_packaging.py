"""What `pip install .` would install."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).parents[1] / "ppocr_ft"


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_the_version_is_said_once() -> None:
    from ppocr_ft import __version__

    assert __version__ in (PACKAGE / "version.py").read_text(encoding="utf-8")


def test_every_file_beside_the_modules_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    setuptools = pytest.importorskip("setuptools")
    arguments: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: arguments.update(given))
    runpy.run_path(str(PACKAGE.parent / "setup.py"))
    packed = {
        path
        for name, patterns in arguments["package_data"].items()
        for pattern in patterns
        for path in PACKAGE.parent.joinpath(*name.split(".")).glob(pattern)
    }
    files = {
        path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path for path in files if path.suffix != ".py"} <= packed

"""What `pip install .` would install."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "ppocr_ft"


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_the_version_is_said_once() -> None:
    from ppocr_ft import __version__

    assert __version__ in (PACKAGE / "version.py").read_text(encoding="utf-8")

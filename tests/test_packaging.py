"""What `pip install .` would install."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.weights.released import RELEASED_MODELS

PACKAGE = Path(__file__).parents[1] / "ppocr_ft"


def setup_arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    setuptools = pytest.importorskip("setuptools")
    arguments: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: arguments.update(given))
    runpy.run_path(str(PACKAGE.parent / "setup.py"))
    return arguments


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_the_version_is_said_once() -> None:
    from ppocr_ft import __version__

    assert __version__ in (PACKAGE / "version.py").read_text(encoding="utf-8")


def test_every_file_beside_the_modules_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = setup_arguments(monkeypatch)
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


def test_every_dependency_has_both_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = setup_arguments(monkeypatch)
    lists = [arguments["install_requires"], *arguments["extras_require"].values()]
    for need in (need for needs in lists for need in needs):
        bounds = re.sub(r"^[\w.\-\[\]]+|;.*", "", need)
        assert re.fullmatch(r"==[\w.]+|>=[\w.]+,<[\w.]+", bounds.strip()), need


def test_the_notice_is_packed_and_names_every_package_of_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "NOTICE" in setup_arguments(monkeypatch)["license_files"]
    lines = (PACKAGE.parent / "NOTICE").read_text(encoding="utf-8").splitlines()
    wheels = {place.wheel for of in RELEASED_MODELS.values() for place in of.places}
    for wheel in wheels:
        name, version = wheel.requirement.split("==")
        named = [line for line in lines if line.split()[:2] == [name, version]]
        assert len(named) == 1, wheel.requirement
        assert wheel.licence in named[0]
    assert len(wheels) == 6


@pytest.mark.slow
def test_a_source_archive_has_licence_and_notice(tmp_path: Path) -> None:
    """Of the files alone: modules and pictures are left out, which take as long as all else."""
    root = PACKAGE.parent
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(root / name, tmp_path)
    (tmp_path / "ppocr_ft").mkdir()
    for name in ("__init__.py", "version.py"):
        shutil.copy(PACKAGE / name, tmp_path / "ppocr_ft")
    shutil.copytree(root / "configs", tmp_path / "configs")
    command = [sys.executable, "setup.py", "-q", "sdist"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (source,) = (tmp_path / "dist").iterdir()
    with tarfile.open(source) as packed:
        names = {Path(name).name for name in packed.getnames()}
    assert {"LICENSE", "NOTICE"} <= names

"""The Dockerfile, read: it installs what `make setup` does, and keeps to hadolint's rules.

No image is built here; CI's job `docker` builds the one for the CPU.
"""

from __future__ import annotations

import json
import re
import runpy
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.support import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its arguments, on one line."""
    bare = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in bare.splitlines() if line.strip()]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def of(name: str) -> list[str]:
    return [rest for found, rest in instructions() if found == name]


def arguments() -> dict[str, str]:
    return dict(rest.split("=", 1) for rest in of("ARG"))


def copied() -> list[str]:
    return [name for rest in of("COPY") for name in rest.split()[:-1]]


def commands() -> list[str]:
    return [command.strip() for rest in of("RUN") for command in rest.split("&&")]


@pytest.fixture
def packaging(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What setup.py says in a folder with nothing but what is copied into the image."""
    setuptools = pytest.importorskip("setuptools")
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
    left_out = shutil.ignore_patterns("__pycache__")
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("setup.py")
    return given


def extras(text: str) -> set[str]:
    found = re.search(r"\[([^\]]+)\]['\"]?$", text, re.MULTILINE)
    assert found is not None, text
    return set(found[1].split(","))


def test_python_is_one_that_the_package_and_ci_have(packaging: dict[str, Any]) -> None:
    assert arguments()["PYTHON"] in SpecifierSet(packaging["python_requires"])
    assert arguments()["PYTHON"] in WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python-version"]
    assert of("FROM") == ["python:${PYTHON}-slim-bookworm"]


def test_the_extras_are_those_of_make_setup_but_for_tests_and_site(
    packaging: dict[str, Any],
) -> None:
    (install,) = [command for command in commands() if " pip " in command]
    named = extras(install)
    assert named <= {*packaging["extras_require"], "${PADDLE}"}
    assert {"cpu", "gpu"} <= packaging["extras_require"].keys()
    setup = next(line for line in MAKEFILE.splitlines() if "-e '.[" in line)
    assert (named - {"${PADDLE}"}) | {arguments()["PADDLE"]} == extras(setup) - {"dev", "docs"}


def test_what_is_copied_makes_the_whole_package(packaging: dict[str, Any]) -> None:
    folders = packaging["package_dir"]
    files = {path for path in Path("ppocr_ft").rglob("*") if path.suffix != ".py"}
    packed = set()
    for name in packaging["packages"]:
        folder = Path(folders.get(name, name.replace(".", "/")))
        assert folder.is_dir(), name
        for pattern in packaging["package_data"].get(name, []):
            assert list(folder.glob(pattern)), f"{name}: {pattern}"
            packed.update(folder.glob(pattern))
    assert {path for path in files if path.is_file()} <= packed
    assert all(Path(name).is_file() for name in packaging["license_files"])


def test_the_build_sees_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {line[1:] for line in rules if line.startswith("!")} == set(copied())
    assert rules[-1] == "**/__pycache__"


def test_hadolints_rules() -> None:
    """By their numbers, where this file could break them."""
    text = " ".join(commands())
    assert "latest" not in DOCKERFILE, "DL3007"
    assert of("USER")[-1].isdecimal(), "DL3066"
    assert of("USER")[-1] != "0", "DL3002"
    assert instructions()[-3][0] == "USER", "DL3002: all that follows runs without rights"
    assert not re.search(r"\bsudo\b|\bapt (?!-)|\bcd\b|upgrade", text), "DL3003-5, DL3027"
    assert not of("ADD"), "DL3020"
    assert all(place.startswith("/") for place in of("WORKDIR")), "DL3000"
    assert all(rest.split()[-1].startswith("/") for rest in of("COPY")), "DL3045"
    assert all(rest.split()[-1].endswith("/") for rest in of("COPY")), "DL3021"
    names = [name for name, _ in instructions()]
    assert ("RUN", "RUN") not in list(pairwise(names)), "DL3059"
    assert json.loads(of("ENTRYPOINT")[0]) == ["ppocr-ft"], "DL3025"
    assert json.loads(of("CMD")[0]) == ["--help"], "DL3025"


def test_hadolints_rules_of_apt_and_pip() -> None:
    (apt,) = [rest for rest in of("RUN") if "apt-get" in rest]
    assert apt.startswith("apt-get update && apt-get install -y --no-install-recommends "), (
        "DL3014-5"
    )
    assert "&& rm -rf /var/lib/apt/lists/*" in apt, "DL3009"
    assert "# hadolint ignore=DL3008\nRUN apt-get" in DOCKERFILE
    (pip,) = [command for command in commands() if " pip " in command]
    assert pip.startswith('python -m pip install --no-cache-dir "/src['), "DL3042, DL3013"
    assert "useradd -l " in apt, "DL3046"


def test_the_document_names_arguments_that_there_are() -> None:
    text = (ROOT / "docs" / "docker.md").read_text(encoding="utf-8")
    assert set(re.findall(r"--build-arg (\w+)=", text)) == arguments().keys()


def test_the_entry_point_is_the_packages(packaging: dict[str, Any]) -> None:
    (script,) = packaging["entry_points"]["console_scripts"]
    assert script.startswith("ppocr-ft = ")


def test_ci_builds_it() -> None:
    steps = [step.get("run", "") for step in WORKFLOW["jobs"]["docker"]["steps"]]
    assert "docker build --tag ppocr-ft ." in steps

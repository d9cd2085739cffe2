"""Commands in messages read as the program was started."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from ppocr_ft.utils import program
from ppocr_ft.utils.program import as_started, how_to_install, how_to_install_extra, import_problem

TEXT = "look with ppocr-ft check, then ppocr-ft find-lr -c x.yml"


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ("/env/bin/ppocr-ft", TEXT),
        (
            "tools/train.py",
            "look with python tools/check.py, then python tools/find_lr.py -c x.yml",
        ),
        (
            "/clone/ppocr_ft/__main__.py",
            "look with python -m ppocr_ft check, then python -m ppocr_ft find-lr -c x.yml",
        ),
        ("/somewhere/my_script.py", TEXT),
    ],
)
def test_commands_in_a_text(started: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    assert as_started(TEXT) == expected


def test_paddles_launcher_gets_the_script_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tools/train.py"])
    typed = as_started("python -m paddle.distributed.launch --devices 0,1 ppocr-ft train -c x.yml")
    assert typed == "python -m paddle.distributed.launch --devices 0,1 tools/train.py -c x.yml"


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("paddle", "'.[cpu]'"),
        ("paddle2onnx", "'.[onnx]'"),
        ("onnxruntime.capi", "'.[onnx]'"),
        ("tensorboard", "'.[tensorboard]'"),
        ("visualdl", "'.[visualdl]'"),
        ("shapely.geometry", "."),
        ("numba", "."),
    ],
)
def test_the_extra_that_brings_a_module(module: str, package: str) -> None:
    assert how_to_install(module) == f"pip install {package} in the clone of ppocr_ft"
    problem = import_problem(ModuleNotFoundError("...", name=module))
    assert problem.startswith(f"{module.partition('.')[0]} is not installed for {sys.executable}: ")


def test_where_a_wheel_was_installed_the_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(program, "CLONE", tmp_path)
    assert how_to_install("paddle") == "pip install paddlepaddle==3.2.2"
    onnx = r"pip install 'onnx\S*>=1\.14' 'paddle2onnx\S*>=2\.0' 'onnxruntime\S*>=1\.17'"
    assert re.fullmatch(onnx, how_to_install("onnxruntime"))
    assert "'rapidocr-onnxruntime==1.2.11; python_version < \"3.12\"'" in how_to_install_extra("v3")
    whole = how_to_install("numpy")
    assert re.match(r"pip install 'numpy\S*>=1\.24' 'opencv-python\S*>=4\.6' ", whole)
    assert "paddlepaddle" not in whole


def test_a_library_of_the_system_that_lacks_keeps_its_message() -> None:
    error = ImportError("libGL.so.1: cannot open shared object file", name="cv2")
    assert import_problem(error).endswith("libGL.so.1: cannot open shared object file")

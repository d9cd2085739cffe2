"""The real PaddleOCR wheels: fetched once, unpacked, their operator files loaded as modules.

They are references to test against; nothing of them is installed.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np

VERSIONS = ("2.6.1.3", "2.7.0.3", "2.8.1", "2.10.0")
CACHE = Path(os.environ.get("PPOCR_FT_CACHE", Path(__file__).parents[2] / ".cache")) / "wheels"
IN_CI = os.environ.get("CI", "") not in ("", "0", "false")


class WheelMissingError(RuntimeError):
    """The wheel is not cached and can't be downloaded."""


@functools.cache
def wheel_dir(version: str) -> Path:
    """The unpacked wheel: the folder that holds ``paddleocr/``.

    In a test: skips with the reason when the wheel can't be had, except in CI, where it fails.
    """
    try:
        return fetch(version)
    except WheelMissingError as error:
        if IN_CI or "pytest" not in sys.modules:
            raise
        import pytest

        pytest.skip(str(error))


def fetch(version: str) -> Path:
    folder = CACHE / version
    if not (folder / "paddleocr").is_dir():
        wheel = _download(version)
        aside = folder.with_name(f"{version}.{os.getpid()}.part")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(aside)
        if not folder.exists():
            aside.rename(folder)
    return folder


def _download(version: str) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1"]
    command += ["--dest", str(CACHE), f"paddleocr=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(CACHE.glob(f"paddleocr-{version}-*.whl"))
    if not wheels:
        reason = done.stderr.strip().splitlines()[-1:] or ["no wheel came"]
        raise WheelMissingError(f"paddleocr {version} can't be downloaded: {reason[0]}")
    return wheels[0]


@functools.cache
def operator_module(version: str, name: str) -> ModuleType:
    """One file of the wheel's ``ppocr/data/imaug``, loaded by itself."""
    path = wheel_dir(version) / "paddleocr" / "ppocr" / "data" / "imaug" / f"{name}.py"
    label = f"paddleocr_{version.replace('.', '_')}_{name}"
    spec = importlib.util.spec_from_file_location(label, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = np.geterr()
    spec.loader.exec_module(module)  # it silences numpy for the whole process
    np.seterr(**before)
    return module


def shrink_class(version: str) -> type:
    return operator_module(version, "make_shrink_map").MakeShrinkMap


def border_class(version: str) -> type:
    return operator_module(version, "make_border_map").MakeBorderMap

"""The compiled loops: made when an operator is constructed, kept on disk for the next process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
import ppocr_ft
assert "numba" not in sys.modules, "import ppocr_ft must stay quick"
ppocr_ft.{operator}()
from ppocr_ft.transforms import kernels
loops = [kernels.paint_borders, kernels.clip_and_orient]
assert all(loop.overloads for loop in loops), "not compiled when the operator was constructed"
print(sum(sum(loop.stats.cache_hits.values()) for loop in loops))
"""


def hits(cache: Path, operator: str) -> int:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    program = PROGRAM.format(operator=operator)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_compiled_by_the_constructor_and_kept_on_disk(tmp_path: Path) -> None:
    assert hits(tmp_path, "MakeShrinkMap") == 0
    assert list(tmp_path.rglob("*.nbi"))
    assert hits(tmp_path, "MakeBorderMap") == 3, "float32 and float64 loops, and the painting"

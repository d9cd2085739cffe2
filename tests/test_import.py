"""The operators come without paddle."""

from __future__ import annotations

import subprocess
import sys

WITHOUT_PADDLE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("paddle", "torch"):
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, Refuse())
import numpy as np
from ppocr_ft import MakeBorderMap, MakeShrinkMap

data = {"image": np.zeros((64, 64, 3), np.uint8), "ignore_tags": np.array([False])}
data["polys"] = np.array([[[5, 5], [60, 5], [60, 40], [5, 40]]], np.float32)
data = MakeShrinkMap()(MakeBorderMap()(data))
print(int(data["shrink_map"].sum()))
"""


def test_the_operators_work_without_paddle() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PADDLE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100

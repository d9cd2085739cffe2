"""Files that Paddle itself wrote, and the weights in them.

``tests/support/reference/paddle_files``: one small network, saved by ``paddle.save`` of Paddle
2.6.2 under numpy 1.26, and exported by ``paddle.jit.save`` of Paddle 3.0.0 and 3.3.1. Its weights
depend on nothing but keys and shapes (``nets_reference.hashed_state``); the sublayer ``unused`` is
in the checkpoints only, but 3.0.0 exports it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.support.nets_reference import hashed_state

FOLDER = Path(__file__).parent / "reference" / "paddle_files"
SHAPES: dict[str, tuple[int, ...]] = {
    "scale": (1,),
    "first.weight": (4, 3, 3, 3),
    "bn.weight": (4,),
    "bn.bias": (4,),
    "bn._mean": (4,),
    "bn._variance": (4,),
    "unused.weight": (2, 3, 1, 1),
    "unused.bias": (2,),
    "up.weight": (4, 2, 2, 2),
    "up.bias": (2,),
    "last.weight": (1, 2, 1, 1),
    "last.bias": (1,),
}
TENSOR_ORDER = (
    *("first.weight", "bn.bias", "bn._mean", "bn.weight", "bn._variance", "scale"),
    *("up.weight", "up.bias", "last.weight", "last.bias"),
)
STATE = hashed_state(SHAPES)


def assert_same(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    """The same keys, types, shapes and numbers, bit by bit."""
    assert sorted(found) == sorted(expected)
    for key, value in expected.items():
        assert found[key].dtype == value.dtype, key
        np.testing.assert_array_equal(found[key], value, strict=True, err_msg=key)

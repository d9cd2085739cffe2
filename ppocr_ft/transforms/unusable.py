"""Counting, over both map operators, the texts whose target can't be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def count_unusable(data: dict[str, Any], operator: str, flags: NDArray[np.bool_]) -> None:
    """Write ``data["unusable_texts"]``: texts that this operator or its partner can't draw.

    ``flags`` (n,) are this operator's; each operator's own stay in ``data["unusable_tags"]``
    by its name, so that a text that both reject counts once.
    """
    tags: dict[str, NDArray[np.bool_]] = dict(data.get("unusable_tags", {}))
    tags = {name: old for name, old in tags.items() if len(old) == len(flags)}
    tags[operator] = flags
    data["unusable_tags"] = tags
    union = flags
    for own in tags.values():
        union = union | own
    data["unusable_texts"] = int(np.count_nonzero(union))

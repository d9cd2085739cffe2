"""The operator that puts channels first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppocr_ft.transforms.registry import register


@register
class ToCHWImage:
    """PaddleOCR's operator: ``image`` (h, w, c) to (c, h, w), contiguous."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        data["image"] = np.ascontiguousarray(data["image"].transpose(2, 0, 1))
        return data

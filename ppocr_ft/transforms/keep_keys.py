"""The operator that says which fields leave the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.registry import register


@register
class KeepKeys:
    """PaddleOCR's operator, but the fields keep their names instead of becoming a list."""

    def __init__(self, keep_keys: Sequence[str]) -> None:
        self.keep_keys = tuple(keep_keys)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Only the fields ``keep_keys``, in that order.

        Raises:
            ConfigError: no operator has made one of them.
        """
        missing = [key for key in self.keep_keys if key not in data]
        if missing:
            made = ", ".join(sorted(data))
            raise ConfigError(
                f"no operator makes {', '.join(missing)}; there are {made}", key="keep_keys"
            )
        return {key: data[key] for key in self.keep_keys}

"""``Eval``'s resize, by its name and changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ppocr_ft.config import Config
from ppocr_ft.config.transforms import DetResizeForTest
from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.det_resize_for_test import DEFAULT_LIMIT_PX, STRIDE_PX, LimitType

NEARBY_FACTORS = (0.8, 1.25)


@dataclass(frozen=True)
class LimitedResize:
    """``limit_side_len``, px, and ``limit_type`` of a DetResizeForTest."""

    limit_side_len: int
    limit_type: LimitType

    def __str__(self) -> str:
        return f"{self.limit_side_len}:{self.limit_type}"


def by_resize(config: Config, resizes: Sequence[LimitedResize]) -> dict[str, Config]:
    """The config itself, then with each other resize, by their names.

    Raises:
        ConfigError: there are others, and the config has no DetResizeForTest.
    """
    configs = {resize_name(config): config}
    for resize in resizes:
        if str(resize) not in configs:
            configs[str(resize)] = with_resize(config, resize)
    return configs


def resize_name(config: Config) -> str:
    resizer = resizer_of(config)
    if resizer is None:
        return "as it is"
    if resizer.image_shape is not None:
        return "x".join(map(str, resizer.image_shape)) + " keep_ratio" * bool(resizer.keep_ratio)
    if resizer.resize_long is not None:
        return f"{resizer.resize_long}:long"
    return str(_limits(resizer))


def resizer_of(config: Config) -> DetResizeForTest | None:
    """The last one of ``Eval``."""
    found = [op for op in config.Eval.dataset.transforms if isinstance(op, DetResizeForTest)]
    return found[-1] if found else None


def with_resize(config: Config, resize: LimitedResize) -> Config:
    """
    Raises:
        ConfigError: the config has no DetResizeForTest.
    """
    replaced = resizer_of(config)
    if replaced is None:
        raise ConfigError(
            f"there is no DetResizeForTest that could resize to {resize}; without --resizes the "
            "images are taken as they are",
            key="Eval.dataset.transforms",
        )
    made = DetResizeForTest(limit_side_len=resize.limit_side_len, limit_type=resize.limit_type)
    dataset = config.Eval.dataset
    changed = tuple(made if op is replaced else op for op in dataset.transforms)
    dataset = dataset.model_copy(update={"transforms": changed})
    return config.model_copy(update={"Eval": config.Eval.model_copy(update={"dataset": dataset})})


def nearby_resizes(config: Config) -> list[LimitedResize]:
    """A smaller and a larger one of the config's kind; none where it fixes the shape."""
    resizer = resizer_of(config)
    if resizer is None or resizer.image_shape is not None:
        return []
    own = _limits(resizer)
    sides = [
        max(round(own.limit_side_len * factor / STRIDE_PX) * STRIDE_PX, STRIDE_PX)
        for factor in NEARBY_FACTORS
    ]
    return [LimitedResize(side, own.limit_type) for side in sides if side != own.limit_side_len]


def _limits(resizer: DetResizeForTest) -> LimitedResize:
    """With the operator's own defaults."""
    if resizer.resize_long is not None:
        return LimitedResize(resizer.resize_long, "resize_long")
    side = resizer.limit_side_len
    return LimitedResize(side or DEFAULT_LIMIT_PX, resizer.limit_type or "min")

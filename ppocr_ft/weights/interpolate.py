"""Weights between two states of one network, and the mean of several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from ppocr_ft.weights.arrays import Array, State


def interpolated(
    start: Mapping[str, Array], tuned: Mapping[str, Array], alpha: float | Mapping[str, float]
) -> State:
    """Return ``(1 - alpha) * start + alpha * tuned`` of every floating tensor, by ``tuned``'s keys.

    A tensor that ``start`` lacks, or that is no floating one, is ``tuned``'s. ``alpha`` may differ
    by the beginning of a key, the longest counts: ``{"": 0.5, "backbone.": 0.25}``. At 0 and 1 the
    tensors are exactly those of ``start`` and of ``tuned``. Source: Wortsman et al., Robust
    fine-tuning of zero-shot models, 2022.
    """
    by_beginning = alpha if isinstance(alpha, Mapping) else {"": alpha}

    def mixed(key: str, value: Array) -> Array:
        if key not in start or value.dtype.kind != "f":
            return value
        part = by_beginning[max((end for end in by_beginning if key.startswith(end)), key=len)]
        between = (1 - part) * start[key].astype(np.float64) + part * value.astype(np.float64)
        return np.asarray(between.astype(value.dtype))

    return {key: mixed(key, value) for key, value in tuned.items()}


def mean_of(states: Iterable[Mapping[str, Array]]) -> State:
    """Return the mean of every floating tensor; others are the last state's."""
    mean: dict[str, Array] = {}
    last: Mapping[str, Array] = {}
    for count, last in enumerate(states, start=1):
        for key, value in last.items():
            is_first = key not in mean or value.dtype.kind != "f"
            mean[key] = value.astype(np.float64) if is_first else mean[key]
            mean[key] = mean[key] + (value - mean[key]) / count
    return {key: np.asarray(mean[key].astype(value.dtype)) for key, value in last.items()}


def distance(start: Mapping[str, Array], other: Mapping[str, Array]) -> float:
    """Return the Euclidean distance of two states over the floating tensors of ``start``."""
    squares = (
        float(np.square(value.astype(np.float64) - other[key]).sum())
        for key, value in start.items()
        if value.dtype.kind == "f"
    )
    return float(np.sqrt(sum(squares)))


def digest(state: Mapping[str, Array]) -> str:
    """Return 128 bits, in hexadecimal, that tell tensors and their keys from all others."""
    found = hashlib.blake2b(digest_size=16)
    for key, value in sorted(state.items()):
        found.update(f"{key} {value.dtype} {value.shape}".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()

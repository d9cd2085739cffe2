"""Conversion of PPLCNetV3 between its two forms, as state dicts of numpy arrays.

A layer L with two forms (``backbone.blocks2.0.dw_conv``) has these keys:

- branches: ``L.conv_kxk.<i>.{conv,bn}.*``, ``L.conv_1x1.{conv,bn}.*``, ``L.identity.*``;
- folded (reparameterized): ``L.reparam_conv.{weight,bias}``.

All other keys are the same in both, except ``L.act.lab.*``, the affine block that layers of stride
2 have but never use: it is in the branches form only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.configs import Form

Array = NDArray[Any]
State = Mapping[str, Array]

BN_EPSILON = 1e-5  # Paddle's default, in every batch norm here

_FOLDED_WEIGHT = ".reparam_conv.weight"
_FIRST_KERNEL = ".conv_kxk.0.conv.weight"
_BRANCH_KEY = re.compile(
    r"(?P<layer>.+)\.(?P<branch>conv_kxk\.\d+|conv_1x1|identity)\.(?P<leaf>(?:conv\.|bn\.)?\w+)"
)
_UNUSED = (".act.lab.scale", ".act.lab.bias")


def detect_form(keys: Iterable[str]) -> Form | None:
    """Return the form of a state dict (or its keys); None if no layer has two forms."""
    names = list(keys)
    if any(name.endswith(_FIRST_KERNEL) for name in names):
        return "branches"
    if any(name.endswith(_FOLDED_WEIGHT) for name in names):
        return "folded"
    return None


def reparameterize(state: State) -> dict[str, Array]:
    """Convert the branches form to the folded form: the same function in eval mode.

    A batch norm after a convolution is a scale and an offset, so each branch is one convolution;
    kernels of one size and place add up. Summed in float64, returned in the kernels' dtype. Keys
    of other layers stay unchanged. Source: Ding et al., RepVGG, 2021.

    Raises:
        WeightsError: a layer's tensor is missing; it names the key.
    """
    layers = _layers(state)
    matches = {key: _BRANCH_KEY.fullmatch(key) for key in state}
    folded = {
        key: state[key]
        for key, match in matches.items()
        if match is None or match["layer"] not in layers
    }
    for layer in layers:
        kernel, bias = _reparameterize_layer(state, layer)
        folded[f"{layer}.reparam_conv.weight"] = kernel
        folded[f"{layer}.reparam_conv.bias"] = bias
        if _is_strided(state, layer):
            for suffix in _UNUSED:
                folded.pop(layer + suffix, None)
    return folded


def to_branches(folded: State, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Convert the folded form to the branches form, with the keys and shapes of a branches network.

    The first k x k branch holds the kernel under a batch norm that is the identity; the others are
    switched off by a scale of 0 but keep kernels other than 0, so that training can switch them on.
    The result equals the folded network in eval mode. While training, batch norm uses the batch's
    own statistics, to which these values don't belong: train the folded form instead.

    Raises:
        WeightsError: ``folded`` lacks a tensor, has one that ``shapes`` has no place for, or one of
            a wrong shape; it names the key.
    """
    layers = _layers(shapes)
    branches = {key: _tensor_of_branches(folded, key, layers) for key in shapes}
    for key, value in branches.items():
        if value.shape != tuple(shapes[key]):
            raise WeightsError(f"has shape {value.shape}, not {tuple(shapes[key])}", key=key)
    used = {f"{layer}.reparam_conv.{leaf}" for layer in layers for leaf in ("weight", "bias")}
    for key in folded:
        if key not in shapes and key not in used:
            raise WeightsError("has no place in the branches form", key=key)
    return branches


def _layers(keys: Iterable[str]) -> list[str]:
    return [key.removesuffix(_FIRST_KERNEL) for key in keys if key.endswith(_FIRST_KERNEL)]


def _get(state: State, key: str, shape: tuple[int, ...] | None = None) -> Array:
    if key not in state:
        raise WeightsError("is missing", key=key)
    value = state[key]
    if shape is not None and value.shape != shape:
        raise WeightsError(f"has shape {value.shape}, not {shape}", key=key)
    return value


def _kernel(state: State, key: str) -> Array:
    """Return a convolution's kernel, (out, in / groups, k, k) with odd k."""
    kernel = _get(state, key)
    if kernel.ndim != 4 or kernel.shape[2] != kernel.shape[3] or kernel.shape[2] % 2 == 0:
        raise WeightsError(f"has shape {kernel.shape}, not (out, in, k, k) with odd k", key=key)
    return kernel


def _reparameterize_layer(state: State, layer: str) -> tuple[Array, Array]:
    """Return a layer's kernel (out, in / groups, k, k) and bias (out,)."""
    first = _kernel(state, layer + _FIRST_KERNEL)
    kernel = np.zeros(first.shape, np.float64)
    bias = np.zeros(len(first), np.float64)
    matches = [_BRANCH_KEY.fullmatch(key) for key in state if key.startswith(f"{layer}.")]
    branches = {match["branch"] for match in matches if match and match["layer"] == layer}
    for branch in sorted(branches):
        taps, norm = _taps(state, layer, branch, first.shape)
        scale, offset = _scale_and_offset(state, norm, len(first))
        kernel += taps * scale[:, None, None, None]
        bias += offset
    return kernel.astype(first.dtype), bias.astype(first.dtype)


def _taps(state: State, layer: str, branch: str, shape: tuple[int, ...]) -> tuple[Array, str]:
    """Return a branch's kernel in ``shape``, and the prefix of its batch norm's keys."""
    prefix = f"{layer}.{branch}"
    if branch == "identity":
        taps, rows = np.zeros(shape[:2]), np.arange(shape[0])
        taps[rows, rows % shape[1]] = 1  # output channel and input channel are the same
        return _padded(taps, shape), prefix
    if branch == "conv_1x1":
        point = _get(state, f"{prefix}.conv.weight", (*shape[:2], 1, 1))
        return _padded(point[:, :, 0, 0], shape), f"{prefix}.bn"
    return _get(state, f"{prefix}.conv.weight", shape), f"{prefix}.bn"


def _padded(point: Array, shape: tuple[int, ...]) -> Array:
    """Put (out, in / groups) taps at the centre of a k x k kernel of zeros."""
    kernel = np.zeros(shape, np.float64)
    kernel[:, :, shape[2] // 2, shape[3] // 2] = point
    return kernel


def _scale_and_offset(state: State, norm: str, channels: int) -> tuple[Array, Array]:
    """Return batch norm in eval mode as y = scale * x + offset, float64."""
    weight, bias, mean, variance = (
        _get(state, f"{norm}.{leaf}", (channels,)).astype(np.float64)
        for leaf in ("weight", "bias", "_mean", "_variance")
    )
    scale = weight / np.sqrt(variance + BN_EPSILON)
    return scale, bias - mean * scale


def _is_strided(state: State, layer: str) -> bool:
    """Return whether the layer has a stride of 2.

    PPLCNetV3 has an identity branch in every layer that keeps channels and size; a layer with equal
    channels and no identity changes the size.
    """
    out_channels, in_per_group = _get(state, layer + _FIRST_KERNEL).shape[:2]
    in_channels = out_channels if in_per_group == 1 else in_per_group  # depthwise or dense
    return in_channels == out_channels and f"{layer}.identity.weight" not in state


def _tensor_of_branches(folded: State, key: str, layers: list[str]) -> Array:
    """Return the tensor of one key of the branches form."""
    if key in folded:
        return folded[key]
    match = _BRANCH_KEY.fullmatch(key)
    if match and match["layer"] in layers:
        return _branch_tensor(folded, match["layer"], match["branch"], match["leaf"])
    for suffix, value in zip(_UNUSED, (1, 0), strict=True):
        if key.removesuffix(suffix) in layers:
            return np.full(1, value, np.float32)
    raise WeightsError("is missing", key=key)


def _branch_tensor(folded: State, layer: str, branch: str, leaf: str) -> Array:
    kernel = _kernel(folded, f"{layer}.reparam_conv.weight")
    channels = len(kernel)
    holds_kernel = branch == "conv_kxk.0"
    name = leaf.removeprefix("bn.")
    if name == "conv.weight":
        centre = kernel.shape[2] // 2
        point = slice(centre, centre + 1)
        return np.array(kernel[:, :, point, point] if branch == "conv_1x1" else kernel)
    if name == "bias" and holds_kernel:
        return _get(folded, f"{layer}.reparam_conv.bias", (channels,))
    if name == "weight" and holds_kernel:
        # cancels a batch norm of mean 0 and variance 1
        return np.full(channels, np.sqrt(1 + BN_EPSILON), kernel.dtype)
    return np.full(channels, 1 if name == "_variance" else 0, kernel.dtype)

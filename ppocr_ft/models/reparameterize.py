"""Conversion of a network between its two forms, as state dicts of numpy arrays.

A layer L with two forms has the key ``L.reparam_conv.{weight,bias}`` in the form *folded*. In the
form *branches* it has, by its kind (BN: ``weight``, ``bias``, ``_mean``, ``_variance``):

- PPLCNetV3's convolutions: ``L.conv_kxk.<i>.{conv,bn}.*``, ``L.conv_1x1.{conv,bn}.*``,
  ``L.identity.BN``;
- PPLCNetV4's depthwise ones (``....rep_dw``): ``L.conv.{conv,bn}.*``, ``L.conv1.weight``,
  ``L.bn.BN``, the batch norm of the sum, and the identity, which has no key;
- PPLCNetV4's others: ``L.conv.weight``, ``L.bn.BN``;
- dilated ones of RepLKFPN and RepLKPAN: ``L.lk_origin.weight``, ``L.origin_bn.BN``,
  ``L.dil_conv_k<size>_<dilation>.weight``, ``L.dil_bn_k<size>_<dilation>.BN``;
- pointwise ones of RepLKPAN: ``L.pw.weight``, ``L.bn.BN``.

All other keys are the same in both, except ``L.act.lab.*``, the affine block that PPLCNetV3's
layers of stride 2 have but never use: it is in the branches form only.

The two forms are one function: in float64 their maps differ by 5e-9 at most. In float32 they differ
by rounding, which the network's steepness multiplies. PaddleOCR's ``rep()``, whose formulas are the
same, computes in float32; with weights drawn at random its maps of PP-OCRv6 small move by up to
0.035 (medium 0.003, tiny 0.0003). The logits are as large as 2e3 there, and the last bits of the
input alone move the maps by 0.003, so no weight is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.configs import Form

Array = NDArray[Any]
State = Mapping[str, Array]

BN_EPSILON = 1e-5  # Paddle's default, in every batch norm here

_FOLDED_WEIGHT, _FOLDED_BIAS = ".reparam_conv.weight", ".reparam_conv.bias"
_BN_LEAVES = ("weight", "bias", "_mean", "_variance")
_UNUSED = (".act.lab.scale", ".act.lab.bias")


class _Branch(NamedTuple):
    """One of the branches that a layer adds.

    ``kernel`` is the key of its convolution (None: the identity), ``norm`` what its batch norm's
    keys begin with (None: it has none). ``size`` is its kernel's (None: as the layer's).
    """

    kernel: str | None
    norm: str | None
    size: int | None = None
    dilation: int = 1

    def place(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        """Return where its kernel lies in the layer's, which has this shape."""
        if self.size is None:
            return (slice(None),) * 4
        reach = self.dilation * (self.size // 2)
        spread = [
            slice(extent // 2 - reach, extent // 2 + reach + 1, self.dilation)
            for extent in shape[2:]
        ]
        return (slice(None), slice(None), *spread)


class _Layer(NamedTuple):
    """A layer with two forms; the first branch has a kernel of the layer's shape.

    ``norm`` is what the keys of the sum's own batch norm begin with (None: it has none).
    """

    name: str
    branches: tuple[_Branch, ...]
    norm: str | None = None

    def branch_keys(self) -> list[str]:
        """Return its keys in the form branches."""
        kernels = [branch.kernel for branch in self.branches if branch.kernel]
        norms = [branch.norm for branch in self.branches] + [self.norm]
        return kernels + [f"{norm}.{leaf}" for norm in norms if norm for leaf in _BN_LEAVES]


def detect_form(keys: Iterable[str]) -> Form | None:
    """Return the form of a state dict (or its keys); None if no layer has two forms."""
    names = list(keys)
    if _find_layers(names):
        return "branches"
    if any(name.endswith(_FOLDED_WEIGHT) for name in names):
        return "folded"
    return None


def reparameterize(state: State) -> dict[str, Array]:
    """Convert the branches form to the folded form: the same function in eval mode.

    A batch norm after a convolution is a scale and an offset, so each branch is one convolution;
    kernels of one size and place add up, and a dilated one is a larger one with zeros between.
    Summed in float64, returned in the kernels' dtype. Keys of other layers stay unchanged.
    Sources: Ding et al., RepVGG, 2021; Ding et al., UniRepLKNet, 2024.

    Raises:
        WeightsError: a layer's tensor is missing; it names the key.
    """
    layers = _find_layers(state)
    replaced = {key for layer in layers for key in layer.branch_keys()}
    folded = {key: value for key, value in state.items() if key not in replaced}
    for layer in layers:
        kernel, bias = _fold(state, layer)
        folded[layer.name + _FOLDED_WEIGHT] = kernel
        folded[layer.name + _FOLDED_BIAS] = bias
        if _is_strided(state, layer):
            for suffix in _UNUSED:
                folded.pop(layer.name + suffix, None)
    return folded


def to_branches(folded: State, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Convert the folded form to the branches form, with the keys and shapes of a branches network.

    The first k x k branch holds the kernel under a batch norm that is the identity; the others are
    switched off by a scale of 0 but keep kernels other than 0, so that training can switch them on.
    (PPLCNetV4's 1 x 1 branch, which has no batch norm, takes the identity away.) The result equals
    the folded network in eval mode. While training, batch norm uses the batch's own statistics, to
    which these values don't belong: train the folded form instead.

    Raises:
        WeightsError: ``folded`` lacks a tensor, has one that ``shapes`` has no place for, or one of
            a wrong shape; it names the key.
    """
    layers = _find_layers(shapes)
    unfolded = {key: value for layer in layers for key, value in _unfold(folded, layer).items()}
    names = {layer.name for layer in layers}
    branches = {
        key: unfolded[key] if key in unfolded else _kept(folded, key, names) for key in shapes
    }
    for key, value in branches.items():
        if value.shape != tuple(shapes[key]):
            raise WeightsError(f"has shape {value.shape}, not {tuple(shapes[key])}", key=key)
    used = {name + suffix for name in names for suffix in (_FOLDED_WEIGHT, _FOLDED_BIAS)}
    for key in folded:
        if key not in shapes and key not in used:
            raise WeightsError("has no place in the branches form", key=key)
    return branches


def _parallel(name: str, below: list[str]) -> _Layer:
    found = (re.match(r"conv_kxk\.\d+|conv_1x1|identity", key) for key in below)
    others = {match[0] for match in found if match} - {"conv_kxk.0"}
    branches = [_Branch(f"{name}.conv_kxk.0.conv.weight", f"{name}.conv_kxk.0.bn")]
    for branch in sorted(others):
        if branch == "identity":
            branches.append(_Branch(None, f"{name}.identity"))
        else:
            size = 1 if branch == "conv_1x1" else None
            prefix = f"{name}.{branch}"
            branches.append(_Branch(f"{prefix}.conv.weight", f"{prefix}.bn", size))
    return _Layer(name, tuple(branches))


def _rep_depthwise(name: str, below: list[str]) -> _Layer:
    large = _Branch(f"{name}.conv.conv.weight", f"{name}.conv.bn")
    point, identity = _Branch(f"{name}.conv1.weight", None, 1), _Branch(None, None)
    return _Layer(name, (large, point, identity), f"{name}.bn")


def _dilated(name: str, below: list[str]) -> _Layer:
    found = (re.match(r"dil_(?:conv|bn)_k(\d+)_(\d+)\.", key) for key in below)
    branches = [_Branch(f"{name}.lk_origin.weight", f"{name}.origin_bn")]
    for size, dilation in sorted({(int(match[1]), int(match[2])) for match in found if match}):
        ending = f"k{size}_{dilation}"
        keys = f"{name}.dil_conv_{ending}.weight", f"{name}.dil_bn_{ending}"
        branches.append(_Branch(*keys, size, dilation))
    return _Layer(name, tuple(branches))


def _conv_bn(name: str, below: list[str]) -> _Layer:
    return _Layer(name, (_Branch(f"{name}.conv.weight", f"{name}.bn"),))


def _pointwise(name: str, below: list[str]) -> _Layer:
    return _Layer(name, (_Branch(f"{name}.pw.weight", f"{name}.bn"),))


_KINDS: tuple[tuple[re.Pattern[str], Callable[[str, list[str]], _Layer]], ...] = (
    (re.compile(r"(.+)\.conv_kxk\.0\.conv\.weight"), _parallel),
    (re.compile(r"(.+\.rep_dw)\.conv\.conv\.weight"), _rep_depthwise),
    (re.compile(r"(.+)\.lk_origin\.weight"), _dilated),
    (re.compile(r"(.+\.(?:dw_conv|expand|compress))\.conv\.weight"), _conv_bn),
    (re.compile(r"(.+)\.pw\.weight"), _pointwise),
)
"""A key that each layer of a kind has, and what makes the layer of its name and the keys below."""
_STEM = re.compile(r"(.+)\.stem\.(?:stem\d[ab]?)\.conv\.weight")


def _find_layers(keys: Iterable[str]) -> list[_Layer]:
    """Return the layers in the form branches, found from the keys alone."""
    names = list(keys)
    layers = []
    for name in names:
        for pattern, make in _KINDS:
            match = pattern.fullmatch(name)
            if match:
                start = f"{match[1]}."
                below = [key.removeprefix(start) for key in names if key.startswith(start)]
                layers.append(make(match[1], below))
        # PPHGNetV2 has the same stem, in one form only.
        match = _STEM.fullmatch(name)
        if match and any(key.startswith(f"{match[1]}.blocks_s1.") for key in names):
            layers.append(_conv_bn(name.removesuffix(".conv.weight"), []))
    return layers


def _get(state: State, key: str, shape: tuple[int, ...] | None = None) -> Array:
    if key not in state:
        raise WeightsError("is missing", key=key)
    value = state[key]
    if shape is not None and value.shape != shape:
        raise WeightsError(f"has shape {value.shape}, not {shape}", key=key)
    return value


def _kernel(state: State, key: str, layer: _Layer) -> Array:
    """Return a layer's kernel, (out, in / groups, k, k), with odd k if it has several branches."""
    kernel = _get(state, key)
    if kernel.ndim != 4 or kernel.shape[2] != kernel.shape[3]:
        raise WeightsError(f"has shape {kernel.shape}, not (out, in, k, k)", key=key)
    if len(layer.branches) > 1 and kernel.shape[2] % 2 == 0:
        raise WeightsError(f"has shape {kernel.shape}, not (out, in, k, k) with odd k", key=key)
    return kernel


def _fold(state: State, layer: _Layer) -> tuple[Array, Array]:
    """Return a layer's kernel (out, in / groups, k, k) and bias (out,)."""
    first = _kernel(state, str(layer.branches[0].kernel), layer)
    kernel = np.zeros(first.shape, np.float64)
    bias = np.zeros(len(first), np.float64)
    for branch in layer.branches:
        scale, offset = _scale_and_offset(state, branch.norm, len(first))
        kernel += _taps(state, branch, first.shape) * scale[:, None, None, None]
        bias += offset
    scale, offset = _scale_and_offset(state, layer.norm, len(first))
    kernel, bias = kernel * scale[:, None, None, None], bias * scale + offset
    return kernel.astype(first.dtype), bias.astype(first.dtype)


def _taps(state: State, branch: _Branch, shape: tuple[int, ...]) -> Array:
    """Return a branch's kernel in the layer's ``shape``, float64."""
    taps = np.zeros(shape, np.float64)
    if branch.kernel is None:
        rows = np.arange(shape[0])
        # output channel and input channel are the same
        taps[rows, rows % shape[1], shape[2] // 2, shape[3] // 2] = 1
        return taps
    place = branch.place(shape)
    own_shape = shape if branch.size is None else (*shape[:2], branch.size, branch.size)
    kernel = _get(state, branch.kernel, own_shape)
    if taps[place].shape != own_shape:
        message = f"has shape {own_shape}, too large for the layer's {shape}"
        raise WeightsError(message, key=branch.kernel)
    taps[place] = kernel
    return taps


def _scale_and_offset(state: State, norm: str | None, channels: int) -> tuple[Array, Array]:
    """Return batch norm in eval mode as y = scale * x + offset, float64."""
    if norm is None:
        return np.ones(channels), np.zeros(channels)
    weight, bias, mean, variance = (
        _get(state, f"{norm}.{leaf}", (channels,)).astype(np.float64) for leaf in _BN_LEAVES
    )
    scale = weight / np.sqrt(variance + BN_EPSILON)
    return scale, bias - mean * scale


def _is_strided(state: State, layer: _Layer) -> bool:
    """Return whether a layer of PPLCNetV3 has a stride of 2.

    It has an identity branch in every layer that keeps channels and size; a layer with equal
    channels and no identity changes the size.
    """
    out_channels, in_per_group = _get(state, str(layer.branches[0].kernel)).shape[:2]
    in_channels = out_channels if in_per_group == 1 else in_per_group  # depthwise or dense
    has_identity = any(branch.kernel is None for branch in layer.branches)
    return in_channels == out_channels and not has_identity


def _kept(folded: State, key: str, names: set[str]) -> Array:
    """Return the tensor of a key that is no branch's."""
    if key in folded:
        return folded[key]
    for suffix, value in zip(_UNUSED, (1, 0), strict=True):
        if key.removesuffix(suffix) in names:
            return np.full(1, value, np.float32)
    raise WeightsError("is missing", key=key)


def _unfold(folded: State, layer: _Layer) -> dict[str, Array]:
    """Return a layer's tensors in the form branches."""
    kernel = _kernel(folded, layer.name + _FOLDED_WEIGHT, layer)
    bias = _get(folded, layer.name + _FOLDED_BIAS, (len(kernel),))
    off = np.zeros(len(kernel), kernel.dtype)
    first, *others = layer.branches
    tensors = {str(first.kernel): kernel, **_norm(first.norm, off + 1, bias)}
    for branch in others:
        if branch.kernel is not None:
            part = np.array(kernel[branch.place(kernel.shape)])
            tensors[branch.kernel] = part if branch.norm else np.full_like(part, -1)
        tensors |= _norm(branch.norm, off, off)
    return tensors | _norm(layer.norm, off + 1, off)


def _norm(norm: str | None, scale: Array, offset: Array) -> dict[str, Array]:
    """Return the tensors of a batch norm that is y = scale * x + offset in eval mode."""
    if norm is None:
        return {}
    # cancels a batch norm of mean 0 and variance 1
    weight = scale * np.sqrt(1 + BN_EPSILON).astype(scale.dtype)
    values = (weight, offset, np.zeros_like(scale), np.ones_like(scale))
    return {f"{norm}.{leaf}": value for leaf, value in zip(_BN_LEAVES, values, strict=True)}

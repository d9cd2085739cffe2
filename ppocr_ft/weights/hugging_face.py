"""Weights in the layout of Hugging Face's ``PaddlePaddle/PP-OCR*_det_safetensors``.

They are PaddleOCR's weights under the names that the library transformers gives them: PP-OCRv5
mobile in branches, PP-OCRv5 server, and PP-OCRv6 tiny, small and medium, partly folded. Each name
has one of PaddleOCR's, which the tables below say; nothing is matched by its shape or its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.configs import CLASSIFIER_LAYERS, TRAINING_BRANCHES
from ppocr_ft.models.reparameterize import reparameterize
from ppocr_ft.weights.arrays import Array, State

LACKS = (*TRAINING_BRANCHES, *CLASSIFIER_LAYERS)
"""How the keys begin that these files never have."""

Names = tuple[tuple[str, str], ...]
"""Names of layers, theirs and PaddleOCR's; each may be several, joined by dots."""


class _Part(NamedTuple):
    """What keys begin with, theirs and PaddleOCR's, and the names that follow."""

    theirs: str
    ours: str
    names: Names = ()


_LEVELS = range(4)
_CONV_BN: Names = (("convolution", "conv"), ("normalization", "bn"))
_LCNET_V3: Names = (
    ("depthwise_convolution", "dw_conv"),
    ("pointwise_convolution", "pw_conv"),
    ("conv_symmetric", "conv_kxk"),
    ("conv_small_symmetric", "conv_1x1"),
    ("squeeze_excitation_module.convolutions.0", "se.conv1"),
    ("squeeze_excitation_module.convolutions.2", "se.conv2"),
    *_CONV_BN,
)
_LCNET_V4: Names = (
    ("token_conv.convolution", "token_mixer.dw_conv.conv"),
    ("token_conv.normalization", "token_mixer.dw_conv.bn"),
    ("token_conv", "token_mixer.rep_dw.reparam_conv"),  # folded
    ("token_squeeze_excitation.convolutions.0", "token_mixer.se.conv1"),
    ("token_squeeze_excitation.convolutions.2", "token_mixer.se.conv2"),
    ("channel_conv1", "channel_mixer.expand"),
    ("channel_conv2", "channel_mixer.compress"),
    *_CONV_BN,
)
_HGNET_V2: Names = (
    ("aggregation.0", "aggregation_squeeze_conv"),
    ("aggregation.1", "aggregation_excitation_conv"),
    *_CONV_BN,
)
_INTRACLASS: Names = (
    ("conv_reduce_channel", "conv1x1_reduce_channel"),
    ("conv_final.convolution", "conv1x1_return_channel"),
    ("conv_final.norm", "bn"),
    ("symmetric_conv_long_longratio", "c_layer_7x7"),
    ("symmetric_conv_long_midratio", "c_layer_5x5"),
    ("symmetric_conv_long_shortratio", "c_layer_3x3"),
    ("vertical_long_to_small_conv_longratio", "v_layer_7x1"),
    ("vertical_long_to_small_conv_midratio", "v_layer_5x1"),
    ("vertical_long_to_small_conv_shortratio", "v_layer_3x1"),
    ("horizontal_small_to_long_conv_longratio", "q_layer_1x7"),
    ("horizontal_small_to_long_conv_midratio", "q_layer_1x5"),
    ("horizontal_small_to_long_conv_shortratio", "q_layer_1x3"),
)
_NECK: Names = (
    ("insert_conv", "ins_conv"),
    ("input_conv", "inp_conv"),
    ("squeeze_excitation_block", "se_block"),
    ("input_channel_adjustment_convolution", "ins_conv"),
    ("input_feature_projection_convolution", "inp_conv"),
    ("path_aggregation_head_convolution", "pan_head_conv"),
    ("path_aggregation_lateral_convolution", "pan_lat_conv"),
)
_MAP_HEAD: Names = (
    ("conv_down.convolution", "conv1"),
    ("conv_down.norm", "conv_bn1"),
    ("conv_up.convolution", "conv2"),
    ("conv_up.norm", "conv_bn2"),
    ("conv_final", "conv3"),
)
_LOCAL: Names = (
    ("convolution_backbone.convolution", "last_3.conv"),
    ("convolution_backbone.norm", "last_3.bn"),
    ("convolution_final", "last_1"),
)
_BACKBONE, _ENCODER = "model.backbone.", "model.backbone.encoder."
_PARTS: tuple[_Part, ...] = (
    # PPLCNetV4 and PPLCNetV3
    _Part(f"{_ENCODER}convolution.stem", "backbone.stem.stem", _CONV_BN),
    _Part(f"{_ENCODER}convolution.", "backbone.conv1.", _CONV_BN),
    *[
        _Part(f"{_ENCODER}blocks.{i}.blocks.", f"backbone.blocks_s{i + 1}.", _LCNET_V4)
        for i in range(4)
    ],
    *[
        _Part(f"{_ENCODER}blocks.{i}.layers.", f"backbone.blocks{i + 2}.", _LCNET_V3)
        for i in range(5)
    ],
    _Part("model.layer.", "backbone.layer_list."),
    # PPHGNetV2
    _Part(f"{_BACKBONE}embedder.", "backbone.stem.", _CONV_BN),
    _Part(f"{_ENCODER}stages.", "backbone.stages.", _HGNET_V2),
    # necks
    *[
        _Part(f"model.neck.input_conv.{i}.{theirs}.", f"neck.{ours}.")
        for i in _LEVELS
        for theirs, ours in (
            ("depthwise_convolution", f"inp_conv_dw.{i}.reparam_conv"),  # folded
            ("pointwise_convolution", f"inp_conv_pw.{i}"),
            ("squeeze_excitation_module", f"inp_conv_se.{i}"),
        )
    ],
    *[
        _Part(f"model.neck.intraclass_blocks.{i}.", f"neck.incl{i + 1}.", _INTRACLASS)
        for i in _LEVELS
    ],
    _Part("model.neck.", "neck.", _NECK),
    # heads
    _Part("head.binarize_head.", "head.binarize.", _MAP_HEAD),
    _Part("head.local_refinement_module.", "head.cbn_layer.", _LOCAL),
    _Part("head.conv_", "head.binarize.conv_", _MAP_HEAD),
)
"""The first one counts with which a key begins."""
_LEAVES = {"running_mean": "_mean", "running_var": "_variance"}
_COUNTER = ".num_batches_tracked"  # of a batch norm; training by torch alone needs it

_LARGE_KERNELS = tuple(
    f"model.neck.{name}_convolution.{i}"
    for name in ("input_feature_projection", "path_aggregation_lateral")
    for i in _LEVELS
)
"""Dense 9 x 9 convolutions: PP-OCRv6 medium's have a bias, and are two of PaddleOCR's in one."""
_RANK_LIMIT = 1e-4
"""Second singular value to first; float32 leaves 1e-7, float16 6e-5."""


def is_hugging_face(keys: Iterable[str]) -> bool:
    """Return whether a state dict's keys are those of a model of transformers."""
    return any(key.startswith(_BACKBONE) for key in keys)


def paddleocr_key(key: str) -> str | None:
    """Return PaddleOCR's key for one of theirs; None: it has no counterpart.

    A key of no part stays as it is.
    """
    if key.endswith(_COUNTER):
        return None
    part = next((part for part in _PARTS if key.startswith(part.theirs)), None)
    if part is None:
        return key
    name = f"{part.ours}{key.removeprefix(part.theirs)}"
    for theirs, ours in part.names:
        name = name.replace(f".{theirs}.", f".{ours}.")
    stem, _, leaf = name.rpartition(".")
    return f"{stem}.{_LEAVES.get(leaf, leaf)}"


def from_hugging_face(state: State) -> State:
    """Return the tensors in float32 under PaddleOCR's keys, all of them folded if some are.

    Raises WeightsError, naming the key: two tensors have one place, a layer that is to be folded
    is incomplete, or a large kernel isn't made of a depthwise and a pointwise one.
    """
    split = [name for name in _LARGE_KERNELS if f"{name}.bias" in state]
    found: State = {}
    for key, value in sorted(state.items()):
        name = paddleocr_key(key)
        if name in found:
            raise WeightsError(f"is there twice: another key means {name} too", key=key)
        if name is not None and key.rpartition(".")[0] not in split:
            found[name] = value.astype(np.float32, copy=False)
    for name in split:
        found |= _split(state, name)
    is_folded = any(key.endswith(".reparam_conv.weight") for key in found)
    return reparameterize(found) if is_folded else found


def _split(state: State, name: str) -> State:
    """Return the depthwise and the pointwise convolution of which a dense one is the product.

    A channel of the dense kernel, (out, in, k, k), is the outer product of a column of the
    pointwise kernel and a channel of the depthwise one. A factor of either is free: both get the
    same norm. The biases of both are one, the pointwise convolution's.
    """
    key = f"{name}.weight"
    kernel, bias = state.get(key), state[f"{name}.bias"]
    if kernel is None:
        raise WeightsError("is missing", key=key)
    if kernel.ndim != 4 or min(kernel.shape) < 2 or bias.shape != kernel.shape[:1]:
        shapes = f"has shape {kernel.shape} and its bias {bias.shape}"
        raise WeightsError(f"{shapes}, not (out, in, k, k) and (out,)", key=key)
    if not np.isfinite(kernel).all():
        raise WeightsError("holds NaN or infinity", key=key)
    outer, inner, *size = kernel.shape
    pointwise, depthwise = _factors(kernel.reshape(outer, inner, -1).swapaxes(0, 1), key)
    stem = str(paddleocr_key(key)).removesuffix(".weight")
    return {
        f"{stem}.dw.reparam_conv.weight": depthwise.reshape(inner, 1, *size),
        f"{stem}.dw.reparam_conv.bias": np.zeros(inner, np.float32),
        f"{stem}.reparam_conv.weight": pointwise.T.reshape(outer, inner, 1, 1),
        f"{stem}.reparam_conv.bias": bias.astype(np.float32),
    }


def _factors(matrices: Array, key: str) -> tuple[Array, Array]:
    """Return (n, rows) and (n, columns), float32, whose outer products are (n, rows, columns)."""
    left, values, right = np.linalg.svd(matrices.astype(np.float64), full_matrices=False)
    first, second = values[:, 0], values[:, 1]
    excess = second / np.maximum(first, _RANK_LIMIT * first.max() or 1)
    if excess.max() > _RANK_LIMIT:
        raise WeightsError(
            "isn't the product of a depthwise and a pointwise kernel, which PaddleOCR's network "
            f"has in its place: {excess.max():.2%} of a channel doesn't fit. Weights that were "
            "trained further in this layout can't be taken over",
            key=key,
        )
    root = np.sqrt(first)[:, np.newaxis]
    return (left[:, :, 0] * root).astype(np.float32), (right[:, 0] * root).astype(np.float32)

"""PPLCNetV3, the backbone of the PP-OCRv4 and PP-OCRv5 mobile detectors, in two forms.

*branches*: every convolution is the sum of parallel convolutions with batch norm, as PaddleOCR
trains it. *folded*: the same function as one convolution (``models.reparameterize`` converts).
Source: PaddleOCR 2.7 to 3.x, ``PPLCNetV3(det=True)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr_ft.models.configs import Form, PPLCNetV3Config
from ppocr_ft.models.cpu_operators import (
    affine_hardswish,
    branch_moments,
    channel_moments,
    depthwise,
    is_fast,
)
from ppocr_ft.models.layers import (
    SIXTH,
    Conv2D,
    ConvBN,
    Layer,
    SqueezeExcite,
    batch_norm,
    param_attr,
    round_channels,
    with_quick_bias,
)

_BN_L2 = 0.0  # the batch norms of the convolutions are never decayed


class BlockSpec(NamedTuple):
    """One depthwise + pointwise block; channels at scale 1."""

    kernel_size: int
    in_channels: int
    out_channels: int
    stride: int
    use_se: bool = False


STEM_CHANNELS = 16
STAGES: dict[str, tuple[BlockSpec, ...]] = {
    "blocks2": (BlockSpec(3, 16, 32, 1),),
    "blocks3": (BlockSpec(3, 32, 64, 2), BlockSpec(3, 64, 64, 1)),
    "blocks4": (BlockSpec(3, 64, 128, 2), BlockSpec(3, 128, 128, 1)),
    "blocks5": (BlockSpec(3, 128, 256, 2), *[BlockSpec(5, 256, 256, 1)] * 4),
    "blocks6": (
        BlockSpec(5, 256, 512, 2, use_se=True),
        BlockSpec(5, 512, 512, 1, use_se=True),
        *[BlockSpec(5, 512, 512, 1)] * 2,
    ),
}
FEATURE_CHANNELS = {"blocks3": 16, "blocks4": 24, "blocks5": 56, "blocks6": 480}


class ConvSpec(NamedTuple):
    """The shape of a convolution that has two forms."""

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int = 1
    groups: int = 1


class LrFactors(NamedTuple):
    """Learning rate factors: of a layer, and of its learnable affine blocks."""

    lr_mult: float
    lab_lr_mult: float


class LearnableAffine(Layer):
    """One learned scale and one learned bias (PaddleOCR's LAB): scale * x + bias."""

    def __init__(self, lr_mult: float) -> None:
        super().__init__()
        self.scale = self._scalar(1.0, lr_mult)
        self.bias = self._scalar(0.0, lr_mult)

    def _scalar(self, value: float, lr_mult: float) -> paddle.Tensor:
        init = nn.initializer.Constant(value)
        return self.create_parameter([1], attr=param_attr(lr_mult, init=init))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.scale * x + self.bias


class AffineHardswish(Layer):
    """Applies hardswish, then a learnable affine block."""

    def __init__(self, lr_mult: float) -> None:
        super().__init__()
        self.lab = LearnableAffine(lr_mult)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.lab(F.hardswish(x))


Moments = tuple[paddle.Tensor, paddle.Tensor]
"""Mean and variance (c,) of each channel."""


def gathers(norm: nn.BatchNorm2D) -> bool:
    """Return whether a batch norm normalizes by the batch's own statistics, and gathers them."""
    return not norm._use_global_stats


def scale_and_offset(norm: nn.BatchNorm2D, moments: Moments | None) -> Moments:
    """Return what a batch norm in training multiplies by and adds to each channel (c,).

    ``moments`` are those of what it normalizes; its running statistics take them up.
    """
    if moments is None or not gathers(norm):
        moments = norm._mean, norm._variance
    else:
        keep = norm._momentum
        with paddle.no_grad():
            for running, value in zip((norm._mean, norm._variance), moments, strict=True):
                running.set_value(keep * running + (1 - keep) * value)
    mean, variance = moments
    scale = norm.weight * paddle.rsqrt(variance + norm._epsilon)
    return scale, norm.bias - scale * mean


class RepLayer(Layer):
    """Convolution, learnable affine block and, unless the stride is 2, activation."""

    def __init__(self, spec: ConvSpec, factors: LrFactors) -> None:
        super().__init__()
        self._spec = spec
        self.lab = LearnableAffine(factors.lab_lr_mult)
        self._activates = spec.stride != 2
        by_channel = spec.groups == spec.in_channels == spec.out_channels
        self._is_pointwise = spec.kernel_size == spec.stride == spec.groups == 1
        self._is_depthwise = by_channel and spec.kernel_size > 1 and spec.kernel_size % 2 == 1

    def convolve(self, x: paddle.Tensor) -> paddle.Tensor:
        raise NotImplementedError

    def merged(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return kernel and bias of the one convolution of x that ``convolve`` is in training."""
        raise NotImplementedError

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if self.training and (self._is_pointwise or self._is_depthwise) and is_fast(x):
            return self._forward_on_cpu(x)
        x = self.lab(self.convolve(x))  # (n, out, h / stride, w / stride)
        return self.act(x) if self._activates else x

    def _forward_on_cpu(self, x: paddle.Tensor) -> paddle.Tensor:
        kernel, bias = self.merged(x)
        kernel, bias = self.lab.scale * kernel, self.lab.scale * bias + self.lab.bias
        y = depthwise(x, kernel, self._spec.stride) if self._is_depthwise else F.conv2d(x, kernel)
        if not self._activates:
            return with_quick_bias(y, bias)
        return affine_hardswish(y, bias, self.act.lab.scale, self.act.lab.bias)


class BranchesLayer(RepLayer):
    """The form *branches*: a sum of k x k, 1 x 1 and identity branches, each with batch norm."""

    def __init__(self, spec: ConvSpec, factors: LrFactors, conv_kxk_num: int) -> None:
        super().__init__(spec, factors)
        self.act = AffineHardswish(factors.lab_lr_mult)  # a key of PaddleOCR's at stride 2, too
        lr_mult = factors.lr_mult
        keeps_shape = spec.in_channels == spec.out_channels and spec.stride == 1
        self.identity = batch_norm(spec.in_channels, lr_mult) if keeps_shape else None
        self.conv_1x1 = self._branch(1, lr_mult) if spec.kernel_size > 1 else None
        self.conv_kxk = nn.LayerList(
            [self._branch(spec.kernel_size, lr_mult) for _ in range(conv_kxk_num)]
        )

    def _branch(self, kernel_size: int, lr_mult: float) -> ConvBN:
        return ConvBN(
            self._spec.in_channels,
            self._spec.out_channels,
            kernel_size,
            stride=self._spec.stride,
            groups=self._spec.groups,
            lr_mult=lr_mult,
            bn_l2=_BN_L2,
            init=nn.initializer.KaimingNormal(),
        )

    def convolve(self, x: paddle.Tensor) -> paddle.Tensor:
        branches = [self.identity, self.conv_1x1, *self.conv_kxk]
        present = [branch(x) for branch in branches if branch is not None]
        return sum(present[1:], start=present[0])

    def merged(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return kernel and bias of the one convolution of x that the sum of the branches is.

        A batch norm is a scale and an offset. Mean and variance of a branch follow from its kernel
        and the moments of x, so that none of the branches is computed.
        """
        kernels, norms = zip(*self._branches(), strict=True)
        stacked = paddle.stack(kernels)  # (branches, out, in / groups, k, k)
        moments = self._moments(x, stacked) if any(map(gathers, norms)) else (None,) * len(norms)
        scales, offsets = zip(*map(scale_and_offset, norms, moments), strict=True)
        scale = paddle.stack(scales).reshape([len(norms), -1, 1, 1, 1])
        return (scale * stacked).sum(0), sum(offsets[1:], start=offsets[0])

    def _branches(self) -> list[tuple[paddle.Tensor, nn.BatchNorm2D]]:
        """Return each branch's kernel, as large as the layer's, and its batch norm."""
        branches = [(branch.conv.weight, branch.bn) for branch in self.conv_kxk]
        shape, border = branches[0][0].shape, [self._spec.kernel_size // 2] * 4
        if self.conv_1x1 is not None:
            branches.append((F.pad(self.conv_1x1.conv.weight, border), self.conv_1x1.bn))
        if self.identity is not None:
            unit = paddle.ones(shape[:1]) if self._is_depthwise else paddle.eye(shape[0])
            branches.append((F.pad(unit.reshape([*shape[:2], 1, 1]), border), self.identity))
        return branches

    def _moments(self, x: paddle.Tensor, kernels: paddle.Tensor) -> Sequence[Moments]:
        """Return mean and variance (out,) of each branch."""
        if self._is_depthwise:
            stacked = kernels.squeeze(2).transpose([1, 0, 2, 3])  # (out, branches, k, k)
            means, variances = branch_moments(x, stacked, self._spec.stride)
            return list(zip(means.T.unbind(), variances.T.unbind(), strict=True))
        mean, covariance = channel_moments(x)
        weights = kernels.flatten(2)  # (branches, out, in)
        means, variances = weights @ mean, (weights @ covariance * weights).sum(-1)
        return list(zip(means.unbind(), variances.unbind(), strict=True))


class FoldedLayer(RepLayer):
    """The form *folded*: one convolution with bias."""

    def __init__(self, spec: ConvSpec, factors: LrFactors) -> None:
        super().__init__(spec, factors)
        if self._activates:
            self.act = AffineHardswish(factors.lab_lr_mult)
        self.reparam_conv = Conv2D(
            spec.in_channels,
            spec.out_channels,
            spec.kernel_size,
            stride=spec.stride,
            padding=(spec.kernel_size - 1) // 2,
            groups=spec.groups,
            weight_attr=param_attr(factors.lr_mult, init=nn.initializer.KaimingNormal()),
            bias_attr=param_attr(factors.lr_mult),
        )

    def convolve(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.reparam_conv(x)

    def merged(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        return self.reparam_conv.weight, self.reparam_conv.bias


class LCNetV3Block(Layer):
    """Depthwise convolution, squeeze and excitation if the table says so, pointwise convolution."""

    def __init__(
        self, spec: BlockSpec, factors: LrFactors, config: PPLCNetV3Config, form: Form
    ) -> None:
        super().__init__()

        def rep_layer(conv: ConvSpec) -> RepLayer:
            if form == "folded":
                return FoldedLayer(conv, factors)
            return BranchesLayer(conv, factors, config.conv_kxk_num)

        inner = round_channels(spec.in_channels * config.scale, 16)
        outer = round_channels(spec.out_channels * config.scale, 16)
        self.dw_conv = rep_layer(ConvSpec(inner, inner, spec.kernel_size, spec.stride, inner))
        self.se = (
            SqueezeExcite(inner, gate_slope=SIXTH, lr_mult=factors.lr_mult) if spec.use_se else None
        )
        self.pw_conv = rep_layer(ConvSpec(inner, outer, kernel_size=1))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.dw_conv(x)  # (n, in, h / stride, w / stride)
        if self.se is not None:
            x = self.se(x)
        return self.pw_conv(x)  # (n, out, h / stride, w / stride)


class PPLCNetV3(Layer):
    """The backbone: (n, 3, h, w) -> features at 1/4, 1/8, 1/16 and 1/32, with ``out_channels``."""

    def __init__(self, config: PPLCNetV3Config, form: Form = "branches") -> None:
        super().__init__()
        scale = config.scale
        stem_lr_mult, *stage_lr_mults = config.lr_mult_list
        self.conv1 = ConvBN(
            3,
            round_channels(STEM_CHANNELS * scale, 16),
            3,
            stride=2,
            lr_mult=stem_lr_mult,
            bn_l2=_BN_L2,
            init=nn.initializer.KaimingNormal(),
        )
        for (name, specs), lr_mult in zip(STAGES.items(), stage_lr_mults, strict=True):
            factors = LrFactors(lr_mult, lr_mult * config.lab_lr)
            blocks = [LCNetV3Block(spec, factors, config, form) for spec in specs]
            self.add_sublayer(name, nn.Sequential(*blocks))
        self.out_channels = [int(c * scale) for c in FEATURE_CHANNELS.values()]
        stage_channels = [
            round_channels(STAGES[name][-1].out_channels * scale, 16) for name in FEATURE_CHANNELS
        ]
        self.layer_list = nn.LayerList(
            [
                nn.Conv2D(wide, narrow, 1)
                for wide, narrow in zip(stage_channels, self.out_channels, strict=True)
            ]
        )

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.conv1(x)  # (n, c, h / 2, w / 2)
        x = self.blocks2(x)
        stages = []
        for name in FEATURE_CHANNELS:
            x = getattr(self, name)(x)  # (n, c, h / 4, w / 4), then half of it each time
            stages.append(x)
        return [narrow(x) for narrow, x in zip(self.layer_list, stages, strict=True)]

"""Convolutions of PP-OCRv6 that have two forms: *branches* and *folded*.

In the form branches parallel convolutions with batch norm are added, in the form folded a layer is
one convolution, ``reparam_conv``. ``models.reparameterize`` converts.
"""

from __future__ import annotations

import paddle
from paddle import nn

from ppocr_ft.models.configs import Form
from ppocr_ft.models.layers import (
    Activation,
    Conv2D,
    ConvBN,
    Layer,
    activated,
    batch_norm,
    same_padding,
)

DILATED_KERNELS: dict[int, tuple[tuple[int, int], ...]] = {
    5: ((3, 1), (3, 2)),
    7: ((5, 1), (3, 2), (3, 3)),
    9: ((5, 1), (5, 2), (3, 3), (3, 4)),
    11: ((5, 1), (5, 2), (3, 3), (3, 4), (3, 5)),
    13: ((5, 1), (7, 2), (3, 3), (3, 4), (3, 5)),
}
"""Kernel size and dilation of the branches beside a large kernel, by its size.

Source: Ding et al., UniRepLKNet, 2024, "Dilated Reparam Block".
"""


class FoldedConv(Layer):
    """The form folded of each layer here: one convolution with bias, activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        act: Activation | None = None,
    ) -> None:
        super().__init__()
        self.reparam_conv = Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=same_padding(kernel_size),
            groups=groups,
        )
        self._act = act

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return activated(self.reparam_conv(x), self._act)  # (n, out, h / stride, w / stride)


class RepDepthwise(Layer):
    """Batch norm of the sum of a k x k and a 1 x 1 depthwise convolution and x.

    Only the k x k one has a batch norm of its own.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = ConvBN(channels, channels, kernel_size, groups=channels)
        self.conv1 = nn.Conv2D(channels, channels, 1, groups=channels, bias_attr=False)
        self.bn = batch_norm(channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.bn(self.conv(x) + self.conv1(x) + x)  # (n, c, h, w)


class DilatedDepthwise(Layer):
    """The sum of a large depthwise convolution and smaller, dilated ones, each with batch norm."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self._names = [("lk_origin", "origin_bn")]
        self._add(channels, kernel_size, 1)
        for size, dilation in DILATED_KERNELS[kernel_size]:
            self._names.append((f"dil_conv_k{size}_{dilation}", f"dil_bn_k{size}_{dilation}"))
            self._add(channels, size, dilation)

    def _add(self, channels: int, kernel_size: int, dilation: int) -> None:
        conv = nn.Conv2D(
            channels,
            channels,
            kernel_size,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            groups=channels,
            bias_attr=False,
        )
        for name, layer in zip(self._names[-1], (conv, batch_norm(channels)), strict=True):
            self.add_sublayer(name, layer)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        branches = [getattr(self, norm)(getattr(self, conv)(x)) for conv, norm in self._names]
        return sum(branches[1:], start=branches[0])  # (n, c, h, w)


class DilatedSeparable(Layer):
    """A dilated depthwise convolution, a pointwise one, batch norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.dw = DilatedDepthwise(in_channels, kernel_size)
        self.pw = nn.Conv2D(
            in_channels,
            out_channels,
            1,
            weight_attr=nn.initializer.KaimingUniform(),
            bias_attr=False,
        )
        self.bn = batch_norm(out_channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.bn(self.pw(self.dw(x)))  # (n, out, h, w)


class FoldedSeparable(FoldedConv):
    """The form folded of ``DilatedSeparable``: the depthwise convolution has a form of its own."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, 1)
        self.dw = dilated_conv(in_channels, kernel_size, "folded")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return super().forward(self.dw(x))  # (n, out, h, w)


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    form: Form,
    *,
    stride: int = 1,
    groups: int = 1,
    act: Activation | None = None,
    bn_l2: float | None = None,
    bn_scale: float = 1.0,
) -> Layer:
    """Return a ``ConvBN``, or its form folded."""
    shape = (in_channels, out_channels, kernel_size)
    if form == "folded":
        return FoldedConv(*shape, stride=stride, groups=groups, act=act)
    return ConvBN(*shape, stride=stride, groups=groups, act=act, bn_l2=bn_l2, bn_scale=bn_scale)


def rep_depthwise(channels: int, kernel_size: int, form: Form) -> Layer:
    """Return a ``RepDepthwise``, or its form folded."""
    if form == "folded":
        return FoldedConv(channels, channels, kernel_size, groups=channels)
    return RepDepthwise(channels, kernel_size)


def dilated_conv(channels: int, kernel_size: int, form: Form) -> Layer:
    """Return a ``DilatedDepthwise``, or its form folded; ``kernel_size`` of ``DILATED_KERNELS``."""
    if form == "folded":
        return FoldedConv(channels, channels, kernel_size, groups=channels)
    return DilatedDepthwise(channels, kernel_size)


def dilated_separable(in_channels: int, out_channels: int, kernel_size: int, form: Form) -> Layer:
    """Return a ``DilatedSeparable``, or its form folded."""
    kind = FoldedSeparable if form == "folded" else DilatedSeparable
    return kind(in_channels, out_channels, kernel_size)

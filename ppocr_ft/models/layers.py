"""Layers that are used by more than one part of the detector.

Every layer maps (n, c, h, w) float32 tensors; the names of the sublayers are PaddleOCR's, because
they are the keys of its checkpoints.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr_ft.models.cpu_operators import depthwise, is_fast

Activation = Literal["relu", "hardswish"]

SIXTH = 0.1666667
"""Paddle's own rounding of 1/6, hardsigmoid's slope; with 1/6 the maps differ by 7e-6."""

_ACTIVATIONS = {"relu": F.relu, "hardswish": F.hardswish}


class Layer(nn.Layer):  # type: ignore[misc]  # paddle is untyped for the checker
    """The class ``paddle.nn.Layer``, declared once for the type checker."""


def round_channels(channels: float, divisor: int) -> int:
    """Return the multiple of ``divisor`` nearest to ``channels``, never under 90 % of it.

    Source: MobileNet's ``make_divisible``, as PaddleOCR uses it.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def param_attr(
    lr_mult: float = 1.0, l2: float | None = None, init: object | None = None
) -> paddle.ParamAttr:
    """Return a parameter's attributes; ``l2`` None: the run's L2 coefficient."""
    regularizer = None if l2 is None else paddle.regularizer.L2Decay(l2)
    return paddle.ParamAttr(initializer=init, learning_rate=lr_mult, regularizer=regularizer)


def batch_norm(
    channels: int, lr_mult: float = 1.0, l2: float | None = None, scale: float = 1.0
) -> nn.BatchNorm2D:
    """Return a batch norm with these factors on scale and offset, and this first scale."""
    first = nn.initializer.Constant(scale)
    return nn.BatchNorm2D(
        channels, weight_attr=param_attr(lr_mult, l2, first), bias_attr=param_attr(lr_mult, l2)
    )


def same_padding(kernel_size: int) -> int | str:
    """Return the padding that keeps the size; an even kernel's is one more below and right."""
    return kernel_size // 2 if kernel_size % 2 else "SAME"


def activated(x: paddle.Tensor, act: Activation | None) -> paddle.Tensor:
    """Return the activation of x; x itself without one."""
    return x if act is None else _ACTIVATIONS[act](x)


def with_quick_bias(y: paddle.Tensor, bias: paddle.Tensor | None) -> paddle.Tensor:
    """Add the bias (c,) of each channel to y (n, c, h, w).

    Paddle itself adds it as (1, c, 1, 1). On a CPU, and with more images than one, that takes ten
    times as long as (c, 1, 1), forward and backward.
    """
    return y if bias is None else y + bias.reshape([-1, 1, 1])


class Conv2D(nn.Conv2D):  # type: ignore[misc]  # paddle is untyped for the checker
    """``paddle.nn.Conv2D`` that trains faster on a CPU."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if not self.training:
            return super().forward(x)
        return with_quick_bias(self._convolved(x), self.bias)

    def _convolved(self, x: paddle.Tensor) -> paddle.Tensor:
        weight, padding = self.weight, self._padding
        if self._is_depthwise and is_fast(x):
            return depthwise(x, weight, self._stride[0])
        if self._narrows and x.place.is_cpu_place():
            # The same sums as a transposed convolution. Paddle copies x once for each place of the
            # kernel; for the transposed one y, which has fewer channels.
            turned = paddle.flip(weight, [2, 3]).transpose([1, 0, 2, 3])  # (in, out, k, k)
            return F.conv2d_transpose(x, turned, padding=padding)
        return F.conv2d(
            x,
            weight,
            stride=self._stride,
            padding=padding,
            dilation=self._dilation,
            groups=self._groups,
        )

    @cached_property
    def _is_depthwise(self) -> bool:
        """Whether ``depthwise`` does it: one kernel a channel, and one stride."""
        by_channel = self._groups == self._in_channels == self._out_channels
        return by_channel and self._is_centred and self._stride[0] == self._stride[1]

    @cached_property
    def _narrows(self) -> bool:
        """Whether half of the channels or fewer come out, in the same size."""
        halves = self._groups == 1 and self._in_channels >= 2 * self._out_channels
        return halves and self._is_centred and [*self._stride] == [1, 1]

    @cached_property
    def _is_centred(self) -> bool:
        """Whether the kernel is square, odd, larger than 1, and its padding half of it."""
        height, width = self._kernel_size
        is_square = height == width > 1 and height % 2 == 1
        return is_square and self._padding == height // 2 and [*self._dilation] == [1, 1]


class Conv2DTranspose(nn.Conv2DTranspose):  # type: ignore[misc]
    """``paddle.nn.Conv2DTranspose`` whose bias is quick to learn."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if not self.training:
            return super().forward(x)
        y = F.conv2d_transpose(
            x,
            self.weight,
            stride=self._stride,
            padding=self._padding,
            dilation=self._dilation,
            groups=self._groups,
        )
        return with_quick_bias(y, self.bias)


class ConvBN(Layer):
    """A convolution without bias that keeps the size (stride 1), batch norm, activation.

    ``bn_scale`` is what the batch norm's scale begins with.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        act: Activation | None = None,
        lr_mult: float = 1.0,
        bn_l2: float | None = None,
        bn_scale: float = 1.0,
        init: object | None = None,
    ) -> None:
        super().__init__()
        self.conv = Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=same_padding(kernel_size),
            groups=groups,
            weight_attr=param_attr(lr_mult, init=init),
            bias_attr=False,
        )
        self.bn = batch_norm(out_channels, lr_mult, bn_l2, bn_scale)
        self._act = act

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return activated(self.bn(self.conv(x)), self._act)  # (n, out, h / stride, w / stride)


class SqueezeExcite(Layer):
    """Channel attention: x * hardsigmoid(conv(relu(conv(mean of x)))).

    ``gate_slope`` is hardsigmoid's: PaddleOCR has 0.2 in MobileNetV3 and the necks, 1/6 in
    PPLCNetV3 and V4. Source: Hu et al., Squeeze-and-Excitation Networks, 2018.
    """

    def __init__(self, channels: int, *, gate_slope: float = 0.2, lr_mult: float = 1.0) -> None:
        super().__init__()
        squeezed = channels // 4
        attrs = {"weight_attr": param_attr(lr_mult), "bias_attr": param_attr(lr_mult)}
        self.conv1 = nn.Conv2D(channels, squeezed, 1, **attrs)
        self.conv2 = nn.Conv2D(squeezed, channels, 1, **attrs)
        self._gate_slope = gate_slope

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        gate = F.adaptive_avg_pool2d(x, 1)  # (n, c, 1, 1)
        gate = self.conv2(F.relu(self.conv1(gate)))
        return x * F.hardsigmoid(gate, slope=self._gate_slope, offset=0.5)


def upsample(x: paddle.Tensor, factor: int) -> paddle.Tensor:
    """Resize (n, c, h, w) -> (n, c, factor * h, factor * w), nearest neighbour."""
    return F.interpolate(x, scale_factor=factor, mode="nearest")

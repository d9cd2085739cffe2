"""Layers that are used by more than one part of the detector.

Every layer maps (n, c, h, w) float32 tensors; the names of the sublayers are PaddleOCR's, because
they are the keys of its checkpoints.
"""

from __future__ import annotations

from typing import Any, Literal

import paddle
import paddle.nn.functional as F
from paddle import nn

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


def _with_quick_bias(layer: Any, function: Any, x: paddle.Tensor) -> paddle.Tensor:
    """Convolve x (n, c, h, w) by ``function``, then add the bias (c,) of each channel.

    Paddle itself adds it as (1, c, 1, 1). On a CPU, and with more images than one, that takes ten
    times as long as (c, 1, 1), forward and backward.
    """
    y = function(
        x,
        layer.weight,
        stride=layer._stride,
        padding=layer._padding,
        dilation=layer._dilation,
        groups=layer._groups,
    )
    return y if layer.bias is None else y + layer.bias.reshape([-1, 1, 1])


class Conv2D(nn.Conv2D):  # type: ignore[misc]  # paddle is untyped for the checker
    """``paddle.nn.Conv2D`` whose bias is quick to learn."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return _with_quick_bias(self, F.conv2d, x) if self.training else super().forward(x)


class Conv2DTranspose(nn.Conv2DTranspose):  # type: ignore[misc]
    """``paddle.nn.Conv2DTranspose`` whose bias is quick to learn."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return (
            _with_quick_bias(self, F.conv2d_transpose, x) if self.training else super().forward(x)
        )


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
        self.conv = nn.Conv2D(
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

"""MobileNetV3, the backbone of the PP-OCRv3 mobile detector.

Sources: Howard et al., Searching for MobileNetV3, 2019; PaddleOCR's ``MobileNetV3`` for detection,
which returns features at four sizes and leaves out the classifier.
"""

from __future__ import annotations

from typing import NamedTuple

import paddle
from paddle import nn

from ppocr_ft.models.configs import MobileNetV3Config
from ppocr_ft.models.layers import Activation, ConvBN, Layer, SqueezeExcite, round_channels


class UnitSpec(NamedTuple):
    """One inverted residual unit; channels at scale 1."""

    kernel_size: int
    expanded: int
    out_channels: int
    use_se: bool
    act: Activation
    stride: int


class VariantSpec(NamedTuple):
    """The units of each of the four feature sizes, and the channels of the last convolution."""

    stages: tuple[tuple[UnitSpec, ...], ...]
    last_channels: int


STEM_CHANNELS = 16
VARIANTS = {
    "large": VariantSpec(
        (
            (
                UnitSpec(3, 16, 16, False, "relu", 1),
                UnitSpec(3, 64, 24, False, "relu", 2),
                UnitSpec(3, 72, 24, False, "relu", 1),
            ),
            (
                UnitSpec(5, 72, 40, True, "relu", 2),
                UnitSpec(5, 120, 40, True, "relu", 1),
                UnitSpec(5, 120, 40, True, "relu", 1),
            ),
            (
                UnitSpec(3, 240, 80, False, "hardswish", 2),
                UnitSpec(3, 200, 80, False, "hardswish", 1),
                UnitSpec(3, 184, 80, False, "hardswish", 1),
                UnitSpec(3, 184, 80, False, "hardswish", 1),
                UnitSpec(3, 480, 112, True, "hardswish", 1),
                UnitSpec(3, 672, 112, True, "hardswish", 1),
            ),
            (
                UnitSpec(5, 672, 160, True, "hardswish", 2),
                UnitSpec(5, 960, 160, True, "hardswish", 1),
                UnitSpec(5, 960, 160, True, "hardswish", 1),
            ),
        ),
        last_channels=960,
    ),
    "small": VariantSpec(
        (
            (UnitSpec(3, 16, 16, True, "relu", 2),),
            (
                UnitSpec(3, 72, 24, False, "relu", 2),
                UnitSpec(3, 88, 24, False, "relu", 1),
            ),
            (
                UnitSpec(5, 96, 40, True, "hardswish", 2),
                UnitSpec(5, 240, 40, True, "hardswish", 1),
                UnitSpec(5, 240, 40, True, "hardswish", 1),
                UnitSpec(5, 120, 48, True, "hardswish", 1),
                UnitSpec(5, 144, 48, True, "hardswish", 1),
            ),
            (
                UnitSpec(5, 288, 96, True, "hardswish", 2),
                UnitSpec(5, 576, 96, True, "hardswish", 1),
                UnitSpec(5, 576, 96, True, "hardswish", 1),
            ),
        ),
        last_channels=576,
    ),
}


class ResidualUnit(Layer):
    """Expansion (1 x 1), depthwise convolution, [squeeze and excitation], projection (1 x 1)."""

    def __init__(self, in_channels: int, spec: UnitSpec, config: MobileNetV3Config) -> None:
        super().__init__()
        mid = round_channels(spec.expanded * config.scale, 8)
        out = round_channels(spec.out_channels * config.scale, 8)
        self.expand_conv = ConvBN(in_channels, mid, 1, act=spec.act)
        self.bottleneck_conv = ConvBN(
            mid, mid, spec.kernel_size, stride=spec.stride, groups=mid, act=spec.act
        )
        use_se = spec.use_se and not config.disable_se
        self.mid_se = SqueezeExcite(mid) if use_se else None
        self.linear_conv = ConvBN(mid, out, 1)
        self.out_channels = out
        self._residual = spec.stride == 1 and in_channels == out

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        out = self.bottleneck_conv(self.expand_conv(x))  # (n, mid, h / stride, w / stride)
        if self.mid_se is not None:
            out = self.mid_se(out)
        out = self.linear_conv(out)  # (n, out, h / stride, w / stride)
        return x + out if self._residual else out


class MobileNetV3(Layer):
    """The backbone: (n, 3, h, w) -> features at 1/4, 1/8, 1/16 and 1/32, with ``out_channels``."""

    def __init__(self, config: MobileNetV3Config) -> None:
        super().__init__()
        variant = VARIANTS[config.model_name]
        channels = round_channels(STEM_CHANNELS * config.scale, 8)
        last = round_channels(variant.last_channels * config.scale, 8)
        self.conv = ConvBN(3, channels, 3, stride=2, act="hardswish")
        self.out_channels: list[int] = []
        for index, specs in enumerate(variant.stages):
            units: list[Layer] = []
            for spec in specs:
                unit = ResidualUnit(channels, spec, config)
                channels = unit.out_channels
                units.append(unit)
            if index == len(variant.stages) - 1:
                units.append(ConvBN(channels, last, 1, act="hardswish"))
                channels = last
            self.out_channels.append(channels)
            self.add_sublayer(f"stage{index}", nn.Sequential(*units))

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.conv(x)  # (n, c, h / 2, w / 2)
        features = []
        for index in range(len(self.out_channels)):
            x = getattr(self, f"stage{index}")(x)  # half the size each time
            features.append(x)
        return features

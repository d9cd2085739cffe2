"""ResNet_vd, the backbone of the PP-OCRv3 server detector.

Sources: He et al., Bag of Tricks for Image Classification, 2019, "ResNet-D"; PaddleOCR 2.5 to 3.x,
``ResNet_vd`` without deformable convolutions.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr_ft.models.configs import ResNetVdConfig
from ppocr_ft.models.layers import Activation, Layer, activated

DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 12, 48, 3),
}
"""Blocks of each feature size."""
FIRST_WITH_BOTTLENECKS = 50
EXPANSION = 4
STEM_CHANNELS = (32, 32, 64)
STAGE_CHANNELS = (64, 128, 256, 512)


class ConvNorm(Layer):
    """A convolution without bias, batch norm, activation; ``pooled``: on 2 x 2 means of x."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        pooled: bool = False,
        act: Activation | None = None,
    ) -> None:
        super().__init__()
        self._conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            bias_attr=False,
        )
        self._batch_norm = nn.BatchNorm2D(out_channels)
        self._pooled = pooled
        self._act = act

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if self._pooled:
            x = F.avg_pool2d(x, kernel_size=2, stride=2, ceil_mode=True)
        return activated(self._batch_norm(self._conv(x)), self._act)  # (n, out, ...)


class ResidualBlock(Layer):
    """Two 3 x 3 convolutions, or a 3 x 3 one between 1 x 1 ones (``bottleneck``), and a shortcut.

    The first block of a stage has a convolution in its shortcut, on a pooled x if ``halves``.
    """

    def __init__(
        self, in_channels: int, mid_channels: int, *, bottleneck: bool, first: bool, halves: bool
    ) -> None:
        super().__init__()
        stride = 2 if halves else 1
        self.out_channels = mid_channels * (EXPANSION if bottleneck else 1)
        if bottleneck:
            self.conv0 = ConvNorm(in_channels, mid_channels, 1, act="relu")
            self.conv1 = ConvNorm(mid_channels, mid_channels, 3, stride=stride, act="relu")
            self.conv2 = ConvNorm(mid_channels, self.out_channels, 1)
        else:
            self.conv0 = ConvNorm(in_channels, mid_channels, 3, stride=stride, act="relu")
            self.conv1 = ConvNorm(mid_channels, mid_channels, 3)
        self._bottleneck = bottleneck
        self.short = ConvNorm(in_channels, self.out_channels, 1, pooled=halves) if first else None

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        out = self.conv1(self.conv0(x))
        if self._bottleneck:
            out = self.conv2(out)  # (n, out, h / stride, w / stride)
        return F.relu(out + (x if self.short is None else self.short(x)))


class ResNetVd(Layer):
    """The backbone: (n, 3, h, w) -> features at 1/4, 1/8, 1/16 and 1/32, with ``out_channels``."""

    def __init__(self, config: ResNetVdConfig) -> None:
        super().__init__()
        channels = 3
        for number, out in enumerate(STEM_CHANNELS, start=1):
            conv = ConvNorm(channels, out, 3, stride=2 if number == 1 else 1, act="relu")
            self.add_sublayer(f"conv1_{number}", conv)
            channels = out
        bottleneck = config.layers >= FIRST_WITH_BOTTLENECKS
        self.out_channels: list[int] = []
        self._stages: list[list[str]] = []
        for stage, (depth, mid) in enumerate(
            zip(DEPTHS[config.layers], STAGE_CHANNELS, strict=True)
        ):
            self._stages.append([f"bb_{stage}_{index}" for index in range(depth)])
            for index, name in enumerate(self._stages[-1]):
                halves = index == 0 and stage > 0
                block = ResidualBlock(
                    channels, mid, bottleneck=bottleneck, first=index == 0, halves=halves
                )
                self.add_sublayer(name, block)
                channels = block.out_channels
            self.out_channels.append(channels)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.conv1_3(self.conv1_2(self.conv1_1(x)))  # (n, 64, h / 2, w / 2)
        x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)  # (n, 64, h / 4, w / 4)
        features = []
        for names in self._stages:
            for name in names:
                x = getattr(self, name)(x)
            features.append(x)  # half the size each time but the first
        return features

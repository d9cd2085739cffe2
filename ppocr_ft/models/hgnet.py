"""PPHGNet_small, the backbone of the PP-OCRv4 server detector.

Source: PaddleOCR 2.7 to 3.x, ``PPHGNet_small(det=True)``.
"""

from __future__ import annotations

from typing import NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr_ft.models.configs import PPHGNetSmallConfig
from ppocr_ft.models.layers import Activation, ConvBN, Layer


class StageSpec(NamedTuple):
    """A stage of dense blocks; all but the first stage first halve the size."""

    in_channels: int
    mid_channels: int
    out_channels: int
    blocks: int = 1
    downsample: bool = True


STEM_CHANNELS = (64, 64, 128)
CONVS_PER_BLOCK = 6
STAGES = (
    StageSpec(128, 128, 256, downsample=False),
    StageSpec(256, 160, 512),
    StageSpec(512, 192, 768, blocks=2),
    StageSpec(768, 224, 1024),
)


def hg_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 3,
    *,
    stride: int = 1,
    groups: int = 1,
    act: Activation | None = "relu",
) -> ConvBN:
    """Return a convolution of PPHGNet and PPHGNetV2, drawn by Kaiming He's normal distribution."""
    return ConvBN(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        groups=groups,
        act=act,
        bn_l2=0.0,
        init=nn.initializer.KaimingNormal(),
    )


class EffectiveSE(Layer):
    """Channel attention with one convolution: x * sigmoid(conv(mean of x))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2D(
            channels, channels, 1, weight_attr=nn.initializer.KaimingNormal(), bias_attr=None
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * F.sigmoid(self.conv(F.adaptive_avg_pool2d(x, 1)))  # gate: (n, c, 1, 1)


class HGBlock(Layer):
    """A chain of 3 x 3 convolutions; a 1 x 1 joins the input and every output of the chain."""

    def __init__(self, in_channels: int, spec: StageSpec, *, residual: bool) -> None:
        super().__init__()
        mid = spec.mid_channels
        inputs = [in_channels] + [mid] * (CONVS_PER_BLOCK - 1)
        self.layers = nn.LayerList([hg_conv(channels, mid) for channels in inputs])
        gathered = in_channels + CONVS_PER_BLOCK * mid
        self.aggregation_conv = hg_conv(gathered, spec.out_channels, 1)
        self.att = EffectiveSE(spec.out_channels)
        self._residual = residual

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        chain = [x]
        for layer in self.layers:
            chain.append(layer(chain[-1]))  # (n, mid, h, w)
        out = paddle.concat(chain, axis=1)  # (n, in + 6 * mid, h, w)
        out = self.att(self.aggregation_conv(out))  # (n, out, h, w)
        return out + x if self._residual else out


class HGStage(Layer):
    """Blocks of one size, after a depthwise convolution that halves it."""

    def __init__(self, spec: StageSpec) -> None:
        super().__init__()
        channels = spec.in_channels
        self.downsample = (
            hg_conv(channels, channels, stride=2, groups=channels, act=None)
            if spec.downsample
            else None
        )
        first = HGBlock(channels, spec, residual=False)
        rest = [HGBlock(spec.out_channels, spec, residual=True) for _ in range(spec.blocks - 1)]
        self.blocks = nn.Sequential(first, *rest)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if self.downsample is not None:
            x = self.downsample(x)  # (n, in, h / 2, w / 2)
        return self.blocks(x)


class PPHGNetSmall(Layer):
    """The backbone: (n, 3, h, w) -> features at 1/4, 1/8, 1/16 and 1/32, with ``out_channels``."""

    def __init__(self, config: PPHGNetSmallConfig) -> None:
        super().__init__()
        inputs = (3, *STEM_CHANNELS[:-1])
        strides = (2, 1, 1)
        self.stem = nn.Sequential(
            *[
                hg_conv(i, o, stride=s)
                for i, o, s in zip(inputs, STEM_CHANNELS, strides, strict=True)
            ]
        )
        self.stages = nn.LayerList([HGStage(spec) for spec in STAGES])
        self.out_channels = [spec.out_channels for spec in STAGES]

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.stem(x)  # (n, 128, h / 2, w / 2)
        x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)  # (n, 128, h / 4, w / 4)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

"""PPHGNetV2_B4, the backbone of the PP-OCRv5 server detector.

Source: PaddleOCR 3.x, ``PPHGNetV2_B4(det=True)``.
"""

from __future__ import annotations

from typing import NamedTuple

import paddle
from paddle import nn

from ppocr_ft.models.configs import PPHGNetV2B4Config
from ppocr_ft.models.hgnet import hg_conv
from ppocr_ft.models.layers import Layer
from ppocr_ft.models.lcnetv4 import Stem


class HGNetV2Stage(NamedTuple):
    """A stage of dense blocks; all but the first stage first halve the size.

    ``light``: its 5 x 5 convolutions are a pointwise and a depthwise one, else they are 3 x 3.
    """

    mid_channels: int
    out_channels: int
    blocks: int = 1
    light: bool = False


STEM_CHANNELS = (32, 48)
CONVS_PER_BLOCK = 6
LIGHT_KERNEL = 5
STAGES = (
    HGNetV2Stage(48, 128),
    HGNetV2Stage(96, 512),
    HGNetV2Stage(192, 1024, blocks=3, light=True),
    HGNetV2Stage(384, 2048, light=True),
)
CLASSIFIER_CHANNELS = 2048


class LightConv(Layer):
    """A pointwise convolution, then a depthwise one with activation."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = hg_conv(in_channels, out_channels, 1, act=None)
        self.conv2 = hg_conv(out_channels, out_channels, LIGHT_KERNEL, groups=out_channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.conv2(self.conv1(x))  # (n, out, h, w)


class HGV2Block(Layer):
    """A chain of convolutions; two 1 x 1 ones join the input and every output of the chain."""

    def __init__(self, in_channels: int, spec: HGNetV2Stage, *, residual: bool) -> None:
        super().__init__()
        mid, out = spec.mid_channels, spec.out_channels
        inputs = [in_channels] + [mid] * (CONVS_PER_BLOCK - 1)
        self.layers = nn.LayerList(
            [LightConv(inner, mid) if spec.light else hg_conv(inner, mid, 3) for inner in inputs]
        )
        gathered = in_channels + CONVS_PER_BLOCK * mid
        self.aggregation_squeeze_conv = hg_conv(gathered, out // 2, 1)
        self.aggregation_excitation_conv = hg_conv(out // 2, out, 1)
        self._residual = residual

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        chain = [x]
        for layer in self.layers:
            chain.append(layer(chain[-1]))  # (n, mid, h, w)
        joined = paddle.concat(chain, axis=1)  # (n, in + 6 * mid, h, w)
        out = self.aggregation_excitation_conv(self.aggregation_squeeze_conv(joined))
        return out + x if self._residual else out  # (n, out, h, w)


class HGV2Stage(Layer):
    """Blocks of one size, after a depthwise convolution that halves it."""

    def __init__(self, channels: int, spec: HGNetV2Stage, *, downsample: bool) -> None:
        super().__init__()
        self.downsample = (
            hg_conv(channels, channels, 3, stride=2, groups=channels, act=None)
            if downsample
            else None
        )
        first = HGV2Block(channels, spec, residual=False)
        rest = [HGV2Block(spec.out_channels, spec, residual=True) for _ in range(spec.blocks - 1)]
        self.blocks = nn.Sequential(first, *rest)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if self.downsample is not None:
            x = self.downsample(x)  # (n, in, h / 2, w / 2)
        return self.blocks(x)


class PPHGNetV2B4(Layer):
    """The backbone: (n, 3, h, w) -> features at 1/4, 1/8, 1/16 and 1/32, with ``out_channels``.

    PaddleOCR's checkpoints also hold ``last_conv``, a classifier's convolution, which a detector
    never runs.
    """

    def __init__(self, config: PPHGNetV2B4Config) -> None:
        super().__init__()
        self.out_channels = [spec.out_channels for spec in STAGES]
        self.stem = Stem(*STEM_CHANNELS)
        inputs = [STEM_CHANNELS[-1], *self.out_channels[:-1]]
        self.stages = nn.LayerList(
            [
                HGV2Stage(channels, spec, downsample=spec is not STAGES[0])
                for channels, spec in zip(inputs, STAGES, strict=True)
            ]
        )
        self.last_conv = nn.Conv2D(self.out_channels[-1], CLASSIFIER_CHANNELS, 1, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.stem(x)  # (n, 48, h / 4, w / 4)
        features = []
        for stage in self.stages:
            x = stage(x)  # half the size each time but the first
            features.append(x)
        return features

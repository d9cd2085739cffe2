"""PPLCNetV4, the backbone of the PP-OCRv6 detectors, in two forms.

Each block mixes pixels by a depthwise convolution and channels by two pointwise ones. *branches*
is PaddleOCR's train form, *folded* the same function without batch norms and parallel
convolutions (``models.foldable``). Source: PaddleOCR's main branch of mid-2026,
``PPLCNetV4(det=True)``.
"""

from __future__ import annotations

from typing import NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr_ft.models.configs import Form, PPLCNetV4Config
from ppocr_ft.models.foldable import conv_bn, rep_depthwise
from ppocr_ft.models.layers import SIXTH, Layer, SqueezeExcite

KERNEL_SIZE = 3
EXPANSION = 2
BLOCKS_PER_STAGE = (2, 3, 5, 3)


class SizeSpec(NamedTuple):
    """Channels inside the stem, and of the four features, of which the first is the stem's."""

    stem_channels: int
    out_channels: tuple[int, int, int, int]


SIZES = {
    "tiny": SizeSpec(16, (32, 48, 64, 160)),
    "small": SizeSpec(24, (48, 96, 192, 384)),
    "medium": SizeSpec(64, (128, 256, 512, 896)),
}


class Stem(Layer):
    """Quarters the size: (n, 3, h, w) -> (n, out, h / 4, w / 4).

    Half of the channels in the middle are pooled, half pass two 2 x 2 convolutions. Source:
    PaddleOCR's ``StemBlock``, of PPHGNetV2 and PPLCNetV4.
    """

    def __init__(self, mid_channels: int, out_channels: int, form: Form = "branches") -> None:
        super().__init__()

        def conv(inner: int, outer: int, kernel_size: int, stride: int = 1) -> Layer:
            return conv_bn(inner, outer, kernel_size, form, stride=stride, act="relu", bn_l2=0.0)

        half = mid_channels // 2
        self.stem1 = conv(3, mid_channels, 3, 2)
        self.stem2a = conv(mid_channels, half, 2)
        self.stem2b = conv(half, mid_channels, 2)
        self.stem3 = conv(2 * mid_channels, mid_channels, 3, 2)
        self.stem4 = conv(mid_channels, out_channels, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.stem1(x)  # (n, mid, h / 2, w / 2)
        pooled = F.max_pool2d(x, kernel_size=2, stride=1, padding="SAME")
        x = paddle.concat([pooled, self.stem2b(self.stem2a(x))], axis=1)  # (n, 2 * mid, ...)
        return self.stem4(self.stem3(x))


class TokenMixer(Layer):
    """Depthwise convolution, squeeze and excitation if asked for."""

    def __init__(self, channels: int, stride: int, form: Form, *, keeps: bool, se: bool) -> None:
        super().__init__()
        if keeps:
            self.rep_dw = rep_depthwise(channels, KERNEL_SIZE, form)
        else:
            self.dw_conv = conv_bn(
                channels, channels, KERNEL_SIZE, form, stride=stride, groups=channels
            )
        self.se = SqueezeExcite(channels, gate_slope=SIXTH) if se else None
        self._keeps = keeps

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.rep_dw(x) if self._keeps else self.dw_conv(x)  # (n, c, h / stride, w / stride)
        return x if self.se is None else self.se(x)


class ChannelMixer(Layer):
    """Pointwise convolution to more channels, GELU, pointwise convolution.

    ``bn_scale`` is the last batch norm's: 0 makes a residual block the identity at first.
    """

    def __init__(self, in_channels: int, out_channels: int, form: Form, bn_scale: float) -> None:
        super().__init__()
        wide = EXPANSION * in_channels
        self.expand = conv_bn(in_channels, wide, 1, form)
        self.compress = conv_bn(wide, out_channels, 1, form, bn_scale=bn_scale)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.compress(F.gelu(self.expand(x)))  # (n, out, h, w)


class LCNetV4Block(Layer):
    """Token mixer and channel mixer; a block that keeps the shape adds its token mixer's output."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, form: Form, *, se: bool
    ) -> None:
        super().__init__()
        self._keeps = in_channels == out_channels and stride == 1
        self.token_mixer = TokenMixer(in_channels, stride, form, keeps=self._keeps, se=se)
        self.channel_mixer = ChannelMixer(
            in_channels, out_channels, form, bn_scale=0.0 if self._keeps else 1.0
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.token_mixer(x)  # (n, in, h / stride, w / stride)
        mixed = self.channel_mixer(x)  # (n, out, h / stride, w / stride)
        return x + mixed if self._keeps else mixed


class PPLCNetV4(Layer):
    """The backbone: (n, 3, h, w) -> features at 1/4, 1/8, 1/16 and 1/32, with ``out_channels``."""

    def __init__(self, config: PPLCNetV4Config, form: Form = "branches") -> None:
        super().__init__()
        size = SIZES[config.model_size]
        self.out_channels = list(size.out_channels)
        channels = self.out_channels[0]
        self.stem = Stem(size.stem_channels, channels, form)
        self._stages = [f"blocks_s{number}" for number in range(1, len(BLOCKS_PER_STAGE) + 1)]
        for name, out, blocks in zip(
            self._stages, self.out_channels, BLOCKS_PER_STAGE, strict=True
        ):
            first = name == self._stages[0]
            # The stem has quartered the size; squeeze and excitation is in every second block.
            layers = [] if first else [LCNetV4Block(channels, out, 2, form, se=False)]
            for index in range(blocks - len(layers)):
                layers.append(LCNetV4Block(out, out, 1, form, se=index % 2 == 0))
            self.add_sublayer(name, nn.Sequential(*layers))
            channels = out

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.stem(x)  # (n, c, h / 4, w / 4)
        features = []
        for name in self._stages:
            x = getattr(self, name)(x)  # half the size each time
            features.append(x)
        return features

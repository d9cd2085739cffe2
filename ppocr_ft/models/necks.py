"""The necks of DB: four features of a backbone -> one map.

Sources: PaddleOCR 2.5 to 3.x, ``RSEFPN`` (PP-OCRv3, v4 mobile), ``LKPAN`` (PP-OCRv4 server); its
main branch of mid-2026, ``RepLKFPN`` (PP-OCRv6 tiny and small) and ``RepLKPAN`` (medium).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr_ft.models.configs import (
    Form,
    LKPANConfig,
    Neck,
    RepLKFPNConfig,
    RepLKPANConfig,
    RSEFPNConfig,
)
from ppocr_ft.models.foldable import dilated_conv, dilated_separable
from ppocr_ft.models.layers import Conv2D, Layer, SqueezeExcite, upsample

LARGE_KERNEL = 9


def _conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> Conv2D:
    return Conv2D(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        weight_attr=nn.initializer.KaimingUniform(),
        bias_attr=False,
    )


class RSELayer(Layer):
    """A convolution and its squeeze and excitation, added to each other if ``shortcut``."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, shortcut: bool
    ) -> None:
        super().__init__()
        self.in_conv = _conv(in_channels, out_channels, kernel_size)
        self.se_block = SqueezeExcite(out_channels)
        self._shortcut = shortcut

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.in_conv(x)  # (n, out, h, w)
        attended = self.se_block(x)
        return x + attended if self._shortcut else attended


class IntraCLBlock(Layer):
    """Adds relations inside a text line to x: square, tall and wide kernels of 7, then 5, then 3.

    Source: Du et al., I3CL: Intra- and Inter-Instance Collaborative Learning, 2022; PaddleOCR's
    reduction to half of the channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = channels // 2
        self.conv1x1_reduce_channel = nn.Conv2D(channels, reduced, 1)
        self.conv1x1_return_channel = nn.Conv2D(reduced, channels, 1)
        for size in (7, 5, 3):
            for name, kernel in self._kernels(size).items():
                padding = [extent // 2 for extent in kernel]
                self.add_sublayer(name, nn.Conv2D(reduced, reduced, kernel, padding=padding))
        self.bn = nn.BatchNorm2D(channels)

    @staticmethod
    def _kernels(size: int) -> dict[str, tuple[int, int]]:
        return {
            f"c_layer_{size}x{size}": (size, size),
            f"v_layer_{size}x1": (size, 1),
            f"q_layer_1x{size}": (1, size),
        }

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        relation = self.conv1x1_reduce_channel(x)  # (n, c / 2, h, w)
        for size in (7, 5, 3):
            square, tall, wide = (getattr(self, name)(relation) for name in self._kernels(size))
            relation = square + tall + wide
        relation = self.conv1x1_return_channel(relation)  # (n, c, h, w)
        return x + F.relu(self.bn(relation))


class DepthwiseSeparable(Layer):
    """A large depthwise convolution, then two pointwise ones.

    A third pointwise convolution bypasses them if the number of channels changes. Source:
    PaddleOCR's ``DSConv``, which is used in LKPAN's mode lite.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        padding, wide = kernel_size // 2, 4 * in_channels
        self.conv1 = nn.Conv2D(
            in_channels,
            in_channels,
            kernel_size,
            padding=padding,
            groups=in_channels,
            bias_attr=False,
        )
        self.bn1 = nn.BatchNorm2D(in_channels)
        self.conv2 = nn.Conv2D(in_channels, wide, 1, bias_attr=False)
        self.bn2 = nn.BatchNorm2D(wide)
        self.conv3 = nn.Conv2D(wide, out_channels, 1, bias_attr=False)
        self._changes_channels = in_channels != out_channels
        if self._changes_channels:
            self.conv_end = nn.Conv2D(in_channels, out_channels, 1, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        deep = F.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))  # (n, 4 * in, h, w)
        out = self.conv3(deep)  # (n, out, h, w)
        return out + self.conv_end(x) if self._changes_channels else out


class FeaturePyramid(Layer):
    """The common part of the necks: the sums from the coarsest level down, and joining levels.

    Features (n, in_channels[i], h / 2**(i+2), w / 2**(i+2)) -> (n, out_channels, h / 4, w / 4).
    """

    ins_conv: nn.LayerList

    def __init__(self, config: Neck) -> None:
        super().__init__()
        self.out_channels = config.out_channels
        self._intracl = config.intracl
        for level in (1, 2, 3, 4) if config.intracl else ():
            self.add_sublayer(f"incl{level}", IntraCLBlock(config.out_channels // 4))

    def forward(self, features: Sequence[paddle.Tensor]) -> paddle.Tensor:
        return self.fuse(self.sums(features))

    def sums(self, features: Sequence[paddle.Tensor]) -> list[paddle.Tensor]:
        """Return each lateral plus twice the next coarser sum, (n, out, ...); finest first."""
        laterals = _per_level(self.ins_conv, features)
        sums = [laterals[-1]]
        for lateral in reversed(laterals[:-1]):
            sums.append(lateral + upsample(sums[-1], 2))
        return sums[::-1]

    def fuse(self, sums: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Return the one map of ``sums``."""
        raise NotImplementedError

    def join(self, levels: Sequence[paddle.Tensor]) -> paddle.Tensor:
        if self._intracl:
            refined = [getattr(self, f"incl{level}")(levels[level - 1]) for level in (4, 3, 2, 1)]
            levels = refined[::-1]
        scaled = [x if i == 0 else upsample(x, 2**i) for i, x in enumerate(levels)]
        return paddle.concat(scaled[::-1], axis=1)  # (n, out, h / 4, w / 4), coarsest first


def _per_level(layers: nn.LayerList, levels: Sequence[paddle.Tensor]) -> list[paddle.Tensor]:
    """Run each level through its layer, from the coarsest on, as PaddleOCR does; finest first."""
    pairs = list(zip(layers, levels, strict=True))
    return [layer(x) for layer, x in reversed(pairs)][::-1]


class RSEFPN(FeaturePyramid):
    """Feature pyramid whose convolutions have residual squeeze and excitation."""

    def __init__(self, in_channels: Sequence[int], config: RSEFPNConfig) -> None:
        super().__init__(config)
        out, shortcut = config.out_channels, config.shortcut
        self.ins_conv = nn.LayerList([RSELayer(c, out, 1, shortcut=shortcut) for c in in_channels])
        self.inp_conv = nn.LayerList(
            [RSELayer(out, out // 4, 3, shortcut=shortcut) for _ in in_channels]
        )

    def fuse(self, sums: Sequence[paddle.Tensor]) -> paddle.Tensor:
        return self.join(_per_level(self.inp_conv, sums))


class RepLKFPN(FeaturePyramid):
    """RSEFPN with dilated depthwise and pointwise convolutions in the place of its 3 x 3 ones."""

    def __init__(
        self, in_channels: Sequence[int], config: RepLKFPNConfig, form: Form = "branches"
    ) -> None:
        super().__init__(config)
        out, shortcut, size = config.out_channels, config.shortcut, config.dilated_kernel_size
        self._shortcut = shortcut
        self.ins_conv = nn.LayerList([RSELayer(c, out, 1, shortcut=shortcut) for c in in_channels])
        self.inp_conv_dw = nn.LayerList([dilated_conv(out, size, form) for _ in in_channels])
        self.inp_conv_pw = nn.LayerList([_conv(out, out // 4, 1) for _ in in_channels])
        self.inp_conv_se = nn.LayerList([SqueezeExcite(out // 4) for _ in in_channels])

    def fuse(self, sums: Sequence[paddle.Tensor]) -> paddle.Tensor:
        layers = zip(self.inp_conv_dw, self.inp_conv_pw, self.inp_conv_se, sums, strict=True)
        levels = []
        for depthwise, pointwise, attention, x in reversed(list(layers)):
            level = pointwise(depthwise(x))  # (n, out / 4, ...)
            attended = attention(level)
            levels.append(level + attended if self._shortcut else attended)
        return self.join(levels[::-1])


LargeConv = Callable[[int, int], Layer]
"""Makes a 9 x 9 convolution of so many input and output channels."""


class _PathAggregation(FeaturePyramid):
    """Path aggregation: top down, then bottom up, with large convolutions after each."""

    def __init__(self, in_channels: Sequence[int], config: Neck, large: LargeConv) -> None:
        super().__init__(config)
        out, quarter = config.out_channels, config.out_channels // 4
        self.ins_conv = nn.LayerList([_conv(c, out, 1) for c in in_channels])
        self.inp_conv = nn.LayerList([large(out, quarter) for _ in in_channels])
        self.pan_head_conv = nn.LayerList(
            [_conv(quarter, quarter, 3, stride=2) for _ in in_channels[1:]]
        )
        self.pan_lat_conv = nn.LayerList([large(quarter, quarter) for _ in in_channels])

    def fuse(self, sums: Sequence[paddle.Tensor]) -> paddle.Tensor:
        levels = _per_level(self.inp_conv, sums)  # (n, out / 4, ...) each
        paths = levels[:1]
        for down, level in zip(self.pan_head_conv, levels[1:], strict=True):
            paths.append(level + down(paths[-1]))
        laterals = [layer(x) for layer, x in zip(self.pan_lat_conv, paths, strict=True)]
        return self.join(laterals)


class LKPAN(_PathAggregation):
    """Path aggregation whose 9 x 9 convolutions are dense, or depthwise separable in mode lite."""

    def __init__(self, in_channels: Sequence[int], config: LKPANConfig) -> None:
        large = _conv if config.mode == "large" else DepthwiseSeparable
        super().__init__(in_channels, config, partial(large, kernel_size=LARGE_KERNEL))


class RepLKPAN(_PathAggregation):
    """Path aggregation whose 9 x 9 convolutions are dilated depthwise and pointwise ones."""

    def __init__(
        self, in_channels: Sequence[int], config: RepLKPANConfig, form: Form = "branches"
    ) -> None:
        def large(inner: int, outer: int) -> Layer:
            return dilated_separable(inner, outer, LARGE_KERNEL, form)

        super().__init__(in_channels, config, large)

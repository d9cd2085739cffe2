"""The necks and heads of DB: four features of a backbone -> one map -> probability maps.

Sources: PaddleOCR 2.5 to 3.x, ``RSEFPN`` (PP-OCRv3, v4 mobile), ``LKPAN`` (PP-OCRv4 server),
``DBHead`` and ``PFHeadLocal``; Liao et al., Real-time Scene Text Detection with Differentiable
Binarization, 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr_ft.models.configs import Head, LKPANConfig, Neck, PFHeadLocalConfig, RSEFPNConfig
from ppocr_ft.models.layers import (
    Conv2DTranspose,
    ConvBN,
    Layer,
    SqueezeExcite,
    param_attr,
    upsample,
)

LARGE_KERNEL = 9
BN_INITIAL_BIAS = 1e-4


def _conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2D:
    return nn.Conv2D(
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


class _Neck(Layer):
    """The common part of the two necks: reading the levels and joining them."""

    def __init__(self, config: Neck) -> None:
        super().__init__()
        self.out_channels = config.out_channels
        self._intracl = config.intracl
        for level in (1, 2, 3, 4) if config.intracl else ():
            self.add_sublayer(f"incl{level}", IntraCLBlock(config.out_channels // 4))

    def join(self, levels: Sequence[paddle.Tensor]) -> paddle.Tensor:
        if self._intracl:
            refined = [getattr(self, f"incl{level}")(levels[level - 1]) for level in (4, 3, 2, 1)]
            levels = refined[::-1]
        scaled = [x if i == 0 else upsample(x, 2**i) for i, x in enumerate(levels)]
        return paddle.concat(scaled[::-1], axis=1)  # (n, out, h / 4, w / 4), coarsest first


def _top_down(laterals: Sequence[paddle.Tensor]) -> list[paddle.Tensor]:
    """Return feature pyramid sums: each level plus twice the next coarser sum; finest first."""
    sums = [laterals[-1]]
    for lateral in reversed(laterals[:-1]):
        sums.append(lateral + upsample(sums[-1], 2))
    return sums[::-1]


def _per_level(layers: nn.LayerList, levels: Sequence[paddle.Tensor]) -> list[paddle.Tensor]:
    """Run each level through its layer, from the coarsest on, as PaddleOCR does; finest first."""
    pairs = list(zip(layers, levels, strict=True))
    return [layer(x) for layer, x in reversed(pairs)][::-1]


class RSEFPN(_Neck):
    """Feature pyramid whose convolutions have residual squeeze and excitation.

    Features (n, in_channels[i], h / 2**(i+2), w / 2**(i+2)) -> (n, out_channels, h / 4, w / 4).
    """

    def __init__(self, in_channels: Sequence[int], config: RSEFPNConfig) -> None:
        super().__init__(config)
        out, shortcut = config.out_channels, config.shortcut
        self.ins_conv = nn.LayerList([RSELayer(c, out, 1, shortcut=shortcut) for c in in_channels])
        self.inp_conv = nn.LayerList(
            [RSELayer(out, out // 4, 3, shortcut=shortcut) for _ in in_channels]
        )

    def forward(self, features: Sequence[paddle.Tensor]) -> paddle.Tensor:
        sums = _top_down(_per_level(self.ins_conv, features))
        return self.join(_per_level(self.inp_conv, sums))


class LKPAN(_Neck):
    """Path aggregation with 9 x 9 kernels: top down, then bottom up, then 9 x 9 again.

    Features (n, in_channels[i], h / 2**(i+2), w / 2**(i+2)) -> (n, out_channels, h / 4, w / 4).
    """

    def __init__(self, in_channels: Sequence[int], config: LKPANConfig) -> None:
        super().__init__(config)
        out, quarter = config.out_channels, config.out_channels // 4
        self.ins_conv = nn.LayerList([_conv(c, out, 1) for c in in_channels])
        large = _conv if config.mode == "large" else DepthwiseSeparable
        self.inp_conv = nn.LayerList([large(out, quarter, LARGE_KERNEL) for _ in in_channels])
        self.pan_head_conv = nn.LayerList(
            [_conv(quarter, quarter, 3, stride=2) for _ in in_channels[1:]]
        )
        self.pan_lat_conv = nn.LayerList(
            [large(quarter, quarter, LARGE_KERNEL) for _ in in_channels]
        )

    def forward(self, features: Sequence[paddle.Tensor]) -> paddle.Tensor:
        sums = _top_down(_per_level(self.ins_conv, features))
        levels = _per_level(self.inp_conv, sums)  # (n, out / 4, ...) each
        paths = levels[:1]
        for down, level in zip(self.pan_head_conv, levels[1:], strict=True):
            paths.append(level + down(paths[-1]))
        laterals = [layer(x) for layer, x in zip(self.pan_lat_conv, paths, strict=True)]
        return self.join(laterals)


class MapHead(Layer):
    """One branch of the head: (n, c, h, w) -> a probability map (n, 1, 4 * h, 4 * w)."""

    def __init__(self, in_channels: int, config: Head) -> None:
        super().__init__()
        mid = in_channels // 4
        first, second, third = config.kernel_list
        self.conv1 = nn.Conv2D(in_channels, mid, first, padding=first // 2, bias_attr=False)
        self.conv_bn1 = self._batch_norm(mid)
        self.conv2 = self._doubling(mid, mid, second)
        self.conv_bn2 = self._batch_norm(mid)
        self.conv3 = self._doubling(mid, 1, third)
        self._fix_nan = config.fix_nan

    @staticmethod
    def _batch_norm(channels: int) -> nn.BatchNorm2D:
        bias = param_attr(init=nn.initializer.Constant(BN_INITIAL_BIAS))
        return nn.BatchNorm2D(channels, bias_attr=bias)

    @staticmethod
    def _doubling(in_channels: int, out_channels: int, kernel_size: int) -> Conv2DTranspose:
        bound = 1 / math.sqrt(in_channels)
        return Conv2DTranspose(
            in_channels,
            out_channels,
            kernel_size,
            stride=2,
            weight_attr=param_attr(init=nn.initializer.KaimingUniform()),
            bias_attr=param_attr(init=nn.initializer.Uniform(-bound, bound)),
        )

    def features(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self._finite(F.relu(self.conv_bn1(self.conv1(x))))  # (n, c / 4, h, w)
        return self._finite(F.relu(self.conv_bn2(self.conv2(x))))  # (n, c / 4, 2 * h, 2 * w)

    def _finite(self, x: paddle.Tensor) -> paddle.Tensor:
        if not (self._fix_nan and self.training):
            return x
        return paddle.where(paddle.isnan(x), paddle.zeros_like(x), x)

    def predict(self, features: paddle.Tensor) -> paddle.Tensor:
        return F.sigmoid(self.conv3(features))  # (n, 1, 4 * h, 4 * w)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.predict(self.features(x))


class DBHead(Layer):
    """DB's head: (n, c, h / 4, w / 4) -> ``maps``, the shrink map (n, 1, h, w).

    While training ``maps`` is (n, 3, h, w): shrink map, threshold map and binary map, the
    differentiable step 1 / (1 + exp(-k * (shrink - threshold))).
    """

    def __init__(self, in_channels: int, config: Head) -> None:
        super().__init__()
        self.binarize = MapHead(in_channels, config)
        self.thresh = MapHead(in_channels, config)
        self._k = config.k

    def step(self, shrink: paddle.Tensor, threshold: paddle.Tensor) -> paddle.Tensor:
        return F.sigmoid(self._k * (shrink - threshold))

    def forward(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        shrink = self.binarize(x)  # (n, 1, h, w)
        if not self.training:
            return {"maps": shrink}
        return self.together(shrink, self.thresh(x))

    def together(self, shrink: paddle.Tensor, threshold: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """Return the output for training, made of the two branches' maps."""
        binary = self.step(shrink, threshold)
        return {"maps": paddle.concat([shrink, threshold, binary], axis=1)}  # (n, 3, h, w)


class LocalModule(Layer):
    """Refines a map by the features it came from: (n, c, h, w), (n, 1, h, w) -> (n, 1, h, w)."""

    def __init__(self, in_channels: int, mid_channels: int) -> None:
        super().__init__()
        self.last_3 = ConvBN(in_channels + 1, mid_channels, 3, act="relu")
        self.last_1 = nn.Conv2D(mid_channels, 1, 1)

    def forward(self, features: paddle.Tensor, initial: paddle.Tensor) -> paddle.Tensor:
        x = paddle.concat([initial, features], axis=1)  # (n, 1 + c, h, w)
        return F.sigmoid(self.last_1(self.last_3(x)))


class PFHeadLocal(DBHead):
    """DBHead whose shrink map is refined by a local module.

    (n, c, h / 4, w / 4) -> ``maps``: the mean of plain and refined shrink map (n, 1, h, w).
    While training ``maps`` is refined shrink, threshold, binary (n, 3, h, w); in addition, under
    PaddleOCR's names, ``distance_maps`` is the refined shrink map again and ``cbn_maps`` the
    binary map of the plain shrink map, (n, 1, h, w) each.
    """

    def __init__(self, in_channels: int, config: PFHeadLocalConfig) -> None:
        super().__init__(in_channels, config)
        mid = in_channels // (4 if config.mode == "large" else 8)
        self.cbn_layer = LocalModule(in_channels // 4, mid)

    def forward(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        features = self.binarize.features(x)  # (n, c / 4, h / 2, w / 2)
        shrink = self.binarize.predict(features)  # (n, 1, h, w)
        refined = self.cbn_layer(upsample(features, 2), shrink)  # (n, 1, h, w)
        if not self.training:
            return {"maps": 0.5 * (shrink + refined)}
        threshold = self.thresh(x)
        binary = self.step(shrink, threshold)
        return {
            "maps": paddle.concat([refined, threshold, binary], axis=1),  # (n, 3, h, w)
            "distance_maps": refined,
            "cbn_maps": binary,
        }

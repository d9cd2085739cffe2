"""DBHead and PFHeadLocal: a map at 1/4 of the input's size -> probability maps at full size.

Sources: Liao et al., Real-time Scene Text Detection with Differentiable Binarization, 2020;
PaddleOCR 2.7 to 3.x, ``DBHead`` and ``PFHeadLocal``.
"""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr_ft.models.configs import Head, PFHeadLocalConfig
from ppocr_ft.models.layers import Conv2DTranspose, ConvBN, Layer, param_attr, upsample

BN_INITIAL_BIAS = 1e-4


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

"""The heads of DB: one map of a neck -> probability maps.

Sources: PaddleOCR 2.5 to 3.x, ``DBHead`` and ``PFHeadLocal``; its main branch of mid-2026, the
auxiliary heads; Liao et al., Real-time Scene Text Detection with Differentiable Binarization, 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr_ft.models.configs import DBHeadConfig, Head, PFHeadLocalConfig
from ppocr_ft.models.layers import Conv2D, Conv2DTranspose, ConvBN, Layer, param_attr, upsample

BN_INITIAL_BIAS = 1e-4
AUX_SCALES = {"p4": 4, "p3": 2, "p2": 1}
"""The levels with auxiliary heads, and how much coarser than the joined map they are."""


class MapHead(Layer):
    """One branch of the head: (n, c, h, w) -> a probability map (n, 1, 4 * h, 4 * w)."""

    def __init__(self, in_channels: int, config: Head) -> None:
        super().__init__()
        mid = in_channels // 4
        first, second, third = config.kernel_list
        self.conv1 = Conv2D(in_channels, mid, first, padding=first // 2, bias_attr=False)
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


class AuxMapHead(MapHead):
    """A branch on a level that is ``scale`` times coarser: (n, c, h / scale, w / scale)."""

    def __init__(self, in_channels: int, config: Head, scale: int) -> None:
        super().__init__(in_channels, config)
        self._scale = scale

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if self._scale > 1:
            x = F.interpolate(x, scale_factor=self._scale, mode="bilinear", align_corners=False)
        return super().forward(x)


class TwoBranches(Layer):
    """The common part of the heads: a branch for the shrink map and one for the threshold map."""

    has_aux = False
    """Whether there are branches on the neck's sums."""

    def __init__(self, in_channels: int, config: Head) -> None:
        super().__init__()
        self.binarize = MapHead(in_channels, config)
        self.thresh = MapHead(in_channels, config)
        self._k = config.k

    def step(self, shrink: paddle.Tensor, threshold: paddle.Tensor) -> paddle.Tensor:
        return F.sigmoid(self._k * (shrink - threshold))

    def drop_training_branches(self) -> None:
        """Delete what eval mode doesn't run."""
        del self.thresh


class DBHead(TwoBranches):
    """DB's head: (n, c, h / 4, w / 4) -> ``maps``, the shrink map (n, 1, h, w).

    While training ``maps`` is (n, 3, h, w): shrink map, threshold map and binary map, the
    differentiable step 1 / (1 + exp(-k * (shrink - threshold))). With auxiliary heads it then takes
    the neck's sums at p4, p3 and p2 (1/16, 1/8 and 1/4 of the image) too, and ``aux_maps_p4``,
    ``aux_maps_p3`` and ``aux_maps_p2`` are the same three maps made of each.
    """

    def __init__(self, in_channels: int, config: DBHeadConfig) -> None:
        super().__init__(in_channels, config)
        self.has_aux = config.aux_in_channels > 0
        for level, scale in AUX_SCALES.items() if self.has_aux else ():
            for branch in ("binarize", "thresh"):
                layer = AuxMapHead(config.aux_in_channels, config, scale)
                self.add_sublayer(f"aux_{branch}_{level}", layer)

    @property
    def branches(self) -> list[tuple[MapHead, MapHead]]:
        """The branches for shrink and threshold map: of the joined map, then of each aux level."""
        levels = AUX_SCALES if self.has_aux else ()
        return [(self.binarize, self.thresh)] + [
            (getattr(self, f"aux_binarize_{level}"), getattr(self, f"aux_thresh_{level}"))
            for level in levels
        ]

    def forward(self, x: paddle.Tensor, *sums: paddle.Tensor) -> dict[str, paddle.Tensor]:
        if not self.training:
            return {"maps": self.binarize(x)}
        pairs = zip(self.branches, (x, *sums), strict=True)
        return self.together([(binarize(y), thresh(y)) for (binarize, thresh), y in pairs])

    def together(
        self, maps: Sequence[tuple[paddle.Tensor, paddle.Tensor]]
    ) -> dict[str, paddle.Tensor]:
        """Return the output for training, made of the maps of ``branches``."""
        names = ["maps", *(f"aux_maps_{level}" for level in AUX_SCALES)][: len(maps)]
        return {
            name: paddle.concat([*pair, self.step(*pair)], axis=1)  # (n, 3, h, w)
            for name, pair in zip(names, maps, strict=True)
        }

    def drop_training_branches(self) -> None:
        super().drop_training_branches()
        for level in AUX_SCALES if self.has_aux else ():
            delattr(self, f"aux_binarize_{level}")
            delattr(self, f"aux_thresh_{level}")
        self.has_aux = False


class LocalModule(Layer):
    """Refines a map by the features it came from: (n, c, h, w), (n, 1, h, w) -> (n, 1, h, w)."""

    def __init__(self, in_channels: int, mid_channels: int) -> None:
        super().__init__()
        self.last_3 = ConvBN(in_channels + 1, mid_channels, 3, act="relu")
        self.last_1 = nn.Conv2D(mid_channels, 1, 1)

    def forward(self, features: paddle.Tensor, initial: paddle.Tensor) -> paddle.Tensor:
        x = paddle.concat([initial, features], axis=1)  # (n, 1 + c, h, w)
        return F.sigmoid(self.last_1(self.last_3(x)))


class PFHeadLocal(TwoBranches):
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

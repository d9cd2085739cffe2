"""Detectors built from PaddleOCR's ``Architecture`` section, or from a released model's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import paddle

from ppocr_ft.constructor_keys import read_section
from ppocr_ft.errors import ConfigError
from ppocr_ft.messages import suggest
from ppocr_ft.models.configs import (
    DETECTORS,
    ArchitectureConfig,
    DBHeadConfig,
    Form,
    LKPANConfig,
    MobileNetV3Config,
    Part,
    PFHeadLocalConfig,
    PPHGNetSmallConfig,
    PPHGNetV2B4Config,
    PPLCNetV3Config,
    PPLCNetV4Config,
    RepLKFPNConfig,
    RepLKPANConfig,
    ResNetVdConfig,
    RSEFPNConfig,
)
from ppocr_ft.models.db import DBHead, PFHeadLocal
from ppocr_ft.models.hgnet import PPHGNetSmall
from ppocr_ft.models.hgnetv2 import PPHGNetV2B4
from ppocr_ft.models.layers import Layer
from ppocr_ft.models.lcnetv3 import PPLCNetV3
from ppocr_ft.models.lcnetv4 import PPLCNetV4
from ppocr_ft.models.mobilenetv3 import MobileNetV3
from ppocr_ft.models.necks import LKPAN, RSEFPN, RepLKFPN, RepLKPAN
from ppocr_ft.models.resnet_vd import ResNetVd

LAYERS: dict[type[Part], type[Any]] = {
    PPLCNetV3Config: PPLCNetV3,
    PPLCNetV4Config: PPLCNetV4,
    PPHGNetSmallConfig: PPHGNetSmall,
    PPHGNetV2B4Config: PPHGNetV2B4,
    MobileNetV3Config: MobileNetV3,
    ResNetVdConfig: ResNetVd,
    RSEFPNConfig: RSEFPN,
    LKPANConfig: LKPAN,
    RepLKFPNConfig: RepLKFPN,
    RepLKPANConfig: RepLKPAN,
    DBHeadConfig: DBHead,
    PFHeadLocalConfig: PFHeadLocal,
}
"""The layer of each part. A neck's and a head's also takes what comes in, ``in_channels``."""


class DetectionNetwork(Layer):
    """Backbone, neck and head.

    Images (n, 3, h, w) float32, h and w multiples of 32 -> ``{"maps": (n, 1, h, w)}`` in eval
    mode, ``{"maps": (n, 3, h, w)}`` (shrink, threshold, binary) and the head's own further maps
    while training.
    """

    def __init__(
        self, architecture: ArchitectureConfig, backbone: Layer, neck: Layer, head: Layer
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = backbone
        self.neck = neck
        self.head = head

    def forward(self, images: paddle.Tensor) -> dict[str, paddle.Tensor]:
        maps: dict[str, paddle.Tensor] = self.head(*self.body(images))
        return maps

    def body(self, images: paddle.Tensor) -> list[paddle.Tensor]:
        """Run backbone and neck.

        Returns:
            What the head reads: the neck's map, and while auxiliary heads train its sums at p4, p3
            and p2.
        """
        sums = self.neck.sums(self.backbone(images))
        joined = self.neck.fuse(sums)
        return [joined, *sums[2::-1]] if self.training and self.head.has_aux else [joined]


def build_detector(name: str, form: Form = "branches") -> DetectionNetwork:
    """Build a released detector's network (``DETECTORS``) with new weights.

    ``form`` is that of backbones and necks with ``HAS_FORMS``; the others accept either value.

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in DETECTORS:
        raise ConfigError(f"unknown detector {name!r}{suggest(name, DETECTORS)}")
    return build_architecture(DETECTORS[name], form)


def build_architecture(
    architecture: ArchitectureConfig | Mapping[str, object], form: Form = "branches"
) -> DetectionNetwork:
    """Build the network of an ``Architecture`` section with new weights.

    Raises:
        ConfigError: naming the key, for an unknown part or argument, a wrong type or value, and for
            anything that isn't a detector of the DB family.
    """
    if form not in get_args(Form):
        raise ConfigError(f"unknown form {form!r}{suggest(form, get_args(Form))}")
    if isinstance(architecture, ArchitectureConfig):
        section = architecture
    else:
        section = read_section(ArchitectureConfig, architecture, "Architecture")
    backbone = _build(section.Backbone, form)
    neck = _build(section.Neck, form, backbone.out_channels)
    return DetectionNetwork(section, backbone, neck, _build(section.Head, form, neck.out_channels))


def _build(part: Part, form: Form, *in_channels: int | list[int]) -> Any:
    return LAYERS[type(part)](*in_channels, part, *([form] if part.HAS_FORMS else []))

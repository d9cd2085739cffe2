"""Detectors from PaddleOCR's ``Architecture`` section, or from a released model's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, get_args

import paddle

from ppocr_ft.errors import ConfigError
from ppocr_ft.models.arguments import check_keys, parse_arguments, suggest
from ppocr_ft.models.db_head import DBHead, DBHeadConfig, PFHeadLocal, PFHeadLocalConfig
from ppocr_ft.models.hgnet import PPHGNetSmall, PPHGNetSmallConfig
from ppocr_ft.models.layers import Layer
from ppocr_ft.models.lcnetv3 import Form, PPLCNetV3, PPLCNetV3Config
from ppocr_ft.models.mobilenetv3 import MobileNetV3, MobileNetV3Config
from ppocr_ft.models.necks import LKPAN, RSEFPN, LKPANConfig, RSEFPNConfig


class Part(NamedTuple):
    """A part of a detector: the dataclass of its YAML arguments, and its layer."""

    config: type[Any]
    layer: Callable[..., Any]


PARTS: dict[str, dict[str, Part]] = {
    "Backbone": {
        "PPLCNetV3": Part(PPLCNetV3Config, PPLCNetV3),
        "PPHGNet_small": Part(PPHGNetSmallConfig, PPHGNetSmall),
        "MobileNetV3": Part(MobileNetV3Config, MobileNetV3),
    },
    "Neck": {
        "RSEFPN": Part(RSEFPNConfig, RSEFPN),
        "LKPAN": Part(LKPANConfig, LKPAN),
    },
    "Head": {
        "DBHead": Part(DBHeadConfig, DBHead),
        "PFHeadLocal": Part(PFHeadLocalConfig, PFHeadLocal),
    },
}

_LCNET_MOBILE: dict[str, object] = {
    "model_type": "det",
    "algorithm": "DB",
    "Transform": None,
    "Backbone": {"name": "PPLCNetV3", "scale": 0.75, "det": True},
    "Neck": {"name": "RSEFPN", "out_channels": 96, "shortcut": True},
    "Head": {"name": "DBHead", "k": 50, "fix_nan": True},
}

DETECTORS: dict[str, dict[str, object]] = {
    "PP-OCRv5_mobile_det": _LCNET_MOBILE,
    "PP-OCRv4_mobile_det": _LCNET_MOBILE,
    "PP-OCRv4_server_det": {
        "model_type": "det",
        "algorithm": "DB",
        "Transform": None,
        "Backbone": {"name": "PPHGNet_small", "det": True},
        "Neck": {"name": "LKPAN", "out_channels": 256, "intracl": True},
        "Head": {"name": "PFHeadLocal", "k": 50, "mode": "large", "fix_nan": True},
    },
    "PP-OCRv3_mobile_det": {
        "model_type": "det",
        "algorithm": "DB",
        "Transform": None,
        "Backbone": {
            "name": "MobileNetV3",
            "scale": 0.5,
            "model_name": "large",
            "disable_se": True,
        },
        "Neck": {"name": "RSEFPN", "out_channels": 96, "shortcut": True},
        "Head": {"name": "DBHead", "k": 50},
    },
}


class Detector(Layer):
    """Backbone, neck and head.

    Images (n, 3, h, w) float32, h and w multiples of 32 -> ``{"maps": (n, 1, h, w)}`` in eval
    mode, ``{"maps": (n, 3, h, w)}`` (shrink, threshold, binary) and the head's own further maps
    while training.
    """

    def __init__(self, backbone: Layer, neck: Layer, head: Layer) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head

    def forward(self, images: paddle.Tensor) -> dict[str, paddle.Tensor]:
        maps: dict[str, paddle.Tensor] = self.head(self.neck(self.backbone(images)))
        return maps


def build_detector(name: str, form: Form = "branches") -> Detector:
    """A released detector's network (``DETECTORS``), freshly initialised.

    ``form`` is PPLCNetV3's; the other backbones have one form only and take either value.
    Raises ConfigError for an unknown name.
    """
    if name not in DETECTORS:
        raise ConfigError(f"unknown detector {name!r}{suggest(name, DETECTORS)}")
    return build_architecture(DETECTORS[name], form)


def build_architecture(architecture: Mapping[str, object], form: Form = "branches") -> Detector:
    """The network of a PaddleOCR YAML ``Architecture`` section, freshly initialised.

    Raises ConfigError, naming the key, for an unknown part or argument, a wrong type or value, and
    whatever isn't a detector of the DB family.
    """
    if form not in get_args(Form):
        raise ConfigError(f"unknown form {form!r}{suggest(form, get_args(Form))}")
    check_keys(architecture, ("model_type", "algorithm", "Transform", *PARTS), "Architecture")
    for key, only in (("model_type", "det"), ("algorithm", "DB"), ("Transform", None)):
        found = architecture.get(key, only)
        if found != only:
            wanted = "null" if only is None else repr(only)
            raise ConfigError(f"must be {wanted}, is {found!r}", key=f"Architecture.{key}")
    make_backbone, make_neck, make_head = (_part(architecture, kind) for kind in PARTS)
    in_two_forms = make_backbone.func is PPLCNetV3
    backbone = make_backbone(form=form) if in_two_forms else make_backbone()
    neck = make_neck(backbone.out_channels)
    head = make_head(neck.out_channels)
    return Detector(backbone, neck, head)


def _part(architecture: Mapping[str, object], kind: str) -> partial[Any]:
    """The layer class of a section with its config, to be called with the input's channels."""
    path = f"Architecture.{kind}"
    section = architecture.get(kind)
    if not isinstance(section, Mapping):
        raise ConfigError("must be a section with a name", key=path)
    parts = PARTS[kind]
    name = section.get("name")
    if not isinstance(name, str) or name not in parts:
        raise ConfigError(
            f"unknown {kind.lower()} {name!r}{suggest(name, parts)}", key=f"{path}.name"
        )
    part = parts[name]
    return partial(part.layer, config=parse_arguments(part.config, section, path))

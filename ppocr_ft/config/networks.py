"""The parts of ``Architecture``: one section each, PaddleOCR's names and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from ppocr_ft.declaration import Choice, PositiveFloat, PositiveInt, Section

MOBILENET_SCALES = (0.35, 0.5, 0.75, 1.0, 1.25)
_BACKBONE_WEIGHTS = "Global.pretrained_model names the weights of the whole network"


class Backbone(Section):
    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "pretrained": _BACKBONE_WEIGHTS,
        "use_ssld": _BACKBONE_WEIGHTS,
        "in_channels": "images have 3 channels",
    }


class PPLCNetV3(Backbone):
    """PP-OCRv4 mobile's backbone."""

    name: Literal["PPLCNetV3"] = "PPLCNetV3"
    scale: PositiveFloat = 1.0
    """Factor on all widths."""
    det: Literal[True] = True
    """The detector's form: four feature maps instead of one."""


class PPHGNetSmall(Backbone):
    """PP-OCRv4 server's backbone."""

    name: Literal["PPHGNet_small"] = "PPHGNet_small"
    det: Literal[True] = True
    """The detector's form: four feature maps instead of one."""


def _check_mobilenet_scale(scale: float) -> float:
    if scale not in MOBILENET_SCALES:
        widths = ", ".join(map(str, MOBILENET_SCALES))
        raise ValueError(f"found {scale:g}, expected one of {widths}")
    return scale


class MobileNetV3(Backbone):
    """PP-OCRv3 mobile's backbone."""

    name: Literal["MobileNetV3"] = "MobileNetV3"
    scale: Annotated[float, AfterValidator(_check_mobilenet_scale)] = 0.5
    """Factor on all widths."""
    model_name: Literal["large", "small"] = "large"
    disable_se: bool = False
    """Whether the squeeze-and-excitation blocks are left out."""


class Neck(Section):
    NO_EFFECT: ClassVar[Mapping[str, str]] = {"in_channels": "the backbone says it"}


class RSEFPN(Neck):
    """Feature pyramid with residual squeeze-and-excitation."""

    name: Literal["RSEFPN"] = "RSEFPN"
    out_channels: PositiveInt
    """Channels of the fused map."""
    shortcut: bool = True
    """Whether each block adds its input."""


class LKPAN(Neck):
    """Path aggregation with large kernels."""

    name: Literal["LKPAN"] = "LKPAN"
    out_channels: PositiveInt
    """Channels of the fused map."""
    mode: Literal["large", "lite"] = "large"
    """Kind of the 9x9 convolutions: dense or depthwise separable."""
    intracl: bool = False
    """Whether each level passes an IntraCL block."""


class Head(Section):
    NO_EFFECT: ClassVar[Mapping[str, str]] = {"in_channels": "the neck says it"}

    name: str
    k: PositiveInt = 50
    """Steepness of the differentiable binarization."""
    fix_nan: bool = False
    """Whether NaN in the upsampled maps becomes 0 in training."""


class DBHead(Head):
    """Shrink, threshold and binary map."""

    name: Literal["DBHead"] = "DBHead"


class PFHeadLocal(Head):
    """DBHead with a second, refined shrink map."""

    name: Literal["PFHeadLocal"] = "PFHeadLocal"
    mode: Literal["large", "small"] = "small"
    """Width of the refinement."""


BACKBONES: dict[str, type[Section]] = {
    "PPLCNetV3": PPLCNetV3,
    "PPHGNet_small": PPHGNetSmall,
    "MobileNetV3": MobileNetV3,
}
NECKS: dict[str, type[Section]] = {"RSEFPN": RSEFPN, "LKPAN": LKPAN}
HEADS: dict[str, type[Section]] = {"DBHead": DBHead, "PFHeadLocal": PFHeadLocal}

BackboneItem = Annotated[PPLCNetV3 | PPHGNetSmall | MobileNetV3, Choice("backbone", BACKBONES)]
NeckItem = Annotated[RSEFPN | LKPAN, Choice("neck", NECKS)]
HeadItem = Annotated[DBHead | PFHeadLocal, Choice("head", HEADS)]


class ArchitectureSection(Section):
    """The network."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "name": "a detector has no name of its own",
        "in_channels": "images have 3 channels",
    }

    model_type: Literal["det"] = "det"
    algorithm: Literal["DB"] = "DB"
    Transform: None = None
    """A rectification in front of the backbone: a detector has none."""
    Backbone: BackboneItem
    Neck: NeckItem
    Head: HeadItem

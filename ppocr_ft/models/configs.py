"""The keys of ``Architecture``: of each backbone, neck and head; the released detectors.

Names and defaults are PaddleOCR's. The config and the networks both read these classes, so this
file needs no Paddle. A new part is a class here, an entry in its table, its layer in a module of
its own, and a line in ``architecture.LAYERS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, get_args

from annotated_types import Ge, MultipleOf
from pydantic import AfterValidator, Strict, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from ppocr_ft.declaration import Choice, NonNegativeFloat, NonNegativeInt, PositiveInt, Section

Form = Literal["branches", "folded"]
"""A backbone or a neck as it is trained, or as it is exported; most have one form for both."""

_Factor = NonNegativeFloat
MOBILENET_SCALES = (0.35, 0.5, 0.75, 1.0, 1.25)
_BACKBONE_WEIGHTS = "Global.pretrained_model names the weights of the whole network"


class Part(Section):
    """A backbone, a neck or a head."""

    HAS_FORMS: ClassVar[bool] = False
    """Whether its layer is built in a form, see ``Form``."""

    name: str


class Backbone(Part):
    """The keys of all backbones."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "pretrained": _BACKBONE_WEIGHTS,
        "use_ssld": _BACKBONE_WEIGHTS,
        "in_channels": "images have 3 channels",
    }


class PPLCNetV3Config(Backbone):
    """PP-OCRv4 mobile's backbone."""

    HAS_FORMS = True

    name: Literal["PPLCNetV3"] = "PPLCNetV3"
    scale: Annotated[float, Ge(1 / 16)] = 1.0
    """Factor on all widths."""
    conv_kxk_num: PositiveInt = 4
    """Parallel k x k convolutions in the form branches."""
    lr_mult_list: Annotated[
        tuple[_Factor, _Factor, _Factor, _Factor, _Factor, _Factor], Strict(False)
    ] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    """Factors on the learning rate of conv1 and of blocks2 to blocks6."""
    lab_lr: NonNegativeFloat = 0.1
    """Further factor on that of the learnable affine blocks."""
    det: Literal[True] = True
    """The detector's form: four feature maps instead of one."""


class PPLCNetV4Config(Backbone):
    """PP-OCRv6's backbone."""

    HAS_FORMS = True

    name: Literal["PPLCNetV4"] = "PPLCNetV4"
    model_size: Literal["tiny", "small", "medium"] = "small"
    """Which of its three widths."""
    det: Literal[True] = True
    """The detector's form: four feature maps instead of one."""


class PPHGNetSmallConfig(Backbone):
    """PP-OCRv4 server's backbone."""

    name: Literal["PPHGNet_small"] = "PPHGNet_small"
    det: Literal[True] = True
    """The detector's form: four feature maps instead of one."""


class PPHGNetV2B4Config(Backbone):
    """PP-OCRv5 server's backbone."""

    name: Literal["PPHGNetV2_B4"] = "PPHGNetV2_B4"
    det: Literal[True] = True
    """The detector's form: four feature maps instead of one."""


class ResNetVdConfig(Backbone):
    """PP-OCRv3 server's backbone."""

    name: Literal["ResNet_vd"] = "ResNet_vd"
    layers: Literal[18, 34, 50, 101, 152, 200] = 50
    """Which of its depths."""


def _check_mobilenet_scale(scale: float) -> float:
    if scale not in MOBILENET_SCALES:
        widths = ", ".join(map(str, MOBILENET_SCALES))
        raise ValueError(f"found {scale:g}, expected one of {widths}")
    return scale


class MobileNetV3Config(Backbone):
    """PP-OCRv3 mobile's backbone."""

    name: Literal["MobileNetV3"] = "MobileNetV3"
    scale: Annotated[float, AfterValidator(_check_mobilenet_scale)] = 0.5
    """Factor on all widths; 0.35, 0.5, 0.75, 1 or 1.25."""
    model_name: Literal["large", "small"] = "large"
    """Which of its two lists of blocks."""
    disable_se: bool = False
    """Whether the squeeze-and-excitation blocks are left out."""


class Neck(Part):
    """The keys of all necks."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {"in_channels": "the backbone says it"}

    out_channels: Annotated[int, Ge(16), MultipleOf(4)]
    """Channels of the fused map."""
    intracl: bool = False
    """Whether each level passes an IntraCL block."""


class RSEFPNConfig(Neck):
    """Feature pyramid with residual squeeze-and-excitation."""

    name: Literal["RSEFPN"] = "RSEFPN"
    shortcut: bool = True
    """Whether each block adds its input."""


class LKPANConfig(Neck):
    """Path aggregation with large kernels."""

    name: Literal["LKPAN"] = "LKPAN"
    mode: Literal["large", "lite"] = "large"
    """Kind of the 9x9 convolutions: dense or depthwise separable."""


class RepLKFPNConfig(Neck):
    """Feature pyramid with dilated depthwise convolutions, of PP-OCRv6 tiny and small."""

    HAS_FORMS = True

    name: Literal["RepLKFPN", "UniRepLKFPN"] = "RepLKFPN"
    shortcut: bool = True
    """Whether each block adds its input."""
    dilated_kernel_size: Literal[5, 7, 9, 11, 13] = 7
    """Size of the large kernels."""


class RepLKPANConfig(Neck):
    """Path aggregation with dilated depthwise convolutions, of PP-OCRv6 medium."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        **Neck.NO_EFFECT,
        "mode": "PaddleOCR's RepLKPAN doesn't read it either",
    }
    HAS_FORMS = True

    name: Literal["RepLKPAN", "UniRepLKPAN"] = "RepLKPAN"


def _check_kernels(kernels: tuple[int, int, int]) -> tuple[int, int, int]:
    if kernels[0] % 2 == 0 or kernels[1:] != (2, 2):
        raise ValueError(f"found {list(kernels)}, expected [odd, 2, 2], which keeps the map's size")
    return kernels


class Head(Part):
    """The keys of all heads."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {"in_channels": "the neck says it"}

    k: PositiveInt = 50
    """Steepness of the differentiable binarization."""
    kernel_list: Annotated[
        tuple[PositiveInt, PositiveInt, PositiveInt], Strict(False), AfterValidator(_check_kernels)
    ] = (3, 2, 2)
    """Kernels of a convolution and of the two transposed ones that double the size."""
    fix_nan: bool = False
    """Whether NaN in the upsampled maps becomes 0 in training."""


class DBHeadConfig(Head):
    """Shrink, threshold and binary map."""

    name: Literal["DBHead"] = "DBHead"
    aux_in_channels: NonNegativeInt = 0
    """Channels of the auxiliary heads' maps, the neck's out_channels; 0: no such heads."""


class PFHeadLocalConfig(Head):
    """DBHead with a second, refined shrink map."""

    name: Literal["PFHeadLocal"] = "PFHeadLocal"
    mode: Literal["large", "small"] = "small"
    """Width of the refinement: a quarter or an eighth of the neck's channels."""


def _by_name(*parts: type[Part]) -> dict[str, type[Section]]:
    """Return the parts by each name that a YAML may give them."""
    return {name: part for part in parts for name in get_args(part.model_fields["name"].annotation)}


BACKBONES = _by_name(
    PPLCNetV3Config,
    PPLCNetV4Config,
    PPHGNetSmallConfig,
    PPHGNetV2B4Config,
    MobileNetV3Config,
    ResNetVdConfig,
)
NECKS = _by_name(RSEFPNConfig, LKPANConfig, RepLKFPNConfig, RepLKPANConfig)
HEADS = _by_name(DBHeadConfig, PFHeadLocalConfig)


class ArchitectureConfig(Section):
    """The network."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "name": "a detector has no name of its own",
        "in_channels": "images have 3 channels",
    }

    model_type: Literal["det"] = "det"
    """A text detector."""
    algorithm: Literal["DB"] = "DB"
    """A DB detector."""
    Transform: None = None
    """A rectification in front of the backbone: a detector has none."""
    Backbone: Annotated[Backbone, Choice("backbone", BACKBONES, one_letter=True)]
    """Makes four feature maps of an image."""
    Neck: Annotated[Neck, Choice("neck", NECKS, one_letter=True)]
    """Joins them to one."""
    Head: Annotated[Head, Choice("head", HEADS, one_letter=True)]
    """Makes the probability maps of it."""

    @model_validator(mode="after")
    def _check_aux(self) -> ArchitectureConfig:
        """Refuse auxiliary heads of another width than that of the neck's maps, which they read."""
        given, expected = getattr(self.Head, "aux_in_channels", 0), self.Neck.out_channels
        if given not in (0, expected):
            fault = InitErrorDetails(
                type="value_error",
                loc=("Head", "aux_in_channels"),
                input=given,
                ctx={"error": f"found {given}, expected {expected}, the neck's out_channels, or 0"},
            )
            raise ValidationError.from_exception_data(type(self).__name__, [fault])
        return self


def _v6(size: Literal["tiny", "small", "medium"], neck: Neck) -> ArchitectureConfig:
    return ArchitectureConfig(
        Backbone=PPLCNetV4Config(model_size=size),
        Neck=neck,
        Head=DBHeadConfig(fix_nan=True, aux_in_channels=neck.out_channels),
    )


_LCNET_MOBILE = ArchitectureConfig(
    Backbone=PPLCNetV3Config(scale=0.75),
    Neck=RSEFPNConfig(out_channels=96),
    Head=DBHeadConfig(fix_nan=True),
)
DETECTORS = {
    "PP-OCRv6_tiny_det": _v6("tiny", RepLKFPNConfig(out_channels=64, dilated_kernel_size=5)),
    "PP-OCRv6_small_det": _v6("small", RepLKFPNConfig(out_channels=96)),
    "PP-OCRv6_medium_det": _v6("medium", RepLKPANConfig(out_channels=256, intracl=True)),
    "PP-OCRv4_mobile_det": _LCNET_MOBILE,
    "PP-OCRv5_mobile_det": _LCNET_MOBILE,
    "PP-OCRv4_server_det": ArchitectureConfig(
        Backbone=PPHGNetSmallConfig(),
        Neck=LKPANConfig(out_channels=256, intracl=True),
        Head=PFHeadLocalConfig(mode="large", fix_nan=True),
    ),
    "PP-OCRv5_server_det": ArchitectureConfig(
        Backbone=PPHGNetV2B4Config(),
        Neck=LKPANConfig(out_channels=256, intracl=True),
        Head=PFHeadLocalConfig(mode="large", fix_nan=True),
    ),
    "PP-OCRv3_server_det": ArchitectureConfig(
        Backbone=ResNetVdConfig(),
        Neck=LKPANConfig(out_channels=256),
        Head=DBHeadConfig(kernel_list=(7, 2, 2)),
    ),
    "PP-OCRv3_mobile_det": ArchitectureConfig(
        Backbone=MobileNetV3Config(disable_se=True),
        Neck=RSEFPNConfig(out_channels=96),
        Head=DBHeadConfig(),
    ),
}
"""The networks of the released detectors; a backbone's first one gives an export its name."""

TRAINING_BRANCHES = ("head.thresh.", "head.aux_")
"""How the keys of a head's branches begin that only training runs."""
CLASSIFIER_LAYERS = ("backbone.last_conv.",)
"""How the keys begin of what checkpoints keep of a classifier and no detector runs."""

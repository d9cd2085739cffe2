"""The operators of a ``transforms`` list: one section each, PaddleOCR's names and arguments.

A new operator is a class with typed fields, entered in ``OPERATORS``.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MinLen, MultipleOf
from pydantic import (
    BeforeValidator,
    SerializerFunctionWrapHandler,
    Strict,
    model_serializer,
    model_validator,
)

from ppocr_ft.config.augmenters import PADDLEOCR_AUGMENTERS, AugmenterItem, FactorRange
from ppocr_ft.declaration import (
    Choice,
    Listed,
    NonNegativeFloat,
    Number,
    OpenShare,
    PositiveInt,
    Range,
    Section,
    Share,
    empty_as_defaults,
    without_nulls,
)

SigmaRange = Range[Annotated[float, Ge(0.05), Le(20)]]
GreyRange = Range[Annotated[float, Ge(0), Le(255)]]
QualityRange = Range[Annotated[int, Ge(1), Le(100)]]

NETWORK_STRIDE_PX = 32
"""Every side of what enters the network is a multiple of this."""
PADDLEOCR_RISE = 0.2
"""What ``total_epoch`` without ``shrink_ratio_end`` adds to ``shrink_ratio`` (PaddleOCR 2.7 on)."""


StridedInt = Annotated[int, Ge(NETWORK_STRIDE_PX), MultipleOf(NETWORK_STRIDE_PX)]
StridedSize = Annotated[tuple[StridedInt, StridedInt], Strict(False)]
Triple = Annotated[tuple[Number, Number, Number], Strict(False)]
PositiveTriple = Annotated[
    tuple[
        Annotated[Number, Gt(0)],
        Annotated[Number, Gt(0)],
        Annotated[Number, Gt(0)],
    ],
    Strict(False),
]


class Operator(Section):
    """One operator. In the YAML: ``- Name: {arguments}``, or ``- Name:`` for the defaults."""

    MOVES_TEXTS: ClassVar[bool] = False
    """Whether it changes where texts lie, so that maps drawn before it no longer fit."""

    @property
    def name(self) -> str:
        return type(self).__name__

    def arguments(self) -> dict[str, Any]:
        return without_nulls(self.model_dump()[self.name] or {})

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: object) -> object:
        if isinstance(value, dict) and list(value) == [cls.__name__]:
            value = value[cls.__name__]
        return empty_as_defaults(value)

    @model_serializer(mode="wrap")
    def _serialize(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {self.name: self._without_defaulted_nulls(dump(self)) or None}


class DecodeImage(Operator):
    """Bytes to pixels."""

    img_mode: Literal["BGR", "RGB"] = "RGB"
    """Order of the colour channels."""
    channel_first: Literal[False] = False
    """Channels before rows is what ToCHWImage does, at the end."""
    ignore_orientation: bool = False
    """Whether the EXIF rotation is left alone."""


class DetLabelEncode(Operator):
    """A label line's JSON to polygons, texts and ignore flags."""


class IaaAugment(Operator):
    """Random geometry, in the order of ``augmenter_args``."""

    MOVES_TEXTS = True

    augmenter_args: Annotated[
        Listed[AugmenterItem],
        BeforeValidator(lambda value: PADDLEOCR_AUGMENTERS if value is None else value),
    ] = PADDLEOCR_AUGMENTERS
    """List of ``{type, args}``; null: PaddleOCR's own three."""


class EastRandomCropData(Operator):
    """A random crop around texts that cuts none, resized and padded to ``size``."""

    MOVES_TEXTS = True

    size: StridedSize = (640, 640)
    """Width and height of the crop that enters the network, px."""
    max_tries: PositiveInt = 10
    """Draws before the whole image is taken."""
    min_crop_side_ratio: Share = 0.1
    """Smallest crop side as a share of the image's."""
    keep_ratio: bool = True
    """Whether the aspect ratio is kept and the rest padded."""


class ScaledCrop(Operator):
    """A crop at the scale at which evaluation sees the page; PaddleOCR has none."""

    MOVES_TEXTS = True

    size: StridedSize = (640, 640)
    """Width and height of the crop, px."""
    limit_side_len: PositiveInt = 960
    """As DetResizeForTest has it in Eval, px."""
    limit_type: Literal["max", "min", "resize_long"] = "max"
    """Likewise."""
    scale_range: FactorRange = (1.0, 1.0)
    """Lowest and highest factor on that scale."""
    text_p: Share = 0.9
    """Probability that the crop is drawn around a text."""
    min_visible_ratio: Share = 0.5
    """A text of which less is inside is masked out of the loss, as a share of its shorter side."""


class CopyPaste(Operator):
    """Pastes texts of another image onto this one."""

    MOVES_TEXTS = True

    objects_paste_ratio: Share = 0.2
    """Share of the other image's texts that is pasted."""
    limit_paste: bool = True
    """Whether a pasted text may cover no other one."""


class ShrinkScheduled(Operator):
    """What the two map operators have in common; both must ask for the same schedule."""

    shrink_ratio: OpenShare = 0.4
    """Shrink ratio; the first one where it ramps."""
    shrink_ratio_end: OpenShare | None = None
    """Last shrink ratio of the ramp; absent: constant, or + 0.2 where total_epoch is given."""
    total_epoch: PositiveInt | None = None
    """Length of the ramp, epochs; absent: the run's epoch_num."""

    def end_ratio(self) -> float:
        """The ratio that the ramp ends at, which is the start's where there is no ramp."""
        if self.shrink_ratio_end is not None:
            return self.shrink_ratio_end
        return self.shrink_ratio + (PADDLEOCR_RISE if self.total_epoch is not None else 0.0)


class MakeBorderMap(ShrinkScheduled):
    """Draws threshold_map and threshold_mask."""

    thresh_min: Share = 0.3
    """The threshold map's value far from a text's edge."""
    thresh_max: Share = 0.7
    """The threshold map's value on a text's edge."""

    @model_validator(mode="after")
    def _check_thresholds(self) -> MakeBorderMap:
        if self.thresh_min >= self.thresh_max:
            raise ValueError(
                f"thresh_min is {self.thresh_min:g} and thresh_max {self.thresh_max:g}; "
                "thresh_min must be the lower one"
            )
        return self


class MakeShrinkMap(ShrinkScheduled):
    """Draws shrink_map and shrink_mask."""

    min_text_size: NonNegativeFloat = 8.0
    """A text with a side under this is masked out of the loss, px of the crop."""
    rounding: Literal["truncate", "nearest"] = "truncate"
    """How kernels fall on pixels: truncate, PaddleOCR's, is half a pixel to the upper left."""


class ColorJitter(Operator):
    """Random colour; each value is the largest relative change."""

    brightness: NonNegativeFloat = 0.0
    contrast: NonNegativeFloat = 0.0
    saturation: NonNegativeFloat = 0.0
    hue: Annotated[float, Ge(0), Le(0.5)] = 0.0
    """As a share of the colour circle."""


class Blur(Operator):
    """Takes the image out of focus; PaddleOCR has none for a detector."""

    p: Share = 0.2
    """Probability."""
    sigma_px: SigmaRange = (0.3, 1.5)
    """Lowest and highest standard deviation of the Gaussian, px of the crop."""


class Noise(Operator):
    """Adds Gaussian noise of brightness; PaddleOCR has none for a detector."""

    p: Share = 0.2
    """Probability."""
    std: GreyRange = (1.0, 8.0)
    """Lowest and highest standard deviation, grey levels of 255."""


class JpegCompression(Operator):
    """Saves as JPEG and reads again; PaddleOCR has none for a detector."""

    p: Share = 0.2
    """Probability."""
    quality: QualityRange = (40, 95)
    """Lowest and highest JPEG quality, 1 to 100."""


class NormalizeImage(Operator):
    """``(pixels * scale - mean) / std``, channel by channel."""

    scale: Annotated[Number, Gt(0)] | None = None
    """Factor on the 0..255 pixels; null: 1/255."""
    mean: Triple = (0.485, 0.456, 0.406)
    """Per channel, after scale."""
    std: PositiveTriple = (0.229, 0.224, 0.225)
    """Per channel, after scale."""
    order: Literal["hwc", "chw"] = "chw"
    """Layout at this point: hwc before ToCHWImage, chw after it."""


class ToCHWImage(Operator):
    """Rows, columns, channels to channels, rows, columns."""


SampleKey = Literal[
    "image",
    "threshold_map",
    "threshold_mask",
    "shrink_map",
    "shrink_mask",
    "shape",
    "polys",
    "texts",
    "ignore_tags",
    "img_path",
]


class KeepKeys(Operator):
    """Which of a sample's fields leave the pipeline."""

    keep_keys: Annotated[Listed[SampleKey], MinLen(1)]
    """Names of the fields."""


class DetResizeForTest(Operator):
    """Resizes a whole image for evaluation; without arguments as ``limit_side_len: 736, min``.

    Three ways, of which one may be given: ``image_shape``, ``limit_side_len``, ``resize_long``.
    """

    MOVES_TEXTS = True

    image_shape: StridedSize | None = None
    """Height and width, px."""
    keep_ratio: bool | None = None
    """With image_shape: the width follows from the height."""
    limit_side_len: PositiveInt | None = None
    """Side at which limit_type limits, px; sides are then rounded to multiples of 32."""
    limit_type: Literal["max", "min", "resize_long"] | None = None
    """max: longest side at most, min: shortest at least, resize_long: longest exactly."""
    resize_long: PositiveInt | None = None
    """Length of the longest side, px."""

    @model_validator(mode="after")
    def _check_one_way(self) -> DetResizeForTest:
        ways = ("image_shape", "limit_side_len", "resize_long")
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given; keep one of them")
        if self.limit_type is not None and self.limit_side_len is None:
            raise ValueError("limit_type is given without limit_side_len")
        if self.keep_ratio is not None and self.image_shape is None:
            raise ValueError("keep_ratio is given without image_shape")
        return self


OPERATORS: dict[str, type[Section]] = {
    kind.__name__: kind
    for kind in (
        DecodeImage,
        DetLabelEncode,
        IaaAugment,
        EastRandomCropData,
        ScaledCrop,
        CopyPaste,
        ColorJitter,
        Blur,
        Noise,
        JpegCompression,
        MakeBorderMap,
        MakeShrinkMap,
        NormalizeImage,
        ToCHWImage,
        KeepKeys,
        DetResizeForTest,
    )
}
OperatorItem = Annotated[Operator, Choice("operator", OPERATORS, by="")]

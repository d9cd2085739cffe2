"""``inference.yml``: what a runtime needs to know of a model besides its program.

It is written in the form of PaddleOCR 3's released models and read by the rules of its runtime
(PaddleX 3.0 to 3.7, text detection), which differ from those of PaddleOCR's operators: of
``DetResizeForTest`` the runtime takes ``image_shape``, or else ``resize_long``. It uses the latter
as the upper limit of the longest side (``limit_type: max``, 960 where it is absent), or by a seal
detector's name as the lower limit of the shortest one (``limit_type: min``, 736). No side is longer
than 4000 px then, and sides are rounded to multiples of 32. It ignores ``limit_side_len`` and
``limit_type`` of that operator.

The shortest side of a text detector is limited by its arguments ``limit_side_len`` and
``limit_type`` alone, which go before the file. A model that needs them bears them in ``Global``,
where this package reads them and the runtime does not; without them it leaves images as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from ppocr_ft.errors import ConfigError
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.transforms.image_ops import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    DecodeImage,
    ImageMode,
    NormalizeImage,
    ToCHWImage,
)
from ppocr_ft.transforms.resize import DEFAULT_LIMIT_PX, DetResizeForTest, Size, limited_size
from ppocr_ft.transforms.tiles import MOST_TILE_SCALE, TileRule

Operator = Callable[[dict[str, Any]], dict[str, Any]]
Triple = tuple[float, float, float]

SEAL_NAMES = ("PP-OCRv4_mobile_seal_det", "PP-OCRv4_server_seal_det")
"""Names by which PaddleOCR 3 reads ``resize_long`` as the least length of the shortest side."""
MODEL_NAMES = (
    *(f"PP-OCRv{version}_{size}_det" for version in (3, 4, 5) for size in ("mobile", "server")),
    *(f"PP-OCRv6_{size}_det" for size in ("tiny", "small", "medium")),
    *SEAL_NAMES,
)
"""Names that PaddleOCR 3 opens as a text detector: PP-OCRv6's from 3.7 on."""
LONGEST_DEFAULT_PX, SHORTEST_DEFAULT_PX = 960, 736
LONGEST_MOST_PX = 4000
"""The runtime's ``max_side_limit``."""
OPERATORS = {
    *("DecodeImage", "DetLabelEncode", "DetResizeForTest", "NormalizeImage", "ToCHWImage"),
    "KeepKeys",
}
"""What the runtime's ``transform_ops`` may name."""
BYTE_SCALE = "1./255."
"""What the released files say for ``scale``."""
_WRONG = (
    yaml.YAMLError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
RESIZE_KEY = "Eval.dataset.transforms.DetResizeForTest"


@dataclass(frozen=True)
class ResizeRule:
    """How an image is resized.

    To ``image_shape`` (h, w) px, with a width that follows the height if ``keep_ratio``; or,
    without ``image_shape``, so that the longest side is at most ``longest_px`` or the shortest one
    at least ``shortest_px``.
    """

    longest_px: int | None = None
    image_shape: Size | None = None
    keep_ratio: bool = False
    shortest_px: int | None = None

    @property
    def limit(self) -> tuple[int, Literal["max", "min"]] | None:
        """``limit_side_len``, px, and ``limit_type``; None with ``image_shape``."""
        if self.shortest_px is not None:
            return self.shortest_px, "min"
        return None if self.longest_px is None else (self.longest_px, "max")

    def operator(self) -> DetResizeForTest:
        if self.limit is None:
            return DetResizeForTest(image_shape=self.image_shape, keep_ratio=self.keep_ratio)
        side_px, kind = self.limit
        return _LimitedTwice(limit_side_len=side_px, limit_type=kind)

    def arguments(self, model_name: str) -> dict[str, Any]:
        """Return the arguments that PaddleOCR 3 needs beside ``inference.yml``, by their names."""
        if self.shortest_px is None or model_name in SEAL_NAMES:
            return {}
        return {"limit_side_len": self.shortest_px, "limit_type": "min"}

    def entry(self, model_name: str) -> dict[str, Any]:
        """Return the operator's arguments in ``inference.yml``."""
        if self.arguments(model_name):
            return {"resize_long": LONGEST_MOST_PX}  # as they are, or nearly
        if self.limit is not None:
            return {"resize_long": self.limit[0]}
        assert self.image_shape is not None
        keep = {"keep_ratio": True} if self.keep_ratio else {}
        return {"image_shape": list(self.image_shape), **keep}


class _LimitedTwice(DetResizeForTest):
    """The operator with the runtime's limit of the longest side, which follows the other one."""

    def target_size(self, size: Size) -> Size:
        if self.limit_type == "min":
            ratio = max(self.limit_side_len / min(size), 1.0)
            enlarged = int(size[0] * ratio), int(size[1] * ratio)
            if max(enlarged) > LONGEST_MOST_PX:
                return limited_size(enlarged, LONGEST_MOST_PX, "max")
        return super().target_size(size)


def resize_rule(arguments: Mapping[str, Any], model_name: str = "") -> ResizeRule:
    """Return the rule of ``Eval``'s DetResizeForTest, with PaddleOCR's meaning of its arguments.

    ``model_name`` is the name that the model will bear.

    Raises:
        ConfigError: ``inference.yml`` can't express it, so the runtime would resize in another way
            than the evaluation did.
    """
    shape = arguments.get("image_shape")
    if shape is not None:
        height, width = shape
        return ResizeRule(None, (height, width), bool(arguments.get("keep_ratio")))
    long_px, side_px = arguments.get("resize_long"), arguments.get("limit_side_len")
    side_px = DEFAULT_LIMIT_PX if side_px is None else side_px
    kind = arguments.get("limit_type") or "min"
    is_seal = model_name in SEAL_NAMES
    if long_px is None and side_px <= LONGEST_MOST_PX:
        if kind == "min":
            return ResizeRule(shortest_px=side_px)
        if kind == "max" and not is_seal:
            return ResizeRule(side_px)
    resize = (
        f"resize_long: {long_px}" if long_px else f"limit_side_len: {side_px}, limit_type: {kind}"
    )
    by_name, kinds = "", "the longest side at most or the shortest side at least"
    known, default_px = "max", LONGEST_DEFAULT_PX
    if is_seal:
        by_name, kinds = f" by the name {model_name}", "the shortest side at least"
        known, default_px = "min", SHORTEST_DEFAULT_PX
    raise ConfigError(
        f"{{{resize}}} can't be exported: PaddleOCR 3 would not resize so, whatever inference.yml "
        f"says. It knows{by_name} an image_shape, or {kinds} N px, N up to {LONGEST_MOST_PX}. "
        f"Write {{limit_side_len: {default_px}, limit_type: {known}}} there (or another number), "
        "and evaluate and fit the post-processing with it",
        key=RESIZE_KEY,
    )


@dataclass(frozen=True)
class InferenceSettings:
    """A model's name, pre-processing and post-processing.

    ``img_mode``: order of the channels; ``scale``, ``mean`` and ``std`` as NormalizeImage's.
    ``tiles``: the rule by which this package cuts large pages if it is asked to; a runtime ignores
    it.
    """

    model_name: str
    img_mode: ImageMode
    resize: ResizeRule
    scale: float
    mean: Triple
    std: Triple
    post_process: DBPostProcess
    tiles: TileRule | None = None

    def operators(self) -> list[Operator]:
        """Return the operators that make the network's input (3, h, w) from a file's bytes."""
        return [
            DecodeImage(img_mode=self.img_mode),
            self.resize.operator(),
            NormalizeImage(scale=self.scale, mean=self.mean, std=self.std, order="hwc"),
            ToCHWImage(),
        ]

    def to_yaml(self) -> str:
        """Return the text of ``inference.yml``."""
        scale = BYTE_SCALE if self.scale == 1 / 255 else self.scale
        normalize = {"scale": scale, "mean": [*self.mean], "std": [*self.std], "order": "hwc"}
        operators = [
            {"DecodeImage": {"channel_first": False, "img_mode": self.img_mode}},
            {"DetLabelEncode": None},
            {"DetResizeForTest": self.resize.entry(self.model_name)},
            {"NormalizeImage": normalize},
            {"ToCHWImage": None},
            {"KeepKeys": {"keep_keys": ["image", "shape", "polys", "ignore_tags"]}},
        ]
        named = {"model_name": self.model_name, **self.resize.arguments(self.model_name)}
        document = {
            "Global": named,
            "PreProcess": {"transform_ops": operators},
            "PostProcess": {"name": "DBPostProcess", **asdict(self.post_process)},
            **({} if self.tiles is None else {"Tiles": asdict(self.tiles)}),
        }
        return yaml.safe_dump(document, sort_keys=False, default_flow_style=False)


def check_model_name(name: str, path: Path | None = None) -> str:
    """Return the name if PaddleOCR 3 can open a detector under it.

    Raises:
        ConfigError: PaddleOCR 3 knows no detector of that name, so it couldn't open the model.
    """
    if name not in MODEL_NAMES:
        raise ConfigError(
            f"found {name!r}; PaddleOCR 3 opens a detector by the name of one that it knows: "
            f"{', '.join(MODEL_NAMES)}",
            path=path,
            key="Global.model_name",
        )
    return name


def read_settings(text: str, path: Path | None = None) -> InferenceSettings:
    """Parse an ``inference.yml`` as a runtime does.

    Raises:
        ConfigError: the text, read from ``path``, isn't one of a detector; it names the key.
    """
    try:
        document = yaml.safe_load(text)
        operators = _operators(document["PreProcess"]["transform_ops"])
        decode, normalize = operators["DecodeImage"], operators["NormalizeImage"]
        named = document["Global"]
        name = check_model_name(named["model_name"], path)
        settings = InferenceSettings(
            name,
            decode["img_mode"],
            _runtime_resize(operators["DetResizeForTest"], named),
            _number(normalize.get("scale", 1 / 255)),
            _triple(normalize.get("mean", IMAGENET_MEAN)),
            _triple(normalize.get("std", IMAGENET_STD)),
            _post_process(document["PostProcess"]),
            _tiles(document.get("Tiles")),
        )
        settings.operators()  # they check their values
    except ConfigError as error:
        raise ConfigError(error.message, path=path, key=error.key) from None
    except _WRONG as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"is no inference.yml of a text detector: {type(error).__name__}: {reason}", path=path
        ) from None
    return settings


def _operators(listed: list[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    by_name: dict[str, dict[str, Any]] = {}
    for item in listed:
        ((name, arguments),) = item.items()
        if name not in OPERATORS:
            raise ConfigError(f"has an operator {name!r}", key="PreProcess.transform_ops")
        by_name[name] = arguments or {}
    return by_name


def _runtime_resize(arguments: Mapping[str, Any], named: Mapping[str, Any]) -> ResizeRule:
    """Return the rule of an operator's arguments, in a file whose ``Global`` is ``named``."""
    if "image_shape" in arguments:
        height, width = arguments["image_shape"]
        return ResizeRule(None, (int(height), int(width)), arguments.get("keep_ratio") is True)
    if named.get("limit_type") == "min":
        return ResizeRule(shortest_px=int(named["limit_side_len"]))
    if named["model_name"] in SEAL_NAMES:
        return ResizeRule(shortest_px=int(arguments.get("resize_long", SHORTEST_DEFAULT_PX)))
    return ResizeRule(min(int(arguments.get("resize_long", LONGEST_DEFAULT_PX)), LONGEST_MOST_PX))


def _post_process(section: Mapping[str, Any]) -> DBPostProcess:
    """Return the post-processing with the runtime's defaults: its ``box_thresh`` is 0.6."""
    if section.get("name") != "DBPostProcess":
        raise ConfigError(f"found {section.get('name')!r}", key="PostProcess.name")
    keys = {field.name for field in fields(DBPostProcess)}
    return DBPostProcess(**{"box_thresh": 0.6, **{k: v for k, v in section.items() if k in keys}})


def _tiles(section: Mapping[str, Any] | None) -> TileRule | None:
    if section is None:
        return None
    rule = TileRule(float(section["least"]), float(section["scale"]))
    if not (0 < rule.least <= MOST_TILE_SCALE and 0 < rule.scale <= MOST_TILE_SCALE):
        raise ConfigError(f"found {dict(section)}; factors are over 0", key="Tiles")
    return rule


def _number(value: Any) -> float:
    """Return a number, also from a quotient such as ``1./255.``; nothing is evaluated."""
    if not isinstance(value, str):
        return float(value)
    numerator, *denominators = value.split("/")
    result = float(numerator)
    for denominator in denominators:
        result /= float(denominator)
    return result


def _triple(values: Any) -> Triple:
    first, second, third = (_number(value) for value in values)
    return first, second, third

"""The operators at both ends of a pipeline: decode, normalise, channels first, kept fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from annotated_types import Gt, MinLen
from numpy.typing import NDArray
from pydantic import Strict

from ppocr_ft.declaration import Listed, Number
from ppocr_ft.errors import ConfigError, DataError
from ppocr_ft.transforms.image_size import check_size
from ppocr_ft.transforms.registry import register
from ppocr_ft.utils.console import quiet_libraries, say_once

Image = NDArray[Any]
Pixels = NDArray[np.uint8]
"""(h, w, 3) BGR."""
Alpha = NDArray[np.uint8]
"""(h, w); 0 is transparent, 255 opaque."""

OTHERWISE_LEVELS = 16
"""Grey levels by which two colours look different."""
OTHERWISE_SHARE = 0.001
"""Share of the pixels that must look different."""
_BAND_ROWS = 512
ImageMode = Literal["BGR", "RGB"]

_PNG = b"\x89PNG\r\n\x1a\n"
_MAGIC = {
    b"": "an empty file",
    b"\xff\xd8": "a damaged JPEG",
    b"\x89PNG": "a damaged PNG",
    b"BM": "a damaged or unusual BMP",
    b"II*\x00": "a TIFF that OpenCV can't read",
    b"MM\x00*": "a TIFF that OpenCV can't read",
    b"GIF8": "a damaged GIF",
    b"RIFF": "a damaged WebP",
    b"%PDF": "a PDF; save its pages as images",
    b"<!": "a web page",
    b"<html": "a web page",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
}
_HOW_DRAWN = (
    "note: {} is transparent; such images are drawn on white or on black, whichever their visible "
    "content differs from more. PaddleOCR drops transparency and sees other pixels"
)
PositiveNumber = Annotated[Number, Gt(0)]
PositiveTriple = Annotated[tuple[PositiveNumber, PositiveNumber, PositiveNumber], Strict(False)]
Maps = Literal["threshold_map", "threshold_mask", "shrink_map", "shrink_mask"]
SampleKey = Literal["image", Maps, "shape", "polys", "texts", "ignore_tags", "img_path"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def alpha_of(content: bytes, colors: Pixels) -> Alpha | None:
    """Return the alpha channel of an image file that was decoded to ``colors``.

    It is turned as ``colors`` are. None if there is none, or if it says nothing: wholly opaque, or
    wholly transparent.
    """
    with quiet_libraries():
        stored = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 3 or stored.shape[2] != 4:
        return None
    if stored.dtype == np.uint16:
        stored = np.concatenate([(rows >> 8).astype(np.uint8) for (rows,) in _bands(stored)])
    if stored.dtype != np.uint8:
        return None
    alpha = _turned_as(colors, np.asarray(stored, np.uint8))
    return None if alpha is None or alpha.min() == 255 or alpha.max() == 0 else alpha


def may_have_alpha(content: bytes) -> bool:
    """Return False for what surely has none, so that it is decoded once only."""
    if content.startswith(b"\x89PNG"):  # colour types 4 and 6 have alpha, a palette has tRNS
        return content[25:26] in (b"\4", b"\6") or b"tRNS" in content[: content.find(b"IDAT")]
    return not content.startswith(b"\xff\xd8") and content[12:16] != b"VP8 "


def _turned_as(colors: Pixels, stored: NDArray[np.uint8]) -> Alpha | None:
    """Return the alpha of ``stored`` (h, w, 4), with the turn that makes its colours ``colors``.

    The turns are those of EXIF's eight orientations.
    """
    sides = (stored, stored[:, ::-1])
    turned = [np.rot90(side, turns) for side in sides for turns in range(4)]
    fitting = [image for image in turned if image.shape[:2] == colors.shape[:2]]
    if not fitting:
        return None
    if all((ours[..., :3] == theirs).all() for ours, theirs in _bands(fitting[0], colors)):
        return np.ascontiguousarray(fitting[0][..., 3])
    apart = [float(cv2.norm(np.ascontiguousarray(of[..., :3]), colors)) for of in fitting]
    return np.ascontiguousarray(fitting[int(np.argmin(apart))][..., 3])


def drawn_on_ground(colors: Pixels, alpha: Alpha) -> Pixels:
    """Return the image on white or on black: the one that its visible content differs from more."""
    brightness = visible = 0.0
    for rows, alphas in _bands(colors, alpha):
        share = alphas.astype(np.float32) / 255
        brightness += float((cv2.cvtColor(rows, cv2.COLOR_BGR2GRAY) * share).sum())
        visible += float(share.sum())
    ground = 0 if brightness > 127.5 * visible else 255
    drawn = np.empty_like(colors)
    for rows, alphas, result in _bands(colors, alpha, drawn):
        share = alphas.astype(np.float32)[..., np.newaxis] / 255
        result[:] = np.rint(rows * share + ground * (1 - share))
    return drawn


def show_otherwise(colors: Pixels, drawn: Pixels) -> bool:
    """Return whether the colours alone show another picture than the one that is drawn."""
    apart = 0
    for rows, other in _bands(colors, drawn):
        difference = np.abs(rows.astype(np.int16) - other).max(axis=2)
        apart += int(np.count_nonzero(difference > OTHERWISE_LEVELS))
    return bool(apart > OTHERWISE_SHARE * colors.shape[0] * colors.shape[1])


def _bands(*images: Image) -> Iterator[tuple[Image, ...]]:
    """Yield the same rows of each image, some at a time: float32 of a page fills the memory."""
    for top in range(0, len(images[0]), _BAND_ROWS):
        yield tuple(image[top : top + _BAND_ROWS] for image in images)


@register
class DecodeImage:
    """Decode a file's bytes to (h, w, 3) uint8, whatever the file's depth.

    A transparent image is drawn on white or on black, whichever its visible content differs from
    more; PaddleOCR takes its colours alone, which may show nothing.

    Args:
        img_mode: order of the colour channels; PaddleOCR's detectors are trained with BGR.
        channel_first: channels before rows is what ToCHWImage does, at the end.
        ignore_orientation: whether the EXIF rotation is left alone; by default it is applied, as
            PaddleOCR 2.10.0 does and as labelling tools show the picture.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self,
        img_mode: ImageMode = "RGB",
        channel_first: Literal[False] = False,
        ignore_orientation: bool = False,
    ) -> None:
        self.img_mode = img_mode
        self._flags = cv2.IMREAD_COLOR
        if ignore_orientation:
            self._flags |= cv2.IMREAD_IGNORE_ORIENTATION

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replace ``image``; add ``img_mode``, which operators on colours read.

        Raises:
            DataError: the bytes are no image, naming ``img_path`` if it is given.
        """
        image = decode(data["image"], self._flags, data.get("img_path"))
        data["image"] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if self.img_mode == "RGB" else image
        data["img_mode"] = self.img_mode
        return data


def decode(content: bytes, flags: int, path: str | None) -> NDArray[np.uint8]:
    """Return (h, w, 3) BGR, or (h, w) grey, by OpenCV's ``flags``; transparent images on a ground.

    A runtime that drops the alpha channel, as PaddleOCR does, sees colours that no viewer shows:
    black text on a transparent ground is often stored as black on black.

    Raises:
        DataError: it is no image; the message says what kind of file it seems to be.
    """
    image = _decoded(content, flags, path)
    if not may_have_alpha(content):
        return image
    colors = image if image.ndim == 3 else _decoded(content, cv2.IMREAD_COLOR, path)
    alpha = alpha_of(content, colors)
    if alpha is None:
        return image
    drawn = drawn_on_ground(colors, alpha)
    if show_otherwise(colors, drawn):
        say_once("transparency", _HOW_DRAWN.format(path or "an image"))
    if image.ndim == 3:
        return drawn
    grey = cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY)
    size = image.shape[1], image.shape[0]
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def encode(image: Pixels) -> bytes:
    """Return an image as a file's content, without loss: what ``decode`` makes it of."""
    return cv2.imencode(".bmp", np.ascontiguousarray(image))[1].tobytes()


def decode_color(content: bytes, path: str | None = None) -> Pixels:
    """Return a file's content as ``decode`` makes it, (h, w, 3) BGR. Raises DataError."""
    return decode(content, cv2.IMREAD_COLOR, path)


def read_image(path: str | Path) -> NDArray[np.uint8] | None:
    """Return an image file as ``decode`` makes it, (h, w, 3) BGR; None if it can't be read."""
    try:
        return decode_color(Path(path).read_bytes(), str(path))
    except (OSError, DataError):
        return None


def _without_profile(content: bytes) -> bytes:
    """Return a PNG without its colour profile, any other file as it is.

    OpenCV applies none, and libpng prints a warning, without a file name, about many.
    """
    chunk = len(_PNG)
    while content.startswith(_PNG) and content[chunk + 4 : chunk + 8] not in (b"", b"IDAT"):
        end = chunk + 12 + int.from_bytes(content[chunk : chunk + 4], "big")
        if content[chunk + 4 : chunk + 8] == b"iCCP":
            return content[:chunk] + content[end:]
        chunk = end
    return content


def _decoded(content: bytes, flags: int, path: str | None) -> NDArray[np.uint8]:
    check_size(content, path)
    reason = ""
    try:
        raw = np.frombuffer(_without_profile(content), np.uint8)
        with quiet_libraries():
            image = cv2.imdecode(raw, flags) if content else None
    except cv2.error as error:  # too many pixels, say
        image, reason = None, f": {str(error).strip().splitlines()[-1]}"
    if image is None:
        raise DataError(f"can't be decoded; it is {_describe(content)}{reason}", path=path)
    return np.asarray(image, np.uint8)


def _describe(content: bytes) -> str:
    kinds = [kind for magic, kind in _MAGIC.items() if magic and content.startswith(magic)]
    if kinds or not content:
        return kinds[0] if kinds else _MAGIC[b""]
    if content[4:8] == b"ftyp":
        kind = {b"he": "a HEIC photo", b"mi": "a HEIC photo", b"av": "an AVIF picture"}
        return f"{kind.get(content[8:10], 'a video')}, which OpenCV can't read; convert it to JPEG"
    return f"no image that OpenCV knows (it begins with {content[:8]!r})"


@register
class NormalizeImage:
    """Compute ``(image * scale - mean) / std`` in float32, channel by channel.

    uint8 pixels are looked up in a table of the 256 results of each channel, so that the values
    are bit for bit those of the formula. The result is always channel by channel in memory;
    with ``order`` hwc it is a (h, w, 3) view of that, and ToCHWImage then copies nothing.

    Args:
        scale: factor on the 0..255 pixels; null: 1/255.
        mean: per channel, after scale.
        std: per channel, after scale.
        order: layout of the image at this point: hwc before ToCHWImage, chw after it.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self,
        scale: PositiveNumber | None = None,
        mean: Annotated[tuple[Number, Number, Number], Strict(False)] = IMAGENET_MEAN,
        std: PositiveTriple = IMAGENET_STD,
        order: Literal["hwc", "chw"] = "chw",
    ) -> None:
        self.order = order
        self._scale = np.float32(1.0 / 255.0 if scale is None else scale)
        self._mean, self._std = np.array(mean, np.float32), np.array(std, np.float32)
        levels = np.arange(256, dtype=np.uint8)
        self._tables = self._formula(np.stack([levels] * 3)[:, np.newaxis])[:, 0]  # (3, 256)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replace ``image`` by its float32 values, of the same shape."""
        image = data["image"]
        planes = image if self.order == "chw" else image.transpose(2, 0, 1)
        result = self._look_up(planes) if image.dtype == np.uint8 else self._formula(planes)
        data["image"] = result if self.order == "chw" else result.transpose(1, 2, 0)
        return data

    def _look_up(self, planes: Image) -> NDArray[np.float32]:
        """Normalise (3, h, w) uint8 with any strides."""
        result = np.empty(planes.shape, np.float32)
        interleaved = planes.transpose(1, 2, 0)
        split = cv2.split(interleaved) if interleaved.flags.c_contiguous else planes
        for plane, table, out in zip(split, self._tables, result, strict=True):
            cv2.LUT(plane, table, out)
        return result

    def _formula(self, planes: Image) -> NDArray[np.float32]:
        """Compute in PaddleOCR's order of operations, in float32."""
        per_channel = (3, 1, 1)
        mean, std = self._mean.reshape(per_channel), self._std.reshape(per_channel)
        values = (planes.astype(np.float32) * self._scale - mean) / std
        return np.ascontiguousarray(values, np.float32)


@register
class ToCHWImage:
    """Put channels first: ``image`` (h, w, c) to (c, h, w), contiguous."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        data["image"] = np.ascontiguousarray(data["image"].transpose(2, 0, 1))
        return data


@register
class KeepKeys:
    """Say which of a sample's fields leave the pipeline.

    They keep their names; PaddleOCR makes a list of them.

    Args:
        keep_keys: names of the fields.
    """

    def __init__(self, keep_keys: Annotated[Listed[SampleKey], MinLen(1)]) -> None:
        self.keep_keys = keep_keys

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return only the fields ``keep_keys``, in that order.

        Raises:
            ConfigError: no operator has made one of them.
        """
        missing = [key for key in self.keep_keys if key not in data]
        if missing:
            present = ", ".join(sorted(data))
            raise ConfigError(
                f"no operator makes {', '.join(missing)}; there are {present}", key="keep_keys"
            )
        return {key: data[key] for key in self.keep_keys}

"""Transparent images, drawn on white or black; opaque ones are what OpenCV decodes."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ppocr_ft.errors import DataError
from ppocr_ft.transforms.image_ops import DecodeImage, decode, may_have_alpha, show_otherwise
from ppocr_ft.utils.console import forget_said

SIZE = 60, 40
BAR = np.s_[10:20, 5:50]
"""Where the text would be."""


def stored(text: int, alpha: int = 255, around: int | None = None) -> np.ndarray:
    """RGBA of a bar of one grey on a transparent ground of the same colour, or of another."""
    image = np.full((SIZE[1], SIZE[0], 4), text if around is None else around, np.uint8)
    image[..., 3] = 0
    image[BAR] = (text, text, text, alpha)
    return image


def encoded(rgba: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgba, "RGBA").save(file, form, **options)  # type: ignore[arg-type]
    return file.getvalue()


def grey(content: bytes, **options: bool) -> np.ndarray:
    image = DecodeImage("BGR", **options)({"image": content})["image"]
    assert image.shape[2] == 3
    assert (image.max(axis=2) == image.min(axis=2)).all()
    return np.asarray(image[..., 0])


@pytest.mark.parametrize(
    ("text", "ground"),
    [(0, 255), (255, 0), (90, 255), (170, 0), (127, 255), (128, 0)],
    ids=["black", "white", "dark", "light", "a little dark", "a little light"],
)
def test_the_ground_is_what_the_content_differs_from_more(text: int, ground: int) -> None:
    image = grey(encoded(stored(text)))
    assert (image[BAR] == text).all()
    image[BAR] = ground
    assert (image == ground).all()


def test_half_transparent_pixels_are_mixed() -> None:
    image = grey(encoded(stored(0, alpha=51)))  # a fifth black on white
    assert set(np.unique(image)) == {204, 255}


@pytest.mark.parametrize("around", [0, 200])
@pytest.mark.parametrize("alpha", [0, 255], ids=["wholly transparent", "opaque"])
def test_an_alpha_channel_that_says_nothing_changes_nothing(alpha: int, around: int) -> None:
    rgba = stored(50, around=around)
    rgba[..., 3] = alpha
    content = encoded(rgba)
    wanted = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decode(content, cv2.IMREAD_COLOR, None), wanted)
    assert set(np.unique(wanted)) == {50, around}


@pytest.mark.parametrize(
    ("form", "options"),
    [("WEBP", {"lossless": True, "exact": True}), ("TIFF", {}), ("PNG", {"optimize": True})],
    ids=["webp", "tiff", "png"],
)
def test_every_format_with_alpha(form: str, options: dict[str, object]) -> None:
    image = grey(encoded(stored(0), form, **options))
    assert image[0, 0] == 255
    assert image[15, 20] == 0


@pytest.mark.parametrize(
    ("form", "mode", "options", "may"),
    [
        ("JPEG", "RGB", {}, False),
        ("WEBP", "RGB", {}, False),
        ("WEBP", "RGBA", {}, True),
        ("PNG", "RGB", {}, False),
        ("PNG", "L", {"transparency": 0}, True),
        ("PNG", "LA", {}, True),
        ("TIFF", "RGB", {}, True),
    ],
)
def test_what_surely_has_no_alpha_is_decoded_once(
    form: str, mode: str, options: dict[str, int], may: bool
) -> None:
    file = io.BytesIO()
    Image.fromarray(stored(0), "RGBA").convert(mode).save(file, form, **options)
    assert may_have_alpha(file.getvalue()) == may


def test_a_palette_with_a_transparent_colour() -> None:
    picture = Image.fromarray(stored(0)[..., 3] // 255, "P")
    picture.putpalette([0, 0, 0, 0, 0, 0])
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=0)
    image = grey(file.getvalue())
    assert image[0, 0] == 255
    assert image[15, 20] == 0


def test_16_bits_a_channel() -> None:
    wide = stored(0).astype(np.uint16) * 257
    image = grey(cv2.imencode(".png", wide)[1].tobytes())
    assert image[0, 0] == 255
    assert image[15, 20] == 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ignored", [False, True])
def test_transparency_turns_with_the_picture(orientation: int, ignored: bool) -> None:
    """Of an image whose colours show where it is: dark on a light ground, both drawn on white."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgba = stored(0, around=90)
    rgba[0, 0] = (40, 40, 40, 255)
    opaque = rgba.copy()
    opaque[..., 3] = 255
    seen = grey(encoded(opaque, exif=exif), ignore_orientation=ignored)
    image = grey(encoded(rgba, exif=exif), ignore_orientation=ignored)
    np.testing.assert_array_equal(image, np.where(seen == 90, 255, seen))


def test_a_grey_thumbnail_shows_the_ground_too() -> None:
    image = decode(encoded(stored(0)), cv2.IMREAD_REDUCED_GRAYSCALE_2, None)
    assert image.shape == (20, 30)
    assert image[0, 0] == 255
    assert image[7, 10] == 0


def test_it_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    forget_said()
    for _ in range(3):
        decode(encoded(stored(0)), cv2.IMREAD_COLOR, "logo.png")
    err = capsys.readouterr().err
    assert err.count("note: ") == 1
    assert err.startswith("note: logo.png is transparent; ")
    forget_said()
    decode(encoded(stored(0, around=255)), cv2.IMREAD_COLOR, "same.png")  # colours show it as well
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("levels", "pixels", "otherwise"), [(16, 10_000, False), (17, 10, False), (17, 11, True)]
)
def test_when_colours_show_another_picture(levels: int, pixels: int, otherwise: bool) -> None:
    """More than 16 levels in one channel, in more than a thousandth of the 100 x 100 px."""
    colors, drawn = np.full((100, 100, 3), 100, np.uint8), np.full((10_000, 3), 100, np.uint8)
    drawn[:pixels, 1] -= levels
    assert show_otherwise(colors, drawn.reshape(100, 100, 3)) == otherwise


def test_a_damaged_transparent_png_is_a_fault_as_any_other(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a damaged PNG"):
        decode(encoded(stored(0))[:40], cv2.IMREAD_COLOR, None)

"""The operators of evaluation, beside those of the real PaddleOCR 2.10.0."""

from __future__ import annotations

import copy
import json
import zlib
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.errors import ConfigError, DataError
from ppocr_ft.transforms.image_ops import DecodeImage, KeepKeys, NormalizeImage, ToCHWImage
from ppocr_ft.transforms.labels import DetLabelEncode
from ppocr_ft.transforms.resize import DetResizeForTest
from tests.support.paddleocr_wheels import operator_module
from tests.support.pictures import gradient, paddleocr_class, text
from tests.support.samples import pictures_of

REAL = "2.10.0"


def real(name: str, **arguments: Any) -> Any:
    return getattr(operator_module(REAL, "operators"), name)(**arguments)


def encoded(image: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF block that says how it is to be turned."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + bytes([0, orientation, 0, 0])
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + entry + b"\x00\x00\x00\x00"
    body = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


DECODED = {
    "PNG": encoded(gradient(40, 30)),
    "JPEG": encoded(gradient(40, 30), ".jpg"),
    "grey PNG": encoded(gradient(40, 30)[..., 0]),
    "16 bit PNG": encoded(gradient(40, 30).astype(np.uint16) * 257),
    # a transparent one is drawn on a ground, which PaddleOCR doesn't: test_transparency.py
    "PNG with opaque alpha": encoded(
        np.dstack([gradient(40, 30), np.full((30, 40), 255, np.uint8)])
    ),
    "BMP": encoded(gradient(41, 30), ".bmp"),
    "JPEG turned by EXIF": with_orientation(encoded(gradient(40, 30), ".jpg"), 6),
}


@pytest.mark.parametrize("ignore_orientation", [False, True], ids=["as EXIF says", "as stored"])
@pytest.mark.parametrize("img_mode", ["BGR", "RGB"])
@pytest.mark.parametrize("content", DECODED.values(), ids=DECODED.keys())
def test_decodes_as_paddleocr(content: bytes, img_mode: Any, ignore_orientation: bool) -> None:
    arguments = {"img_mode": img_mode, "ignore_orientation": ignore_orientation}
    theirs = real("DecodeImage", **arguments)({"image": content})["image"]
    ours = DecodeImage(**arguments)({"image": content})["image"]
    assert ours.dtype == np.uint8
    np.testing.assert_array_equal(ours, theirs)


def test_exif_turns_the_image_unless_told_otherwise() -> None:
    content = DECODED["JPEG turned by EXIF"]
    assert DecodeImage()({"image": content})["image"].shape == (40, 30, 3)
    stored = DecodeImage(ignore_orientation=True)({"image": content})["image"]
    assert stored.shape == (30, 40, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "an empty file", id="empty"),
        pytest.param(b"hello world", "begins with b'hello wo'", id="text"),
        pytest.param(DECODED["JPEG"][:20], "a damaged JPEG", id="JPEG header only"),
        pytest.param(DECODED["PNG"][:20], "a damaged PNG", id="PNG header only"),
        pytest.param(b"<!DOCTYPE html><html>", "a web page", id="HTML"),
        pytest.param(b"%PDF-1.7\n...", "a PDF", id="PDF"),
        pytest.param(b"\x00\x00\x00\x18ftypheic" + bytes(40), "a HEIC", id="HEIC"),
        pytest.param(b"\x00\x00\x00\x18ftypmif1" + bytes(40), "a HEIC", id="HEIF"),
        pytest.param(b"\x00\x00\x00\x18ftypavif" + bytes(40), "an AVIF", id="AVIF"),
        pytest.param(b"\x00\x00\x00\x18ftypmp42" + bytes(40), "a video", id="MP4"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", id="LFS"),
    ],
)
def test_what_is_no_image_is_named(content: bytes, words: str) -> None:
    with pytest.raises(DataError) as caught:
        DecodeImage()({"image": content, "img_path": "photos/a.jpg"})
    assert str(caught.value).startswith("photos/a.jpg: can't be decoded; it is ")
    assert words in str(caught.value)


def test_a_colour_profile_that_libpng_warns_of_is_left_out(
    capfd: pytest.CaptureFixture[str],
) -> None:
    plain = DECODED["PNG"]
    body = b"iCCP" + b"profile\x00\x00" + zlib.compress(b"no profile")
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    warned = plain[:33] + chunk + plain[33:]  # after the signature and IHDR
    cv2.imdecode(np.frombuffer(warned, np.uint8), cv2.IMREAD_COLOR)
    assert "iCCP" in capfd.readouterr().err
    np.testing.assert_array_equal(
        DecodeImage()({"image": warned})["image"], DecodeImage()({"image": plain})["image"]
    )
    assert capfd.readouterr().err == ""


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="img_mode: found 'GRAY'"):
        DecodeImage("GRAY")  # type: ignore[arg-type]


@pytest.mark.parametrize("folder", ["sample", "receipts"])
def test_whole_pictures_decode_as_paddleocrs(folder: str) -> None:
    """Some receipts have bad Huffman codes; libjpeg warns of them and goes on."""
    paths = sorted((pictures_of(folder) / "images").glob("*.jpg"))
    theirs, ours = real("DecodeImage"), DecodeImage()
    for path in paths[:40]:
        content = path.read_bytes()
        image = ours({"image": content})["image"]
        np.testing.assert_array_equal(image, theirs({"image": content})["image"])


SIZES = [(480, 640), (640, 480), (1280, 720), (961, 959), (33, 1000), (2000, 31), (20, 30), (5, 9)]
WAYS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "limit 960, default type": {"limit_side_len": 960},
    "max 960": {"limit_side_len": 960, "limit_type": "max"},
    "max 100": {"limit_side_len": 100, "limit_type": "max"},
    "min 736": {"limit_side_len": 736, "limit_type": "min"},
    "min 17": {"limit_side_len": 17, "limit_type": "min"},
    "limit_type resize_long": {"limit_side_len": 500, "limit_type": "resize_long"},
    "resize_long": {"resize_long": 500},
    "image_shape": {"image_shape": [736, 1280]},
    "image_shape, ratio kept": {"image_shape": [320, 640], "keep_ratio": True},
    "image_shape, ratio not kept": {"image_shape": [320, 640], "keep_ratio": False},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_resizes_as_paddleocr(way: dict[str, Any]) -> None:
    for h, w in SIZES:
        image = gradient(w, h)
        theirs = real("DetResizeForTest", **way)({"image": image})
        ours = DetResizeForTest(**way)({"image": image})
        np.testing.assert_array_equal(ours["image"], theirs["image"])
        np.testing.assert_array_equal(ours["shape"], theirs["shape"])
        assert ours["shape"].dtype == theirs["shape"].dtype


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_random_sizes_become_paddleocrs(way: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    for h, w in rng.integers(8, 900, (60, 2)).tolist():
        image = np.zeros((h, w, 3), np.uint8)
        theirs = real("DetResizeForTest", **way)({"image": image})
        ours = DetResizeForTest(**way)({"image": image})
        np.testing.assert_array_equal(ours["shape"], theirs["shape"])
        assert ours["image"].shape == theirs["image"].shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"limit_type": "most"}, "limit_type: found 'most'", id="unknown limit_type"),
        pytest.param(
            {"resize_long": 9, "limit_side_len": 9},
            "limit_side_len and resize_long are given; keep one of them",
            id="two ways",
        ),
        pytest.param({"limit_type": "max"}, "without limit_side_len", id="type without a side"),
        pytest.param({"keep_ratio": True}, "without image_shape", id="ratio without a shape"),
    ],
)
def test_what_it_cannot_mean_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DetResizeForTest(**arguments)


NORMALIZED: dict[str, dict[str, Any]] = {
    "defaults": {},
    "hwc": {"order": "hwc"},
    "own numbers": {"scale": 0.5, "mean": [1, 2, 3.5], "std": [0.1, 2, 7], "order": "hwc"},
    "no scale": {"scale": 1.0, "mean": [0, 0, 0], "std": [1, 1, 1], "order": "hwc"},
}
IMAGES = {
    "bytes": lambda: gradient(31, 22),
    "reversed channels": lambda: gradient(31, 22)[..., ::-1],
    "every other pixel": lambda: gradient(62, 44)[::2, ::2],
    "float": lambda: gradient(31, 22).astype(np.float32) / 3,
    "16 bit": lambda: gradient(31, 22).astype(np.uint16) * 257,
}


@pytest.mark.parametrize("make", IMAGES.values(), ids=IMAGES.keys())
@pytest.mark.parametrize("arguments", NORMALIZED.values(), ids=NORMALIZED.keys())
def test_normalizes_as_paddleocr(arguments: dict[str, Any], make: Any) -> None:
    image = make() if arguments.get("order") == "hwc" else make().transpose(2, 0, 1)
    before = image.copy()
    theirs = real("NormalizeImage", **arguments)({"image": image})["image"]
    ours = NormalizeImage(**arguments)({"image": image})["image"]
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(image, before)


def test_normalized_images_need_no_copy_to_put_channels_first() -> None:
    data = NormalizeImage(order="hwc")({"image": gradient(31, 22)})
    made = ToCHWImage()(dict(data))["image"]
    assert made.flags.c_contiguous
    assert np.shares_memory(made, data["image"])


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        pytest.param({"mean": [0.5]}, "mean", id="one mean for three channels"),
        pytest.param({"std": [1, 1, 0]}, "std.2", id="a zero deviation"),
        pytest.param({"order": "whc"}, "order", id="an unknown order"),
    ],
)
def test_normalization_that_cannot_be_is_refused(arguments: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        NormalizeImage(**arguments)
    assert caught.value.key == key


def test_channels_first_as_paddleocr() -> None:
    image = gradient(31, 22)
    theirs = real("ToCHWImage")({"image": image})["image"]
    np.testing.assert_array_equal(ToCHWImage()({"image": image})["image"], theirs)


def test_kept_keys_keep_their_names_and_paddleocrs_order() -> None:
    data = {"shape": 1, "polys": 2, "image": 3, "texts": 4}
    kept = KeepKeys(["image", "shape", "polys"])(dict(data))
    assert list(kept) == ["image", "shape", "polys"]
    keys = list(kept)
    assert list(kept.values()) == real("KeepKeys", keep_keys=keys)(dict(data))


def test_a_key_that_nobody_makes_is_named() -> None:
    with pytest.raises(ConfigError, match="keep_keys: no operator makes shrink_map; there are im"):
        KeepKeys(["image", "shrink_map"])({"image": 0})


def test_labels_encode_as_paddleocr() -> None:
    namespace = {"np": np, "json": json, "get_logger": None}
    theirs = paddleocr_class(REAL, "DetLabelEncode", "label_ops.py", namespace)()
    label = json.dumps([text("a", 1, 2), text("###", 30.5, 2), text("*", 1, 40), text("ü漢", 5, 5)])
    real_data, ours = theirs({"label": label}), DetLabelEncode()({"label": label})
    np.testing.assert_array_equal(np.stack(ours["polys"]), real_data["polys"])
    assert all(poly.dtype == np.float32 for poly in ours["polys"])
    np.testing.assert_array_equal(ours["ignore_tags"], real_data["ignore_tags"])
    assert ours["texts"] == real_data["texts"]


def test_each_polygon_keeps_its_points() -> None:
    curve = {"transcription": "c", "points": [[0, 0], [5, 1], [9, 0], [9, 4], [5, 5], [0, 4]]}
    data = DetLabelEncode()({"label": json.dumps([text("a", 1, 2), curve])})
    assert [poly.shape for poly in data["polys"]] == [(4, 2), (6, 2)]


def test_an_image_without_text_is_a_sample() -> None:
    data = DetLabelEncode()({"label": "[]"})
    assert data["polys"] == []
    assert data["ignore_tags"].shape == (0,)


def test_a_bad_label_names_the_image() -> None:
    with pytest.raises(DataError, match=r"^a\.jpg: broken JSON"):
        DetLabelEncode()({"label": "[{", "img_path": "a.jpg"})


@pytest.mark.parametrize("folder", ["sample", "receipts"])
def test_the_whole_chain_equals_paddleocrs(folder: str) -> None:
    limits = {"limit_side_len": 960, "limit_type": "max"}
    theirs = [
        real("DecodeImage", img_mode="BGR"),
        real("DetResizeForTest", **limits),
        real("NormalizeImage", order="hwc"),
        real("ToCHWImage"),
    ]
    ours = [
        DecodeImage("BGR"),
        DetResizeForTest(**limits),  # type: ignore[arg-type]
        NormalizeImage(order="hwc"),
        ToCHWImage(),
    ]
    for path in sorted((pictures_of(folder) / "images").glob("*.jpg"))[:8]:
        results = []
        for chain in (theirs, ours):
            data: dict[str, Any] = {"image": copy.copy(path.read_bytes())}
            for operator in chain:
                data = operator(data)
            results.append(data)
        np.testing.assert_array_equal(results[1]["image"], results[0]["image"])
        np.testing.assert_array_equal(results[1]["shape"], results[0]["shape"])

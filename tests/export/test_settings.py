"""inference.yml: what is written is read back; the runtime's rules, not PaddleOCR's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ppocr_ft.errors import ConfigError
from ppocr_ft.export.settings import (
    MODEL_NAMES,
    SEAL_NAMES,
    InferenceSettings,
    ResizeRule,
    read_settings,
    resize_rule,
)
from ppocr_ft.models.configs import DETECTORS
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.transforms.tiles import TileRule

SETTINGS = InferenceSettings(
    "PP-OCRv4_mobile_det",
    "BGR",
    ResizeRule(960),
    1 / 255,
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
    DBPostProcess(box_thresh=0.55, unclip_ratio=1.1),
)
RELEASED = """\
Global:
  model_name: PP-OCRv4_mobile_det
Hpi:
  backend_configs: {paddle_infer: {trt_dynamic_shapes: {x: [[1, 3, 32, 32]]}}}
PreProcess:
  transform_ops:
  - DecodeImage:
      channel_first: false
      img_mode: BGR
  - DetLabelEncode: null
  - DetResizeForTest:
      resize_long: 960
  - NormalizeImage:
      mean: [0.485, 0.456, 0.406]
      order: hwc
      scale: 1./255.
      std: [0.229, 0.224, 0.225]
  - ToCHWImage: null
  - KeepKeys:
      keep_keys: [image, shape, polys, ignore_tags]
PostProcess:
  name: DBPostProcess
  box_thresh: 0.55
  max_candidates: 1000
  thresh: 0.3
  unclip_ratio: 1.1
"""
"""In the form of PaddleOCR 3's released models."""


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(SETTINGS, id="as shipped"),
        pytest.param(replace(SETTINGS, resize=ResizeRule(None, (736, 1280))), id="fixed size"),
        pytest.param(
            replace(SETTINGS, resize=ResizeRule(None, (736, 1280), True)), id="fixed height"
        ),
        pytest.param(
            replace(
                SETTINGS, model_name="PP-OCRv4_mobile_seal_det", resize=ResizeRule(shortest_px=736)
            ),
            id="a seal's size",
        ),
        pytest.param(replace(SETTINGS, resize=ResizeRule(shortest_px=800)), id="enlarged"),
        pytest.param(
            replace(SETTINGS, model_name="PP-OCRv6_small_det"), id="the name of a PP-OCRv6"
        ),
        pytest.param(replace(SETTINGS, img_mode="RGB", scale=0.5), id="other pixels"),
        pytest.param(replace(SETTINGS, tiles=TileRule(0.3, 0.55)), id="large pages"),
        pytest.param(
            replace(
                SETTINGS,
                post_process=DBPostProcess(0.2, 0.0, 50, 2.2, True, "slow", "poly"),
            ),
            id="other boxes",
        ),
    ],
)
def test_what_is_written_is_read_back(settings: InferenceSettings) -> None:
    assert read_settings(settings.to_yaml()) == settings


def test_the_released_form_is_read() -> None:
    assert read_settings(RELEASED) == SETTINGS
    written = yaml.safe_load(SETTINGS.to_yaml())
    released = yaml.safe_load(RELEASED)
    assert written["PreProcess"] == released["PreProcess"]
    assert written["PostProcess"].items() >= released["PostProcess"].items()


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ("{resize_long: 960}", ResizeRule(960)),
        ("null", ResizeRule(960)),
        ("{limit_side_len: 736, limit_type: min}", ResizeRule(960)),  # neither is looked at
        ("{resize_long: 9000}", ResizeRule(4000)),
        ("{image_shape: [640, 640], resize_long: 960}", ResizeRule(None, (640, 640))),
    ],
)
def test_resizing_is_what_the_runtime_makes_of_it(arguments: str, rule: ResizeRule) -> None:
    text = RELEASED.replace("\n      resize_long: 960", f" {arguments}")
    assert read_settings(text).resize == rule


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((1200, 800), (960, 640)), ((500, 300), (512, 288)), ((20, 20), (32, 32))],
)
def test_the_longest_side_is_limited_and_nothing_enlarged(
    size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    image = np.zeros((*size, 3), np.uint8)
    found = ResizeRule(960).operator()({"image": image})
    assert found["image"].shape == (*wanted, 3)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"limit_side_len": 640, "limit_type": "max"}, ResizeRule(640)),
        ({"limit_side_len": 800, "limit_type": "min"}, ResizeRule(shortest_px=800)),
        ({}, ResizeRule(shortest_px=736)),  # PaddleOCR's default
        ({"limit_side_len": 960}, ResizeRule(shortest_px=960)),
        ({"image_shape": (640, 960)}, ResizeRule(None, (640, 960))),
        ({"image_shape": (640, 960), "keep_ratio": True}, ResizeRule(None, (640, 960), True)),
    ],
)
def test_rules_that_can_be_told(arguments: dict[str, Any], rule: ResizeRule) -> None:
    assert resize_rule(arguments) == rule


@pytest.mark.parametrize("name", ["PP-OCRv4_mobile_seal_det", "PP-OCRv4_server_seal_det"])
def test_by_a_seals_name_the_shortest_side_is_limited(name: str) -> None:
    assert resize_rule({"image_shape": (736, 736)}, name) == ResizeRule(None, (736, 736))
    assert resize_rule({}, name) == ResizeRule(shortest_px=736)
    least = {"limit_side_len": 640, "limit_type": "min"}
    assert resize_rule(least, name) == ResizeRule(shortest_px=640)
    for other in ({"limit_side_len": 736, "limit_type": "max"}, {"resize_long": 736}):
        message = rf"by the name {name} .* the shortest side at least N px.* 736, limit_type: min"
        with pytest.raises(ConfigError, match=message) as caught:
            resize_rule(other, name)
        assert caught.value.key == "Eval.dataset.transforms.DetResizeForTest"
    released = RELEASED.replace("PP-OCRv4_mobile_det", name)
    assert read_settings(released).resize == ResizeRule(shortest_px=960)
    nothing = released.replace("\n      resize_long: 960", " null")
    assert read_settings(nothing).resize == ResizeRule(shortest_px=736)
    sized = released.replace("resize_long: 960", "image_shape: [736, 736]")
    assert read_settings(sized).resize == ResizeRule(None, (736, 736))


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((1200, 800), (1216, 800)), ((500, 300), (1216, 736)), ((5000, 2500), (4000, 1984))],
    ids=["as it is", "enlarged", "over the runtime's limit of the longest side"],
)
def test_the_shortest_side_is_limited_and_then_the_longest(
    size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    assert ResizeRule(shortest_px=736).operator().target_size(size) == wanted


def test_a_limit_of_the_shortest_side_is_kept_where_the_runtime_does_not_look() -> None:
    """Without its two arguments PaddleOCR 3 then leaves images as they are."""
    written = yaml.safe_load(replace(SETTINGS, resize=ResizeRule(shortest_px=800)).to_yaml())
    arguments = {"limit_side_len": 800, "limit_type": "min"}
    assert written["Global"] == {"model_name": "PP-OCRv4_mobile_det", **arguments}
    operators = written["PreProcess"]["transform_ops"]
    assert {"DetResizeForTest": {"resize_long": 4000}} in operators
    assert ResizeRule(shortest_px=800).arguments("PP-OCRv4_mobile_det") == arguments
    assert ResizeRule(shortest_px=800).arguments("PP-OCRv4_mobile_seal_det") == {}
    assert ResizeRule(800).arguments("PP-OCRv4_mobile_det") == {}


def test_each_detector_is_exported_under_its_name() -> None:
    assert set(DETECTORS) | set(SEAL_NAMES) == set(MODEL_NAMES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"resize_long": 960}, "resize_long: 960", id="multiples of 128"),
        pytest.param(
            {"limit_side_len": 960, "limit_type": "resize_long"}, "resize_long", id="enlarging"
        ),
        pytest.param({"limit_side_len": 4032, "limit_type": "max"}, "4032", id="over its limit"),
        pytest.param({"limit_side_len": 4032, "limit_type": "min"}, "4032", id="the same of min"),
    ],
)
def test_rules_that_the_runtime_has_no_words_for(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match="PaddleOCR 3 would not resize so") as caught:
        resize_rule(arguments)
    assert said in str(caught.value)
    assert "limit_type: max" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (RELEASED, "", "is no inference.yml"),
        (RELEASED, "a: [", "is no inference.yml"),
        (RELEASED, "- 1", "is no inference.yml"),
        ("PP-OCRv4_mobile_det", "PP-OCRv4_mobile_rec", MODEL_NAMES[0]),
        ("  - ToCHWImage: null", "  - RunShell: {command: rm}", "'RunShell'"),
        ("name: DBPostProcess", "name: CTCLabelDecode", "CTCLabelDecode"),
        ("scale: 1./255.", "scale: __import__('os').getpid()", "could not convert"),
        ("scale: 1./255.", "scale: 1/0", "ZeroDivisionError"),
        ("std: [0.229, 0.224, 0.225]", "std: [0.229, 0, 0.225]", "above 0"),
        ("img_mode: BGR", "img_mode: GRAY", "expected one of BGR, RGB"),
        ("- DetLabelEncode: null", "- " + "[" * 5000, "Recursion"),
        ("box_thresh: 0.55", "box_thresh: 7", "box_thresh"),
        ("Hpi:", "Tiles: {least: 0, scale: 0.5}\nHpi:", "Tiles: found"),
        ("Hpi:", "Tiles: {scale: 0.5}\nHpi:", "least"),
        ("std: [0.229, 0.224, 0.225]", "std: [0.229]", "not enough values"),
        ("img_mode: BGR", "img_mode: !!python/object/apply:os.getpid []", "constructor"),
    ],
)
def test_other_files_are_refused_and_nothing_in_them_is_run(old: str, new: str, part: str) -> None:
    assert RELEASED.count(old) == 1
    with pytest.raises(ConfigError, match=r"f\.yml") as caught:
        read_settings(RELEASED.replace(old, new), Path("f.yml"))
    assert part in str(caught.value)

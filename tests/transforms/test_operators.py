"""The pair's contract: PaddleOCR's data dict in and out, the clock, and wrong arguments."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from ppocr_ft import EPOCH_CLOCK, EpochClock, MakeBorderMap, MakeShrinkMap, set_epoch
from ppocr_ft.errors import ConfigError, DataError
from ppocr_ft.transforms import registry
from ppocr_ft.transforms.geometric import CopyPaste
from ppocr_ft.transforms.image_ops import DecodeImage, encode
from ppocr_ft.transforms.labels import DetLabelEncode
from ppocr_ft.transforms.pipeline import Pipeline
from tests.support.samples import sample

QUAD = [[10, 10], [90, 12], [88, 40], [9, 38]]
SHAPE = (60, 100)


def run(data: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return MakeShrinkMap(**keys)(MakeBorderMap(**keys)(data))


def test_adds_four_maps_and_leaves_the_rest() -> None:
    data = sample(np.array([QUAD], np.float32), SHAPE)
    data["texts"] = ["abc"]
    result = run(data)
    for name in ("shrink_map", "shrink_mask", "threshold_map", "threshold_mask"):
        assert result[name].shape == SHAPE
        assert result[name].dtype == np.float32
    assert result["texts"] == ["abc"]
    assert result["unusable_texts"] == 0
    assert result["shrink_map"].sum() > 100
    assert result["threshold_map"].min() == np.float32(0.3)
    assert result["threshold_map"].max() == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize(
    "kind", ["float32", "float64", "int64", "int32", "list", "nested", "object"]
)
def test_polys_come_back_in_their_container_and_type(kind: str) -> None:
    quad = np.array([QUAD], np.float32)
    polys: Any = quad
    if kind == "list":
        polys = [quad[0], quad[0, :3]]
    elif kind == "nested":
        polys = [QUAD, QUAD[:3]]
    elif kind == "object":
        polys = np.empty(2, dtype=object)
        polys[:] = [quad[0], quad[0, :3]]
    else:
        polys = quad.astype(kind)
    before = copy.deepcopy(polys)
    data = run(sample(polys, SHAPE))
    assert type(data["polys"]) is type(polys)
    assert np.asarray(data["polys"][0]).dtype == np.asarray(before[0]).dtype
    assert data["ignore_tags"].dtype == bool
    for old, kept in zip(before, polys, strict=True):
        np.testing.assert_array_equal(np.asarray(old), np.asarray(kept))


def test_whole_numbers_give_the_maps_of_the_same_floats() -> None:
    whole, real = (run(sample(np.array([QUAD], kind), SHAPE)) for kind in (np.int32, np.float32))
    for name in ("shrink_map", "shrink_mask", "threshold_map", "threshold_mask"):
        np.testing.assert_array_equal(whole[name], real[name])


def test_ignore_tags_as_a_list_stay_a_list() -> None:
    data = sample([np.array(QUAD, np.float32)], SHAPE)
    data["ignore_tags"] = [False]
    assert run(data)["ignore_tags"] == [False]


def test_all_of_global_may_be_poured_in() -> None:
    keys = {"use_gpu": True, "epoch_num": 500, "save_model_dir": "x", "total_epoch": 500}
    set_epoch(250)
    assert MakeShrinkMap(**keys).shrink_ratio == pytest.approx(0.5)


@pytest.fixture(autouse=True)
def _clock_off() -> Any:
    yield
    EPOCH_CLOCK.reset()


def test_a_ramp_that_nobody_drives_says_so_once() -> None:
    shrink = MakeShrinkMap(total_epoch=10, clock=EpochClock())
    with pytest.warns(UserWarning, match="set_epoch"):
        assert shrink.shrink_ratio == 0.4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shrink.shrink_ratio == 0.4


def test_the_samples_true_epoch_goes_before_the_clocks() -> None:
    set_epoch(10)
    shrink = MakeShrinkMap(total_epoch=10)
    data = {"true_epoch": 5, "epoch": 0}  # the latter is PaddleOCR's, which stands still
    assert shrink.ratio_of(data) == pytest.approx(0.5)
    assert shrink.ratio_of({"epoch": 0}) == pytest.approx(0.6)


def test_both_maps_are_drawn_at_the_samples_epoch() -> None:
    data = {**sample(np.array([QUAD], np.float32), SHAPE), "true_epoch": 5}
    ramped, constant = run(data, total_epoch=10), run(dict(data), shrink_ratio=0.5)
    for name in ("shrink_map", "threshold_map", "threshold_mask"):
        np.testing.assert_array_equal(ramped[name], constant[name])


def test_a_constant_ratio_needs_no_epoch() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert MakeShrinkMap(shrink_ratio=0.5).shrink_ratio == 0.5


@pytest.mark.parametrize("operator", [MakeShrinkMap, MakeBorderMap])
@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"shrink_ratio": 1.0}, "shrink_ratio"),
        ({"shrink_ratio_end": 0.0, "total_epoch": 5}, "shrink_ratio_end"),
        ({"total_epoch": 0}, "total_epoch"),
        ({"epoch": 1.5}, "epoch"),
        ({"epoch": -1}, "epoch"),
        ({"epoch": "soon"}, "epoch"),
    ],
)
def test_a_wrong_key_is_named(operator: type, keys: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        operator(**keys)
    assert caught.value.key == key


@pytest.mark.parametrize(("low", "high"), [(0.7, 0.3), (0.3, 0.3), (-0.1, 0.5), (0.3, 1.5)])
def test_wrong_thresholds_are_refused(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match="thresh_m"):
        MakeBorderMap(thresh_min=low, thresh_max=high)


@pytest.mark.parametrize(
    ("border", "shrink"),
    [
        ({"shrink_ratio": 0.5}, {"shrink_ratio": 0.4}),
        ({"total_epoch": 500}, {}),
        ({"total_epoch": 500}, {"total_epoch": 400}),
        ({"shrink_ratio_end": 0.6, "total_epoch": 9}, {"shrink_ratio_end": 0.7, "total_epoch": 9}),
    ],
)
def test_a_pair_with_two_schedules_is_refused(
    border: dict[str, Any], shrink: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="MakeBorderMap"):
        Pipeline([MakeBorderMap(**border), MakeShrinkMap(**shrink)])


def test_the_same_schedule_in_other_words_is_accepted() -> None:
    set_epoch(3)
    data = sample(np.array([QUAD], np.float32), SHAPE)
    border = MakeBorderMap(shrink_ratio=0.4, shrink_ratio_end=0.4 + 0.2, total_epoch=500)
    assert "shrink_map" in Pipeline([border, MakeShrinkMap(total_epoch=500.0)])(data)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"ignore_tags": np.array([False, True])}, "1 polygons but 2 ignore_tags"),
        ({"polys": [[[1, 2, 3]] * 4]}, "3 numbers"),
        ({"polys": [[1, 2, 3, 4]]}, "shape"),
        ({"polys": [[["a", "b"]] * 4]}, "not a list of"),
        ({"polys": [[[1, 2], [3]]]}, "not a list of"),
    ],
)
@pytest.mark.parametrize("operator", [MakeShrinkMap, MakeBorderMap])
def test_what_is_no_polygon_is_named(operator: type, change: dict[str, Any], part: str) -> None:
    data = {**sample(np.array([QUAD], np.float32), SHAPE), **change}
    with pytest.raises(DataError, match=part):
        operator()(data)


@pytest.mark.parametrize(
    ("width", "height", "is_drawn"),
    [(40, 8, True), (40, 7.75, False), (8, 40, True), (7.75, 40, False)],
)
def test_a_text_of_the_least_size_is_drawn(width: float, height: float, is_drawn: bool) -> None:
    box = np.array([[[10, 10], [10 + width, 10], [10 + width, 10 + height], [10, 10 + height]]])
    made = MakeShrinkMap(min_text_size=8)(sample(box.astype(np.float32), SHAPE))
    assert (made["shrink_map"].any(), made["shrink_mask"].all()) == (is_drawn, is_drawn)
    assert made["ignore_tags"].tolist() == [not is_drawn]
    assert made["unusable_texts"] == 0


def test_a_gray_image_will_do() -> None:
    data = sample(np.array([QUAD], np.float32), SHAPE)
    data["image"] = data["image"][..., 0]
    assert run(data)["shrink_map"].shape == SHAPE


def test_errors_survive_the_way_out_of_a_worker() -> None:
    error = ConfigError("found 7", path="a.yml", key="Train.loader", line=3)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "a.yml:3: Train.loader: found 7"
    assert (again.path, again.key, again.line) == ("a.yml", "Train.loader", 3)


def test_loading_decodes_image_and_label_alone() -> None:
    steps = [DecodeImage("BGR"), DetLabelEncode(), MakeShrinkMap()]
    data = {"image": encode(np.full((60, 100, 3), 7, np.uint8)), "label": "[]"}
    loaded = Pipeline(steps).load(data)
    assert sorted(loaded) == ["ignore_tags", "image", "img_mode", "label", "polys", "texts"]
    assert (loaded["image"] == 7).all()


@pytest.mark.parametrize(("steps", "wants"), [([], False), ([CopyPaste()], True)])
def test_which_pipeline_wants_another_image(steps: list[Any], wants: bool) -> None:
    assert Pipeline([*steps, MakeShrinkMap()]).wants_donor == wants


class TestRegistry:
    def test_finds_the_pair(self) -> None:
        assert registry.OPERATORS["MakeShrinkMap"].OPERATOR is MakeShrinkMap
        assert {"MakeBorderMap", "MakeShrinkMap"} <= set(registry.OPERATORS)

    def test_refuses_a_second_of_the_same_name(self) -> None:
        with pytest.raises(ValueError, match="MakeShrinkMap"):
            registry.register(type("MakeShrinkMap", (), {"__call__": lambda self, data: data}))

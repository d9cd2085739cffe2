"""Text sizes where the network sees them, and what a perfect network could reach."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.commands.check.data import Source, check_dataset
from ppocr_ft.commands.check.geometry_result import (
    Kernels,
    KernelShares,
    geometry_faults,
    geometry_lines,
    geometry_png,
    kernel_lines,
    thin_kernels,
    touching_kernels,
)
from ppocr_ft.commands.check.text_geometry import (
    DrawnTexts,
    evaluated,
    label_geometry,
    measure_kernels,
    pages_of,
    text_sizes,
    training_crops,
)
from ppocr_ft.config import load_config
from ppocr_ft.errors import ConfigError
from ppocr_ft.fitting.targets import Page
from ppocr_ft.shrinking import iou_ceiling, unclip_ratio_for
from tests.support.config_files import CONFIGS, SMALL

RUNNING = CONFIGS / "like_v4_student.yml"
SCALED = "Train.dataset.transforms.3={ScaledCrop: {size: [320, 320], limit_side_len: 960}}"
NO_TURNS = "Train.dataset.transforms.2={ColorJitter: }"


def line(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float32)


def pages(count: int = 6, height: float = 24, scale: float = 1) -> list[Page]:
    """Pages of 1200 x 800 px, five lines each of aspect 4 to 12."""
    rows = range(5)
    texts = [line(60, 60 + 150 * row, (4 + 2 * row) * height, height) * scale for row in rows]
    return [Page((int(1200 * scale), int(800 * scale)), texts) for _ in range(count)]


def test_a_page_as_evaluation_resizes_it() -> None:
    config = load_config(SMALL)  # longest side at most 960 px
    page = evaluated(config, Page((1920, 960), [line(100, 50, 200, 40)]))
    assert page.size_px == (960, 480)
    np.testing.assert_allclose(page.polygons[0], line(50, 25, 100, 20))
    unknown = Page(None, [line(0, 0, 9, 3)])
    assert evaluated(config, unknown) is unknown


def test_sizes_of_texts() -> None:
    sizes = text_sizes([Page((400, 300), [line(10, 10, 120, 30), line(10, 100, 7, 70)])], 8)
    np.testing.assert_allclose(sizes.heights_px, [30, 7])
    np.testing.assert_allclose(sizes.aspects, [4, 10])
    assert sizes.too_small == 0.5


def test_a_text_is_measured_as_it_is_clipped() -> None:
    """MakeShrinkMap clips before it measures: of 20 px, 15 lie below the page."""
    half_outside = Page((400, 300), [line(10, 295, 120, 20)])
    assert text_sizes([half_outside], 8).too_small == 1
    assert text_sizes([Page(None, half_outside.polygons)], 8).too_small == 0


def test_crops_at_evaluation_s_scale_keep_heights() -> None:
    config = load_config(SMALL, [SCALED, NO_TURNS])
    crops = training_crops(config, pages())
    assert {crop.size_px for crop in crops} == {(320, 320)}
    sizes = text_sizes(crops, 8)
    assert np.median(sizes.heights_px) == pytest.approx(24 * 960 / 1200, rel=0.02)
    again = training_crops(config, pages())
    np.testing.assert_array_equal(crops[0].polygons[0], again[0].polygons[0])


def test_the_ceilings_are_those_of_the_polygons() -> None:
    config = load_config(SMALL, ["PostProcess.unclip_ratio=1.5"])
    found = label_geometry(config, pages(), 0.6)
    texts = [polygon for page in pages(1) for polygon in page.polygons]
    ious = iou_ceiling(texts, 0.6, 1.5)
    assert found.configured.mean_iou == pytest.approx(ious.mean(), abs=1e-3)
    assert found.configured.share_70 == (ious > 0.7).mean()
    assert found.refitted.shrink_ratio == 0.6
    assert found.refitted.unclip_ratio == unclip_ratio_for(texts, 0.6)
    assert found.refitted.mean_iou > found.configured.mean_iou
    assert found.best.mean_iou >= found.refitted.mean_iou
    assert found.texts == 30


def test_a_ratio_beyond_the_tried_ones_is_no_best_pair() -> None:
    found = label_geometry(load_config(SMALL), pages(), 0.8096)
    assert found.refitted.mean_iou > found.best.mean_iou
    assert found.best.shrink_ratio <= 0.6


def test_rounding_to_pixels_is_in_the_picture() -> None:
    """Half a pixel is much to lines of 6 px."""
    nearest = "Train.dataset.transforms.5.MakeShrinkMap.rounding=nearest"
    least = "Train.dataset.transforms.5.MakeShrinkMap.min_text_size=2"
    low = pages(2, height=8)
    rates = []
    for overrides in ([], [nearest]):
        config = load_config(SMALL, [least, "PostProcess.unclip_ratio=1.2", *overrides])
        drawn = label_geometry(config, low, 0.6).on_pixels
        assert drawn is not None
        rates.append((drawn.rounding, drawn.hmean_70))
    assert [rounding for rounding, _ in rates] == ["truncate", "nearest"]
    assert rates[1][1] > rates[0][1]


def test_without_sizes_only_the_polygons_speak() -> None:
    unknown = [Page(None, page.polygons) for page in pages()]
    found = label_geometry(load_config(SMALL), unknown, 0.5)
    assert not found.sizes_known
    assert found.training is None
    assert found.on_pixels is None
    assert found.evaluation.heights_px == pytest.approx([24] * 30)
    assert "no image sizes" in "\n".join(geometry_lines(found))


def test_no_text_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no text"):
        label_geometry(load_config(SMALL), [Page((10, 10), [])], 0.5)


# what is wrong | overrides of small.yml | text height, px | shrink ratio | rules
FAULTS = [
    ("nothing", [SCALED, NO_TURNS, "PostProcess.unclip_ratio=1.4"], 24, 0.6, []),
    (
        "unclip too large",
        [SCALED, NO_TURNS, "PostProcess.unclip_ratio=2.2"],
        24,
        0.6,
        ["unclip_ratio"],
    ),
    (
        "unclipped less than a perfect network wants, no text lost",
        [SCALED, NO_TURNS, "PostProcess.unclip_ratio=1.1"],
        24,
        0.6,
        [],
    ),
    (
        "unclipped so little that texts are lost",
        [SCALED, NO_TURNS, "PostProcess.unclip_ratio=0.5"],
        24,
        0.6,
        ["unclip_ratio"],
    ),
    ("small texts", [SCALED, NO_TURNS, "PostProcess.unclip_ratio=1.4"], 9, 0.6, ["small_texts"]),
    (
        "blown up crops",
        [
            "Train.dataset.transforms.3.EastRandomCropData.size=[1920, 1920]",
            "PostProcess.unclip_ratio=1.4",
        ],
        24,
        0.6,
        ["text_scale"],
    ),
]


@pytest.mark.parametrize(
    ("overrides", "height", "ratio", "rules"),
    [row[1:] for row in FAULTS],
    ids=[row[0] for row in FAULTS],
)
def test_what_is_worth_a_word(
    overrides: list[str], height: float, ratio: float, rules: list[str]
) -> None:
    found = label_geometry(load_config(SMALL, overrides), pages(height=height), ratio)
    assert [fault.rule for fault in geometry_faults(found)] == rules


def test_small_texts_names_the_min_text_size_that_would_do() -> None:
    """Lines of 9 px on pages of 1,200 px are 7.2 px high where the longest side has 960.

    Of 99 in the crops three are cut by an edge, to 2.8, 5.5 and 6.5 px.
    """
    config = load_config(SMALL, [SCALED, NO_TURNS, "PostProcess.unclip_ratio=1.4"])
    (fault,) = geometry_faults(label_geometry(config, pages(40, height=9), 0.6))
    assert fault.message == (
        "100% of the texts in training's crops are under min_text_size 8 px and masked out of the "
        "loss, though they count in evaluation; with 6 px 2% would be"
    )


def test_picture_and_plain_data() -> None:
    found = label_geometry(load_config(SMALL, [SCALED]), pages(), 0.5)
    picture = cv2.imdecode(np.frombuffer(geometry_png(found), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[0] > 400
    data = found.as_dict()
    assert sum(data["evaluation"]["heights"]["counts"]) == 30
    assert data["ceiling"]["configured"]["shrink_ratio"] == 0.5
    assert data["training"]["height_px"][1] == pytest.approx(19.2, rel=0.1)


def test_pages_of_a_checked_data_set(tmp_path: Path) -> None:
    """Ignored texts, texts without area, bad lines and bad images are left out."""
    good = '{"transcription": "a", "points": [[2, 2], [42, 2], [42, 12], [2, 12]]}'
    ignored = good.replace('"a"', '"###"')
    flat = '{"transcription": "b", "points": [[2, 2], [42, 2], [22, 2], [2, 2]]}'
    for name in ("a.png", "b.png"):
        cv2.imwrite(
            str(tmp_path / name), np.random.default_rng(len(name)).integers(0, 255, (50, 80, 3))
        )
    (tmp_path / "broken.png").write_bytes(b"no picture")
    lines = [
        f"a.png\t[{good}, {ignored}, {flat}]",
        "b.png\t[]",
        "b.png\tno JSON",
        f"broken.png\t[{good}]",
        f"gone.png\t[{good}]",
    ]
    (tmp_path / "label.txt").write_text("\n".join(lines), encoding="utf-8")
    source = Source(tmp_path / "label.txt", tmp_path)
    (page,) = pages_of(check_dataset([source], [], images=True, workers=0))
    assert page.size_px == (80, 50)
    np.testing.assert_array_equal(page.polygons, [line(2, 2, 40, 10)])
    unopened = pages_of(check_dataset([source], [], images=False))
    assert [each.size_px for each in unopened] == [None, None]  # broken.png isn't opened


# Kernels in training's crops: the share that touch or are thin, computed by hand.
WORDS = [line(0, 0, 32, 8), line(29, 0, 32, 8), line(0, 100, 32, 8)]
LOW = line(0, 200, 32, 7)
IMAGE = DrawnTexts([*WORDS, LOW], np.array([8.0, 8, 8, 7]))


def test_shares_by_hand() -> None:
    """Edges of 32 x 8 px move by 256 * (1 - r * r) / 80: by 2.05 px at 0.6, 2.69 px at 0.4.

    The first two overlap by 3 px, so that their kernels are 1.1 px apart at 0.6, 2.4 px at 0.4 and,
    1.5 times as large, 1.6 px at 0.6; kernels are 3.9, 2.6 and 5.9 px thick. The last text has 7
    px: it is masked out of the loss unless it is larger.
    """
    found = measure_kernels([IMAGE, DrawnTexts([], np.empty(0))], 0.6, (0.4, 0.6), 8)
    assert found == Kernels(
        KernelShares(0.6, 1.0, 3, 0.0, 2 / 3),
        (KernelShares(0.4, 1.0, 3, 1.0, 0.0), KernelShares(0.6, 1.5, 4, 0.0, 0.5)),
    )
    assert kernel_lines(found) == [
        "kernels in training's crops              texts  under 3 px  under 2 px apart",
        "shrink ratio 0.6                             3        0.0%             66.7%",
        "shrink ratio 0.4                             3      100.0%              0.0%",
        "shrink ratio 0.6 and 1.5 times the size      4        0.0%             50.0%",
    ]


def test_texts_of_other_images_are_no_neighbours() -> None:
    apart = [DrawnTexts([word], np.array([8.0])) for word in WORDS[:2]]
    found = measure_kernels(apart, 0.6, (), 8)
    assert found is not None
    assert found.configured.near == 0


def test_without_a_text_that_is_drawn_there_are_no_shares() -> None:
    assert measure_kernels([], 0.6, (0.4,), 8) is None
    assert measure_kernels([DrawnTexts([LOW], np.array([7.0]))], 0.6, (0.4,), 8) is None


def kernels(thin: float, near: float) -> Kernels:
    others = KernelShares(0.4, 1.0, 100, 0.12, 0.01), KernelShares(0.6, 1.5, 100, 0.0, 0.034)
    return Kernels(KernelShares(0.6, 1.0, 100, thin, near), others)


def test_each_finding_has_its_number_and_those_of_what_would_be_right() -> None:
    (touching,), (thin,) = touching_kernels(kernels(0, 0.23)), thin_kernels(kernels(0.23, 0))
    assert touching.message == (
        "with shrink ratio 0.6 the kernels of 23% of the texts in training's crops touch a "
        "neighbour's or come within 2 px of it, so that one box covers both; 1% with shrink ratio "
        "0.4, 3% with shrink ratio 0.6 and 1.5 times the size"
    )
    assert thin.message == (
        "with shrink ratio 0.6 the kernels of 23% of the texts in training's crops vanish or are "
        "under 3 px thick, and DBPostProcess drops such boxes; 12% with shrink ratio 0.4, 0% with "
        "shrink ratio 0.6 and 1.5 times the size"
    )


@pytest.mark.parametrize("of", [None, kernels(0.049, 0.049)])
def test_few_are_not_worth_a_word(of: Kernels | None) -> None:
    assert touching_kernels(of) == thin_kernels(of) == []


def test_the_labels_geometry_has_them() -> None:
    """Lines of 20 px at evaluation's scale, far apart: about 10 px are left at 0.6."""
    config = load_config(SMALL, [SCALED, NO_TURNS])
    found = label_geometry(config, pages(), 0.6)
    assert found.kernels is not None
    assert (found.kernels.configured.thin, found.kernels.configured.near) == (0, 0)
    assert [(each.shrink_ratio, each.size) for each in found.kernels.others] == [
        (0.4, 1), (0.5, 1), (0.6, 1.5)
    ]  # fmt: skip
    assert "kernels in training's crops" in "\n".join(geometry_lines(found))
    assert found.kind == (
        "the texts are lines, three quarters are less than 10.0 times as long as high (words: "
        "5.5): a shrink ratio of 0.6 suits them"
    )
    assert found.kind in " ".join(geometry_lines(found))
    assert json.loads(json.dumps(found.as_dict()))["kernels"]["configured"]["near"] == 0
    unknown = [Page(None, page.polygons) for page in pages()]
    assert label_geometry(config, unknown, 0.6).kernels is None

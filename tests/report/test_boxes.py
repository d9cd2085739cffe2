"""What follows from the kept boxes of two evaluations: matches, intervals, curves, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.evaluation import EvalRecord
from ppocr_ft.metrics.errors import KINDS, Kind
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import BoxType, Candidates
from ppocr_ft.report.drawing import (
    FALSE,
    FITTING,
    LABEL,
    LOOSE,
    MISSED,
    Color,
    Outline,
    box_outlines,
    draw_whole,
)
from ppocr_ft.report.evaluations import KeptEvaluation, read_evaluation, write_evaluation
from ppocr_ft.report.page.gallery import (
    ErrorCounts,
    ErrorTable,
    angle_table,
    changed_images,
    error_crops,
    error_outlines,
    error_table,
    errors_left,
    label_outlines,
    textless,
    worst_errors,
)
from ppocr_ft.report.page.matches import (
    EvaluationMatches,
    chance_interval,
    most_changed,
    rates,
    threshold_curve,
)
from ppocr_ft.report.page.translation import Translated
from ppocr_ft.runs.eval_files import Findings, kernels_of, save_findings
from tests.support.pictures import gradient
from tests.support.report_run import SIZE_PX, evaluation


def test_a_kept_evaluation_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = evaluation(tmp_path, step=4, shift_px=1.37)
    write_evaluation(tmp_path / "evaluations" / "best.jsonl", kept.about, kept.images)
    found = read_evaluation(tmp_path / "evaluations" / "best.jsonl")
    assert found.about == kept.about
    for ours, theirs in zip(kept.images, found.images, strict=True):
        assert (ours.path, ours.size_px) == (theirs.path, theirs.size_px)
        assert ours.kernels.map_size == theirs.kernels.map_size
        for one, other in zip(ours.kernels.polygons, theirs.kernels.polygons, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(ours.kernels.scores, theirs.kernels.scores)
        np.testing.assert_array_equal(ours.ignored, theirs.ignored)


def test_resampled_images_give_an_interval_around_the_difference(tmp_path: Path) -> None:
    before = EvaluationMatches(evaluation(tmp_path, 0, shift_px=9, found=range(0, 9, 2)), 1.5)
    best = EvaluationMatches(evaluation(tmp_path, 4, shift_px=0), 1.5)
    known = chance_interval(before, best, 0.5)
    assert known is not None
    low, high = known
    gain = hmean(best, 0.5) - hmean(before, 0.5)
    assert 0 < low < gain < high
    assert chance_interval(best, best, 0.5) == (0, 0)
    assert chance_interval(before, best, 0.5) == known


def test_the_thresholds_row_of_the_config_is_its_evaluation(tmp_path: Path) -> None:
    judged = EvaluationMatches(evaluation(tmp_path, 4, shift_px=2), 1.5)
    curve = {row[0]: row for row in threshold_curve(judged)}
    assert min(curve) == judged.about.lowest_score
    assert curve[0.6][3] == pytest.approx(hmean(judged, 0.5))
    assert curve[0.6][6] == pytest.approx(hmean(judged, 0.7))
    recalls = [curve[thresh][2] for thresh in sorted(curve)]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[0] > recalls[-1]


def test_labels_without_a_box_are_counted_by_angle(tmp_path: Path) -> None:
    """In one of nine images the first label is upside down; three images have no boxes."""
    before, after = (
        evaluation(tmp_path, step, 0, found=found) for step, found in ((0, (0, 1)), (4, range(6)))
    )
    assert angle_table(None, EvaluationMatches(after, 1.5)) == {}
    pair = [EvaluationMatches(with_first_turned(each), 1.5) for each in (before, after)]
    level, turned = angle_table(*pair).items()
    assert [name.text("en") for name, _ in (level, turned)] == ["level (26)", "upside down (1)"]
    assert turned[1][0] == ErrorCounts(0, 0)
    recalled = [matches.counts(0.5)[0] for each in pair for matches in each.images]
    assert level[1][0] == ErrorCounts(27 - sum(recalled[:9]), 27 - sum(recalled[9:]))
    assert level[1][0].change < 0


def with_first_turned(kept: KeptEvaluation) -> KeptEvaluation:
    first, *others = kept.images
    turned = np.roll(first.labels[0], 2, axis=0)
    return replace(kept, images=(replace(first, labels=(turned, *first.labels[1:])), *others))


def test_boxes_on_images_without_text_are_told(tmp_path: Path) -> None:
    before, after = (evaluation(tmp_path, step, 0) for step in (0, 4))
    assert textless(None, EvaluationMatches(after, 1.5)) == []
    start, later = (
        EvaluationMatches(without_labels(kept, boxes), 1.5)
        for kept, boxes in ((before, 2), (after, 1))
    )
    (alone,) = textless(None, later)
    assert alone.text("en") == (
        "On the images without text (1) there are 1.00 boxes each; all of them are false."
    )
    (both,) = textless(start, later)
    assert "1.00 boxes each, 2.00 at the start" in both.text("en")
    assert "2.00" in both.text("zh")


def without_labels(kept: KeptEvaluation, boxes: int) -> KeptEvaluation:
    first, *others = kept.images
    kernels = replace(
        first.kernels,
        polygons=first.kernels.polygons[:boxes],
        scores=np.full(boxes, 0.9),
    )
    bare = replace(first, labels=(), ignored=np.zeros(0, bool), kernels=kernels)
    return replace(kept, images=(bare, *others))


@pytest.mark.parametrize("box_type", ["quad", "poly"])
@pytest.mark.parametrize("unclip_ratio", [1.5, 1.0, 2.2])
def test_kept_kernels_give_the_boxes_that_were_judged(
    box_type: BoxType, unclip_ratio: float, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    prob_map = cv2.GaussianBlur(rng.random((90, 120), np.float32), (0, 0), 2)
    prob_map = (prob_map - prob_map.min()) / np.ptp(prob_map)
    sure = {"quad": 0.6, "poly": 0.68}[box_type]  # some blobs score less, some more
    made_by = DBPostProcess(thresh=0.6, box_thresh=sure, unclip_ratio=1.5, box_type=box_type)
    label = np.array([[0, 0], [40.25, 0], [40, 10], [0, 10]], np.float32)
    source = np.array([180.0, 240.0, 0.5, 0.5])
    image = np.zeros((3, 90, 120), "f4")
    sample = EvalSample(image, source, "a", (label,), np.array([False]))
    record = EvalRecord(sample, made_by.candidates(prob_map), {})
    save_findings(tmp_path, Findings([kernels_of(record, made_by)], [], made_by), 3, 0.5)
    assert not (tmp_path / "evaluations" / "before.jsonl").exists()
    found = read_evaluation(tmp_path / "evaluations" / "best.jsonl")
    (judged,) = EvaluationMatches(found, unclip_ratio).images
    way = replace(made_by, unclip_ratio=unclip_ratio)
    points, scores = way.boxes_from_map(prob_map, (180.0, 240.0))
    assert len(points) > 2
    np.testing.assert_array_equal(judged.scores[judged.accepted], scores)
    boxes = [box for box, ok in zip(judged.boxes, judged.accepted, strict=True) if ok]
    for ours, theirs in zip(boxes, points, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(judged.boxes) > len(boxes), "boxes below box_thresh are kept too"


def test_images_that_changed_most_come_first(tmp_path: Path) -> None:
    before, best = evaluation(tmp_path, 0, shift_px=0), evaluation(tmp_path, 4, shift_px=0, lost=2)
    (first, by), (_, other) = most_changed(
        EvaluationMatches(before, 1.5), EvaluationMatches(best, 1.5), 2
    )
    assert first == before.images[2].path
    assert by < 0 == other


def test_worst_errors_are_few_of_one_image(tmp_path: Path) -> None:
    judged = EvaluationMatches(evaluation(tmp_path, 4, shift_px=0, lost=0), 1.5)
    worst = worst_errors("missed", judged)
    images = [judged.images.index(shown.matches) for shown in worst]
    assert sorted(images) == [0, 0, 1]  # image 1 has a label whose box scores too little


@pytest.mark.parametrize(
    ("shift_px", "color", "unmatched"), [(0, FITTING, 1), (14, LOOSE, 1), (60, FALSE, 3)]
)
def test_boxes_and_labels_have_the_color_of_how_they_fit(
    shift_px: float, color: Color, unmatched: int, tmp_path: Path
) -> None:
    """Of the three boxes of image 0 one scores too little."""
    matches = EvaluationMatches(evaluation(tmp_path, 4, shift_px=shift_px), 1.5).images[0]
    outlines = box_outlines(matches.accepted_table, matches.boxes, matches.image.labels)
    assert looks(outlines) == [(color, False)] * 2 + [(MISSED, True)] * unmatched
    assert looks(label_outlines(matches)) == [(LABEL, False)] * 3


def looks(outlines: Sequence[Outline]) -> list[tuple[Color, bool]]:
    return [(outline.color, outline.dashed) for outline in outlines]


def test_an_outline_is_drawn_where_it_lies() -> None:
    box = np.array([[20, 20], [60, 20], [60, 40], [20, 40]], np.float64)
    drawn = draw_whole(np.full((90, 120, 3), 255, np.uint8), [Outline(box, FALSE)])
    assert drawn.size_px == (120, 90)
    picture = cv2.imdecode(np.frombuffer(drawn.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(picture[20, 40].astype(int) - FALSE[::-1]).max() < 60
    assert picture[30, 40].min() > 240
    assert drawn.url.startswith("data:image/jpeg;base64,")


def test_changed_images_show_labels_then_start_then_fine_tuned(tmp_path: Path) -> None:
    before = EvaluationMatches(evaluation(tmp_path, 0, shift_px=0, found=[]), 1.5)
    best = EvaluationMatches(evaluation(tmp_path, 4, shift_px=0), 1.5)
    (_, (there, change)) = most_changed(before, best, 2)
    (tmp_path / "images").mkdir()
    cv2.imwrite(there, gradient(*SIZE_PX))
    gone, shown, *_ = changed_images(before, best, Translated("verdict.at_end"))
    assert gone.panels == []
    assert (shown.path, shown.change) == (there, change)
    assert change > 0.5
    assert [panel.content.key for panel in shown.panels] == [
        "pictures.labels", "pictures.start", "verdict.at_end"
    ]  # fmt: skip
    labels, start, fine_tuned = (panel.hmeans for panel in shown.panels)
    assert (labels, start) == ((), [0, 0])
    assert min(fine_tuned) > 0.5
    assert changed_images(best, best, Translated("pictures.fine_tuned")) == []


def test_errors_are_counted_for_both_models(tmp_path: Path) -> None:
    before = EvaluationMatches(evaluation(tmp_path, 0, shift_px=60), 1.5)
    best = EvaluationMatches(evaluation(tmp_path, 4, shift_px=14), 1.5)
    table = error_table(before, best)
    assert list(table) == [*KINDS, "total"]
    assert table["too large"] == [(0, 0), (0, 25)]
    (false, strict_false) = table["false"]
    assert false.before
    assert (false.after, false.change, strict_false.after) == (0, -false.before, 0)
    for at in (0, 1):
        kinds = [table[kind][at] for kind in KINDS]
        assert table["total"][at] == (
            sum(c.before or 0 for c in kinds),
            sum(c.after for c in kinds),
        )
    alone = error_table(None, best)
    assert {counts.before for row in alone.values() for counts in row} == {None}
    assert [counts.after for counts in alone["total"]] == [c.after for c in table["total"]]


def test_a_box_over_all_labels_is_an_error_of_each_of_them(tmp_path: Path) -> None:
    start = evaluation(tmp_path, 0, shift_px=0)
    page = np.array([[1, 1], [118, 1], [118, 88], [1, 88]], np.float32)
    kernels = Candidates([page], np.array([0.9]), SIZE_PX[::-1])
    collapsed = KeptEvaluation(
        start.about, tuple(replace(i, kernels=kernels) for i in start.images)
    )
    table = error_table(EvaluationMatches(start, 1.5), EvaluationMatches(collapsed, 1.0))
    images = len(start.images)
    assert table["merged"][0] == (0, 3 * images)
    assert table["total"][0].after == 3 * images


def counts(**changed: tuple[int | None, int]) -> ErrorTable:
    """A table with the counts of some kinds at IoU 0.5; at 0.7 there are many more of each."""
    kinds = {kind: changed.get(kind.replace(" ", "_"), (0, 0)) for kind in KINDS}
    known = all(before is not None for before, _ in kinds.values())
    total = (sum(b or 0 for b, _ in kinds.values()) if known else None,
             sum(a for _, a in kinds.values()))  # fmt: skip
    pairs = {**kinds, "total": total}
    return {kind: [ErrorCounts(*at), ErrorCounts(0, 99)] for kind, at in pairs.items()}  # type: ignore[misc]


LEFT = {
    "one kind dominates, another grew": (
        counts(false=(99, 104), merged=(8, 13), missed=(20, 5)),
        "At IoU 0.5 122 errors are left, 127 at the start; most are false: 104, 99 at the start. "
        "Grown most: merged, 13 instead of 8.",
    ),
    "all fell": (
        counts(missed=(20, 5), split=(1, 1)),
        "At IoU 0.5 6 errors are left, 21 at the start; most are missed: 5, 20 at the start.",
    ),
    "the start is not known": (
        counts(
            **dict.fromkeys(
                ("missed", "split", "merged", "too_small", "too_large", "false"), (None, 2)
            )
        ),
        "At IoU 0.5 there are 12 errors; most are missed: 2.",
    ),
    "none": (counts(missed=(3, 0)), "At IoU 0.5 no error is left."),
}


@pytest.mark.parametrize(("table", "said"), LEFT.values(), ids=LEFT.keys())
def test_what_is_left_wrong_is_said(table: ErrorTable, said: str) -> None:
    assert " ".join(sentence.text("en") for sentence in errors_left(table)) == said


ERRORS: dict[Kind, list[tuple[Color, bool]]] = {
    "missed": [(MISSED, True)],
    "false": [(FALSE, False)],
    "too large": [(LABEL, False), (LOOSE, False)],
}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_has_the_colors_of_what_it_lacks(kind: Kind, tmp_path: Path) -> None:
    shift_px = 14 if kind == "too large" else 60
    evaluated = EvaluationMatches(evaluation(tmp_path, 4, shift_px=shift_px), 1.5)
    assert looks(error_outlines(worst_errors(kind, evaluated)[0])) == ERRORS[kind]
    assert list(error_crops(evaluated)) == [], "the images aren't there"


def hmean(judged: EvaluationMatches, iou: float) -> float:
    return rates(np.array([each.counts(iou) for each in judged.images]).sum(axis=0))[2]

"""What the page makes of a run's files, without a browser: judgement, differences, gaps."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.commands.report.cli import main
from ppocr_ft.commands.report.run import config_differences, read_run, report
from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.evaluation import EvalRecord
from ppocr_ft.errors import DataError
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import BoxType
from ppocr_ft.report.evaluations import read_evaluation, write_evaluation
from ppocr_ft.report.page.comparison import compare_with_start, outcome_of
from ppocr_ft.report.page.gallery import worst_errors
from ppocr_ft.report.page.matches import (
    EvaluationMatches,
    chance_interval,
    most_changed,
    rates,
    threshold_curve,
)
from ppocr_ft.report.page.render import render
from ppocr_ft.report.page.run import Difference, ratio_text
from ppocr_ft.report.text_statistics import ASPECT_EDGES, HEIGHT_EDGES_PX, text_statistics
from ppocr_ft.runs.eval_files import Findings, kernels_of, save_findings
from tests.support.report_run import (
    LABELS,
    RATES,
    columns_of,
    evaluation,
    rows_of,
    run_folder,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_folder(tmp_path_factory.mktemp("report") / "run")


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


UNBEATEN = "No evaluation beat the starting weights"
AGAINST_START = "hmean of the best weights (step 4) against the start"
NOTHING = "nothing can be compared"
VERDICTS = {
    "both rates rise": ({0: (0.5, 0.4), 4: (0.6, 0.5)}, "better", AGAINST_START),
    "one rises, the other stays": ({0: (0.5, 0.4), 4: (0.6, 0.4)}, "better", AGAINST_START),
    "one rises, the other falls": ({0: (0.5, 0.4), 4: (0.6, 0.3)}, "mixed", AGAINST_START),
    "the start was never beaten": ({0: (0.5, 0.4), 4: (0.4, 0.5)}, "same", UNBEATEN),
    "a tie is no gain": ({0: (0.5, 0.4), 4: (0.5, 0.4)}, "same", AGAINST_START),
    "a tie, but tighter": ({0: (0.5, 0.4), 4: (0.5, 0.45)}, "better", AGAINST_START),
    "no evaluation before training": ({4: (0.5, 0.4)}, "unknown", NOTHING),
    "no evaluation but the first": ({0: (0.5, 0.4)}, "unknown", NOTHING),
}
HEADLINES = {
    "better": "Better than the start",
    "mixed": "Better at one IoU, worse at the other",
    "same": "No better than the start",
    "unknown": "Not judged yet",
}


@pytest.mark.parametrize(("hmeans", "wanted", "sentence"), VERDICTS.values(), ids=VERDICTS.keys())
def test_verdict(
    hmeans: dict[int, tuple[float, float]], wanted: str, sentence: str, tmp_path: Path
) -> None:
    """Each outcome has its headline and its sentence, and no other's."""
    rows = rows_of({step: {1.5: pair} for step, pair in hmeans.items()})
    run = read_run(run_folder(tmp_path / "run", rows=rows, boxes=False))
    assert outcome_of(run, compare_with_start(run)) == wanted
    page = render(run)
    assert [name for name, words in HEADLINES.items() if f">{words}<" in page] == [wanted]
    assert [words for words in (UNBEATEN, AGAINST_START, NOTHING) if words in page] == [sentence]
    after_training = {UNBEATEN: ["at the end"], AGAINST_START: ["fine-tuned"], NOTHING: []}
    cards = re.findall(r'<span lang="en">(at the end|fine-tuned)</span>', page)
    assert sorted(set(cards)) == after_training[sentence]


@pytest.mark.parametrize(("after", "advised"), [((0.6, 0.5), True), ((0.4, 0.3), False)])
def test_an_unclip_ratio_is_advised_for_weights_that_beat_the_start(
    after: tuple[float, float], advised: bool, tmp_path: Path
) -> None:
    rows = rows_of({0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.1, 0.1), 1.0: after}})
    page = render(read_run(run_folder(tmp_path / "run", rows=rows, boxes=False)))
    sentence = "These weights do best with PostProcess.unclip_ratio=1.0; the config has 1.5."
    assert (sentence in page) == advised


def test_worse_weights_that_were_kept_are_called_worse(tmp_path: Path) -> None:
    rows = rows_of({0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.4, 0.3)}})
    run = read_run(run_folder(tmp_path / "run", rows=rows))
    assert run.best_step == 4
    assert ">Worse than the start<" in render(run)


def test_each_evaluation_is_judged_by_its_own_best_unclip_ratio(tmp_path: Path) -> None:
    rows = rows_of({0: {1.5: (0.5, 0.4), 1.0: (0.6, 0.3)}, 4: {1.5: (0.7, 0.2), 1.0: (0.55, 0.45)}})
    run = read_run(run_folder(tmp_path / "run", rows=rows, boxes=False))
    half, strict = compare_with_start(run)
    assert (half.start.value, half.start.unclip_ratio) == (0.6, 1.0)
    assert (half.after.value, half.after.unclip_ratio) == (0.7, 1.5)
    assert (strict.start.value, strict.start.unclip_ratio) == (0.4, 1.5)
    assert (strict.after.value, strict.after.unclip_ratio) == (0.45, 1.0)
    assert half.gain == pytest.approx(0.1)
    assert run.unclip_ratio(4) == 1.0


def test_the_best_step_is_that_of_the_kept_boxes(folder: Path, tmp_path: Path) -> None:
    assert read_run(folder).best_step == 4
    hmeans = {0: {1.5: (0.1, 0.0)}, 2: {1.5: (0.3, 0.1)}, 4: {1.5: (0.3, 0.0)}}
    without = run_folder(tmp_path / "run", rows=rows_of(hmeans), boxes=False)
    assert read_run(without).best_step == 2


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


def test_differences_name_operators_and_keys() -> None:
    default = {"Global": {"seed": 1, "save_model_dir": "a"}, "Train": {"transforms": [
        {"Decode": None}, {"Crop": {"size": [4, 4]}}, {"Flip": None}]}}  # fmt: skip
    own = {"Global": {"seed": 2, "save_model_dir": "b"}, "Train": {"transforms": [
        {"Decode": None}, {"Crop": {"size": [8, 4]}}, {"Noise": {"p": 0.5}}]}}  # fmt: skip
    assert config_differences(default, own) == [
        Difference("Global.seed", "1", "2"),
        Difference("Train.transforms.Crop.size", "[4, 4]", "[8, 4]"),
        Difference("Train.transforms.Noise.p", None, "0.5"),
        Difference("Train.transforms.Flip", "null", None),
    ]
    assert config_differences(own, own) == []


def test_sizes_of_texts() -> None:
    flat = np.array([[0, 0], [40, 0], [40, 10], [0, 10]], np.float64)
    turned = flat @ np.array([[0.8, 0.6], [-0.6, 0.8]]) * 2
    found = text_statistics(2, [flat, turned], texts=3, ignored=1)
    assert found["height_px"][1] == 15
    assert found["heights"][HEIGHT_EDGES_PX.index(8)] == 1
    assert found["heights"][HEIGHT_EDGES_PX.index(16)] == 1
    assert found["aspects"][ASPECT_EDGES.index(3)] == 2
    assert (found["images"], found["texts"], found["ignored"]) == (2, 3, 1)
    assert text_statistics(0, [], 0, 0)["height_px"] == []


def test_a_run_broken_off_and_files_that_are_broken(folder: Path, tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", rows=rows_of({0: {1.5: (0.1, 0.1)}}), boxes=False)
    (run / "weights.json").write_text("{")
    (run / "data.json").unlink()
    with (run / "metrics.csv").open("a") as file:
        file.write("train,3")
    page = report(run).read_text()
    assert "Not judged yet" in page
    assert "Files that could not be used" in page
    assert "weights.json: " in page
    assert (run / "results.png").read_bytes().startswith(b"\x89PNG")
    assert "The run was broken off after step 4 of 8." in render(read_run(folder))


def test_images_that_are_gone_are_named(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    gone = sorted((tmp_path / "images").iterdir())[0]
    gone.unlink()
    page = report(run).read_text()
    assert f"{gone} can&#39;t be read any more" in page
    assert page.count("<img ") > 0


def test_the_command_and_its_refusals(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--language", "zh"]) == 0
    assert capsys.readouterr().out.strip().endswith("report.html")
    assert 'data-wanted="zh"' in (folder / "report.html").read_text()
    assert main([str(tmp_path / "nothing")]) == 2
    assert "give the folder of a run" in capsys.readouterr().err
    (tmp_path / "metrics.csv").write_text("kind,step\n")
    with pytest.raises(DataError, match="no row of a run yet"):
        report(tmp_path)


def test_a_ratio_is_written_with_a_point() -> None:
    assert [ratio_text(r) for r in (1.0, 0.8, 1.25, 2)] == ["1.0", "0.8", "1.25", "2.0"]


def test_the_made_up_run_has_what_its_name_says(folder: Path) -> None:
    run = read_run(folder)
    assert list(run.columns) == columns_of()
    assert set(RATES) <= set(run.columns)
    assert len(run.best.images[0].labels) == LABELS if run.best else False
    assert run.notes == []


def hmean(judged: EvaluationMatches, iou: float) -> float:
    return rates(np.array([each.counts(iou) for each in judged.images]).sum(axis=0))[2]

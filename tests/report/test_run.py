"""What the page makes of a run's files, without a browser: judgement, differences, gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppocr_ft.commands.report.cli import main
from ppocr_ft.commands.report.run import config_differences, read_run, report
from ppocr_ft.errors import DataError
from ppocr_ft.report.page.render import render
from ppocr_ft.report.page.run import Difference, ratio_text
from ppocr_ft.report.page.summary import ASPECT_EDGES, HEIGHT_EDGES_PX, text_statistics
from tests.support.report_run import (
    LABELS,
    RATES,
    columns_of,
    rows_of,
    run_folder,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_folder(tmp_path_factory.mktemp("report") / "run")


def test_the_best_step_is_that_of_the_kept_boxes(folder: Path, tmp_path: Path) -> None:
    assert read_run(folder).best_step == 4
    hmeans = {0: {1.5: (0.1, 0.0)}, 2: {1.5: (0.3, 0.1)}, 4: {1.5: (0.3, 0.0)}}
    without = run_folder(tmp_path / "run", rows=rows_of(hmeans), boxes=False)
    assert read_run(without).best_step == 2


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
    assert "The run ended after step 4 of 8." in render(read_run(folder))


@pytest.mark.parametrize(
    "name",
    ["weights.json", "data.json", "environment.json", "fit_postprocess.json", "verdicts.jsonl"],
)
@pytest.mark.parametrize("content", ["[]", "{}", "null", "3"])
def test_records_of_another_shape_leave_a_gap(name: str, content: str, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", boxes=False)
    (folder / name).write_text(content)
    run = read_run(folder)
    whole = name == "verdicts.jsonl" or (name == "environment.json" and content == "{}")
    assert [note.partition(":")[0] for note in run.notes] == ([] if whole else [name])
    assert "Better than the start" in render(run)


def test_a_run_that_went_back_before_its_best_evaluation_has_a_page(tmp_path: Path) -> None:
    """A resume cuts metrics.csv off where it goes on; the boxes of step 4 are still there."""
    rows = rows_of({0: {1.5: (0.5, 0.4)}, 2: {1.5: (0.6, 0.5)}})
    run = read_run(run_folder(tmp_path / "run", rows=rows))
    assert run.best
    assert run.best.about.step == 4
    assert run.best_step == 2
    assert "The best weights (step 2) beat the start: hmean +0.1000 at IoU 0.5" in render(run)


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

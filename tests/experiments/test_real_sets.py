"""The measure: what a run sees and what judges it, the figures by hand, and the tables."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from experiments.marked_tables import Table, stale
from experiments.real_sets import __main__ as command
from experiments.real_sets import report, runs
from experiments.real_sets.arms import ARMS, OURS, PADDLEOCR_27, drawing
from experiments.real_sets.judge import gain, hmeans
from experiments.real_sets.runs import AS_SHIPPED, JUDGED, RELEASED, Record, Run, length_of
from experiments.real_sets.sets import (
    CONFIG,
    DATA,
    MINUTES,
    RealSet,
    ceiling,
    folds,
    inner,
    lines_of,
    real_set,
    unseen,
)
from experiments.regression.arms import PAIR
from ppocr_ft.commands.train import cli as train
from ppocr_ft.config import load_config
from tests.support.small_run import small_config
from tests.test_readme import figures

HERE = Path("data")
LINES = tuple(f"{number}.png\t[]" for number in range(20))
MADE_UP = RealSet("made up", HERE, LINES[:10], LINES[10:])


def test_the_run_sees_the_training_part_alone(tmp_path: Path) -> None:
    own = load_config(CONFIG, MADE_UP.overrides(tmp_path))
    assert own.Global.val_ratio == 0.2
    for dataset in (own.Train.dataset, own.Eval.dataset):
        (labels,) = dataset.label_file_list
        assert lines_of(Path(labels)) == LINES[:10]


def test_own_validation_images_go_before_the_ratio(tmp_path: Path) -> None:
    small = RealSet("small", HERE, LINES[:5], LINES[10:], LINES[5:8])
    own = load_config(CONFIG, small.overrides(tmp_path))
    assert own.Global.val_ratio == 0
    (labels,) = own.Eval.dataset.label_file_list
    assert lines_of(Path(labels)) == LINES[5:8]
    assert small.training_part == LINES[:8]


def test_the_inner_part_judges_without_the_validation_part() -> None:
    part = inner(MADE_UP)
    assert (len(part.train), len(part.judge)) == (7, 3)
    assert sorted(part.train + part.judge) == sorted(LINES[:10])
    assert inner(MADE_UP) == part


def test_the_ceiling_trains_and_chooses_on_what_judges() -> None:
    part = ceiling(MADE_UP)
    assert part.train == part.validate == part.judge == LINES[10:]


def test_a_small_set_can_be_judged_by_all_images_that_it_does_not_train_on(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a\nb\nc\n", encoding="utf-8")
    part = unseen(RealSet("small", tmp_path, ("a",), ("v",), ("c",)))
    assert (part.name, part.train, part.validate) == ("small, all unseen", ("a",), ("c",))
    assert part.judge == ("v", "b")


def test_each_image_judges_in_one_fold_and_trains_in_the_others() -> None:
    parts = folds(MADE_UP, 3)
    assert [part.name for part in parts] == [f"made up, fold {i} of 3" for i in (1, 2, 3)]
    assert sorted(line for part in parts for line in part.judge) == sorted(LINES)
    assert all(sorted(part.train + part.judge) == sorted(LINES) for part in parts)
    assert {len(part.judge) for part in parts} == {6, 7}


@pytest.mark.parametrize("name", MINUTES)
def test_the_sets(name: str) -> None:
    if name != "sample" and not DATA.is_dir():
        pytest.skip("no shared data here")
    sizes = {
        "small": (25, 30, 10), "receipts": (100, 30, 0), "icdar2015": (194, 50, 0),
        "funsd": (60, 15, 0), "sample": (120, 40, 0),
    }  # fmt: skip
    found = real_set(name)
    assert (len(found.train), len(found.judge), len(found.validate)) == sizes[name]
    assert len({*found.training_part, *found.judge}) == sum(sizes[name])


def test_hmean_by_hand() -> None:
    """10 texts and 6 boxes, 4 and 2 matches: precision 4/6, recall 4/10, hmean 0.5; then 0.25."""
    counts = np.array([[6, 2, 2, 0], [4, 4, 2, 2]])
    assert hmeans(counts).tolist() == pytest.approx([0.5, 0.25])


def test_gain_is_the_median_over_seeds_of_the_same_images() -> None:
    bar = np.array([[10, 10, 5, 5]] * 4)
    seeds = [np.array([[10, 10, matched, 5]] * 4) for matched in (4, 6, 8)]
    found = gain(seeds, bar)
    assert found.median.tolist() == pytest.approx([0.1, 0.0])
    assert found.lowest.tolist() == pytest.approx([-0.1, 0.0])
    assert found.low.tolist() == found.high.tolist() == pytest.approx([0.1, 0.0])


def test_interval_is_over_images() -> None:
    """One image of four gains everything; a sample of four images has it 0 to 4 times."""
    bar = np.array([[10, 10, 5, 5]] * 4)
    own = bar.copy()
    own[0, 2] = 10
    found = gain([own], bar)
    assert found.median[0] == pytest.approx(0.125)
    assert found.low[0] == 0
    assert 0.25 <= found.high[0] <= 0.5
    assert found.high[1] == 0


def record(name: str, arm: str, matched: int, seed: int = 0, **counts: int) -> Record:
    both = {JUDGED: matched, **counts}
    images = {key: [[10, 10, value, value // 2]] * 2 for key, value in both.items()}
    curve = [(0, 0.5, 0.25), (8, matched / 10, matched / 20)]
    return Record(name, arm, seed, images, 8, 2, 3.0, curve, {"resize": "960:max"})


def records() -> dict[tuple[str, str], list[Record]]:
    return {
        ("funsd", RELEASED): [record("funsd", RELEASED, 4, **{AS_SHIPPED: 2, "receipts": 8})],
        ("funsd", OURS.name): [
            record("funsd", OURS.name, matched, seed, receipts=6)
            for seed, matched in enumerate((8, 6, 7))
        ],
        ("funsd", PADDLEOCR_27.name): [record("funsd", PADDLEOCR_27.name, 3)],
    }


def test_tables_say_what_was_gained_and_lost() -> None:
    must, story, lost, *_ = report.tables(records())
    row = must.rows[0]
    assert row[:7] == ["funsd", "3.0", "8", "3", "2", "0.4000 / 0.2000", "0.7000 / 0.3000"]
    assert row[7] == "+0.3000 (+0.3000 to +0.3000)"
    assert row[9] == "+0.2000 / +0.1000"
    assert story.rows == [
        ["funsd", "0.2000 / 0.1000", "0.4000 / 0.2000", "0.3000 / 0.1000", "", "0.7000 / 0.3000"]
    ]
    assert lost.rows == [
        ["funsd", "receipts", "2", "0.8000 / 0.4000", "0.6000 / 0.3000", "+0.2000 / +0.1000"]
    ]


def test_the_images_of_all_folds_count_together() -> None:
    found = {}
    for fold, (bar, ours) in enumerate(((4, (6, 8)), (8, (8, 10))), 1):
        name = f"funsd, fold {fold} of 2"
        found[name, RELEASED] = [record(name, RELEASED, bar)]
        found[name, OURS.name] = [
            record(name, OURS.name, matched, seed) for seed, matched in enumerate(ours)
        ]
    assert report.folds(found).rows == [
        ["funsd", "2", "3.0", "8", "2", "4", "0.6000 / 0.3000", "0.8000 / 0.4000",
         "+0.2000 (+0.1000 to +0.3000)", "+0.1000 (+0.0500 to +0.1500)"]
    ]  # fmt: skip
    del found["funsd, fold 2 of 2", OURS.name]
    assert report.folds(found).rows == []


def test_documents_have_a_place_for_each_table(tmp_path: Path) -> None:
    tables = report.tables(records())
    assert stale(command.DOCUMENT.read_text(encoding="utf-8"), tables)
    for readme, header, about in command.README_TABLES:
        story = report.story(records(), header, about)
        assert len(header) == len(story.rows[0])
        assert stale(readme.read_text(encoding="utf-8"), [story]) == ["story"]


def test_both_readmes_get_the_same_figures(tmp_path: Path) -> None:
    found = []
    for readme, header, about in command.README_TABLES:
        copy = tmp_path / readme.name
        copy.write_text(readme.read_text(encoding="utf-8"), encoding="utf-8")
        report.write(copy, [report.story(records(), header, about)])
        found.append(figures(copy.read_text(encoding="utf-8")))
    assert found[0] == found[1]
    assert ["0.2000", "0.1000", "0.4000", "0.2000"] in [
        row[:4] for table in found[0] for row in table
    ]


def test_a_picture_of_few_bytes(tmp_path: Path) -> None:
    report.picture(records(), tmp_path / "p.png")
    assert 0 < (tmp_path / "p.png").stat().st_size < 60_000
    report.picture({}, tmp_path / "none.png")


def test_finished_runs_are_read_not_made(tmp_path: Path) -> None:
    run = Run(tmp_path, MADE_UP, OURS, 7, "Global.epoch_num=2")
    run.folder.mkdir(parents=True)
    wanted = record("made up", OURS.name, 5, 7)
    runs.record_path(run.folder).write_text(json.dumps(asdict(wanted)), encoding="utf-8")
    assert run.record().counts == wanted.counts
    longer = Run(tmp_path, MADE_UP, OURS, 7, "Global.epoch_num=3")
    fewer = Run(tmp_path, MADE_UP.first(3), OURS, 7, "Global.epoch_num=2")
    assert len({run.folder, longer.folder, fewer.folder}) == 3


def test_records_of_the_documents_runs_are_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of an older config are removed; other arms and sets stay."""
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(runs, "RECORDS", tmp_path / "records")
    for arm in ("ours-a", "ours-b", "other-a"):
        folder = runs.RUNS / "funsd" / arm / "seed1"
        name = arm.partition("-")[0]
        runs.kept(folder, lambda: record("funsd", name, 3, 1))  # noqa: B023
    kept = runs.kept(runs.RUNS / "funsd" / "ours-b" / "seed1", lambda: pytest.fail("made again"))
    assert kept.of()[0, 2] == 3
    kept_in = runs.RECORDS / "runs"
    names = sorted(str(path.relative_to(kept_in)) for path in kept_in.rglob("*.json"))
    assert names == ["funsd/other-a/seed1.json", "funsd/ours-b/seed1.json"]
    assert set(runs.finished(runs.RUNS)) == {("funsd", "ours"), ("funsd", "other")}


def test_seeds_of_the_newest_config_are_shown(tmp_path: Path) -> None:
    for number, (group, seed) in enumerate((("a", 1), ("a", 2), ("b", 1))):
        path = runs.record_path(tmp_path / "funsd" / f"ours-{group}" / f"seed{seed}")
        path.parent.mkdir(parents=True, exist_ok=True)
        values = asdict(record("funsd", OURS.name, number, seed))
        path.write_text(json.dumps(values), encoding="utf-8")
        os.utime(path, (number, number))
    (only,) = runs.finished(tmp_path)["funsd", OURS.name]
    assert only.of()[0, 2] == 2


@pytest.mark.parametrize("arm", ARMS.values(), ids=ARMS)
def test_every_arm_is_a_config(arm: runs.RunArm, tmp_path: Path) -> None:
    config = load_config(CONFIG, [*MADE_UP.overrides(tmp_path), *arm.overrides])
    (shrink,) = [op for op in config.Train.dataset.transforms if op.name == "MakeShrinkMap"]
    assert (shrink.shrink_ratio == 0.4) == (arm.maps is not None)


def test_length_by_the_clock_or_in_steps(tmp_path: Path) -> None:
    """12 images less 2 held out are a few steps an epoch; the sample set's own minutes are 5."""
    sample = real_set("sample").first(12)
    steps_per_epoch = -(-10 // load_config(CONFIG).Train.loader.batch_size_per_card)
    wanted = f"Global.epoch_num={-(-7 // steps_per_epoch)}"
    assert length_of(sample, tmp_path, 7, None) == wanted
    budget = length_of(sample, tmp_path, None, None)
    assert budget == "Global.time_budget=300s"
    assert load_config(CONFIG, [budget]).Global.time_budget is not None


def test_below_follows_the_table() -> None:
    assert Table("x", ["a"], [["1"]], "so").markdown() == "| a |\n| --- |\n| 1 |\n\nso"


@pytest.mark.slow
def test_each_arm_has_targets_of_its_own(tmp_path: Path) -> None:
    """One after the other in one process, as the command trains them.

    2.10's are those of a constant ratio, and at that, ours are the same.
    """
    losses = []
    for number, arm in enumerate(("2.7", "2.10", "2.7", "ours")):
        folder = tmp_path / str(number)
        folder.mkdir()
        config = str(small_config(folder))
        ratios = [f"Train.dataset.transforms.{operator}.shrink_ratio_end=null" for operator in PAIR]
        with drawing(ARMS[arm].maps):
            assert train.main(["-c", config, "-o", "Global.epoch_num=1", *ratios]) == 0
        rows = list(csv.DictReader((folder / "run" / "metrics.csv").open()))
        losses.append([row["loss_shrink_maps"] for row in rows if row["kind"] == "train"])
    old, constant, again, ours = losses
    assert old == again
    assert old != constant
    assert ours == constant

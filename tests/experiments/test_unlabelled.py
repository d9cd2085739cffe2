"""`make unlabelled`: which images keep their labels, what the arms differ in, and the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.marked_tables import stale
from experiments.real_sets.arms import RunArm
from experiments.real_sets.runs import JUDGED, UNLABELLED_RUNS, Record, finished
from experiments.real_sets.sets import CONFIG, RealSet
from experiments.unlabelled import COUNTS, DOCUMENT, WITHOUT, arm, few_labels, pool_of, table
from ppocr_ft.config import load_config

LINES = tuple(f"images/{number}.png\t[]" for number in range(60))


def test_the_labelled_images_are_not_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for line in LINES:
        (tmp_path / line.partition("\t")[0]).write_bytes(b"")
    few, others = few_labels(RealSet("funsd", tmp_path, LINES, LINES[:1]))
    assert (len(few.train), len(others)) == COUNTS["funsd"]
    assert few.validate == few.train
    assert sorted([*few.train, *others]) == sorted(LINES)
    pool = pool_of("test", tmp_path, others)
    names = {Path(line.partition("\t")[0]).name for line in others}
    assert {path.name for path in pool.iterdir()} == names
    assert all(path.is_file() for path in pool.iterdir())


def test_the_arms_differ_in_the_unlabelled_images_alone() -> None:
    def values(one: RunArm) -> dict[str, object]:
        return load_config(CONFIG, one.overrides).model_dump()

    alone, taught = values(arm(WITHOUT, Path("pool"))), values(arm("averaged", Path("pool")))
    section = taught["Train"].pop("unlabelled")  # type: ignore[attr-defined]
    assert (section["data_dir"], section["teacher"]) == ("pool", "averaged")
    assert taught == alone


def record(teacher: str, seed: int, matched: int) -> Record:
    counts = {JUDGED: [[10, 10, matched, matched - 1]]}
    return Record("funsd 10", teacher, seed, counts, steps=100, minutes=1.0)


def test_gains_are_those_of_a_seed() -> None:
    found = {
        ("funsd 10", WITHOUT): [record(WITHOUT, 1, 5), record(WITHOUT, 2, 7)],
        ("funsd 10", "averaged"): [record("averaged", 2, 8), record("averaged", 3, 9)],
    }
    alone, taught = table(found).rows
    assert alone[:7] == ["funsd", "10", "-", WITHOUT, "100", "2", "0.6000 / 0.5000"]
    assert taught[6:] == ["0.8500 / 0.7500", *["+0.1000 (lowest +0.1000)"] * 2, "1.0"]


def test_the_document_has_what_the_records_say() -> None:
    assert not stale(DOCUMENT.read_text(encoding="utf-8"), [table(finished(UNLABELLED_RUNS))])

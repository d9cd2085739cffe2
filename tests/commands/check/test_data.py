"""The data set check: every fault of a corrupted data set is found, and nothing in a clean one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from ppocr_ft.commands.check.data import RULES, DataReport, Source, check_dataset
from ppocr_ft.data.sample_set import copy_sample
from tests.support.check_corruptions import CORRUPTIONS, UNDECIDED, DataSet, corrupt_all
from tests.support.samples import shared_data

Place = tuple[str, str, int | None]
SEEDS = range(20)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("check") / "sample"
    return copy_sample(folder, train=len(CORRUPTIONS), val=5).data_dir


@pytest.fixture(scope="module")
def receipts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many receipts, none of them twice."""
    source = shared_data("receipts")
    folder = tmp_path_factory.mktemp("receipts")
    lines = (source / "train.txt").read_text("utf-8").splitlines(keepends=True)
    (folder / "train.txt").write_text("".join(lines[20 : 20 + len(CORRUPTIONS)]), "utf-8")
    lines = (source / "val.txt").read_text("utf-8").splitlines(keepends=True)
    (folder / "val.txt").write_text("".join(lines[:5]), "utf-8")
    (folder / "images").symlink_to(source / "images")
    return folder


def found(report: DataReport) -> list[Place]:
    """Rule, file and line of each finding; a cut JPEG counts as unreadable."""
    return in_order((_rule(f.rule), Path(f.file or "").name, f.line) for f in report.findings)


def _rule(rule: str) -> str:
    return "image-unreadable" if rule in UNDECIDED else rule


def in_order(places: Iterable[Place]) -> list[Place]:
    return sorted(places, key=lambda place: (place[0], place[1], place[2] or 0))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("which", ["sample", "receipts"])
def test_every_corruption_is_found_and_nothing_else(
    which: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = request.getfixturevalue(which)
    data = DataSet.copied(source, ("train.txt", "val.txt"), tmp_path / "set", seed)
    corrupt_all(data)
    train, evaluation = data.write()
    report = check_dataset(train, evaluation)
    assert found(report) == in_order(data.expected)


def test_all_rules_but_those_tested_alone_have_a_corruption(sample: Path, tmp_path: Path) -> None:
    data = DataSet.copied(sample, ("train.txt", "val.txt"), tmp_path / "set", seed=0)
    corrupt_all(data)
    alone = {"label-missing", "data-dir-missing", "labels-mixed", "image-truncated"}
    alone |= {"image-ambiguous", "image-row", "label-kind", "label-large"}
    alone |= {"texts-none", "texts-ignored"}  # of whole data sets
    alone |= {"image-alpha", "image-plain", "image-damaged"}
    assert {rule for rule, _, _ in data.expected} | alone == set(RULES)


def test_the_sample_data_set_has_no_fault(sample: Path) -> None:
    report = check_dataset(*splits(sample))
    assert report.findings == ()


def test_of_the_receipts_only_the_one_that_is_there_twice_is_named() -> None:
    report = check_dataset(*splits(shared_data("receipts")))
    (only,) = report.findings
    assert (only.rule, only.severity, only.line) == ("image-duplicate", "warning", 10)
    assert "018.jpg" in only.message
    assert "016.jpg" in only.message


def test_scene_photos_have_no_fault() -> None:
    folder = shared_data("icdar2015_mini")
    assert check_dataset([Source(folder / "label.txt", folder)], []).findings == ()


def splits(folder: Path) -> tuple[list[Source], list[Source]]:
    train, evaluation = (Source(folder / name, folder) for name in ("train.txt", "val.txt"))
    return [train], [evaluation]

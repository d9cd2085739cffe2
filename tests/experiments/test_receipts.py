"""`make receipts`: what it calls equal, and whose run it exports; no network is run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from experiments import receipts
from experiments.real_sets import runs
from experiments.real_sets.sets import RealSet
from tests.experiments.test_real_sets import record

EQUAL = {"hmean": 0.9, "hmean_70": 0.8}
LINES = tuple(f"{number}.png\t[]" for number in range(10))


def test_a_finished_run_is_exported_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "OUTPUT", tmp_path)
    data = RealSet("receipts", Path("data"), LINES[:5], LINES[5:], LINES[:2])
    run = runs.Run(tmp_path, data, receipts.OURS, 1024, "Global.epoch_num=3")
    monkeypatch.setattr(runs, "length_of", lambda *given: run.length)
    run.folder.mkdir(parents=True)
    kept = record("receipts", "ours", 5)
    runs.record_path(run.folder).write_text(json.dumps(asdict(kept)), encoding="utf-8")
    folder, found = receipts.made(data, receipts.options_of(["--steps", "6"]))
    assert (folder, found.counts) == (run.folder, kept.counts)


@pytest.mark.parametrize(
    ("theirs", "code"),
    [
        pytest.param(EQUAL, 0, id="equal"),
        pytest.param({"hmean": 0.904, "hmean_70": 0.796}, 0, id="within 0.005"),
        pytest.param({"hmean": 0.906, "hmean_70": 0.8}, 1, id="apart at 0.5"),
        pytest.param({"hmean": 0.9, "hmean_70": 0.794}, 1, id="apart at 0.7"),
    ],
)
def test_who_is_apart_is_said(
    theirs: dict[str, float], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {receipts.NETWORK: EQUAL, "theirs": theirs}
    assert receipts.verdict(results) == code
    assert ("theirs: more than 0.005" in capsys.readouterr().err) == bool(code)
    apart = receipts.difference(theirs, EQUAL)
    assert receipts.table(results).rows[1][3] == f"{apart:.4f}"

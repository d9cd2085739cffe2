"""experiments/same_as_before.py: it sees what differs, and says what may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import same_as_before as script
from experiments.recording import facts

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("before", "now", "difference"),
    [
        ({"a": [1, 2.5]}, {"a": [1, 2.5]}, ""),
        ({"a": [1, 2.5]}, {"a": [1, 2.6]}, "a[1]: 2.5 -> 2.6"),
        ({"a": 1}, {"b": 1}, "a: 1 -> (absent); b: (absent) -> 1"),
        ([1], [1, 2], "1 -> 2 items"),
        ({"a": [1, 9]}, {"a": [1]}, "a: 2 -> 1 items"),
        ("one\ntwo", "one\n2", 'line[1]: "two" -> "2"'),
        (float("nan"), float("nan"), ""),
        (0.1, np.nextafter(0.1, 1).item(), "0.1 -> 0.10000000000000002"),
        ({"a": None}, {}, "a: null -> (absent)"),
        (
            [{"lr": 1, "loss": 2}, {"lr": 1, "loss": 2}],
            [{"lr": 1, "loss": 3}, {"lr": 4, "loss": 5}],
            "[0].loss: 2 -> 3 (and 1 more like it); [1].lr: 1 -> 4",
        ),
        (
            dict.fromkeys("abcdef", 0),
            dict.fromkeys("abcdef", 1),
            "a: 0 -> 1; b: 0 -> 1; c: 0 -> 1; d: 0 -> 1; 2 other kinds",
        ),
    ],
)
def test_differences_are_described(before: Any, now: Any, difference: str) -> None:
    assert script.describe_differences(before, now) == difference


def test_a_value_that_differs_fails_and_a_text_does_not(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(script, "WORK", tmp_path)
    (tmp_path / "work").mkdir()
    before = facts.Facts({"exit code": 0, "loss": [2.0]}, {"printed": "good"})
    reworded = facts.Facts({"exit code": 0, "loss": [2.0]}, {"printed": "well"})
    other = facts.Facts({"exit code": 0, "loss": [2.5]}, {"printed": "good"})
    rows = script.rows_of("train", before, reworded)
    assert [(row.what, row.result) for row in rows] == [
        ("2 things", "equal"),
        ("printed", "text differs"),
    ]
    changed = script.rows_of("train", before, other)
    assert changed[1] == script.Row("train", "loss", "differs", "[0]: 2.0 -> 2.5")
    assert script.conclude(changed) == 1
    assert (tmp_path / "work").is_dir(), "kept, to look at"
    assert script.conclude(rows) == 0


def test_a_thing_that_is_gone_or_new_differs() -> None:
    before, now = facts.Facts({"a": 1, "b": 2}), facts.Facts({"a": 1, "c": 3})
    rows = script.rows_of("train", before, now)
    assert [(row.what, row.detail) for row in rows] == [
        ("1 things", ""),
        ("b", "2 -> (absent)"),
        ("c", "(absent) -> 3"),
    ]


def test_a_record_of_another_machine_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "record.json"
    other = {**script.machine(), "numpy": "1.0"}
    path.write_text(json.dumps({"commit": "abc", "machine": other, "parts": {}}), "utf-8")
    assert script.main(["compare", "--record", str(path)]) == 2
    assert 'was made elsewhere: numpy: "1.0" -> ' in capsys.readouterr().err


def test_without_a_record_it_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["compare", "--record", str(tmp_path / "none.json")]) == 2
    assert "make it at the commit to compare with" in capsys.readouterr().err


def test_a_part_brings_those_it_needs() -> None:
    assert script.with_needs(["predict"]) == ["train", "fit_postprocess", "export", "predict"]


def test_what_is_kept_of_a_run_folder(tmp_path: Path) -> None:
    """Times, folders and fingerprints go; wording is text; a tensor is known by its bits."""
    run = tmp_path / "run-0123456789ab"
    run.mkdir()
    (run / "metrics.csv").write_text("step,loss,memory_mb\n1,2.5,900\n", "utf-8")
    verdicts = [
        {"step": 1, "name": "nan", "sentence": "It is NaN."},
        {"step": 2, "name": "loader-bound", "sentence": "It waits."},
    ]
    (run / "verdicts.jsonl").write_text("\n".join(map(json.dumps, verdicts)), "utf-8")
    (run / "label.txt").write_text("/somewhere/a.png\t[]\n", "utf-8")
    kept = facts.Facts()
    kept.add_folder("out", tmp_path, str)
    assert kept.exact == {
        "out: files": [
            f"run-FINGERPRINT/{n}" for n in ("label.txt", "metrics.csv", "verdicts.jsonl")
        ],
        "out/run-FINGERPRINT/metrics.csv": [{"step": "1", "loss": "2.5"}],
        "out/run-FINGERPRINT/verdicts.jsonl": [{"step": 1, "name": "nan"}],
        "out/run-FINGERPRINT/label.txt": ["a.png\t[]"],
    }
    assert kept.text == {"out/run-FINGERPRINT/verdicts.jsonl": "[0].sentence: It is NaN."}
    array = np.ones(3, np.float32)
    changed = np.nextafter(array, np.float32(2))
    assert facts.array_digest(array) != facts.array_digest(changed)


def test_json_lines_and_the_others() -> None:
    assert facts.split_json_lines('a\n{"b": 1}\n[2]\n{c') == ([{"b": 1}], "a\n[2]\n{c")

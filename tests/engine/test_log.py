"""The progress bar and the lines of a training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ppocr_ft.engine import log as log_module
from ppocr_ft.engine.log import Log


def test_the_file_has_what_the_terminal_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log(tmp_path, 1, "hmean", cast(Any, None), lambda epoch: 0.4, cast(Any, None))
    log.say("short", "long\nlonger")
    log.say("both")
    assert capsys.readouterr().out == "short\nboth\n"
    lines = (tmp_path / "train.log").read_text(encoding="utf-8").splitlines()
    assert [line.split(maxsplit=2)[2] for line in lines] == ["long", "longer", "both"]


def test_a_line_tells_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log_module, "resident_mb", lambda: 1234.4)
    rows: list[Any] = []
    metrics = SimpleNamespace(add=lambda kind, row: rows.append(row))
    groups = SimpleNamespace(end=dict)
    log = Log(tmp_path, 1, "hmean", cast(Any, metrics), lambda epoch: 0.4, cast(Any, groups))
    progress = SimpleNamespace(step=3, epoch=1, skipped_steps=0, textless_steps=0)
    trainer = SimpleNamespace(
        progress=progress, epochs=2, total_steps=8, rate=lambda step: 0.1,
        stopwatch=SimpleNamespace(seconds={"read": 1.0, "step": 1.0}),
        state=SimpleNamespace(window=SimpleNamespace(means=lambda: {"loss": 2.5})),
    )  # fmt: skip
    log._line(cast(Any, trainer), cast(Any, SimpleNamespace(grad_norm=1.0)))
    assert (
        "loss 2.5000 lr 0.1 0.00 images/s, reader 50%, memory 1,234 MB" in capsys.readouterr().out
    )
    assert rows[0]["memory_mb"] == 1234.4

"""docs/trackers.md: its examples run, with a stand-in for the tracker."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ppocr_ft
from ppocr_ft.engine.metrics_file import figures
from tests.support import ROOT
from tests.support.recorded_runs import judged, train

TEXT = (ROOT / "docs" / "trackers.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(import (\w+)\n.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(("code", "module"), EXAMPLES, ids=[name for _, name in EXAMPLES])
def test_an_example_logs_the_figures(
    code: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    calls: list[str] = []
    tracker = SimpleNamespace(
        log=lambda values, step: logged.append((values, step)),
        finish=lambda: calls.append("finish"),
    )

    def init(**_: str) -> SimpleNamespace:
        calls.append("init")
        return tracker

    tracker.init = init

    def trained(config: str, progress: Any) -> None:
        assert Path(ROOT, config).is_file()
        for row in (train(5, loss=2.5), judged(10, 0.5, 1.5)):
            progress({**figures(row), "total_steps": 10})

    monkeypatch.setitem(sys.modules, module, tracker)
    monkeypatch.setattr(ppocr_ft, "train", trained, raising=False)
    exec(compile(code, module, "exec"), {})
    assert calls == ["init", "finish"]
    (at_5, five), (at_10, ten) = logged
    assert (five, ten) == (5, 10)
    assert at_5["train/loss"] == 2.5
    assert at_10 == {"eval/unclip_ratio": 1.5, "eval/hmean": 0.5, "eval/hmean_70": 0.25}


def test_there_are_two_examples() -> None:
    assert [name for _, name in EXAMPLES] == ["wandb", "swanlab"]

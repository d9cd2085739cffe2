"""Which evaluations' boxes a run keeps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ppocr_ft.engine.metrics_file import EVAL, MetricsFile
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.report.evaluations import read_evaluation
from tests.engine.test_eval_result import result
from tests.support.report_run import evaluation

KEPT = {
    "the start is never beaten": ((0.5, 0.3, 0.4, 0.2), {"before": 0, "best": 0, "trained": 2}),
    "it is beaten at last": ((0.5, 0.3, 0.6), {"before": 0, "best": 2, "trained": 1}),
    "it is beaten at once": ((0.5, 0.6, 0.4), {"before": 0, "best": 1}),
}


@pytest.mark.parametrize(("hmeans", "wanted"), KEPT.values(), ids=KEPT.keys())
def test_the_boxes_of_the_best_trained_weights_are_kept_while_the_start_is_best(
    hmeans: tuple[float, ...], wanted: dict[str, int], tmp_path: Path
) -> None:
    pytest.importorskip("paddle", reason="paddle is not installed")
    from ppocr_ft.engine.state import Progress
    from ppocr_ft.runs.eval_files import Findings
    from ppocr_ft.runs.eval_runner import BestFindings

    images = evaluation(tmp_path, 0, 0).images
    runner = SimpleNamespace(findings=Findings(images, [], DBPostProcess()))
    metrics, progress = MetricsFile(tmp_path), Progress(1, 1)
    keep = BestFindings(tmp_path, cast(Any, runner), metrics, "hmean")
    for step, hmean in enumerate(hmeans):
        progress.step = step
        evaluated = result(step, (hmean, 0.1))
        for row in evaluated.rows():
            metrics.add(EVAL, row)
        keep.after_evaluation(cast(Any, None), evaluated, progress.evaluated(evaluated, "hmean"))
    kept = {path.stem: read_evaluation(path).about.step for path in tmp_path.glob("evaluations/*")}
    assert kept == wanted

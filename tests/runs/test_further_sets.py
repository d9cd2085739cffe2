"""The sets of ``Eval.also`` in a run: when they are judged, what is kept, and a resume."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ppocr_ft.config import load_config
from ppocr_ft.engine.distributed import SINGLE_PROCESS
from ppocr_ft.engine.eval_result import further_results, results_of
from ppocr_ft.engine.metrics_file import EVAL, SET, MetricsFile
from ppocr_ft.engine.state import Progress
from ppocr_ft.engine.stop import Stopped
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.report.evaluations import read_evaluation
from ppocr_ft.runs import assemble
from ppocr_ft.runs.eval_files import Findings
from ppocr_ft.runs.further_sets import FurtherSets
from tests.engine.test_eval_result import result
from tests.support.pictures import text, write_set
from tests.support.report_run import evaluation
from tests.support.same_run import assert_same_run, kept_boxes
from tests.support.small_run import small_config

JUDGED = {
    "the start is never beaten": (
        (0.5, 0.3, 0.2, 0.4, 0.3), [0, 1, 3, 4], {"before": 0, "best": 0, "trained": 3},
    ),
    "it is beaten, then not": (
        (0.5, 0.6, 0.4, 0.4), [0, 1, 3], {"before": 0, "best": 1},
    ),
    "the last is the best": ((0.5, 0.4, 0.6), [0, 1, 2], {"before": 0, "best": 2, "trained": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("hmeans", "steps", "boxes"), JUDGED.values(), ids=JUDGED.keys())
def test_the_start_the_best_so_far_and_the_last_are_judged(
    hmeans: tuple[float, ...], steps: list[int], boxes: dict[str, int], tmp_path: Path
) -> None:
    metrics, progress = MetricsFile(tmp_path, more_columns=[SET]), Progress(1, 1)
    said: list[str] = []

    class Runner:
        findings = Findings(evaluation(tmp_path, 0, 0).images, [], DBPostProcess())

        def __call__(self) -> Any:
            return result(0, {1.5: (0.9 - progress.step / 10, 0.5), 1.0: (0.1, 0.7)})

        say = staticmethod(said.append)

    trainer = SimpleNamespace(group=SINGLE_PROCESS, total_steps=len(hmeans) - 1)
    further = FurtherSets({"old": cast(Any, Runner())}, tmp_path, "hmean", metrics)
    for step, hmean in enumerate(hmeans):
        progress.step = step
        evaluated = result(step, (hmean, 0.1))
        for row in evaluated.rows():
            metrics.add(EVAL, row)
        is_best = progress.evaluated(evaluated, "hmean")
        further.after_evaluation(cast(Any, trainer), evaluated, is_best)
    rows = metrics.rows()
    found = further_results(rows)
    assert list(found) == ["old"]
    assert [(one.step, one.value("hmean")) for one in found["old"]] == [
        (step, pytest.approx(0.9 - step / 10)) for step in steps
    ]
    assert [one.step for one in results_of(rows)] == list(range(len(hmeans)))
    assert said[0] == "step 0: old: hmean 0.9000 at IoU 0.5, 0.7000 at 0.7 (0 s)"
    last = f"hmean 0.9000 -> {0.9 - steps[-1] / 10:.4f} at IoU 0.5, 0.7000 -> 0.7000 at 0.7 (0 s)"
    assert said[-1] == f"step {steps[-1]}: old: {last}"
    kept = {
        path.stem: read_evaluation(path).about.step for path in tmp_path.glob("evaluations/old/*")
    }
    assert kept == boxes


@pytest.mark.slow
def test_interrupted_while_a_further_set_is_judged_a_run_resumes_as_one(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("whole", "stopped")}
    configs = {}
    for name, folder in folders.items():
        (folder / "old").mkdir(parents=True)
        write_set(folder / "old", {f"o{i}.png": [text("a", 20, 15)] for i in range(2)})
        labels = f"Eval.also.old.label_file_list=[{folder / 'old' / 'label.txt'}]"
        sets = f"Eval.also.old.data_dir={folder / 'old'}", labels
        configs[name] = load_config(small_config(folder), [*sets, "Global.epoch_num=2"])
    assemble.training(configs["whole"]).trainer.run()

    stopped = assemble.training(configs["stopped"])
    (further,) = (x for x in stopped.trainer.callbacks if isinstance(x, FurtherSets))
    judge = further.sets["old"]

    def stop_at_step_5() -> Any:
        if stopped.trainer.progress.step == 5:
            raise Stopped(15)
        return judge()

    further.sets = {"old": cast(Any, Calling(stop_at_step_5, judge))}
    with pytest.raises(Stopped):
        stopped.trainer.run()
    assert stopped.trainer.progress.evaluated_step == 0
    stopped.save_latest()
    stopped.close()
    resumed = assemble.training(
        configs["stopped"], assemble.resume_path(configs["stopped"], "latest")
    )
    resumed.trainer.run()
    runs = [folder / "run" for folder in folders.values()]
    assert_same_run(*runs)
    one, two = (kept_boxes(run, "old/best.jsonl") for run in runs)
    assert one == two
    rows = MetricsFile(runs[0], 8, 8).rows()
    assert [found.step for found in further_results(rows)["old"]] == [0, 5, 8]


class Calling:
    """An evaluation of another kind in the place of a runner's."""

    def __init__(self, call: Any, runner: Any) -> None:
        self._call = call
        self._runner = runner

    def __call__(self) -> Any:
        return self._call()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

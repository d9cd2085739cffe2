"""Says what goes wrong, writes it down, and ends a run that the config wants ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ppocr_ft.engine.metrics_file import MetricsFile
from ppocr_ft.engine.monitor import Facts, History, Said, nan_verdict
from ppocr_ft.engine.stop import StoppedEarly
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import MAX_SKIPPED_IN_ROW, Callback, Trainer
from ppocr_ft.utils.files import write_whole

VERDICTS_FILE = "verdicts.jsonl"


class Monitor(Callback):
    """Judges the rows that the callbacks before it have written; process 0 decides for all.

    What it knows is what ``metrics`` holds, so that a run that was killed and goes on says and
    stops as one that was not. ``verdicts.jsonl`` has an object a line: ``step``, ``name``,
    ``sentence``, ``remedy``.

    Args:
        folder: where ``verdicts.jsonl`` lies.
        metrics: whose rows are judged.
        facts: what the rules know besides.
        say: gets each verdict.
        stop_on: names of verdicts that end the run.
        patience: evaluations in a row that are no better than an earlier one and end it; None:
            none do.
    """

    def __init__(
        self,
        folder: Path,
        metrics: MetricsFile,
        facts: Facts,
        say: Callable[[str], None],
        stop_on: Collection[str] = (),
        patience: int | None = None,
    ) -> None:
        self._path = folder / VERDICTS_FILE
        self._history = History(facts)
        self._say = say
        self._stop_on = frozenset(stop_on)
        self._patience = patience
        metrics.listen(self._history.take)

    def before_run(self, trainer: Trainer) -> None:
        """Write anew what the rows of the run so far lead to; say what wasn't said before."""
        known = self._lines()
        said = self._history.settle()
        write_whole(self._path, "".join(map(_line, said)).encode())
        self._tell([each for each in said if _line(each) not in known])
        self._stop_if_wanted(trainer)

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        said = self._history.settle()
        in_row = trainer.progress.skipped_in_row
        if in_row >= MAX_SKIPPED_IN_ROW:  # the trainer ends the run: no row will tell
            verdict = nan_verdict(f"The last {in_row} steps up to step {trainer.progress.step}")
            said = [*(each for each in said if each.verdict.name != "nan")]
            said.append(Said(trainer.progress.step, verdict))
        if said:
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(map(_line, said))
            self._tell(said)
        self._stop_if_wanted(trainer)

    def _lines(self) -> set[str]:
        """Those of an earlier process of the run."""
        if not self._path.is_file():
            return set()
        return set(self._path.read_text(encoding="utf-8").splitlines(keepends=True))

    def _tell(self, said: Sequence[Said]) -> None:
        for each in said:
            self._say(f"step {each.step}: {each.verdict}")

    def _stop_if_wanted(self, trainer: Trainer) -> None:
        """Raises StoppedEarly; not after the last step, where there is nothing left to stop."""
        if trainer.progress.step >= trainer.total_steps:
            return
        wanted = sorted(self._stop_on & self._history.present)
        if wanted:
            raise StoppedEarly(f"by {' and '.join(wanted)} (Global.stop_on)")
        progress = trainer.progress
        waited = progress.evaluations_without_gain
        if self._patience is not None and waited >= self._patience:
            raise StoppedEarly(
                f"since {waited} evaluations were no better than that after step "
                f"{progress.improved_step} (Global.patience)"
            )


def _line(said: Said) -> str:
    verdict = said.verdict
    values = {
        "step": said.step,
        "name": verdict.name,
        "sentence": verdict.sentence,
        "remedy": verdict.remedy,
    }
    return json.dumps(values, ensure_ascii=False) + "\n"

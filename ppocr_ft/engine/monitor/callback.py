"""The monitor as a callback: it prints and writes alerts, and may stop the run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ppocr_ft.engine.metrics_file import MetricsFile
from ppocr_ft.engine.monitor.history import Alert, History
from ppocr_ft.engine.monitor.rules_training import nan_steps
from ppocr_ft.engine.monitor.series import RunInfo
from ppocr_ft.engine.stop import StoppedEarly
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import MAX_SKIPPED_IN_ROW, Callback, Trainer
from ppocr_ft.messages import counted
from ppocr_ft.utils.files import write_whole

VERDICTS_FILE = "verdicts.jsonl"


class Monitor(Callback):
    """Evaluates the rows that the callbacks before it have written; process 0 decides for all.

    It knows only what ``metrics`` holds, so a run that was killed and resumed prints and stops as
    one that was not. ``verdicts.jsonl`` has one object per line: ``step``, ``name``,
    ``sentence``, ``remedy``.

    Args:
        folder: the folder of ``verdicts.jsonl``.
        metrics: has the rows that are evaluated.
        info: the further knowledge of the rules.
        say: gets each verdict.
        stop_on: names of verdicts that end the run.
        patience: evaluations in a row that are no better than an earlier one and end it; None:
            none do.
    """

    def __init__(
        self,
        folder: Path,
        metrics: MetricsFile,
        info: RunInfo,
        say: Callable[[str], None],
        stop_on: Collection[str] = (),
        patience: int | None = None,
    ) -> None:
        self._path = folder / VERDICTS_FILE
        self._history = History(info)
        self._say = say
        self._stop_on = frozenset(stop_on)
        self._patience = patience
        metrics.listen(self._history.append)

    def before_run(self, trainer: Trainer) -> None:
        """Write the alerts of earlier rows again; print those that weren't printed before."""
        earlier_lines: list[str] = []
        if self._path.is_file():  # of an earlier process of the run
            earlier_lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        alerts = self._history.evaluate()
        write_whole(self._path, "".join(alert.line for alert in alerts).encode())
        self._tell([alert for alert in alerts if alert.line not in earlier_lines])
        self._stop_if_wanted(trainer)

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        alerts = self._history.evaluate()
        in_row = trainer.progress.skipped_in_row
        if in_row >= MAX_SKIPPED_IN_ROW:  # the trainer ends the run: no row will tell
            step = trainer.progress.step
            diagnosis = nan_steps(f"The last {in_row} steps up to step {step}")
            alerts = [alert for alert in alerts if alert.name != "nan"]
            alerts.append(Alert(step, "nan", *diagnosis))
        if alerts:
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(alert.line for alert in alerts)
            self._tell(alerts)
        self._stop_if_wanted(trainer)

    def _tell(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            self._say(str(alert))

    def _stop_if_wanted(self, trainer: Trainer) -> None:
        """Stop the run if an alert asks for it.

        Not after the last step, when there is nothing left to stop.

        Raises:
            StoppedEarly: the run is to stop.
        """
        if trainer.progress.step >= trainer.total_steps:
            return
        stopping = sorted(self._stop_on & self._history.present)
        if stopping:
            raise StoppedEarly(f"by {' and '.join(stopping)} (Global.stop_on)")
        waited = trainer.progress.evaluations_without_gain
        if self._patience is not None and waited >= self._patience:
            raise StoppedEarly(
                f"since {counted(waited, 'evaluation')} without gain over that after step "
                f"{trainer.progress.last_gain_step} (Global.patience)"
            )

"""The evaluation of a run: its evaluation weights on labelled images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ppocr_ft.data.faults import FaultLog
from ppocr_ft.data.images import ImageSet
from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.engine.eval_result import EvalResult, results_of
from ppocr_ft.engine.evaluation import RateCounter, eval_records, ratios_tried
from ppocr_ft.engine.metrics_file import MetricsFile, Row
from ppocr_ft.engine.monitor.validation import Validator
from ppocr_ft.engine.outcome import outcome
from ppocr_ft.engine.state import TrainState
from ppocr_ft.engine.stop import StopRequest
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.runs.eval_files import SHOWN_IMAGES, Findings, kernels_of, preview_of, save_findings
from ppocr_ft.utils.progress import progress
from ppocr_ft.utils.sampling import evenly_spaced


@dataclass(frozen=True)
class EvalOptions:
    """How images are evaluated.

    Boxes are found with the config's unclip ratio, that of ``post_process``, and with
    ``unclip_ratios``.
    """

    post_process: DBPostProcess
    unclip_ratios: Sequence[float]
    batch_size: int = 1
    threads: int = 1


@dataclass
class EvalRunner:
    """Evaluates a run's weights, each process on its share of the images.

    Attributes:
        images: this process's share.
        stop: is checked before each image.
        say: gets the faults of the images, once.
        name: the further set's, for the progress bar and what is said; "" for ``Eval``.
        validator: gives the loss on crops; in process 0 alone.
        known_start: the result before the first step, if it is known already.
        findings: those of the last evaluation; None before any and after a known one.
    """

    state: TrainState
    images: ImageSet
    options: EvalOptions
    stop: StopRequest
    say: Callable[[str], None]
    group: ProcessGroup = SINGLE_PROCESS
    name: str = ""
    validator: Validator | None = None
    known_start: EvalResult | None = None
    findings: Findings | None = None
    _faults_told: int = 0

    def __call__(self) -> EvalResult:
        """Return the result on the images of all processes, which must all call this.

        Raises:
            Stopped: a signal asked for it.
        """
        self.findings = None
        start_result = self.known_start if self.state.progress.step == 0 else None
        with self.state.eval_weights():
            result = start_result or self._evaluate()
            if self.validator is not None:
                validation = self.validator(self.state.network, self.state.progress.epoch)
                result = result if validation is None else replace(result, **vars(validation))
        return result

    def _evaluate(self) -> EvalResult:
        start, options = time.perf_counter(), self.options
        counter = RateCounter(ratios_tried(options.post_process, options.unclip_ratios))
        what = f"evaluate {self.name}".rstrip()
        samples = progress(self.stop.heeding(self.images.samples()), len(self.images), what)
        records = eval_records(
            self.state.network,
            samples,
            options.post_process,
            options.unclip_ratios,
            batch_size=options.batch_size,
            threads=options.threads,
        )
        preview_indices = (
            evenly_spaced(len(self.images), SHOWN_IMAGES) if self.group.is_main else ()
        )
        kernels, previews = [], []
        with closing(records):
            for index, record in enumerate(records):
                counter.add(record)
                kernels.append(kernels_of(record, options.post_process))
                if index in preview_indices:
                    previews.append(preview_of(record))
        result = replace(counter.result(self.group), seconds=time.perf_counter() - start)
        everything = [image for share in self.group.gather(kernels) for image in share]
        self.findings = Findings(everything, previews, options.post_process)
        self._tell_faults()
        return result

    def _tell_faults(self) -> None:
        """Report the faults of the images of all processes, unless that was done before."""
        own_faults = FaultLog(self.images.faults).faults
        faults = FaultLog(
            fault for process_faults in self.group.gather(own_faults) for fault in process_faults
        )
        if len(faults) > self._faults_told:
            of = f" on {self.name}" if self.name else ""
            self.say(f"evaluation{of}: {faults.report()}")
            self._faults_told = len(faults)


class BestFindings(Callback):
    """Keeps the findings of the best evaluation by ``evaluate`` in the run's folder.

    While the start is the best one, those of the best one after it are kept too. ``metrics`` has
    the rows of every evaluation up to this one.
    """

    def __init__(
        self, folder: Path, evaluate: EvalRunner, metrics: MetricsFile, indicator: str
    ) -> None:
        self._folder = folder
        self._evaluate = evaluate
        self._metrics = metrics
        self._indicator = indicator

    def after_evaluation(self, trainer: Trainer, result: EvalResult, is_best: bool) -> None:
        findings = self._evaluate.findings
        if findings is not None and (
            is_best or is_best_trained(self._metrics.rows(), result, self._indicator)
        ):
            hmean = result.at_config["hmean"]
            save_findings(self._folder, findings, result.step, hmean, is_best=is_best)


def is_best_trained(rows: Iterable[Row], result: EvalResult, indicator: str) -> bool:
    """Return whether the start is the best in ``rows``, and this the best one after it."""
    so_far = outcome(results_of(rows), indicator)
    return bool(
        so_far and so_far.is_start and so_far.trained and so_far.trained.step == result.step
    )

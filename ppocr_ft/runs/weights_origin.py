"""Which step of a run the weights of a config are, by the files beside them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from ppocr_ft.config import Config
from ppocr_ft.engine.checkpoints import AVERAGED, BEST, FINAL, LATEST, STATE_FILE, read_state
from ppocr_ft.engine.eval_result import results_of
from ppocr_ft.engine.metrics_file import METRICS_FILE, read_metrics
from ppocr_ft.engine.outcome import Delivered, Outcome, outcome
from ppocr_ft.engine.state import saved_progress
from ppocr_ft.errors import WeightsError
from ppocr_ft.runs.metadata import DATA
from ppocr_ft.weights.sources import RELEASED

FINAL_JSON = "final.json"
"""What final.pdparams are, and what they were chosen from."""
_KEPT_EPOCH = re.compile(rf"iter_epoch_(\d+)(?:{AVERAGED})?")


@dataclass(frozen=True)
class WeightsOrigin:
    """The step of a run after which weights were saved.

    ``step`` is None if no file beside the weights tells it, 0 for those that a run starts from.
    ``outcome`` is that of the run, for its best weights alone; ``delivered`` is for its final ones.
    """

    step: int | None
    outcome: Outcome | None = None
    delivered: Delivered | None = None

    @property
    def sentence(self) -> str:
        """Say which step it is, and of best and final weights whether they beat the start."""
        if self.delivered is not None:
            return self.delivered.sentence
        if self.outcome is not None:
            return self.outcome.sentence
        if self.step is None:
            return "No run's files lie beside these weights, so their step is not known."
        if self.step == 0:
            return "These are the starting weights (step 0), not fine-tuned."
        return f"These are the weights of step {self.step}, fine-tuned."


def weights_origin(config: Config) -> WeightsOrigin:
    """Find out which step the config's weights are; released ones are those of a start."""
    where = config.Global.checkpoints or config.Global.pretrained_model or RELEASED
    if where == RELEASED:
        return WeightsOrigin(0)
    path = Path(where)
    name, folder = path.name.removesuffix(".pdparams"), path.parent
    try:
        if name == BEST:
            rows = read_metrics(folder / METRICS_FILE)[1]
            ended = outcome(results_of(rows), config.Metric.main_indicator)
            return WeightsOrigin(None if ended is None else ended.best.step, ended)
        if name == FINAL:
            chosen = Delivered.of(json.loads((folder / FINAL_JSON).read_text(encoding="utf-8")))
            return WeightsOrigin(0 if chosen.is_start else chosen.step, delivered=chosen)
        if kept := _KEPT_EPOCH.fullmatch(name):
            facts = json.loads((folder / DATA).read_text(encoding="utf-8"))
            return WeightsOrigin(int(kept[1]) * int(facts["steps_per_epoch"]))
        if name in (LATEST, LATEST + AVERAGED):
            return WeightsOrigin(saved_progress(read_state(folder / STATE_FILE)).step)
    except (OSError, ValueError, KeyError, TypeError, WeightsError):
        pass  # a broken or missing file tells nothing
    return WeightsOrigin(None)


def kept_checkpoints(folder: Path, *, averaged: bool) -> list[str]:
    """Return the names iter_epoch_N of a run's kept checkpoints by epoch, or of their averages."""
    epochs = {
        int(match[1]): path.stem
        for path in folder.glob("iter_epoch_*.pdparams")
        if (match := _KEPT_EPOCH.fullmatch(path.stem)) and path.stem.endswith(AVERAGED) == averaged
    }
    return [epochs[epoch] for epoch in sorted(epochs)]

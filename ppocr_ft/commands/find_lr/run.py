"""The LR range test of a config's training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ppocr_ft.commands.find_lr.plot import lr_range_csv, lr_range_picture
from ppocr_ft.commands.find_lr.range_test import LrPoint, LrRange, LrSweep, lr_range_test
from ppocr_ft.commands.find_lr.suggestion import LrSuggestion, NoLrSuggestion, suggest_lr
from ppocr_ft.config import Config
from ppocr_ft.engine.train_step import FrozenNorms
from ppocr_ft.factory.device import passes
from ppocr_ft.factory.optimizers import total_batch_size
from ppocr_ft.losses.db import DBLoss
from ppocr_ft.runs.parts import prepare
from ppocr_ft.utils.files import check_writable, write_whole

__all__ = [
    "FIGURES",
    "PICTURE",
    "LrSearch",
    "LrSuggestion",
    "LrSweep",
    "find_lr",
    "lr_override",
]

PICTURE, FIGURES = "find_lr.png", "find_lr.csv"
ROOM_BYTES = 2**20
STEPS_PER_LINE = 10


@dataclass(frozen=True)
class LrSearch:
    """The test, and the rates that it suggests."""

    test: LrRange
    suggestion: LrSuggestion | NoLrSuggestion

    def save(self, folder: Path) -> None:
        """Write ``find_lr.csv`` and ``find_lr.png``."""
        write_whole(folder / FIGURES, lr_range_csv(self.test).encode())
        write_whole(folder / PICTURE, lr_range_picture(self.test, self.suggestion))


def find_lr(config: Config, sweep: LrSweep, say: Callable[[str], None] = print) -> LrSearch:
    """Run the test on the training that the config describes, of which nothing is written.

    Raises:
        UserInputError: config, data or weights are wrong, or Global.save_model_dir can't be
            written to.
    """
    parts = prepare(config)
    check_writable(Path(config.Global.save_model_dir), ROOM_BYTES, "Global.save_model_dir")
    weights = parts.weights.summary() if parts.weights else "random weights"
    for line in (weights, *parts.state.optimizer.groups.describe(), *parts.label_notes):
        say(line)
    FrozenNorms(parts.state.network).update()  # as the first epoch has them

    def tell(point: LrPoint) -> None:
        done = point.step + 1
        if done % STEPS_PER_LINE == 0:
            say(
                f"step {done}/{sweep.steps} lr {point.rate:.1e} loss {point.loss:.4f}, "
                f"with the weights of the start {point.start_loss:.4f}"
            )

    loss = DBLoss(config.Loss)
    test = lr_range_test(
        parts.state, parts.loader, loss, sweep, parts.precision, tell, passes(config)
    )
    return LrSearch(test, suggest_lr(test.curve, test.ending))


def lr_override(config: Config, rate: float) -> str:
    """Return the override that sets the base rate: ``Optimizer.lr.learning_rate=5.0e-04``.

    With ``scale_lr`` it is the value that becomes ``rate`` once it is multiplied.
    """
    lr = config.Optimizer.lr
    key, highest = lr.highest()
    value = rate / lr.scale(total_batch_size(config, world_size=1))
    if key != "values":
        return f"Optimizer.lr.{key}={value:.1e}"
    factor = value / highest
    return f"Optimizer.lr.values=[{','.join(f'{value * factor:.1e}' for value in lr.values or ())}]"

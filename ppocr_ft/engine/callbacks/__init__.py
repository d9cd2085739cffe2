"""Actions during training: progress and log, evaluation, checkpoints."""

from ppocr_ft.engine.callbacks.checkpoints import LATEST, Checkpoints
from ppocr_ft.engine.callbacks.evaluation import Evaluator, Timing
from ppocr_ft.engine.callbacks.group_figures import GroupFigures
from ppocr_ft.engine.callbacks.log import Log
from ppocr_ft.engine.callbacks.monitor import Monitor
from ppocr_ft.engine.callbacks.writers import ScalarLog

__all__ = [
    "LATEST",
    "Checkpoints",
    "Evaluator",
    "GroupFigures",
    "Log",
    "Monitor",
    "ScalarLog",
    "Timing",
]

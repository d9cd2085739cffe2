"""What is done beside training: progress and log, evaluation, checkpoints."""

from ppocr_ft.engine.callbacks.checkpoints import LATEST, Checkpoints
from ppocr_ft.engine.callbacks.evaluation import Evaluator, Timing, Verdict
from ppocr_ft.engine.callbacks.log import Log
from ppocr_ft.engine.callbacks.metrics_file import MetricsFile

__all__ = ["LATEST", "Checkpoints", "Evaluator", "Log", "MetricsFile", "Timing", "Verdict"]

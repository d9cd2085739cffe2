"""All rules, and when each is asked."""

from __future__ import annotations

from ppocr_ft.engine.monitor.learning import below_start, loss_not_falling, overfitting
from ppocr_ft.engine.monitor.machine import loader_bound, memory_growing
from ppocr_ft.engine.monitor.series import EVAL, TRAIN
from ppocr_ft.engine.monitor.steps import grad_exploding, lr_zero, nan, warming_up
from ppocr_ft.engine.monitor.targets import targets_wrong
from ppocr_ft.engine.monitor.verdict import Rule

_ROWS, _EVALUATIONS = 5, 2
"""Moments without a verdict after which it counts as gone."""

RULES = (
    Rule("nan", TRAIN, nan, _ROWS),
    Rule("grad-exploding", TRAIN, grad_exploding, _ROWS),
    Rule("lr-zero", TRAIN, lr_zero, _ROWS),
    Rule("warming-up", TRAIN, warming_up, _ROWS),
    Rule("loss-not-falling", TRAIN, loss_not_falling, _ROWS),
    Rule("loader-bound", TRAIN, loader_bound, _ROWS),
    Rule("memory-growing", TRAIN, memory_growing, _ROWS),
    Rule("targets-wrong", EVAL, targets_wrong, _EVALUATIONS),
    Rule("overfitting", EVAL, overfitting, _EVALUATIONS),
    Rule("below-start", EVAL, below_start, _EVALUATIONS, unless="targets-wrong"),
)

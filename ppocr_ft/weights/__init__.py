"""Weights: their sources, reading them safely, and the part of a network that they fill."""

from ppocr_ft.weights.coverage import CoverageReport, TensorMatch
from ppocr_ft.weights.download import cache_folder
from ppocr_ft.weights.files import read_weights, write_weights
from ppocr_ft.weights.load import (
    MIN_COVERAGE,
    choose_form,
    load_into,
    save_trained,
    to_paddleocr,
)
from ppocr_ft.weights.sources import MEMBERS, RELEASED, WeightsSource, open_source

__all__ = [
    "MEMBERS",
    "MIN_COVERAGE",
    "RELEASED",
    "CoverageReport",
    "TensorMatch",
    "WeightsSource",
    "cache_folder",
    "choose_form",
    "load_into",
    "open_source",
    "read_weights",
    "save_trained",
    "to_paddleocr",
    "write_weights",
]

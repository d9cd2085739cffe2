"""Weights: their sources, reading them safely, and the part of a network that they fill."""

from ppocr_ft.weights.coverage import CoverageReport
from ppocr_ft.weights.download import cache_folder
from ppocr_ft.weights.files import read_weights, write_weights
from ppocr_ft.weights.load import choose_form, load_into, save_trained, to_paddleocr
from ppocr_ft.weights.released import released_name
from ppocr_ft.weights.sources import RELEASED, WeightsSource, open_source

__all__ = [
    "RELEASED",
    "CoverageReport",
    "WeightsSource",
    "cache_folder",
    "choose_form",
    "load_into",
    "open_source",
    "read_weights",
    "released_name",
    "save_trained",
    "to_paddleocr",
    "write_weights",
]

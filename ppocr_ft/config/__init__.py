"""Configs: PaddleOCR's YAML as typed, frozen sections; every fault reported at once."""

from ppocr_ft.config.faults import Fault
from ppocr_ft.config.load import Inspection, inspect_config, load_config
from ppocr_ft.config.schema import RELEASED_WEIGHTS, SAMPLE_DATA_DIR, Config

__all__ = [
    "RELEASED_WEIGHTS",
    "SAMPLE_DATA_DIR",
    "Config",
    "Fault",
    "Inspection",
    "inspect_config",
    "load_config",
]

"""The networks: PaddleOCR's DB detectors, built from its names or its YAML."""

from ppocr_ft.models.architecture import DETECTORS, Detector, build_architecture, build_detector
from ppocr_ft.models.db_head import DBHead
from ppocr_ft.models.fold import detect_form, fold_state, unfold_state
from ppocr_ft.models.lcnetv3 import Form
from ppocr_ft.models.released_order import released_key_order

__all__ = [
    "DETECTORS",
    "DBHead",
    "Detector",
    "Form",
    "build_architecture",
    "build_detector",
    "detect_form",
    "fold_state",
    "released_key_order",
    "unfold_state",
]

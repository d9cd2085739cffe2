"""The data set, checked before training: every fault with its file and line, and what to do."""

from ppocr_ft.commands.check.data.fix import write_fixed
from ppocr_ft.commands.check.data.parsed_labels import Source
from ppocr_ft.commands.check.data.report import (
    DataReport,
    LabelCounts,
    UsablePolygons,
    check_dataset,
    whole_set_findings,
)
from ppocr_ft.commands.check.data.rules import RULES, DataRule

__all__ = [
    "RULES",
    "DataReport",
    "DataRule",
    "LabelCounts",
    "Source",
    "UsablePolygons",
    "check_dataset",
    "whole_set_findings",
    "write_fixed",
]

"""The data set, checked before training: every fault with its file and line, and what to do."""

from ppocr_ft.commands.check.data.dataset import DataReport, check_dataset
from ppocr_ft.commands.check.data.fix import write_fixed
from ppocr_ft.commands.check.data.parsed_labels import Source
from ppocr_ft.commands.check.data.rules import RULES

__all__ = ["RULES", "DataReport", "Source", "check_dataset", "write_fixed"]

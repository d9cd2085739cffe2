"""Label files, the data set, the order of samples; no framework."""

from ppocr_ft.data.batches import (
    FAULTS,
    PerImage,
    collate,
    epoch_order,
    rank_batches,
    steps_per_epoch,
)
from ppocr_ft.data.dataset import Item, SimpleDataSet
from ppocr_ft.data.faults import FaultLog, describe_faults
from ppocr_ft.data.labels import LabelEntry, LabelFile, read_label_file

__all__ = [
    "FAULTS",
    "FaultLog",
    "Item",
    "LabelEntry",
    "LabelFile",
    "PerImage",
    "SimpleDataSet",
    "collate",
    "describe_faults",
    "epoch_order",
    "rank_batches",
    "read_label_file",
    "steps_per_epoch",
]

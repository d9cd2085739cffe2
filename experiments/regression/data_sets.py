"""The images of the regression, and how large evaluation sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ppocr_ft.data import sample_set
from ppocr_ft.data.sample_set import SampleSet
from tests.support.samples import SHARED

TRAIN_IMAGES = 20
SAMPLE_VAL_IMAGES = 16
RECEIPTS = SHARED / "data" / "receipts"


@dataclass(frozen=True)
class DataSet:
    """Images and label files.

    val_images: how many of the validation images are evaluated, the first ones. limit_side_px:
    their longest side; the training crops have the same scale. place: a folder that must exist.
    """

    name: str
    title: str
    val_images: int
    limit_side_px: int
    files: SampleSet
    place: Path | None = None

    def is_here(self) -> bool:
        return self.place is None or self.place.is_dir()

    def overrides(self, folder: Path) -> list[str]:
        """Return the overrides of recipe.yml; shortened label files are written into ``folder``."""
        values: dict[str, object] = {
            "Train.dataset.transforms.ScaledCrop.limit_side_len": self.limit_side_px,
            "Eval.dataset.transforms.DetResizeForTest.limit_side_len": self.limit_side_px,
        }
        for section, labels, count in (
            ("Train", self.files.train_label, TRAIN_IMAGES),
            ("Eval", self.files.val_label, self.val_images),
        ):
            values[f"{section}.dataset.data_dir"] = self.files.data_dir
            chosen = first_lines(labels, count, folder / f"first_{labels.name}")
            values[f"{section}.dataset.label_file_list"] = f"[{chosen}]"
        return [f"{key}={value}" for key, value in values.items()]


def first_lines(labels: Path, count: int, to: Path) -> Path:
    """Write the first label lines to a file of their own.

    PaddleOCR's ``ratio_list`` would shorten an epoch too, but makes 2.7 rebuild its data set in
    each one, with the true epoch as its seed.
    """
    lines = labels.read_text(encoding="utf-8").split("\n")[:count]
    to.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return to


SAMPLE = DataSet("sample", "sample data set", SAMPLE_VAL_IMAGES, 640, sample_set.SAMPLE)
SCANS = DataSet("receipts", "receipts", 12, 960, SampleSet.at(RECEIPTS), RECEIPTS)
DATA_SETS = (SAMPLE, SCANS)

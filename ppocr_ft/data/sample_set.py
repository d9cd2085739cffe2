"""The sample data set that comes with the package: instrument panels, packages and name plates.

The pictures are drawn, not photographed: the folder ``sample_data`` of the repository says how.
One quad for each text *field*, gaps between its characters included. Scales, keys, codes, icons
and displays that are off are no text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SampleSet:
    """Where a sample data set lies; the label files' paths are relative to ``data_dir``."""

    data_dir: Path
    train_label: Path
    val_label: Path

    @classmethod
    def at(cls, data_dir: Path) -> SampleSet:
        """Return the places inside a folder with ``images/``, ``train.txt`` and ``val.txt``."""
        return cls(data_dir, data_dir / "train.txt", data_dir / "val.txt")


SAMPLE = SampleSet.at(Path(__file__).with_name("sample"))
"""120 pictures to train on and 40 to evaluate on. They belong to the package: read them only."""

"""Where the labels of a split are, and which lines of Train are held out for Eval."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ppocr_ft.config import Config
from ppocr_ft.data.faults import check_files, data_set_key
from ppocr_ft.data.held_out import Place, held_out
from ppocr_ft.data.labels import read_label_files
from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.errors import DataError
from ppocr_ft.messages import counted
from ppocr_ft.utils.progress import progress


@dataclass(frozen=True)
class LabelSource:
    """Where the labels of ``split`` are: Eval's are Train's if Global.val_ratio divides them."""

    split: str
    folder: Path
    names: tuple[Path, ...]
    delimiter: str

    @classmethod
    def of(cls, config: Config, split: str) -> LabelSource:
        split = "Train" if config.Global.val_ratio and split == "Eval" else split
        dataset = config.dataset(split)
        folder = SAMPLE.data_dir if dataset.is_sample else Path(dataset.data_dir)
        root = folder if dataset.is_sample else Path()
        names = tuple(root / name for name in dataset.label_file_list)
        return cls(split, folder, names, dataset.delimiter)


def held_out_lines(config: Config) -> frozenset[Place]:
    """Return the label lines of Train that Global.val_ratio holds out for Eval; none if it is 0.

    Raises:
        DataError: a label file can't be used, or there are too few images.
    """
    if not config.Global.val_ratio:
        return frozenset()
    source = LabelSource.of(config, "Train")
    return _held_out(source, config.Global.val_ratio, stamps_of(source))


def stamps_of(source: LabelSource) -> tuple[int, ...]:
    """Return when the label files were written, ns; 0 for one that isn't there."""
    return tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in source.names)


def held_out_note(held: frozenset[Place]) -> str:
    """Say how many lines ``held_out_lines`` has found."""
    return f"held out for Eval, by Global.val_ratio: {counted(len(held), 'image')} of Train"


@lru_cache(maxsize=4)
def _held_out(source: LabelSource, ratio: float, stamps: tuple[int, ...]) -> frozenset[Place]:
    """``stamps``: those of the label files, so that changed ones are read again."""
    files = read_label_files(source.names, source.folder, source.delimiter)
    with naming_the_split(source.split):
        check_files(files)
    entries = [entry for file in files for entry in file.entries]
    return held_out(entries, source.folder, ratio, progress)


@contextmanager
def naming_the_split(split: str) -> Iterator[None]:
    """Add the key of the data set to a DataError."""
    try:
        yield
    except DataError as fault:
        raise DataError(str(fault), key=data_set_key(split)) from None

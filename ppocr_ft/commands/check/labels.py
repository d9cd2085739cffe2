"""The labels that a config names: what is wrong with them, and the texts that can be learnt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppocr_ft.commands.check.config.diagnosis import LabelFiles
from ppocr_ft.commands.check.data import DataReport, Source, check_dataset
from ppocr_ft.commands.check.data.outlines import Outlines
from ppocr_ft.commands.check.text_geometry import Page, Size
from ppocr_ft.config.rules import Mode
from ppocr_ft.config.schema import Config
from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.utils.progress import progress


def label_sources(labels: LabelFiles | None) -> list[Source]:
    """Return a source for each label file."""
    if labels is None:
        return []
    folder, names = Path(labels.data_dir), [Path(name) for name in labels.label_files]
    if labels.is_sample:
        folder = SAMPLE.data_dir
        names = [folder / name for name in names]
    return [Source(name, folder, labels.delimiter) for name in names]


def check_labels(
    labels: Mapping[Mode, LabelFiles], *, images: bool, show_progress: bool = True
) -> DataReport:
    """Check both splits at once, so that images in both are found."""
    train, evaluation = (label_sources(labels.get(mode)) for mode in ("Train", "Eval"))
    show = _shown if show_progress else None
    return check_dataset(train, evaluation, images=images, progress=show)


def images_per_epoch(config: Config, sources: Sequence[Source]) -> int:
    """How many label lines an epoch draws, good or bad; 0 where a file can't be read."""
    ratios = config.Train.dataset.ratio_list or (1.0,) * len(sources)
    try:
        counts = [_lines(source.label_file) for source in sources]
    except OSError:
        return 0
    return sum(round(count * ratio) for count, ratio in zip(counts, ratios, strict=False))


def pages_of(report: DataReport) -> list[Page]:
    """Each usable line's image with the texts that are to be learnt, of both splits."""
    return [page for part in (*report.train, *report.evaluation) for page in _pages(part, report)]


def _pages(measured: Outlines, report: DataReport) -> Iterator[Page]:
    """Images that were looked at and can't be decoded are left out."""
    scan = measured.scan
    usable = np.array([line.usable for line in scan.lines], bool)
    chosen = np.flatnonzero(usable[scan.owners] & ~measured.empty & ~scan.ignored)
    owners = scan.owners[chosen]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    for texts in np.split(chosen, starts[1:]) if len(chosen) else ():
        size = _size(measured.sizes_px[texts[0]])
        if size is not None or not report.pictures:
            yield Page(size, [scan.polygons[i] for i in texts])


def _size(size_px: np.ndarray[Any, np.dtype[np.float64]]) -> Size | None:
    if not np.isfinite(size_px).all():
        return None
    width, height = size_px.astype(int).tolist()
    return width, height


def _shown(items: Iterable[Any], total: int, title: str) -> Iterable[Any]:
    return progress(items, total, "", title, leave=False)


def _lines(path: Path) -> int:
    return sum(bool(line.strip()) for line in path.read_bytes().split(b"\n"))

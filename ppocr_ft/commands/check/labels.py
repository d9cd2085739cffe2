"""The label files of a config, checked, and their texts by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ppocr_ft.commands.check.data import DataReport, Source, check_dataset, whole_set_findings
from ppocr_ft.commands.check.data.outlines import Outlines
from ppocr_ft.commands.check.diagnosis import LabelFiles
from ppocr_ft.commands.check.text_geometry import Page, Size
from ppocr_ft.config.schema import Config
from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.data.whole_set import ALSO
from ppocr_ft.utils.progress import ProgressBar, progress


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
    labels: Mapping[str, LabelFiles],
    *,
    images: bool,
    find: bool = True,
    bar: ProgressBar = progress,
) -> DataReport:
    """Check all splits at once, so that images in two are found, and each as a whole.

    Without ``images`` none is opened, without ``find`` none is looked for.
    """
    sources = {
        split: [replace(source, images=find) for source in label_sources(of)]
        for split, of in labels.items()
    }
    further = {split: found for split, found in sources.items() if split.startswith(ALSO)}
    train, evaluation = (sources.get(split, []) for split in ("Train", "Eval"))
    report = check_dataset(train, evaluation, further, images=images, bar=bar)
    return replace(report, findings=(*whole_set_findings(report), *report.findings))


def images_per_epoch(config: Config, sources: Sequence[Source]) -> int:
    """Return how many label lines an epoch draws, good or bad; 0 if a file can't be read."""
    ratios = config.Train.dataset.ratio_list or (1.0,) * len(sources)
    try:
        counts = [_lines(source.label_file) for source in sources]
    except OSError:
        return 0
    kept = 1 - config.Global.val_ratio
    return sum(round(count * kept * ratio) for count, ratio in zip(counts, ratios, strict=False))


def pages_of(report: DataReport) -> list[Page]:
    """Return each usable line's image with the texts that are to be learnt, of both splits."""
    return [page for part in (*report.train, *report.evaluation) for page in pages_in(part, report)]


def pages_in(measured: Outlines, report: DataReport) -> Iterator[Page]:
    """Yield pages, without images that were opened and can't be decoded."""
    scan = measured.scan
    usable = np.array([line.usable for line in scan.lines], bool)
    chosen = np.flatnonzero(usable[scan.owners] & ~measured.empty & ~scan.ignored)
    owners = scan.owners[chosen]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    for number, texts in enumerate(np.split(chosen, starts[1:]) if len(chosen) else ()):
        size = _size(measured.sizes_px[texts[0]])
        if size is not None or not report.pictures:
            images = scan.lines[owners[starts[number]]].images
            yield Page(size, [scan.polygons[i] for i in texts], images[0])


def _size(size_px: np.ndarray[Any, np.dtype[np.float64]]) -> Size | None:
    if not np.isfinite(size_px).all():
        return None
    width, height = size_px.astype(int).tolist()
    return width, height


def _lines(path: Path) -> int:
    return sum(bool(line.strip()) for line in path.read_bytes().split(b"\n"))

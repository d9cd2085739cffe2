"""The check of a data set: every fault of its label files and images at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.data.outlines import (
    Outlines,
    exif_findings,
    outline_findings,
    outlines,
    repeat_findings,
)
from ppocr_ft.commands.check.data.parsed_labels import Scan, Source, scan_source
from ppocr_ft.commands.check.data.pictures import (
    Picture,
    Same,
    duplicates,
    in_both,
    leaks,
    look_at_all,
    picture_findings,
    same_image_findings,
)
from ppocr_ft.commands.check.data.rules import finding
from ppocr_ft.data.faults import TextCounts, mostly_ignored, without_text
from ppocr_ft.errors import Finding
from ppocr_ft.messages import counted
from ppocr_ft.utils.progress import ProgressBar, no_progress
from ppocr_ft.utils.sampling import evenly_spaced

LOOKED_AT = 2000
"""So many lines of a label file, evenly spread, are judged."""
_LEAST_TEXTS, _MOST_TEXTS = 5, 400
_BY_WORDS = {"least_close": 0.4, "most_spaced": 0.02}
_BY_LINES = {"most_close": 0.35, "least_spaced": 0.15}
_MOST_UNSPACED = 0.1
"""An image with more texts than that in a script without spaces tells nothing of words."""
_LEAST_SHARE, _LEAST_IMAGES = 0.1, 3
"""The rarer kind must be so frequent, to be no accident."""


@dataclass(frozen=True)
class LabelCounts:
    """The numbers of a label file: lines that are not blank, different images, texts.

    ``negatives`` are lines without any text, ``difficult`` texts marked so.
    """

    lines: int
    images: int
    texts: int
    ignored_texts: int
    negatives: int = 0
    difficult: int = 0

    def describe(self) -> str:
        """Return the numbers in one line, with the share of texts that are ignored."""
        share = f" ({self.ignored_texts / self.texts:.0%})" if self.ignored_texts else ""
        return (
            f"{counted(self.images, 'image')}, {counted(self.negatives, 'image')} without text; "
            f"{counted(self.texts, 'text')}, {self.ignored_texts:,} ignored{share}"
        )


@dataclass(frozen=True)
class DataReport:
    """The result of the check.

    ``train`` and ``evaluation`` are their label files in the order given, ``further`` those of each
    set of ``Eval.also``; ``duplicates`` and ``leaks`` are behind the findings of these names.
    """

    findings: tuple[Finding, ...]
    counts: Mapping[str, LabelCounts]
    train: tuple[Outlines, ...]
    evaluation: tuple[Outlines, ...]
    pictures: Mapping[str, Picture]
    duplicates: tuple[Same, ...]
    leaks: tuple[Same, ...]
    further: Mapping[str, tuple[Outlines, ...]] = field(default_factory=dict)

    @property
    def parts(self) -> list[Outlines]:
        """All label files."""
        further = (part for parts in self.further.values() for part in parts)
        return [*self.train, *self.evaluation, *further]

    @property
    def notes(self) -> list[str]:
        """What is to be said of each label file as a whole."""
        notes = [pair for part in self.parts for pair in part.scan.notes.items()]
        remedy = "; --fix writes their paths so"
        told = (f"{note}{remedy * kind.startswith('image-')}" for kind, note in notes)
        return list(dict.fromkeys(told))


def check_dataset(
    train: Sequence[Source],
    eval: Sequence[Source],
    further: Mapping[str, Sequence[Source]] | None = None,
    *,
    images: bool = True,
    workers: int | None = None,
    bar: ProgressBar = no_progress,
) -> DataReport:
    """Check the label files of training, evaluation and its ``further`` sets, and their images.

    A fault of the data is a finding, never an exception. There is one finding per rule
    and line; its message names each text concerned. Findings are ordered by label file and line.

    Without ``images`` no image is opened: the files must exist, but sizes, EXIF, damage and
    re-encoded copies are not checked. ``workers`` are the threads that read images; one per
    processor if not given, 0 for none.
    """
    further = further or {}
    splits = [
        [scan_source(source, bar) for source in sources]
        for sources in (train, eval, *further.values())
    ]
    train_scans, eval_scans = splits[:2]
    all_judged = [scan for split in splits[1:] for scan in split]
    scans = [*train_scans, *all_judged]
    paths = list(dict.fromkeys(path for s in scans for line in s.lines for path in line.images))
    looks = bool(train_scans and all_judged)
    pictures = look_at_all(paths, looks=looks, workers=workers, bar=bar) if images else {}
    judged_only = [scan for scan in all_judged if not in_both(scan, train_scans)]
    leaked = leaks(train_scans, judged_only, pictures)
    doubled = [same for split in splits for same in duplicates(split, pictures)]
    measured = [tuple(outlines(scan, pictures) for scan in split) for split in splits]
    findings = [one for split in measured for part in split for one in _of_file(part, pictures)]
    findings += same_image_findings(train_scans, all_judged, leaked, doubled)
    findings += mixed_findings([*train_scans, *eval_scans])
    return DataReport(
        findings=_ordered(findings, scans),
        counts={scan.path: _counts(scan) for scan in scans},
        train=measured[0],
        evaluation=measured[1],
        pictures=pictures,
        duplicates=tuple(doubled),
        leaks=tuple(leaked),
        further=dict(zip(further, measured[2:], strict=True)),
    )


def whole_set_findings(report: DataReport) -> list[Finding]:
    """Return a finding for each split of which no text counts, or hardly one."""
    findings = []
    splits = {"Train": report.train, "Eval": report.evaluation, **report.further}
    for mode, measured in splits.items():
        counts = [_usable_texts(part.scan) for part in measured]
        none, few = without_text(mode, counts), mostly_ignored(mode, counts)
        if none and any(count.lines for count in counts):  # else each line has its own finding
            findings.append(finding("texts-none", none, None))
        if few:
            findings.append(finding("texts-ignored", few, None))
    return findings


def _usable_texts(scan: Scan) -> TextCounts:
    ignored = scan.ignored[scan.usable[scan.owners]]
    return TextCounts(scan.path, int(scan.usable.sum()), len(ignored), int(ignored.sum()))


def _of_file(measured: Outlines, pictures: Mapping[str, Picture]) -> list[Finding]:
    scan = measured.scan
    findings = [*scan.findings, *outline_findings(measured), *repeat_findings(scan)]
    if pictures:
        findings += [*picture_findings(scan, pictures), *exif_findings(measured, pictures)]
    return findings


def _ordered(findings: Iterable[Finding], scans: Sequence[Scan]) -> tuple[Finding, ...]:
    """Sort by label file and line, each once: a file may be in both splits."""
    rank = {scan.path: index for index, scan in reversed(list(enumerate(scans)))}
    unique = dict.fromkeys(findings)
    return tuple(sorted(unique, key=lambda f: (rank.get(f.file or "", -1), f.line or 0, f.rule)))


def _counts(scan: Scan) -> LabelCounts:
    texts_of_line = np.bincount(scan.owners, minlength=len(scan.lines))
    return LabelCounts(
        lines=len(scan.lines),
        images=len({path for line in scan.lines for path in line.images}),
        texts=len(scan.polygons),
        ignored_texts=int(scan.ignored.sum()),
        negatives=int((scan.usable & (texts_of_line == 0)).sum()),
        difficult=scan.difficult,
    )


def mixed_findings(scans: Sequence[Scan]) -> Iterator[Finding]:
    """Yield one warning where some images are labelled by word and others by line.

    An image by words has texts without spaces inside, most of them with a neighbour on the same row
    no farther than a space is wide. One by lines has texts with spaces inside, and few such
    neighbours. Images that show neither, such as those of few texts, or of scripts without spaces,
    don't count. The warning is at the first image of the rarer kind.
    """
    places: dict[str, list[tuple[str, int]]] = {"words": [], "lines": []}
    for scan in scans:
        for index in evenly_spaced(len(scan.lines), LOOKED_AT):
            kind = _kind(scan, index)
            if kind:
                places[kind].append((scan.path, scan.lines[index].number))
    rarer, other = sorted(places, key=lambda kind: len(places[kind]))
    few, many = len(places[rarer]), len(places[other])
    if few < max(_LEAST_IMAGES, _LEAST_SHARE * (few + many)):
        return
    lines = ", ".join(f"{path}:{line}" for path, line in places[rarer][:5])
    message = f"{few} images are labelled by {rarer} and {many} by {other}; by {rarer}: {lines}"
    yield finding("labels-mixed", message, *places[rarer][0])


def _kind(scan: Scan, index: int) -> str | None:
    shares = shares_of_line(scan, index)
    if shares is None:
        return None
    close, spaced = shares
    if close >= _BY_WORDS["least_close"] and spaced <= _BY_WORDS["most_spaced"]:
        return "words"
    if close <= _BY_LINES["most_close"] and spaced >= _BY_LINES["least_spaced"]:
        return "lines"
    return None


def shares_of_line(scan: Scan, index: int) -> tuple[float, float] | None:
    """Return the shares of texts with a neighbour a space away, and of those with a space inside.

    None if the line has too few texts to learn from, or too many, or some in a script without
    spaces.
    """
    start, end = np.searchsorted(scan.owners, [index, index + 1])
    chosen = ~scan.ignored[start:end]
    if not _LEAST_TEXTS <= chosen.sum() <= _MOST_TEXTS:
        return None
    if scan.unspaced[start:end][chosen].mean() > _MOST_UNSPACED:
        return None
    edges = scan.polygons.starts[start : end + 1]
    coords = scan.polygons.coords[edges[0] : edges[-1]].astype(np.float64)
    starts = edges[:-1] - edges[0]
    lowest, highest = np.minimum.reduceat(coords, starts), np.maximum.reduceat(coords, starts)
    close = _has_close_neighbour(np.concatenate([lowest, highest], axis=1)[chosen])
    return float(close.mean()), float(scan.spaced[start:end][chosen].mean())


def _has_close_neighbour(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether a box (n,) has one of similar height beside it on the row, a space away.

    ``boxes`` (n, 4): left, top, right, bottom.
    """
    left, top, right, bottom = (boxes[:, [k]] for k in range(4))
    height = np.maximum(bottom - top, 1e-6)
    lower = np.minimum(height, height.T)
    overlap = np.minimum(bottom, bottom.T) - np.maximum(top, top.T)
    gap = np.maximum(left.T - right, left - right.T)
    close = (overlap > 0.5 * lower) & (np.maximum(height, height.T) < 1.5 * lower)
    close &= (gap > -0.3 * lower) & (gap < 0.6 * lower)
    np.fill_diagonal(close, False)
    return np.asarray(close.any(axis=1))

"""The check of a data set: every fault of its label files and images at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.data.outlines import (
    Outlines,
    exif_findings,
    outline_findings,
    outlines,
    repeat_findings,
    repeated,
)
from ppocr_ft.commands.check.data.parsed_labels import Scan, Source, scan_source
from ppocr_ft.commands.check.data.pictures import Picture, look_at_all, picture_findings
from ppocr_ft.commands.check.data.rules import finding
from ppocr_ft.commands.check.data.same_images import (
    Same,
    duplicates,
    in_both,
    leaks,
    same_image_findings,
)
from ppocr_ft.commands.check.data.visibility import visibility_findings
from ppocr_ft.commands.check.data.word_labels import mixed_findings
from ppocr_ft.data.whole_set import TextCounts, mostly_ignored, without_text
from ppocr_ft.errors import Finding
from ppocr_ft.messages import counted
from ppocr_ft.transforms.polygons import TextPolygons
from ppocr_ft.utils.progress import ProgressBar, no_progress

Split = Literal["train", "eval"]


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
class UsablePolygons:
    """Texts that training can use: polygons, ignored (n,), and their images' sizes (n, 2).

    ``sizes_px``: width and height as training sees them, turned by EXIF; 0 if images were not
    opened.
    """

    polygons: TextPolygons
    ignored: NDArray[np.bool_]
    sizes_px: NDArray[np.int64]


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
        remedy = {"image-moved": "; --fix writes their paths so"}
        return list(dict.fromkeys(f"{note}{remedy.get(kind, '')}" for kind, note in notes))

    @cached_property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that training can't use."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def polygons(self, split: Split | None = None) -> UsablePolygons:
        """Return the usable texts of one split or of both, in the order of the lines."""
        chosen = {"train": self.train, "eval": self.evaluation}
        parts = [*self.train, *self.evaluation] if split is None else chosen[split]
        return _joined([self._usable(part) for part in parts])

    def _usable(self, measured: Outlines) -> UsablePolygons:
        scan = measured.scan
        lines = np.array([self._takes(line.usable, line.images) for line in scan.lines], bool)
        chosen = lines[scan.owners] & ~measured.empty
        chosen[list(repeated(scan))] = False
        sizes = np.where(np.isfinite(measured.sizes_px), measured.sizes_px, 0)
        return UsablePolygons(
            scan.polygons.select(chosen), scan.ignored[chosen], sizes[chosen].astype(np.int64)
        )

    def _takes(self, usable: bool, images: Iterable[str]) -> bool:
        pictures = (self.pictures.get(path) for path in images)
        return usable and all(picture is None or not picture.fault for picture in pictures)


def _joined(parts: Sequence[UsablePolygons]) -> UsablePolygons:
    counts = np.concatenate([np.empty(0, np.int64), *(part.polygons.counts for part in parts)])
    coords = [np.empty((0, 2), np.float32), *(part.polygons.coords for part in parts)]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return UsablePolygons(
        TextPolygons(np.concatenate(coords), starts),
        np.concatenate([np.empty(0, bool), *(part.ignored for part in parts)]),
        np.concatenate([np.empty((0, 2), np.int64), *(part.sizes_px for part in parts)]),
    )


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
    train_scans = [scan_source(source, bar) for source in train]
    eval_scans = [scan_source(source, bar) for source in eval]
    further_scans = {
        name: [scan_source(source, bar) for source in sources]
        for name, sources in (further or {}).items()
    }
    judged = [eval_scans, *further_scans.values()]
    all_judged = [scan for scans in judged for scan in scans]
    scans = [*train_scans, *all_judged]
    pictures: dict[str, Picture] = {}
    if images:
        paths = list(dict.fromkeys(path for s in scans for line in s.lines for path in line.images))
        looks = bool(train_scans and all_judged)
        pictures = look_at_all(paths, looks=looks, workers=workers, bar=bar)
    judged_only = [scan for scan in all_judged if not in_both(scan, train_scans)]
    leaked = leaks(train_scans, judged_only, pictures)
    doubled = [same for part in (train_scans, *judged) for same in duplicates(part, pictures)]
    measured = [outlines(scan, pictures) for scan in scans]
    findings = [finding for part in measured for finding in _of_file(part, pictures)]
    findings += same_image_findings(train_scans, all_judged, leaked, doubled)
    findings += mixed_findings([*train_scans, *eval_scans])
    rest = iter(measured)
    trained, evaluated = (tuple(islice(rest, len(part))) for part in (train, eval))
    return DataReport(
        findings=_ordered(findings, scans),
        counts={scan.path: _counts(scan) for scan in scans},
        train=trained,
        evaluation=evaluated,
        pictures=pictures,
        duplicates=tuple(doubled),
        leaks=tuple(leaked),
        further={name: tuple(islice(rest, len(of))) for name, of in further_scans.items()},
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
    usable = np.array([line.usable for line in scan.lines], bool)
    ignored = scan.ignored[usable[scan.owners]]
    return TextCounts(scan.path, int(usable.sum()), len(ignored), int(ignored.sum()))


def _of_file(measured: Outlines, pictures: Mapping[str, Picture]) -> list[Finding]:
    scan = measured.scan
    findings = [*scan.findings, *outline_findings(measured), *repeat_findings(scan)]
    if pictures:
        findings += [*picture_findings(scan, pictures), *exif_findings(measured, pictures)]
        findings += visibility_findings(scan, pictures)
    return findings


def _ordered(findings: Iterable[Finding], scans: Sequence[Scan]) -> tuple[Finding, ...]:
    """Sort by label file and line, each once: a file may be in both splits."""
    rank = {scan.path: index for index, scan in reversed(list(enumerate(scans)))}
    unique = dict.fromkeys(findings)
    return tuple(sorted(unique, key=lambda f: (rank.get(f.file or "", -1), f.line or 0, f.rule)))


def _counts(scan: Scan) -> LabelCounts:
    usable = np.array([line.usable for line in scan.lines], bool)
    return LabelCounts(
        lines=len(scan.lines),
        images=len({path for line in scan.lines for path in line.images}),
        texts=len(scan.polygons),
        ignored_texts=int(scan.ignored.sum()),
        negatives=int((usable & (np.bincount(scan.owners, minlength=len(usable)) == 0)).sum()),
        difficult=scan.difficult,
    )

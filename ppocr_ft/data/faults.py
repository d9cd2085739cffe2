"""Faults of a data set: bad samples, label files of no use, no text that counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from ppocr_ft.data.labels import LabelEntry, LabelFile
from ppocr_ft.errors import DataError
from ppocr_ft.messages import counted

LISTED = 20
"""The number of faults that are written out; the others are only counted."""
ALSO = "Eval.also."
"""What the name of a further set of ``Eval`` is preceded by; a split is ``Train``, ``Eval`` or this
with a name."""
MOST_IGNORED = 0.9
"""A larger share of ignored texts than this is unusual."""


def describe_faults(faults: Sequence[DataError]) -> str:
    """Return one line per fault, in their order, for the first ones (LISTED)."""
    lines = [str(fault) for fault in faults[:LISTED]]
    if len(faults) > LISTED:
        lines.append(f"... and {len(faults) - LISTED} more")
    return "\n".join(lines)


@contextmanager
def noting(faults: list[DataError]) -> Iterator[None]:
    """Add a DataError that is raised inside this context to ``faults``."""
    try:
        yield
    except DataError as fault:
        faults.append(fault)


def refuse_all(faults: Sequence[DataError]) -> None:
    """Raise the faults of several data sets, if there are any, as one DataError."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise DataError("\n".join(dict.fromkeys(map(str, faults))))


def left_out(mode: str, faults: Sequence[DataError]) -> str:
    """Say without which label lines of ``mode`` a run goes on."""
    places = [f"{fault.path}:{fault.line}" for fault in faults]
    more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
    return (
        f"goes on without {counted(len(places), 'label line')} of {mode} that can't "
        f"be used: {', '.join(places[:LISTED])}{more} (ppocr-ft check says why)"
    )


class FaultLog:
    """The different faults among all those that items bring; the same line counts once."""

    def __init__(self, faults: Iterable[DataError] = ()) -> None:
        self._faults: dict[tuple[str | None, int | None, str], DataError] = {}
        self.add(faults)

    def add(self, faults: Iterable[DataError]) -> None:
        for fault in faults:
            message = "" if fault.line is not None else fault.message
            self._faults.setdefault((fault.path, fault.line, message), fault)

    def __len__(self) -> int:
        return len(self._faults)

    @property
    def faults(self) -> list[DataError]:
        """The faults in the order of file and line."""
        return sorted(self._faults.values(), key=lambda f: (f.path or "", f.line or 0))

    def report(self) -> str:
        """Return a headline and one line per fault; an empty text if nothing was bad."""
        if not self._faults:
            return ""
        count = len(self._faults)
        return f"{counted(count, 'bad sample')}:\n{describe_faults(self.faults)}"


def data_set_key(split: str) -> str:
    """Return the key below which the folder and the label files of a split are."""
    return split if split.startswith(ALSO) else f"{split}.dataset"


@dataclass(frozen=True)
class TextCounts:
    """A label file's usable lines, their texts, and how many of these are ignored."""

    path: str
    lines: int
    texts: int
    ignored: int

    def __str__(self) -> str:
        return (
            f"{self.path}: {counted(self.lines, 'image')} with {counted(self.texts, 'text')}, "
            f"{self.ignored:,} of them ignored"
        )


def text_counts(entries: Sequence[LabelEntry]) -> list[TextCounts]:
    """Count each label file's texts; files follow in the order of the lines."""
    counts = []
    for path, group in groupby(entries, key=lambda entry: entry.label_file):
        texts = [entry.texts for entry in group]
        ignored = sum(int(of.ignored.sum()) for of in texts)
        counts.append(TextCounts(path, len(texts), sum(map(len, texts)), ignored))
    return counts


def without_text(split: str, counts: Sequence[TextCounts]) -> str:
    """Say that no text of the label files counts, with their numbers; "" if one does."""
    if not counts or any(count.texts > count.ignored for count in counts):
        return ""
    files = "; ".join(map(str, counts))
    so = "nothing can be learnt" if split == "Train" else "every network's hmean is 0"
    return f"no text of {split} counts, so that {so}: {files}"


def mostly_ignored(split: str, counts: Sequence[TextCounts]) -> str:
    """Say which share of the texts is ignored, if it is nearly all of them; else ""."""
    texts, ignored = (sum(getattr(count, key) for count in counts) for key in ("texts", "ignored"))
    if not MOST_IGNORED * texts < ignored < texts:
        return ""
    share = int(1000 * ignored / texts) / 10  # never rounded up to all
    return f"{ignored} of the {texts} texts of {split}, {share:g} %, are ignored"


def check_text(split: str, entries: Sequence[LabelEntry]) -> None:
    """Check that at least one text counts. Images without text beside it are samples.

    Raises:
        DataError: with the numbers of each label file.
    """
    fault = without_text(split, text_counts(entries))
    if fault:
        what = 'label texts with a transcription other than "###" and "*"'
        raise DataError(f"{fault}; {what}", key=f"{data_set_key(split)}.label_file_list")


def check_files(files: Sequence[LabelFile]) -> None:
    """Check that each label file can be opened and has a line that can be used.

    Raises:
        DataError: naming every file that has not.
    """
    reasons = []
    for file in files:
        if file.entries:
            continue
        if len(file.faults) == 1 and file.faults[0].line is None:
            reasons.append(str(file.faults[0]))  # the file can't be read
            continue
        why = f":\n{describe_faults(file.faults)}" if file.faults else ": the file is empty"
        reasons.append(f"{file.path}: no line can be used{why}")
    if reasons:
        raise DataError("\n".join(reasons))

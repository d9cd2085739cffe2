"""The data set: label lines in, samples out. No framework; a loader is wrapped around it."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.data.faults import check_files, describe_faults
from ppocr_ft.data.labels import LabelEntry, LabelFile, read_label_files
from ppocr_ft.data.taught import Taught
from ppocr_ft.errors import ConfigError, DataError
from ppocr_ft.limits import MOST_IMAGE_BYTES
from ppocr_ft.messages import counted
from ppocr_ft.transforms.pipeline import Pipeline
from ppocr_ft.transforms.registry import Operator
from ppocr_ft.transforms.shrink_schedule import TRUE_EPOCH, SharedEpoch

Indices = NDArray[np.int64]

READ_TIMEOUT_S, MOST_HANGING = 60.0, 8
"""How long a file may give no answer, and so many files at the same time."""
_hanging: dict[str, Thread] = {}
_SUBSET, _AUGMENT, _REPLACE = range(3)
"""First number of a generator's seed: what it is for."""


@dataclass(frozen=True)
class Item:
    """What the data set gives for one index.

    ``sample`` holds the pipeline's fields; None if the line is bad and isn't replaced.
    ``faults`` are the bad lines that were met while the sample was made. ``path`` is the image's
    file, "" without a sample.
    """

    sample: dict[str, Any] | None
    faults: tuple[DataError, ...] = ()
    path: str = ""


class SimpleDataSet:
    """PaddleOCR's data set: label files and images, passed through operators.

    The same seed, epoch and index give the same item, in any process and after any other
    items.

    Args:
        data_dir: where relative image paths start.
        label_file_list: one label file or several.
        transforms: the operators, in their order.
        ratio_list: the share of each label file's lines that an epoch draws, a new random
            subset each; one number for all files, or one each. All lines if not given.
        delimiter: the text between image path and JSON.
        seed: of subsets and augmentation.
        strict: the first bad sample is raised.
        replace_bad: give a drawn good sample for a bad one; otherwise (evaluation) its item has
            no sample.
        keep: which of the lines that can be used belong to this data set; all if not given.

    Attributes:
        taught: images that a teacher has labelled, which take the place of a share of the samples.

    Raises:
        DataError: a label file has no line that can be used; with ``strict``, any line can't.
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self,
        data_dir: str | Path,
        label_file_list: str | Path | Sequence[str | Path],
        transforms: Sequence[Operator],
        *,
        ratio_list: float | Sequence[float] | None = None,
        delimiter: str = "\t",
        seed: int = 0,
        strict: bool = False,
        replace_bad: bool = True,
        keep: Callable[[LabelEntry], bool] | None = None,
    ) -> None:
        paths = [label_file_list] if isinstance(label_file_list, (str, Path)) else label_file_list
        self.pipeline = Pipeline(transforms)
        self.seed = seed
        self.strict = strict
        self.replace_bad = replace_bad
        self.clock = SharedEpoch()
        self.taught: Taught | None = None
        self._ratios = _ratios(ratio_list, len(paths))
        files = read_label_files(paths, data_dir, delimiter)
        self.label_faults = tuple(fault for file in files for fault in file.faults)
        self.label_notes = tuple(note for file in files for note in file.notes.values())
        parts = [list(filter(keep, file.entries) if keep else file.entries) for file in files]
        self.entries = tuple(entry for part in parts for entry in part)
        self._bounds = list(accumulate(map(len, parts), initial=0))
        self._subset: tuple[int, Indices] | None = None
        self._check_usable(files)

    def set_epoch(self, epoch: int) -> None:
        """Begin epoch 1, 2, ...; workers that already run see it too."""
        self.clock.set(epoch)

    def __len__(self) -> int:
        """Return the number of samples in an epoch."""
        return sum(self._counts())

    def __iter__(self) -> Iterator[Item]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Item:
        """Return sample ``index`` of this epoch.

        Raises:
            IndexError: ``index`` outside ``[0, len)``.
            DataError: with ``strict``, the sample is bad; otherwise, all samples are.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} samples")
        epoch = self.clock.epoch
        faults: list[DataError] = []
        pipeline, candidates = self._drawn(epoch, index)
        for entry in candidates:
            try:
                sample, path = self._sample(entry, pipeline, epoch, index)
                return Item(sample, tuple(faults), path)
            except DataError as error:
                faults.append(_at_line(error, entry))
            if self.strict:
                raise faults[0]
            if not self.replace_bad:
                return Item(None, tuple(faults))
        raise DataError(f"no sample can be used:\n{describe_faults(faults)}")

    def _drawn(self, epoch: int, index: int) -> tuple[Pipeline, Iterable[LabelEntry]]:
        """Return the operators for an index, and the lines to try, one after the other."""
        taught = self.taught
        line = None if taught is None else taught.line(epoch, index, len(self), self.seed)
        if taught is None or line is None:
            return self.pipeline, self._candidates(epoch, index)
        return taught.pipeline, (*taught.entries[line:], *taught.entries[:line])

    def _candidates(self, epoch: int, index: int) -> Iterator[LabelEntry]:
        """Yield the index's own line, then all of the epoch's in an order drawn for this index."""
        subset = self._entries_of(epoch)
        yield self.entries[subset[index]]
        rng = np.random.default_rng([_REPLACE, self.seed, epoch, index])
        yield from (self.entries[i] for i in rng.permutation(subset) if i != subset[index])

    def _sample(
        self, entry: LabelEntry, pipeline: Pipeline, epoch: int, index: int
    ) -> tuple[dict[str, Any], str]:
        rng = np.random.default_rng([_AUGMENT, self.seed, epoch, index])
        data = _read(entry, rng)
        if epoch:  # evaluation has none
            data[TRUE_EPOCH] = epoch
        path: str = data["img_path"]
        if pipeline.wants_donor:
            data["ext_data"] = self._donors(rng)
        return pipeline(data), path

    def _donors(self, rng: np.random.Generator) -> list[dict[str, Any]]:
        """Return another image for CopyPaste, decoded; an empty list if the drawn one is bad."""
        entry = self.entries[int(rng.integers(len(self.entries)))]
        try:
            return [self.pipeline.load(_read(entry, rng))]
        except DataError:
            return []  # it is counted when it is drawn as a sample

    def _counts(self) -> list[int]:
        """Return how many lines of each file an epoch draws."""
        sizes = (end - start for start, end in pairwise(self._bounds))
        return [round(size * ratio) for size, ratio in zip(sizes, self._ratios, strict=True)]

    def _entries_of(self, epoch: int) -> Indices:
        """Return the indices (n,) of the lines that the epoch draws, ascending."""
        subset = self._subset  # another thread may replace it
        if subset is None or subset[0] != epoch:
            drawn = []
            for file, ((start, end), count) in enumerate(
                zip(pairwise(self._bounds), self._counts(), strict=True)
            ):
                rng = np.random.default_rng([_SUBSET, self.seed, epoch, file])
                drawn.append(start + np.sort(rng.permutation(end - start)[:count]))
            subset = self._subset = epoch, np.concatenate(drawn).astype(np.int64)
        return subset[1]

    def _check_usable(self, files: Sequence[LabelFile]) -> None:
        """Raise DataError now for label files that would fail later in training."""
        if self.strict and self.label_faults:
            count = counted(len(self.label_faults), "bad label line")
            raise DataError(f"{count}:\n{describe_faults(self.label_faults)}")
        check_files(files)
        names = ", ".join(file.path for file in files)
        if len(self) == 0:
            raise DataError(f"{names}: ratio_list leaves no sample")
        faults = []
        for entry in self.entries:
            try:
                self.pipeline.load(_read(entry, np.random.default_rng(self.seed)))
            except DataError as error:
                faults.append(_at_line(error, entry))
            else:
                return
        raise DataError(f"{names}: no image can be used:\n{describe_faults(faults)}")


def _read(entry: LabelEntry, rng: np.random.Generator) -> dict[str, Any]:
    """Return what the first operator gets."""
    images = entry.images
    path = images[0] if len(images) == 1 else images[int(rng.integers(len(images)))]
    return {"img_path": path, "label": entry.texts, "image": read_content(path), "rng": rng}


def read_content(path: str) -> bytes:
    """Return an image file's content.

    Raises:
        DataError: it can't be read, is no file or too large, or gives no answer for READ_TIMEOUT_S.
        TimeoutError: neither have several others: the file system is gone.
    """
    reading = _hanging.get(path)
    if reading is None or not reading.is_alive():
        answer = SimpleQueue[bytes | Exception]()
        reading = Thread(target=_read_into, args=(answer, path), daemon=True)
        reading.start()
        with suppress(Empty):
            content = answer.get(timeout=READ_TIMEOUT_S)
            _hanging.pop(path, None)
            if isinstance(content, bytes):
                return content
            why = getattr(content, "strerror", None) or content
            raise DataError(f"can't be read: {why}", path=path)
        _hanging[path] = reading
        if sum(each.is_alive() for each in list(_hanging.values())) >= MOST_HANGING:
            raise TimeoutError(errno.ETIMEDOUT, "the file system gives no answer", path)
    raise DataError(f"gives no answer for {READ_TIMEOUT_S:g} s", path=path)


def _read_into(answer: SimpleQueue[bytes | Exception], path: str) -> None:
    """Read a file where nobody has to wait for it."""
    try:
        state = Path(path).stat()
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
            raise OSError("it is a device or pipe, not a file")
        if state.st_size > MOST_IMAGE_BYTES:
            has = f"it has {state.st_size:,} bytes, and at most {MOST_IMAGE_BYTES:,} are read"
            raise OSError(f"{has}; cut the image into parts, or save it compressed")
        answer.put(Path(path).read_bytes())
    except Exception as error:
        answer.put(error)


def _at_line(error: DataError, entry: LabelEntry) -> DataError:
    what = f"the image {error.path} {error.message}" if error.path else error.message
    return DataError(what, path=entry.label_file, line=entry.line)


def _ratios(ratio_list: float | Sequence[float] | None, files: int) -> list[float]:
    if ratio_list is None:
        ratio_list = 1.0
    ratios = [ratio_list] * files if isinstance(ratio_list, (int, float)) else list(ratio_list)
    if len(ratios) != files:
        raise ConfigError(
            f"has {len(ratios)} values for {files} label files; give one each", key="ratio_list"
        )
    for ratio in ratios:
        if not 0 <= ratio <= 1:
            raise ConfigError(f"found {ratio!r}; it must lie within 0 and 1", key="ratio_list")
    return [float(ratio) for ratio in ratios]

"""The sample data set of the package: instrument panels, packages and name plates.

The pictures are drawn, not photographed: ``sample_data/`` of the repository has the program. One
quad marks one text *field*, with the gaps between its characters. Scales, keys, codes, icons
and displays that are off are no text.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ppocr_ft.errors import DataError

TRAIN_IMAGES, VAL_IMAGES = 120, 40
MANIFEST = "sample.json"
"""How the pictures were drawn; the file by which a folder is known as a sample data set."""


@dataclass(frozen=True)
class SampleSet:
    """The files of a sample data set; the label files' paths are relative to ``data_dir``."""

    data_dir: Path
    train_label: Path
    val_label: Path

    @classmethod
    def at(cls, data_dir: Path) -> SampleSet:
        """Return the files of a folder with ``images/``, ``train.txt`` and ``val.txt``."""
        return cls(data_dir, data_dir / "train.txt", data_dir / "val.txt")


SAMPLE = SampleSet.at(Path(__file__).with_name("sample"))
"""The pictures of the package: TRAIN_IMAGES and VAL_IMAGES. They are only read."""


def copy_sample(
    out: Path, *, train: int = TRAIN_IMAGES, val: int = VAL_IMAGES, force: bool = False
) -> SampleSet:
    """Copy the first pictures of both splits with their labels into the folder ``out``.

    Raises:
        DataError: a number is out of range, or for the reasons of ``new_sample_set``.
    """
    for key, count, most in (("train", train, TRAIN_IMAGES), ("val", val, VAL_IMAGES)):
        if not 1 <= count <= most:
            raise DataError(f"must be 1 to {most}, the pictures there are; found {count}", key=key)
    if Path(out).resolve() == SAMPLE.data_dir.resolve():
        raise DataError("is the package's own copy; give another folder", path=out)
    drawn = json.loads((SAMPLE.data_dir / MANIFEST).read_text(encoding="utf-8"))
    drawn |= {"train_images": train, "val_images": val}
    with new_sample_set(out, drawn, force=force) as copy:
        for source, target, count in (
            (SAMPLE.train_label, copy.train_label, train),
            (SAMPLE.val_label, copy.val_label, val),
        ):
            lines = source.read_text(encoding="utf-8").splitlines(keepends=True)[:count]
            for name in (line.split("\t")[0] for line in lines):
                shutil.copyfile(SAMPLE.data_dir / name, copy.data_dir / name)
            target.write_text("".join(lines), encoding="utf-8", newline="\n")
    return SampleSet.at(Path(out))


@contextmanager
def new_sample_set(out: Path, drawn: Mapping[str, int], *, force: bool) -> Iterator[SampleSet]:
    """Yield a folder to fill, with an empty ``images/``; afterwards it is moved to ``out``.

    ``out`` appears complete or not at all. ``drawn`` is the manifest. ``force`` replaces a sample
    data set, and nothing else.

    Raises:
        DataError: ``out`` holds something else, or can't be written to.
    """
    out = Path(out)
    try:
        replaces = _is_to_be_replaced(out, force)
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            new = aside / "new"
            (new / "images").mkdir(parents=True)
            yield SampleSet.at(new)
            (new / MANIFEST).write_text(json.dumps(dict(drawn)) + "\n", encoding="utf-8")
            _move(new, out, aside / "old" if replaces else None)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise DataError(f"can't be written: {error}", path=out) from error


def _is_to_be_replaced(out: Path, force: bool) -> bool:
    """Return whether ``out`` is a sample data set that ``force`` may replace; False for no folder.

    Raises:
        DataError: it holds something else, or ``force`` is not set.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / MANIFEST).is_file():
        raise DataError(
            f"is no sample data set (it has no {MANIFEST}); give a new or empty folder", path=out
        )
    if not force:
        raise DataError("is there already; give another folder, or --force to replace it", path=out)
    return True


def _move(new: Path, out: Path, old: Path | None) -> None:
    """Move ``new`` to ``out``, and ``out`` to ``old``, which comes back if the move fails."""
    if old is not None:
        out.rename(old)
    try:
        new.replace(out)
    except OSError:
        if old is not None and not out.exists():
            old.rename(out)
        raise

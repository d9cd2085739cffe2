"""The sets of images: what a run sees of each, and what judges it.

A run sees the training part alone. It holds its own validation images out of it
(Global.val_ratio), on which it chooses weights, post-processing and resize. The validation part,
val.txt, judges, and nothing is chosen on it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.utils.sampling import evenly_spaced

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "det_v4_ft.yml"
DATA = ROOT.parent / "shared" / "data"
MINUTES = {"small": 8, "receipts": 25, "icdar2015": 25, "funsd": 25, "sample": 5}
"""What a run on each set may take; the names of the sets."""
VAL_RATIO = 0.2
SMALL_TRAIN, SMALL_VAL = 25, 10
OTHER_IMAGES = 15
"""So many images of each other set say what a run has forgotten."""
INNER_JUDGE_SHARE = 0.3
INNER, CEILING, FOLD, UNSEEN = "{}, inner", "{}, ceiling", "{}, fold {} of {}", "{}, all unseen"
"""Names of what ``inner``, ``ceiling``, ``folds`` and ``unseen`` make of a set."""
DRAW_SEED = 0

Lines = tuple[str, ...]


@dataclass(frozen=True)
class RealSet:
    """Label lines, with paths relative to ``data_dir``, and how long a run may take, minutes.

    validate: the run's own validation images; none: Global.val_ratio holds them out of ``train``.
    """

    name: str
    data_dir: Path
    train: Lines
    judge: Lines
    validate: Lines = ()
    minutes: float = 0.0

    @property
    def training_part(self) -> Lines:
        """All that a run sees."""
        return self.train + self.validate

    def first(self, images: int | None) -> RealSet:
        """Return the set with no more than so many images of each kind, for a try."""
        kinds = {kind: getattr(self, kind)[:images] for kind in ("train", "judge", "validate")}
        return replace(self, **kinds)

    def few(self) -> Lines:
        """Return OTHER_IMAGES of those that judge, evenly spread."""
        return tuple(self.judge[i] for i in evenly_spaced(len(self.judge), OTHER_IMAGES))

    def overrides(self, folder: Path) -> list[str]:
        """Return the overrides that name the images; the label files are written to ``folder``."""
        train = written(self.train, folder / "run_train.txt")
        validate = written(self.validate, folder / "run_val.txt") if self.validate else train
        return [
            f"Global.val_ratio={0 if self.validate else VAL_RATIO}",
            f"Train.dataset.data_dir={self.data_dir}",
            f"Train.dataset.label_file_list=[{train}]",
            *eval_overrides(self.data_dir, validate),
        ]


def eval_overrides(data_dir: Path, label_file: Path) -> list[str]:
    return [
        f"Eval.dataset.data_dir={data_dir}",
        f"Eval.dataset.label_file_list=[{label_file}]",
    ]


def written(lines: Lines, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def folder_of(name: str) -> Path:
    if name == "sample":
        return SAMPLE.data_dir
    return DATA / ("receipts" if name == "small" else name)


def real_set(name: str) -> RealSet:
    """Return the set of ``MINUTES`` that bears the name.

    Raises:
        OSError: its files aren't here.
    """
    folder = folder_of(name)
    train, judge = (lines_of(folder / f"{part}.txt") for part in ("train", "val"))
    if name != "small":
        return RealSet(name, folder, train, judge, minutes=MINUTES[name])
    train, validate = drawn(train, SMALL_TRAIN, SMALL_VAL)
    return RealSet(name, folder, train, judge, validate, MINUTES[name])


def sets_of(names: Sequence[str], images: int | None = None) -> list[RealSet]:
    """Return the sets that are here; those that aren't are said. ``images``: as ``first``."""
    found = []
    for name in names:
        if folder_of(name).is_dir():
            found.append(real_set(name).first(images))
        else:
            print(f"{name}: left out, {folder_of(name)} isn't here", file=sys.stderr)
    return found


def inner(real: RealSet) -> RealSet:
    """Return the set with another part to judge by, drawn out of the training part.

    What is decided by it has not seen the validation part.
    """
    part = real.training_part
    held_out = round(INNER_JUDGE_SHARE * len(part))
    judge, train = drawn(part, held_out, len(part) - held_out)
    return replace(real, name=INNER.format(real.name), train=train, judge=judge, validate=())


def ceiling(real: RealSet) -> RealSet:
    """Return the set with the validation part as everything: what limits, if not the images?"""
    return replace(real, name=CEILING.format(real.name), train=real.judge, validate=real.judge)


def unseen(real: RealSet) -> RealSet:
    """Return the set judged by all of its folder's images that it doesn't train on."""
    seen = frozenset(real.training_part + real.judge)
    left = (line for line in lines_of(real.data_dir / "train.txt") if line not in seen)
    return replace(real, name=UNSEEN.format(real.name), judge=(*real.judge, *left))


def folds(real: RealSet, count: int) -> list[RealSet]:
    """Return the set so many times: each of all its images judges once, and the others train."""
    pool = real.training_part + real.judge
    order = np.random.default_rng(DRAW_SEED).permutation(len(pool))
    judging = [frozenset(part.tolist()) for part in np.array_split(order, count)]
    return [
        replace(
            real,
            name=FOLD.format(real.name, number, count),
            train=tuple(line for i, line in enumerate(pool) if i not in part),
            judge=tuple(line for i, line in enumerate(pool) if i in part),
            validate=(),
        )
        for number, part in enumerate(judging, 1)
    ]


def drawn(lines: Lines, *counts: int) -> tuple[Lines, ...]:
    """Return so many lines each, drawn by a fixed seed, in the order of the file."""
    order = np.random.default_rng(DRAW_SEED).permutation(len(lines))
    ends = np.cumsum(counts)
    parts = (np.sort(order[end - count : end]) for end, count in zip(ends, counts, strict=True))
    return tuple(tuple(lines[i] for i in part) for part in parts)


def lines_of(path: Path) -> Lines:
    return tuple(line for line in path.read_text(encoding="utf-8").split("\n") if line.strip())

"""The sample data set on disk: pictures, PaddleOCR label files and a manifest."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ppocr_ft.data.sample.patch import Field
from ppocr_ft.data.sample.photo import photograph
from ppocr_ft.data.sample.scene import compose
from ppocr_ft.data.sample_set import SampleSet
from ppocr_ft.errors import DataError

MANIFEST = "sample.json"
GENERATION = 1
"""Raised whenever the same parameters would give other pictures or labels than before."""

SPLITS = ("train", "val")
_REMEDY = "give another folder, or make it anew by force"


@dataclass(frozen=True)
class _Parameters:
    """What decides every byte of the data set."""

    seed: int
    train_images: int
    val_images: int
    quality: int = 92
    generation: int = GENERATION

    def check(self) -> None:
        for name, least in (("seed", 0), ("train_images", 1), ("val_images", 1), ("quality", 1)):
            value = getattr(self, name)
            if value < least:
                raise DataError(f"must be at least {least}, found {value}", key=name)

    def count(self, split: str) -> int:
        return self.train_images if split == "train" else self.val_images


def make_sample(
    out: Path,
    *,
    seed: int = 0,
    train_images: int = 120,
    val_images: int = 40,
    quality: int = 92,
    force: bool = False,
) -> SampleSet:
    """Writes the sample data set to ``out``, or returns it if it is already there.

    ``out`` then holds ``images/*.jpg``, ``train.txt`` and ``val.txt``, a PaddleOCR label line
    ``path<TAB>[{"transcription", "points"}, ...]`` for each image. The same parameters give the
    same label bytes and pixels (on one version of the drawing libraries). The folder appears
    complete or not at all. ``force`` makes it anew, but only ever replaces a sample data set.

    Raises:
        DataError: a number is too small, or ``out`` holds something else, or a sample data set
            that is damaged or made with other parameters and ``force`` is not set.
    """
    wanted = _Parameters(seed, train_images, val_images, quality)
    wanted.check()
    out = Path(out)
    if _holds_sample(out) and not force:
        _check_same(out, wanted)
        return SampleSet.at(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _write(aside / "new", wanted)
        _move_into_place(aside, out, wanted, force=force)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return SampleSet.at(out)


def _holds_sample(out: Path) -> bool:
    """Whether ``out`` is a sample data set; False if it is absent or empty."""
    if (out / MANIFEST).is_file():
        return True
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(
            f"is no sample data set (it has no {MANIFEST}); give an empty or new folder", path=out
        )
    return False


def _check_same(out: Path, wanted: _Parameters) -> None:
    """Raises DataError unless ``out`` is whole and made with the wanted parameters."""
    manifest = out / MANIFEST
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"is no JSON ({error}); {_REMEDY}", path=manifest) from error
    if found != asdict(wanted):
        raise DataError(
            f"this sample data set was made with {found}, wanted is {asdict(wanted)}; {_REMEDY}",
            path=manifest,
        )
    names = [_image_name(split, i) for split in SPLITS for i in range(wanted.count(split))]
    names += [f"{split}.txt" for split in SPLITS]
    missing = [name for name in names if not (out / name).is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of the sample data set's files are gone, first {missing[0]}; "
            f"{_REMEDY}",
            path=out,
        )


def _write(folder: Path, parameters: _Parameters) -> None:
    """The whole data set; the manifest comes last."""
    (folder / "images").mkdir(parents=True)
    total = sum(parameters.count(split) for split in SPLITS)
    with tqdm(total=total, desc="sample data set", unit="image", disable=None) as progress:
        for number, split in enumerate(SPLITS):
            lines = []
            for index in range(parameters.count(split)):
                rng = np.random.default_rng([parameters.seed, number, index])
                lines.append(
                    _write_image(folder, _image_name(split, index), rng, parameters.quality)
                )
                progress.update()
            (folder / f"{split}.txt").write_text("".join(lines), encoding="utf-8", newline="\n")
    (folder / MANIFEST).write_text(json.dumps(asdict(parameters)), encoding="utf-8")


def _image_name(split: str, index: int) -> str:
    return f"images/{split}_{index:04d}.jpg"


def _write_image(folder: Path, name: str, rng: np.random.Generator, quality: int) -> str:
    """Makes one picture and returns its label line."""
    picture, fields = photograph(rng, compose(rng))
    _, encoded = cv2.imencode(
        ".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1)
    )
    (folder / name).write_bytes(encoded.tobytes())
    labels = [_label(field, picture.shape) for field in fields]
    return f"{name}\t{json.dumps(labels, ensure_ascii=False)}\n"


def _label(field: Field, shape: tuple[int, ...]) -> dict[str, object]:
    corners = np.clip(field.corners, 0.0, (shape[1] - 1, shape[0] - 1)).astype(float)
    return {"transcription": field.text, "points": np.round(corners, 1).tolist()}


def _move_into_place(aside: Path, out: Path, wanted: _Parameters, *, force: bool) -> None:
    """Puts the finished folder at ``out``; what was there goes with ``aside``."""
    old = aside / "old"
    if force and _holds_sample(out):
        out.rename(old)
    try:
        (aside / "new").replace(out)
    except OSError:
        if old.exists() and not out.exists():
            old.rename(out)
            raise
        if not _holds_sample(out):
            raise
        _check_same(out, wanted)  # another process was faster

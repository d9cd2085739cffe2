"""The images of ``Train.unlabelled``, and the operators that a student sees them through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ppocr_ft.config import Config
from ppocr_ft.config.schema import Unlabelled
from ppocr_ft.data.dataset import read_content
from ppocr_ft.data.faults import ALSO
from ppocr_ft.data.images import find_images
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.errors import DataError
from ppocr_ft.factory.label_source import LabelSource
from ppocr_ft.messages import counted
from ppocr_ft.transforms.geometric import GeometricOperator
from ppocr_ft.transforms.photometric import Blur, ColorJitter, JpegCompression, Noise
from ppocr_ft.transforms.pipeline import Pipeline
from ppocr_ft.transforms.registry import Operator

KEY = "Train.unlabelled"
NAMED = 3
"""So many images are named of those that are refused."""


class UnlabelledImages(NamedTuple):
    """Image files in their order, and notes on what was left out."""

    paths: list[str]
    notes: tuple[str, ...]


def unlabelled_images(config: Config, section: Unlabelled) -> UnlabelledImages:
    """Find the images; those of Train's label files, and copies of them, are left out.

    Raises:
        DataError: there is none, or one is an image that judges the run, or a copy of one.
    """
    key = f"{KEY}.data_dir"
    try:
        found = find_images([section.data_dir])
    except DataError as fault:
        raise DataError(fault.message, key=key) from None
    paths = [str(path) for path in found.images]
    judging = [f"{ALSO}{name}" for name in config.further]
    judging += [] if config.Global.val_ratio else ["Eval"]
    seen = _copies(paths, chain.from_iterable(_labelled(config, split) for split in judging))
    if seen:
        shown = [f"{path} is {label}" for path, label in list(seen.items())[:NAMED]]
        more = f" and {len(seen) - NAMED} more" if len(seen) > NAMED else ""
        raise DataError(
            f"{counted(len(seen), 'image')} of {section.data_dir} judge the run: "
            f"{', '.join(shown)}{more}; a run that has seen them is judged too well: take them out",
            key=key,
        )
    known = _copies(paths, _labelled(config, "Train"))
    rest = [path for path in paths if path not in known]
    if not rest:
        raise DataError(f"all {len(paths)} images of {section.data_dir} are labelled", key=key)
    left_out = f"{KEY}: left out, since labelled already: {counted(len(known), 'image')}"
    return UnlabelledImages(rest, (*found.notes, *([left_out] if known else [])))


def _labelled(config: Config, split: str) -> list[str]:
    """Return the image files that the label files of a split name."""
    source = LabelSource.of(config, split)
    files = [read_label_file(name, source.folder, source.delimiter) for name in source.names]
    return [path for file in files for entry in file.entries for path in entry.images]


def _copies(paths: Sequence[str], labelled: Iterable[str]) -> dict[str, str]:
    """Return which of the paths lead to a labelled image, or to one of the same content."""
    wanted = set(map(_size, paths))
    digests = {_digest(path): path for path in labelled if _size(path) in wanted}
    sizes = set(map(_size, digests.values()))
    return {
        path: digests[digest]
        for path in paths
        if _size(path) in sizes and (digest := _digest(path)) in digests
    }


def _size(path: str) -> int:
    return Path(path).stat().st_size


def _digest(path: str) -> bytes:
    """Return a hash of the file's content; of its name if it can't be read, as is said later."""
    try:
        content = read_content(path)
    except DataError:
        content = path.encode(errors="surrogateescape")
    return blake2b(content, digest_size=16).digest()


def student_pipeline(pipeline: Pipeline) -> Pipeline:
    """Return training's operators with stronger colours, blur, noise and JPEG after the crop."""
    operators = list(pipeline.operators)
    places = [i for i, each in enumerate(operators) if isinstance(each, GeometricOperator)]
    strong: list[Operator] = [
        ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.05),
        Blur(p=0.5, sigma_px=(0.3, 1.5)),
        Noise(p=0.5, std=(1.0, 12.0)),
        JpegCompression(p=0.5, quality=(30, 95)),
    ]
    after = places[-1] + 1
    return Pipeline([*operators[:after], *strong, *operators[after:]])

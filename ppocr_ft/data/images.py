"""Whole images, read and prepared for evaluation or prediction, with the bad ones listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import escape, glob
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.data.dataset import Item, read_content
from ppocr_ft.errors import DataError
from ppocr_ft.transforms.image_ops import Pixels, encode
from ppocr_ft.transforms.registry import Operator
from ppocr_ft.transforms.tiles import LargePage
from ppocr_ft.utils.progress import read_ahead

IMAGE_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("avif", "bmp", "dib", "gif", "heic", "heif", "jfif", "jp2", "jpe", "jpeg", "jpg"),
        *("pbm", "pgm", "png", "ppm", "tif", "tiff", "webp"),
    )
)
"""Files that are images by their names. HEIC can't be decoded: the error says what to do."""
NAMED = 3
"""The number of files that are named of those that are left out, by suffix."""


@dataclass(frozen=True)
class EvalSample:
    """One image as the network takes it, with its labels if it has any.

    Attributes:
        image: (3, h, w) float32, normalised; of a page in tiles a small picture.
        shape: (4,) source height and width in pixels, and the factors that resizing applied to
            them.
        path: the image's file.
        polygons: its labels, n of (k, 2) in source pixels.
        ignored: (n,) which of them don't count.
        page: the page's pixels, if it goes through the network in tiles.
    """

    image: NDArray[np.float32]
    shape: NDArray[np.float64]
    path: str = ""
    polygons: tuple[NDArray[Any], ...] = ()
    ignored: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    page: LargePage | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any], path: str) -> EvalSample:
        """Make a sample of the fields that the operators left of an image."""
        ignored = np.asarray(fields.get("ignore_tags", ()), dtype=bool)
        polygons = tuple(fields.get("polys", ()))
        page = fields.get("page")
        return cls(fields["image"], fields["shape"], path, polygons, ignored, page)


@dataclass
class ImageSet:
    """The ``count`` images that ``read`` gives by index, ``threads`` of them read ahead of use.

    ``faults`` starts with what was wrong with the label lines; images that can't be used are
    added while they are read. None of them is among ``samples()``. ``notes`` are those of the
    label files, or on files that were left out.
    """

    read: Callable[[int], Item]
    count: int
    threads: int = 0
    faults: list[DataError] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count

    def share(self, rank: int, world_size: int) -> ImageSet:
        """Return every ``world_size``-th image, starting with ``rank``: one process's part."""
        indices = range(rank, self.count, world_size)
        return replace(
            self,
            read=lambda index: self.read(indices[index]),
            count=len(indices),
            faults=list(self.faults),
        )

    def samples(self, indices: Iterable[int] | None = None) -> Iterator[EvalSample]:
        """Yield each image that can be used, or those of some indices, in order."""
        chosen = range(self.count) if indices is None else indices
        for item in read_ahead(self.read, chosen, self.threads):
            self.faults += item.faults
            if item.sample is not None:
                yield EvalSample.of(item.sample, item.path)


@dataclass(frozen=True, eq=False)
class ImageInMemory:
    """An image without a file; ``name`` stands for its path."""

    name: str
    pixels: Pixels


ImageSource = str | ImageInMemory
"""An image file's path, or an image without a file."""


def unlabelled(
    images: Sequence[ImageSource], operators: Sequence[Operator]
) -> Callable[[int], Item]:
    """Return the ``read`` of an ImageSet: what the operators make of each image."""

    def read(index: int) -> Item:
        image = images[index]
        path = image.name if isinstance(image, ImageInMemory) else image
        try:
            data: dict[str, Any] = {"image": _content(image), "img_path": path}
            for operator in operators:
                data = operator(data)
        except DataError as fault:
            return Item(None, (fault,))
        return Item(data, path=path)

    return read


def _content(image: ImageSource) -> bytes:
    return encode(image.pixels) if isinstance(image, ImageInMemory) else read_content(image)


class FoundImages(NamedTuple):
    """Images, and ``notes`` on the other files of the folders that were named."""

    images: list[ImageSource]
    notes: tuple[str, ...]


def find_images(patterns: Sequence[ImageSource]) -> FoundImages:
    """Find image files by file names, folders (with their subfolders) and patterns.

    Each file comes once, in the order in which it was named. Images in memory keep their places.

    Raises:
        DataError: naming every pattern that no image file matches.
    """
    images: dict[ImageSource, None] = {}
    others: dict[str, None] = {}
    empty = []
    for pattern in patterns:
        if isinstance(pattern, ImageInMemory):
            images[pattern] = None
            continue
        files = _files_of(pattern) if pattern else []  # "" would be the folder that one is in
        names = [name for name in files if name == pattern or _is_image(name)]
        images.update(dict.fromkeys(names))
        others.update(dict.fromkeys(name for name in files if not _is_image(name)))
        if not names:
            empty.append(pattern)
    notes = _left_out([name for name in others if name not in images])
    if empty:
        left_out = "".join(f"; {note}" for note in notes)
        raise DataError(
            f"no image found by {', '.join(map(repr, empty))}{left_out}; give a file, a folder or "
            f"a pattern of images ({' '.join(sorted(IMAGE_SUFFIXES))})"
        )
    return FoundImages(list(images), notes)


def _files_of(pattern: str) -> list[str]:
    """Return the files of a folder or pattern, hidden ones left out; or the file itself."""
    path = Path(pattern)
    if path.is_file():
        return [pattern]
    if path.is_dir():
        names = [str(p) for p in sorted(path.rglob("*"))]
    else:
        names = sorted(glob(_literal_start(pattern), recursive=True))  # noqa: PTH207  absolute too
    return [name for name in names if not Path(name).name.startswith(".") and Path(name).is_file()]


def _literal_start(pattern: str) -> str:
    """Return the pattern with its folders that exist by that very name escaped.

    In ``--[1]-bids/*.png`` the brackets are no choice of characters where that folder is there.
    """
    path = Path(pattern)
    start = next((folder for folder in path.parents if folder.is_dir()), Path())
    rest = path.relative_to(start)
    return str(Path(escape(str(start))) / rest)


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def _left_out(files: Sequence[str]) -> tuple[str, ...]:
    """Return a note on files that are no images by their names, counted by suffix; or none."""
    by_suffix: dict[str, list[str]] = {}
    for file in map(Path, files):
        by_suffix.setdefault(file.suffix.lower() or "without suffix", []).append(file.name)
    kinds = [
        f"{len(names)} {suffix} ({', '.join(names[:NAMED])}{', ...' * (len(names) > NAMED)})"
        for suffix, names in sorted(by_suffix.items())
    ]
    return (f"left out, no images by their names: {', '.join(kinds)}",) if kinds else ()

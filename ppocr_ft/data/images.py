"""Whole images, read and prepared for evaluation or prediction, with the bad ones listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.data.dataset import Item
from ppocr_ft.errors import DataError
from ppocr_ft.transforms.registry import Operator
from ppocr_ft.utils.prefetch import read_ahead

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class EvalSample:
    """One image as the network takes it, with its labels if it has any.

    Attributes:
        image: (3, h, w) float32, normalised.
        shape: (4,) source height and width in pixels, and the factors that resizing applied to
            them.
        path: the image's file.
        polygons: its labels, n of (k, 2) in source pixels.
        ignored: (n,) which of them don't count.
    """

    image: NDArray[np.float32]
    shape: NDArray[np.float64]
    path: str = ""
    polygons: tuple[NDArray[Any], ...] = ()
    ignored: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))

    @classmethod
    def of(cls, fields: Mapping[str, Any], path: str) -> EvalSample:
        """Make a sample of the fields that the operators left of an image."""
        ignored = np.asarray(fields.get("ignore_tags", ()), dtype=bool)
        return cls(fields["image"], fields["shape"], path, tuple(fields.get("polys", ())), ignored)


@dataclass
class ImageSet:
    """The ``count`` images that ``read`` gives by index, ``threads`` of them read ahead of use.

    ``faults`` starts with what was wrong with the label lines; images that can't be used are
    added while they are read. None of them is among ``samples()``. ``notes`` are those of the
    label files.
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


def unlabelled(paths: Sequence[str], operators: Sequence[Operator]) -> Callable[[int], Item]:
    """Return the ``read`` of an ImageSet: what the operators make of each image file."""

    def read(index: int) -> Item:
        path = paths[index]
        try:
            data: dict[str, Any] = {"image": _content(path), "img_path": path}
            for operator in operators:
                data = operator(data)
        except DataError as fault:
            return Item(None, (fault,))
        return Item(data, path=path)

    return read


def find_images(patterns: Sequence[str]) -> list[str]:
    """Find image files by file names, folders (with their subfolders) and patterns.

    Each file comes once, in the order in which it was named.

    Raises:
        DataError: naming every pattern that no image file matches.
    """
    images: dict[str, None] = {}
    empty = []
    for pattern in patterns:
        names = _images_of(pattern)
        images.update(dict.fromkeys(names))
        if not names:
            empty.append(pattern)
    if empty:
        raise DataError(
            f"no image found by {', '.join(map(repr, empty))}; give a file, a folder or a pattern "
            f"of images ({' '.join(sorted(IMAGE_SUFFIXES))})"
        )
    return list(images)


def _images_of(pattern: str) -> list[str]:
    path = Path(pattern)
    if path.is_dir():
        return [str(p) for p in sorted(path.rglob("*")) if _is_image(p)]
    if path.is_file():
        return [pattern]
    names = sorted(glob(pattern, recursive=True))  # noqa: PTH207  absolute patterns too
    return [name for name in names if _is_image(Path(name))]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"can't be read: {error.strerror}", path=path) from None

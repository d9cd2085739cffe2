"""Whole images, read and prepared for evaluation or prediction, with the bad ones listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from glob import glob
from pathlib import Path
from typing import Any

from ppocr_ft.data.dataset import Item
from ppocr_ft.errors import DataError
from ppocr_ft.transforms.registry import Operator
from ppocr_ft.utils.prefetch import read_ahead

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


@dataclass
class ImageSet:
    """``count`` images that ``read`` gives by index, ``threads`` of them ahead of the caller.

    ``faults`` starts with what was wrong with the label lines; images that can't be used are
    added while they are read. None of them is among ``images()``.
    """

    read: Callable[[int], Item]
    count: int
    threads: int = 0
    faults: list[DataError] = field(default_factory=list)

    def __len__(self) -> int:
        return self.count

    def share(self, rank: int, world_size: int) -> ImageSet:
        """Every ``world_size``-th image from ``rank`` on: one process's part of the work."""
        indices = range(rank, self.count, world_size)
        return replace(
            self,
            read=lambda index: self.read(indices[index]),
            count=len(indices),
            faults=list(self.faults),
        )

    def images(self) -> Iterator[dict[str, Any]]:
        """The fields of each usable image, in order, and its file as ``img_path``."""
        for item in read_ahead(self.read, range(self.count), self.threads):
            self.faults += item.faults
            if item.sample is not None:
                yield {**item.sample, "img_path": item.path}


def unlabelled(paths: Sequence[str], operators: Sequence[Operator]) -> Callable[[int], Item]:
    """``read`` for an ImageSet of image files: what the operators make of each."""

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
    """Image files by files, folders (searched to the bottom) and patterns, each once, in order.

    Raises:
        DataError: naming every pattern that no image file fits.
    """
    found: dict[str, None] = {}
    empty = []
    for pattern in patterns:
        names = _images_of(pattern)
        found.update(dict.fromkeys(names))
        if not names:
            empty.append(pattern)
    if empty:
        raise DataError(
            f"no image found by {', '.join(map(repr, empty))}; give a file, a folder or a pattern "
            f"of images ({' '.join(sorted(IMAGE_SUFFIXES))})"
        )
    return list(found)


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

"""The folder of the labelled images."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image as PilImage
from PIL.ExifTags import Base

from ppocr_ft.commands.convert.formats.texts import Unusable, are_numbers
from ppocr_ft.data.images import IMAGE_SUFFIXES
from ppocr_ft.errors import DataError
from ppocr_ft.utils.files import folders_below

_NAMES = ("images", "imgs", "JPEGImages", "image", "img")
"""The names that data sets give to the folder of images beside that of the labels."""
_TURNED_BY_A_QUARTER = (5, 6, 7, 8)


def is_image(path: str) -> bool:
    """Return whether a path ends as an image's does."""
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES


def folder_of_images(source: Path) -> Path:
    """Return where the images of a label file or folder are: there, beside it, or right above."""
    folder = source if source.is_dir() else source.parent
    if not folder.is_dir() or next(_images_below(folder), None):
        return folder
    above = (folder.parent, folder.parent.parent)
    beside = [up / name for up in above for name in _NAMES if (up / name).is_dir()]
    if not beside and any(is_image(path.name) for path in folder.parent.iterdir()):
        return folder.parent
    return beside[0] if beside else folder


class ImageFolder:
    """Finds images below ``root`` by their names in labels; a name is a path below it.

    A label's path leads to an image if one of the two is the other's end: the labels may have
    been written below a deeper folder than ``root``, or above it. A file name alone is no match
    for a path whose folders differ. An image that is not there, or there several times, raises
    Unusable.

    ``names`` are all of them but ``crops``: the pictures of single texts that PPOCRLabel exports.

    Raises:
        DataError: ``root`` is no folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError("there is no such folder of images; say where with --images", path=root)
        self.root = root
        self.names, self.crops = _without_crops(sorted(_images_below(root)), root)
        self._by_path = _Ends(self.names, self.names)
        stems = [str(PurePosixPath(name).with_suffix("")) for name in self.names]
        self._by_stem = _Ends(stems, self.names)
        self._by_file_name = {PurePosixPath(name).name.lower(): name for name in self.names}

    def by_path(self, paths: Sequence[str]) -> str:
        """Return the image that the first fitting one of ``paths`` leads to."""
        posix = [path.replace("\\", "/") for path in paths]
        for find in (self._at, self._by_path.find):
            for path in posix:
                name = find(path)
                if name:
                    return name
        near = [self._by_file_name.get(PurePosixPath(path).name.lower()) for path in posix]
        hint = next((f"; there is {name}" for name in near if name), "")
        raise _missing(f"the image {posix[0]} is not in {self.root}{hint}")

    def by_neighbour(self, file: Path, path: str) -> str:
        """Return the image at ``path`` seen from a label file, else from the folder of images."""
        posix = path.replace("\\", "/")
        return self.by_path([self.name_of(file.parent / posix), posix])

    def by_label(self, path: str) -> str:
        """Return the image of a label file: of the same path without suffix, or with the image's.

        One of its folders may be called ``images`` or the like instead: ``train/labels/a`` is the
        image ``train/images/a.jpg``.
        """
        if is_image(path):
            try:
                return self.by_path([path])
            except Unusable:  # as MTWI's T1.abc.jpg.txt of T1.abc.jpg.jpg
                if not self._by_stem.find(path):
                    raise
        name = self._by_stem.find(path, _in_folders_of_images(path))
        if not name:
            raise _missing(f"no image {path} (.jpg, .png, ...) is in {self.root}")
        return name

    def size_px(self, name: str) -> tuple[int, int]:
        """Return width and height as training sees the image, its EXIF rotation applied."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with PilImage.open(self.root / name) as image:
                    turned = image.getexif().get(Base.Orientation) in _TURNED_BY_A_QUARTER
                    width, height = image.size
        except (OSError, ValueError, SyntaxError, PilImage.DecompressionBombError) as error:
            raise Unusable(
                "image-unreadable",
                f"the image {name} can't be read: {error}",
                "replace the file, or remove its label",
            ) from None
        return (height, width) if turned else (width, height)

    def check_size(self, name: str, width: Any, height: Any) -> None:
        """Check that the image has the size on which its label was drawn, if the label says one."""
        if not (are_numbers([width, height]) and min(width, height) > 0):  # 0, -1: not known
            return
        width, height = round(width), round(height)
        size = self.size_px(name)
        if size != (width, height):
            raise Unusable(
                "size-differs",
                f"the label is of an image of {width} x {height} px, but {name} has "
                f"{size[0]} x {size[1]} px, EXIF rotation applied",
                "use the image that was labelled, or scale the label with it",
            )

    def _at(self, path: str) -> str | None:
        """Return the image that a path from the root leads to, below it or not."""
        full = os.path.join(self.root, path)  # noqa: PTH118 - a Path keeps no ".." apart
        return self.name_of(full) if os.path.isfile(full) else None  # noqa: PTH113

    def name_of(self, path: str | Path) -> str:
        """Return the name of a file: its path from the root."""
        try:
            name = os.path.relpath(path, self.root)
        except ValueError:  # on another drive
            name = os.path.abspath(path)  # noqa: PTH100
        return name.replace("\\", "/")


def _in_folders_of_images(path: str) -> list[str]:
    """Return the path with each of its folders in turn replaced by one of ``_NAMES``."""
    parts = _composed(path).split("/")
    return [
        "/".join((*parts[:i], name, *parts[i + 1 :]))
        for i in range(len(parts) - 1)
        for name in _NAMES
    ]


def _composed(name: str) -> str:
    """Return a name with accents as parts of their letters; macOS's archives set them apart."""
    return unicodedata.normalize("NFC", name)


def _missing(message: str) -> Unusable:
    remedy = "give the folder that holds it with --images, or remove its label"
    return Unusable("image-missing", message, remedy)


class _Ends:
    """Names by keys, found by a path that ends as a key does or the other way round."""

    def __init__(self, keys: Sequence[str], names: Sequence[str]) -> None:
        self._names: dict[str, list[str]] = {}
        self._by_last: dict[str, list[str]] = {}
        for key, name in zip(map(_composed, keys), names, strict=True):
            self._names.setdefault(key, []).append(name)
            self._by_last.setdefault(PurePosixPath(key).name, []).append(key)

    def find(self, path: str, instead: Sequence[str] = ()) -> str | None:
        """Return the image that a path means; ``instead`` are keys that it may mean as well."""
        parts = PurePosixPath(_composed(os.path.normpath(path).replace("\\", "/"))).parts
        if not parts:
            return None
        whole = "/".join(parts)
        longer = [k for k in self._by_last.get(parts[-1], ()) if k.endswith(f"/{whole}")]
        shorter = ("/".join(parts[i:]) for i in range(1, len(parts)))
        for keys in ([whole], instead, longer, *([key] for key in shorter)):
            matching = sorted({name for key in keys for name in self._names.get(key, ())})
            if len(matching) > 1:
                raise Unusable(
                    "image-ambiguous",
                    f"{path} can be {matching[0]} or {matching[1]}",
                    "give the folder of the right one with --images, or rename one of them",
                )
            if matching:
                return matching[0]
        return None


def _images_below(root: Path) -> Iterator[str]:
    """Yield paths below ``root`` with ``/`` between the parts; links are followed, once each."""
    for folder, files in folders_below(root):
        below = Path(folder).relative_to(root)
        yield from ((below / file).as_posix() for file in filter(is_image, files))


def _without_crops(names: Sequence[str], root: Path) -> tuple[list[str], list[str]]:
    """Return the names without PPOCRLabel's crops for recognition, and these.

    They lie in ``crop_img`` beside ``Label.txt`` or ``rec_gt.txt``; PaddleOCR's script that divides
    a data set puts them into ``rec`` beside ``det``.
    """
    folders = {folder for name in names for folder in PurePosixPath(name).parents}
    of_crops = {folder for folder in folders if folder.name and _holds_crops(root / folder)}
    crops = [name for name in names if not of_crops.isdisjoint(PurePosixPath(name).parents)]
    return [name for name in names if name not in set(crops)], crops


def _holds_crops(folder: Path) -> bool:
    if folder.name == "rec":
        return (folder.parent / "det").is_dir()
    beside = (folder.parent / name for name in ("Label.txt", "rec_gt.txt"))
    return folder.name.startswith("crop_img") and any(path.is_file() for path in beside)

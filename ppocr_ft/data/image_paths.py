"""Where the images of a label file are: one rule for all commands.

1. ``data_dir`` joined with the path, as in PaddleOCR.
2. The path from the label file's own folder, then from the folder above: PPOCRLabel's paths begin
   with the name of the folder that holds ``Label.txt``.
3. The file below ``data_dir`` or the label file's folder whose path has the longest end in common
   with the label's. Labels that were written on another machine, or before a folder was moved or
   renamed, are found so. Of two that fit equally well it is the one right beside the label file,
   where PPOCRLabel has its images; else it is a fault: nothing is guessed.

A backslash is read as a slash where no file has it in its name; a drive letter doesn't count. In 3
an accent may be a part of its letter or a sign of its own, as macOS's archives have it.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from ppocr_ft.errors import DataError
from ppocr_ft.messages import counted
from ppocr_ft.utils.files import folders_below

MOST_FILES = 1_000_000
"""So many files of a folder are looked through for moved images."""
Parts = tuple[str, ...]
_DRIVE = re.compile(r"^[A-Za-z]:")


class AmbiguousImageError(DataError):
    """Several files could be the image that a label line names."""


class _TooManyFilesError(Exception):
    """A folder has more files than are looked through."""


@dataclass
class ImagePaths:
    """The images of a label file: the path of each name, or why there is none.

    ``moved`` are the names of those that are not where ``data_dir`` leads; ``note`` says in one
    line how they were found, ``all_beside`` whether as PPOCRLabel has them.
    """

    paths: dict[str, str] = field(default_factory=dict)
    faults: dict[str, DataError] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    note: str = ""
    all_beside: bool = False

    @classmethod
    def unseen(cls, names: Iterable[str], data_dir: str | Path) -> ImagePaths:
        """Return the images where ``data_dir`` leads, without looking whether they are there."""
        return cls({name: os.path.join(data_dir, name) for name in names})  # noqa: PTH118

    def path(self, name: str) -> str:
        """Return the image's path.

        Raises:
            DataError: the image is not there.
            AmbiguousImageError: it can be one of several.
        """
        fault = self.faults.get(name)
        if fault is not None:
            raise type(fault)(fault.message)
        return self.paths[name]


def find_images(names: Iterable[str], data_dir: str | Path, label_file: str | Path) -> ImagePaths:
    """Find the images that a label file names, by the rule of this module."""
    names = list(dict.fromkeys(names))
    images = ImagePaths({name: path for name in names if (path := _at([data_dir], name))})
    missing = [name for name in names if name not in images.paths]
    if not missing:
        return images
    label_folder = Path(label_file).parent
    folders = (label_folder, Path(os.path.normpath(label_folder / "..")))
    beside = {n: path.removeprefix("./") for n in missing if (path := _at(folders, n))}
    images.paths |= beside
    by_end = _by_end(
        [n for n in missing if n not in beside], (Path(data_dir), label_folder), images, names
    )
    images.paths |= by_end
    images.moved = {*beside, *by_end}
    for name in missing:
        if name not in images.paths:
            path = name if _DRIVE.match(name) else os.path.join(data_dir, name)  # noqa: PTH118
            is_folder = os.path.isdir(path.replace("\\", "/"))  # noqa: PTH112
            what = f"the image {path} {'is a folder' if is_folder else 'is not there'}"
            images.faults.setdefault(name, DataError(what))
    hows = (("beside the label file", beside), ("by the end of their path", by_end))
    parts = [
        f"{len(moved):,} of {counted(len(names), 'image')} found {how}: {name} is {moved[name]}"
        for how, moved in hows
        for name in list(moved)[:1]
    ]
    images.all_beside = not by_end and not images.note
    images.note = "; ".join([*parts, *([images.note] if images.note else [])])
    return images


def _at(folders: Iterable[str | Path], name: str) -> str | None:
    """Return the file that the name leads to, with forward slashes if only they do."""
    for folder in folders:
        for spelling in (name, name.replace("\\", "/")):
            path = os.path.join(folder, spelling)  # noqa: PTH118 - a Path an image costs memory
            if os.path.isfile(path):  # noqa: PTH113
                return path
    return None


def _by_end(
    names: list[str], roots: tuple[Path, ...], found: ImagePaths, everything: list[str]
) -> dict[str, str]:
    """Return the images that have the longest end in common with their name, and alone.

    Faults of names that several images fit go to ``found``. An image whose folder has another name
    than the label's is one of a renamed folder, or none: see ``_renamed``.
    """
    label_parts = _parts(os.path.abspath(roots[-1]))  # noqa: PTH100
    try:
        files = _files_by_name({_key(_parts(name)) for name in names}, roots)
    except _TooManyFilesError as many:
        found.note = f"the others were not searched for, as {many}"
        return {}
    sure: dict[str, str] = {}
    unsure: dict[str, str] = {}
    for name in names:
        parts = _parts(name)
        common, best = _longest_common_end(parts, files.get(_key(parts), ()))
        if len(best) > 1 and common:
            beside = [file for file in best if file.parts[:-1] == label_parts]
            best = beside if len(beside) == 1 else best
        if best and not common:
            there = f"{best[0].path} is: other capitals, or other blanks"
            found.faults[name] = DataError(f"the image {name} is not there; {there}")
        elif len(best) > 1:
            more = f" (and {len(best) - 2} more)" if len(best) > 2 else ""
            both = f"{best[0].path} and {best[1].path}{more} fit its path equally well"
            found.faults[name] = AmbiguousImageError(f"the image {name} is not there; {both}")
        elif best:
            is_sure = common == len(parts) or 1 < common >= best[0].depth
            (sure if is_sure else unsure)[name] = best[0].path
    renamed = _renamed(unsure, {**found.paths, **sure}, everything)
    for name in unsure.keys() - renamed.keys():
        what = f"the image {name} is not there; {unsure[name]} has its name, but another folder"
        found.faults[name] = DataError(what)
    return {name: path for name in names if (path := sure.get(name) or renamed.get(name))}


def _renamed(unsure: dict[str, str], sure: dict[str, str], everything: list[str]) -> dict[str, str]:
    """Return those of the ``unsure`` images whose folder was renamed.

    It was if none of the images that the labels name in it is found in another way, if at least
    half of them are among the ``unsure`` ones, and if no other line leads to the same file.
    """
    named, same_name = (Counter(map(_folder, names)) for names in (everything, unsure))
    not_renamed = set(map(_folder, sure))
    uses = Counter(os.path.abspath(path) for path in (*unsure.values(), *sure.values()))  # noqa: PTH100
    return {
        name: path
        for name, path in unsure.items()
        if (folder := _folder(name)) not in not_renamed
        and 2 * same_name[folder] >= named[folder]
        and uses[os.path.abspath(path)] == 1  # noqa: PTH100
    }


def _folder(name: str) -> Parts:
    return _parts(name)[:-1]


def _parts(path: str) -> Parts:
    """Return the parts of a path of any system, without drive, ``.`` and ``..``."""
    posix = _DRIVE.sub("", unicodedata.normalize("NFC", path).replace("\\", "/"))
    return tuple(part for part in posix.split("/") if part not in ("", ".", ".."))


def _key(parts: Parts) -> Parts:
    """Return the file's name in small letters, with blanks of one kind: (name,)."""
    return tuple(unicodedata.normalize("NFKC", p).casefold() for p in parts[-1:])


@dataclass(frozen=True)
class _File:
    """A file, the parts of its absolute path, and its depth: how many of them lie below a root."""

    path: str
    parts: Parts
    depth: int


def _longest_common_end(parts: Parts, files: Iterable[_File]) -> tuple[int, list[_File]]:
    """Return the number of last parts that the best of the files share, and these files."""
    by_end: dict[int, list[_File]] = defaultdict(list)
    for file in files:
        pairs = zip(reversed(parts), reversed(file.parts), strict=False)
        end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        by_end[end].append(file)
    longest = max(by_end, default=0)
    return longest, sorted(by_end[longest], key=lambda file: file.path)


def _files_by_name(names: set[Parts], roots: Iterable[Path]) -> dict[Parts, list[_File]]:
    """Return the files below the roots by those of ``names`` that they have (``_key``).

    Raises:
        _TooManyFilesError: so many that looking through them would take minutes.
    """
    files: dict[Parts, list[_File]] = defaultdict(list)
    visited: set[str] = set()
    for root in sorted(roots, key=lambda path: -len(path.absolute().parts)):
        seen = 0
        for folder, names_there in folders_below(root, visited):
            seen += len(names_there)
            if seen > MOST_FILES:
                raise _TooManyFilesError(f"more than {MOST_FILES:,} files are below {root}")
            for name in names_there:
                key = _key((name,))
                if key in names:
                    path = os.path.join(folder, name)  # noqa: PTH118
                    depth = len(Path(path).relative_to(root).parts)
                    files[key].append(_File(path, _parts(os.path.abspath(path)), depth))  # noqa: PTH100
    return files

"""Writing files so that they are complete or not there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ppocr_ft.errors import ConfigError


def write_whole(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a temporary file, flush it to the disk, rename it to ``path``, and flush the folder.

    Raises:
        OSError: the file can't be written; an earlier file at ``path`` is still there.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush the folder: renames in it then survive a power cut, if the system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_writable(folder: Path, needed_bytes: int, key: str) -> None:
    """Check that the folder can be written to and has room.

    Raises:
        ConfigError: the folder can't be made or written to, or its disk lacks room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe.{os.getpid()}"
        probe.write_bytes(b"\0")
        probe.unlink()
        statistics = os.statvfs(folder)
    except OSError as error:
        raise ConfigError(f"{folder} can't be written to: {error.strerror}", key=key) from error
    free = statistics.f_bavail * statistics.f_frsize
    if free < needed_bytes:
        raise ConfigError(
            f"{folder} has {free / 2**20:.0f} MiB of room; the checkpoints need about "
            f"{needed_bytes / 2**20:.0f} MiB",
            key=key,
        )


def folders_below(root: Path, visited: set[str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield ``root`` and each folder below it, with its files' names; links are followed, once.

    Folders in ``visited`` are left out, those that were yielded are added to it.
    """
    visited = set() if visited is None else visited
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        yield folder, names


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of a killed run."""
    for part in folder.glob(".*.part"):
        with suppress(OSError):
            part.unlink()

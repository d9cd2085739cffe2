"""Files that are complete or not there, and folders into which one process at a time writes."""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ppocr_ft.errors import ConfigError

LOCK_FILE = ".lock"
"""Holds the owner's process id and host; it is removed at the end."""


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


def exchange(one: Path, other: Path) -> bool:
    """Let two files or folders change places in one step; return whether the system could."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):  # not Linux
        return False
    here, exchanging = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), exchanging) == 0)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of a killed run."""
    for part in folder.glob(".*.part"):
        with suppress(OSError):
            part.unlink()


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
        raise _unwritable(folder, error, key) from error
    free = statistics.f_bavail * statistics.f_frsize
    if free < needed_bytes:
        raise ConfigError(
            f"{folder} has {free / 2**20:.0f} MiB of room; the checkpoints need about "
            f"{needed_bytes / 2**20:.0f} MiB",
            key=key,
        )


def _unwritable(folder: Path, error: OSError, key: str) -> ConfigError:
    return ConfigError(f"{folder} can't be written to: {error.strerror}", key=key)


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


NUMBER = "{n}"
"""In a folder's name: the next free number, or that of the last run if it is resumed."""
NEWEST = "latest"
"""Beside numbered folders, a link to the one that was begun last."""


def numbered_folder(pattern: str, holds: str, *, last: bool = False) -> Path:
    """Return the folder that a pattern with ``{n}`` means: the next one, or the ``last`` there is.

    Folders count that hold a file of that name. Only the last part of the path may have ``{n}``.

    Raises:
        ConfigError: another part of the path has it; or no folder is there to be the last.
    """
    path = Path(pattern).expanduser()
    begin, _, end = path.name.partition(NUMBER)
    if NUMBER not in path.name or NUMBER in str(path.parent) + end:
        message = f"is {pattern}; {NUMBER} may stand once, in the last part of the path"
        raise ConfigError(message, key="Global.save_model_dir")
    is_one = re.compile(f"{re.escape(begin)}([1-9][0-9]*){re.escape(end)}").fullmatch
    found = [is_one(file.parent.name) for file in path.parent.glob(f"*/{holds}")]
    number = max((int(match[1]) for match in found if match), default=0)
    if last and not number:
        message = f"is {pattern}, and there is no such folder yet whose run could go on"
        raise ConfigError(message, key="Global.save_model_dir")
    return path.with_name(f"{begin}{number if last else number + 1}{end}")


def link_newest(folder: Path) -> None:
    """Let ``latest`` beside the folder be a link to it, where the file system has links."""
    link, aside = folder.with_name(NEWEST), folder.with_name(f".{NEWEST}.{os.getpid()}")
    if link.is_symlink() or not link.exists():
        with suppress(OSError):
            aside.symlink_to(folder.name, target_is_directory=True)
            aside.replace(link)


@contextmanager
def folder_lock(folder: Path, key: str) -> Iterator[None]:
    """Hold the folder's lock inside this context; make the folder for as long as it isn't empty.

    The system frees the lock of a process that ends in any way (flock). On file systems without
    such locks the process that the file names must be gone, if it ran on this host; another
    host's file has to be deleted by hand.

    Raises:
        ConfigError: naming ``key``: another process holds the lock, or the folder can't be written.
    """
    path = folder / LOCK_FILE
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _locked(path)
    except OSError as error:
        raise _unwritable(folder, error, key) from error
    if handle is None:
        owner = _owner(path)
        who = f"process {owner['pid']} on host {owner['host']}" if owner else "another process"
        raise ConfigError(
            f"{folder} is in use: {who} writes there. Give another folder, or wait until it has "
            f"ended (if none runs there any more, delete {path})",
            key=key,
        )
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # before it is freed, so that nobody locks a file without a name
        os.close(handle)
        with suppress(OSError):  # one that isn't empty stays
            for place in missing:
                place.rmdir()


def in_use(folder: Path) -> bool:
    """Return whether a process holds the folder's lock, by its lock file; takes no lock itself."""
    return _is_running(_owner(folder / LOCK_FILE))


def is_abandoned(aside: Path) -> bool:
    """Return whether the process of this host is gone that writes ``.NAME.PROCESS.part``."""
    process = aside.name.split(".")[-2]
    return process.isdecimal() and not _is_running({"pid": process, "host": socket.gethostname()})


def _locked(path: Path) -> int | None:
    """Open and lock the file, and name this process in it; None if another one holds it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            free = _take(handle, path)
            if free and _is_there(handle, path):
                owner = {"pid": os.getpid(), "host": socket.gethostname()}
                os.ftruncate(handle, 0)
                os.write(handle, json.dumps(owner).encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not free:
            return None


def _take(handle: int, path: Path) -> bool:
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows, or a file system without locks
        return not _is_running(_owner(path))
    return True


def _is_there(handle: int, path: Path) -> bool:
    """Return whether the file still has its name: its last owner may have removed it just now."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _owner(path: Path) -> dict[str, Any]:
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _is_running(owner: dict[str, Any]) -> bool:
    if owner.get("host") != socket.gethostname():
        return bool(owner)  # nobody here can tell
    try:
        os.kill(int(owner["pid"]), 0)
    except (ProcessLookupError, KeyError, ValueError, TypeError):
        return False
    except OSError:
        return True  # another user's
    return True

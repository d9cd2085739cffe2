"""Weights from the web: complete in the cache or not there at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pooch
import requests

from ppocr_ft.errors import UnreachableError, WeightsError
from ppocr_ft.utils.progress import Bar, bars_are_shown

HOME_VARIABLE = "PPOCR_FT_HOME"
WANTED_SUFFIXES = (
    *(".pdparams", ".safetensors", ".onnx", ".pdmodel", ".pdiparams", ".json", ".yml"),
)
"""What is taken from an archive: weights, programs and configs."""

_TIMEOUT_S = 30
_CHUNK_BYTES = 1 << 20


def cache_folder(name: str = "weights") -> Path:
    """Return the folder ``name`` in $PPOCR_FT_HOME, or in ~/.cache/ppocr_ft."""
    home = os.environ.get(HOME_VARIABLE)
    root = Path(home).expanduser() if home else Path.home() / ".cache" / "ppocr_ft"
    return root / name


def is_url(where: str) -> bool:
    """Return whether it is a web address."""
    return where.lower().startswith(("http://", "https://"))


def fetch(url: str, check: Callable[[Path], object], *, cache: Path | None = None) -> Path:
    """Return the cached folder with the file of an http(s) URL, a tar archive unpacked.

    On first use it is downloaded into a folder aside, with a progress bar on a terminal. That
    folder is moved into ``cache`` (default: ``cache_folder()``) once ``check``, which is called
    with it, has raised nothing. Processes may fetch the same URL at the same time.

    Raises:
        WeightsError: the server, the transfer, the disk or the content is at fault.
    """
    cache = cache or cache_folder()
    target = cache / hashlib.sha256(url.encode()).hexdigest()[:16]
    if target.is_dir():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".fetch-", dir=cache))
    except OSError as error:
        raise WeightsError(f"no folder for downloads: {error.strerror}", path=cache) from error
    try:
        with _faults_of(url, aside):
            path = aside / _file_name(url)
            _download(url, path)
            if _is_tar(path):
                _unpack(path, aside)
                path.unlink()
            check(aside)
            _move_into_place(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


@contextmanager
def _faults_of(url: str, folder: Path) -> Iterator[None]:
    """Name the URL in errors about the files of ``folder``, which are gone when it is read."""
    try:
        yield
    except OSError as error:
        raise WeightsError(f"can't be stored: {error.strerror}", path=url) from error
    except WeightsError as error:
        name = (error.path or "").removeprefix(str(folder)).lstrip("/\\")
        message = error.message if name == url else f"{name} {error.message}".strip()
        raise type(error)(message, path=url, key=error.key) from error


def _move_into_place(aside: Path, target: Path) -> None:
    try:
        aside.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster
            raise


def _file_name(url: str) -> str:
    try:
        path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
    except ValueError as error:
        raise WeightsError(f"is no URL: {error}", path=url) from None
    name = PurePosixPath(path).name
    return name if name not in ("", ".", "..") and "\\" not in name else "weights"


def _download(url: str, path: Path) -> None:
    download = pooch.HTTPDownloader(
        progressbar=_DownloadBar() if bars_are_shown() else False,
        chunk_size=_CHUNK_BYTES,
        timeout=_TIMEOUT_S,
        headers={"Accept-Encoding": "identity"},
    )
    try:
        download(url, str(path), None)
    except requests.HTTPError as error:
        answer = f"{error.response.status_code} {error.response.reason}"
        raise WeightsError(f"the server answers {answer}", path=url) from None
    except requests.exceptions.ChunkedEncodingError as error:
        raise WeightsError(f"the transfer broke off: {_cause(error)}", path=url) from None
    except requests.RequestException as error:
        message = (
            f"can't be reached: {_cause(error)}; download it elsewhere and name the file instead"
        )
        raise UnreachableError(message, path=url) from None


class _DownloadBar:
    """A bar as pooch wants it: it sets ``total``, in bytes, before the rest is called."""

    total = 0

    def __init__(self) -> None:
        self._bar: Bar | None = None

    def update(self, size: int) -> None:
        if self._bar is None:
            self._bar = Bar("download", self.total / 1e6, "MB")
        self._bar.advance(size / 1e6)

    def reset(self) -> None:
        """Begin again; pooch does, to fill the bar."""
        if self._bar is not None:
            self._bar.done = 0

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _cause(error: Exception) -> str:
    """Return the cause of an error of requests, which wraps those of urllib3."""
    cause: object = error
    while isinstance(cause, Exception):
        reason = getattr(cause, "reason", None) or getattr(cause, "strerror", None)
        cause = reason or (cause.args[0] if cause.args else type(cause).__name__)
    return re.sub(r"^HTTPS?Connection(Pool)?\([^)]*\): ", "", str(cause))


def _is_tar(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(257)
        return file.read(5) == b"ustar"


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack what is wanted of an uncompressed tar into ``folder``, with the folders in it.

    Raises:
        WeightsError: it is damaged, or has a member that is no plain file or leads elsewhere.
    """
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in [member for member in tar if _is_wanted(member, archive)]:
                target = folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with tar.extractfile(member) as source, target.open("xb") as file:  # type: ignore[union-attr]
                    shutil.copyfileobj(source, file)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise WeightsError(f"can't be unpacked: {cause}", path=archive) from error


def _is_wanted(member: tarfile.TarInfo, archive: Path) -> bool:
    """Return whether the member is weights; WeightsError for one that no honest archive has."""
    if member.isdir():
        return False
    name = PurePosixPath(member.name)
    if not member.isreg() or member.issparse():
        raise WeightsError(f"holds {member.name!r}, which is no plain file", path=archive)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or ":" in member.name:
        raise WeightsError(f"holds {member.name!r}, which leads out of its folder", path=archive)
    is_hidden = name.name.startswith(".")  # macOS adds such files
    return name.suffix in WANTED_SUFFIXES and not is_hidden

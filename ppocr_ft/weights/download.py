"""Files from the web, complete in the cache or not there at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.archives import is_tar, unpack

HOME_VARIABLE = "PPOCR_FT_HOME"
_TIMEOUT_S = 30
_PIECE_BYTES = 1 << 20


def cache_folder() -> Path:
    """``weights`` in $PPOCR_FT_HOME, or in ~/.cache/ppocr_ft."""
    home = os.environ.get(HOME_VARIABLE)
    root = Path(home).expanduser() if home else Path.home() / ".cache" / "ppocr_ft"
    return root / "weights"


def is_url(where: str) -> bool:
    return where.lower().startswith(("http://", "https://"))


def fetch(url: str, check: Callable[[Path], object], *, cache: Path | None = None) -> Path:
    """The cached folder with the file of an http(s) URL, a tar archive unpacked.

    On first use it is fetched into a folder aside, with a progress bar on a terminal. That folder
    is moved into ``cache`` (default: ``cache_folder()``) once it has the announced length and
    ``check``, which is called with it, has raised nothing. Processes may fetch the same URL at
    the same time. Raises WeightsError.
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
        with _blaming(url, aside):
            _fill(aside, url)
            check(aside)
        _move_into_place(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _fill(folder: Path, url: str) -> None:
    path = folder / _file_name(url)
    try:
        _download(url, path)
        if is_tar(path):
            unpack(path, folder)
            path.unlink()
    except OSError as error:
        raise WeightsError(f"can't be stored: {error}", path=url) from error


@contextmanager
def _blaming(url: str, folder: Path) -> Iterator[None]:
    """A fault in what was fetched is the URL's: the file is gone when the user reads of it."""
    try:
        yield
    except WeightsError as error:
        found = error.path or ""
        if found == url:
            raise
        name = found.removeprefix(str(folder)).lstrip("/\\")
        raise WeightsError(f"{name} {error.message}".strip(), path=url, key=error.key) from error


def _move_into_place(aside: Path, target: Path) -> None:
    try:
        aside.rename(target)
    except OSError as error:
        if not target.is_dir():  # else another process was faster
            raise WeightsError(f"can't be stored: {error.strerror}", path=target) from error


def _file_name(url: str) -> str:
    try:
        path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
    except ValueError as error:
        raise WeightsError(f"is no URL: {error}", path=url) from None
    name = PurePosixPath(path).name
    return name if name not in ("", ".", "..") and "\\" not in name else "weights"


def _download(url: str, path: Path) -> None:
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            _store(response, path, url)
    except WeightsError:
        raise
    except urllib.error.HTTPError as error:
        raise WeightsError(f"the server answers {error.code} {error.reason}", path=url) from None
    except urllib.error.URLError as error:
        raise WeightsError(f"can't be reached: {error.reason}", path=url) from None
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        what = str(error) or type(error).__name__
        raise WeightsError(f"the transfer broke off: {what}", path=url) from None
    except ValueError as error:
        raise WeightsError(f"is no URL: {error}", path=url) from None


def _store(response: http.client.HTTPResponse, path: Path, url: str) -> None:
    length = response.headers.get("Content-Length")
    if length is None and not response.chunked:
        raise WeightsError(
            "the server doesn't say how long the file is, so a broken transfer could not be "
            "told from a whole one; fetch it by hand and name the file",
            path=url,
        )
    expected = None if length is None else int(length)
    received = 0
    with (
        path.open("xb") as file,
        tqdm(total=expected, unit="B", unit_scale=True, desc=path.name, disable=None) as bar,
    ):
        while piece := response.read(_PIECE_BYTES):
            received += len(piece)
            file.write(piece)
            bar.update(len(piece))
    if expected is not None and received != expected:
        raise WeightsError(f"the transfer broke off after {received} of {expected} bytes", path=url)

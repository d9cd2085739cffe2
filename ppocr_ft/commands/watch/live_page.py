"""The page of a run that may be going on, built anew where the run's files have changed."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from zlib import crc32

from ppocr_ft.commands.report.run import FILES, read_run
from ppocr_ft.errors import DataError
from ppocr_ft.report.evaluations import EVALUATIONS
from ppocr_ft.report.page.render import Live, render, render_waiting
from ppocr_ft.runs.eval_files import PICTURE_BOTH, PICTURES
from ppocr_ft.utils.console import say_once
from ppocr_ft.utils.files import in_use

SHOWN_PICTURES = (*PICTURES.values(), PICTURE_BOTH)
LEAST_PAUSE_S = 3.0
PAUSES = 4.0
"""Times the processor time of a page, until the next one: a fifth of a core at most."""
_SCRIPT = re.compile(r"<script\b[^>]*>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True)
class ServedPage:
    """A page, its version, and the Content-Security-Policy that allows what it needs."""

    html: str
    version: int
    has_figures: bool

    @property
    def policy(self) -> str:
        """Its own scripts and pictures, the styles of its charts, and its own server."""
        hashes = (sha256(code.encode()).digest() for code in _SCRIPT.findall(self.html))
        scripts = " ".join(f"'sha256-{b64encode(found).decode()}'" for found in hashes)
        return (
            f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; "
            "img-src 'self' data:; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )


def is_running(folder: Path) -> bool:
    """Return whether a run goes on there; ``compare`` locks the folder above its runs'."""
    return in_use(folder) or in_use(folder.parent)


class LivePage:
    """The page of a run's folder. Any thread may ask for it.

    Args:
        folder: the run's.
        least_pause_s: seconds after a page was built before the next one may be.
        pauses: the same as a multiple of the processor time that it took.
    """

    def __init__(
        self, folder: Path, least_pause_s: float = LEAST_PAUSE_S, pauses: float = PAUSES
    ) -> None:
        self.folder = folder
        self._pause_s, self._pauses = least_pause_s, pauses
        self._lock = Lock()
        self._due = 0.0
        self._seen: object = None
        self._page = self._waiting(0, running=True)

    def current(self) -> ServedPage:
        """Return the page, built anew if files have changed and the last one is old enough.

        While a run writes, a file may be half there: the last good page stays then.
        """
        if self._lock.acquire(blocking=False):  # else another thread builds it
            try:
                if time.monotonic() >= self._due:
                    self._refresh()
            finally:
                self._lock.release()
        return self._page

    def _refresh(self) -> None:
        running = is_running(self.folder)
        seen = running, self._files()
        if seen == self._seen:
            return
        self._seen = seen
        began_s = time.thread_time()  # the processor's, which others use too
        version = crc32(repr(seen).encode())
        try:
            self._page = self._built(version, running=running)
        except Exception as error:  # whatever a file that is half there may do to a reader
            if not isinstance(error, DataError):
                say_once(f"page {error!r}", f"the page can't be built now: {error!r}")
            if not self._page.has_figures:
                self._page = self._waiting(version, running=running)
        took_s = time.thread_time() - began_s
        self._due = time.monotonic() + max(self._pause_s, self._pauses * took_s)

    def _files(self) -> list[tuple[str, int, int]]:
        """Return name, time and size of each file that the page is made of."""
        names = [*FILES, *SHOWN_PICTURES]
        places = [self.folder / name for name in names]
        places += sorted((self.folder / EVALUATIONS).rglob("*.jsonl"))
        facts = []
        for path in places:
            try:
                status = path.stat()
            except OSError:  # not there, or not any more
                continue
            facts.append((str(path), status.st_mtime_ns, status.st_size))
        return facts

    def _built(self, version: int, *, running: bool) -> ServedPage:
        pictures = [name for name in SHOWN_PICTURES if (self.folder / name).is_file()]
        run = read_run(self.folder, running=running)
        return ServedPage(render(run, live=Live(version, running, pictures)), version, True)

    def _waiting(self, version: int, *, running: bool) -> ServedPage:
        name = self.folder.resolve().name
        return ServedPage(render_waiting(name, Live(version, running)), version, False)

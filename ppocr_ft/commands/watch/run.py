"""Finding the run to watch, and serving its page until Ctrl-C."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from ppocr_ft.commands.watch.live_page import LivePage, is_running
from ppocr_ft.commands.watch.server import WatchServer
from ppocr_ft.engine.metrics_file import METRICS_FILE
from ppocr_ft.errors import DataError
from ppocr_ft.utils.files import NEWEST

OUTPUT = Path("output")
NICENESS = 10
"""Training goes before the page."""


def found_run(given: Path | None) -> Path:
    """Return the run's folder that is ``given`` or, for None, the latest below output/.

    Raises:
        DataError: there is none.
    """
    if given is not None:
        if not (given / METRICS_FILE).is_file() and not is_running(given):
            raise DataError(
                f"has no {METRICS_FILE}, and no run goes on there; give the folder of a run, "
                "Global.save_model_dir",
                path=given,
            )
        return given
    latest = OUTPUT / NEWEST
    if (latest / METRICS_FILE).is_file():
        return latest.resolve()
    files = [path for path in OUTPUT.rglob(METRICS_FILE) if path.is_file()]
    if not files:
        raise DataError(
            f"no run there: neither {latest} nor a folder below it has a {METRICS_FILE}; name the "
            "folder of a run, as in  ppocr-ft watch output/run1",
            path=OUTPUT,
        )
    return max(files, key=lambda path: path.stat().st_mtime_ns).parent


def watch(folder: Path, host: str, port: int) -> None:
    """Serve the page of the run in ``folder`` until Ctrl-C.

    Raises:
        UserInputError: nothing can be served on this host and port.
    """
    with WatchServer(host, port, LivePage(folder)) as server:
        print(f"{folder}: {server.url}\nCtrl-C ends it", flush=True)
        if server.token is not None:
            print("who has this address can see the run; it is not encrypted", file=sys.stderr)
        with suppress(AttributeError):  # Windows
            os.nice(NICENESS)
        with suppress(KeyboardInterrupt):
            server.serve_forever()

"""The system's Chromium without a window, and a page in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESK = {"width": 1200, "height": 900}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; without it the tests are skipped, but fail where CI is set."""
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        reason = "no Chromium here (Debian: apt-get install chromium)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=OPTIONS)
        yield opened
        opened.close()


class Opened:
    """A page and what it has logged and asked for since it was opened."""

    def __init__(self, browser: Browser, address: Path | str, **options: object) -> None:
        options = {"viewport": DESK, "locale": "en-US", **options}
        self.page: Page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.goto(address.as_uri() if isinstance(address, Path) else address)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


def chart_drawn(page: Page, name: str = "losses") -> None:
    """Wait until Bokeh has drawn all charts, and scroll to one."""
    page.wait_for_function("Bokeh.documents.length && Bokeh.documents[0].is_idle")
    page.locator(f"#chart-{name}").scroll_into_view_if_needed()

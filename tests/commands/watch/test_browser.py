"""An open page follows its run: in headless Chromium, with all as the reader had it."""

# ruff: noqa: RUF001  Chinese texts have punctuation of their own

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ppocr_ft.utils.files import folder_lock
from tests.commands.watch.test_server import served
from tests.support.browser import Opened, chart_drawn, chromium
from tests.support.report_run import run_folder

pytestmark = pytest.mark.slow

PATIENCE_MS = 60_000
TOP_PX = 2500
"""Where the reader has scrolled to, below charts that are drawn late."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def test_a_new_evaluation_is_shown_and_the_end_is_said(browser: Browser, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    metrics = folder / "metrics.csv"
    row = metrics.read_text().splitlines()[-1]
    assert row.startswith("eval,4,")
    with served(folder, pauses=False) as server:
        with folder_lock(folder, "key"):
            opened = Opened(browser, server.url)
            page = opened.page
            chart_drawn(page)
            expect(page.locator("#live .going")).to_be_visible()
            page.click("button[data-language=zh]")
            page.locator("#verdict summary").click()
            page.evaluate(f"scrollTo({{top: {TOP_PX}, behavior: 'instant'}})")

            with metrics.open("a") as file:
                file.write(row.replace("eval,4,", "eval,8,").replace("0.65", "0.9375") + "\n")
            cell = page.locator(".evaluations td").get_by_text("0.9375")
            expect(cell.first).to_be_visible(timeout=PATIENCE_MS)
            assert page.locator("html").get_attribute("data-lang") == "zh"
            page.wait_for_function("Bokeh.documents.length && Bokeh.documents[0].is_idle")
            assert page.evaluate("scrollY") == TOP_PX
        over = page.locator("#live").get_by_text("训练已经结束；本页不再更新。")
        expect(over).to_be_visible(timeout=PATIENCE_MS)
        assert page.locator("#live").get_attribute("data-running") is None
    assert opened.complaints == []
    assert {url for url in opened.requested if not url.startswith("data:")} == {
        server.url, f"{server.url}state"
    }  # fmt: skip
    page.context.close()


def test_with_a_token_and_when_the_server_has_gone(browser: Browser, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", boxes=False)
    (folder / "metrics.csv").unlink()
    with folder_lock(folder, "key"):
        with served(folder, "0.0.0.0", pauses=False) as server:
            address = f"http://127.0.0.1:{server.server_address[1]}"
            opened = Opened(browser, f"{address}/?token={server.token}")
            page = opened.page
            expect(page.get_by_text("No figures yet")).to_be_visible()
            with page.expect_response(f"{address}/state", timeout=PATIENCE_MS) as asked:
                pass
            assert asked.value.status == 200, "the cookie goes with it"
            assert opened.complaints == []
        expect(page.locator("#live .lost")).to_be_visible(timeout=PATIENCE_MS)
    page.context.close()

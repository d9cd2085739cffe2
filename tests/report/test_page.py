"""The page in headless Chromium: quiet, whole, alone, readable on a phone, in two languages."""

# ruff: noqa: RUF001  Chinese texts have punctuation of their own

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ppocr_ft.commands.report.run import report
from ppocr_ft.report.evaluations import write_evaluation
from tests.support.browser import DESK, Opened, chart_drawn, chromium
from tests.support.report_run import evaluation, rows_of, run_folder, with_further_set

pytestmark = pytest.mark.slow

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = run_folder(tmp_path_factory.mktemp("page") / "run")
    verdict = {"step": 2, "name": "overfitting", "sentence": "It overfits.", "remedy": "Stop."}
    (folder / "verdicts.jsonl").write_text(json.dumps(verdict) + "\n")
    report(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def opened(browser: Browser, run: Path) -> Iterator[Opened]:
    opened = Opened(browser, run / "report.html")
    yield opened
    opened.page.context.close()


@pytest.fixture
def page(opened: Opened) -> Page:
    return opened.page


def test_says_nothing_on_the_console_and_asks_for_nothing(opened: Opened, run: Path) -> None:
    chart_drawn(opened.page)
    opened.page.click("button[data-language=zh]")
    assert opened.complaints == []
    asked = [url for url in opened.requested if not url.startswith("data:")]
    assert asked == [(run / "report.html").as_uri()]


def test_complaints_and_requests_are_heard(browser: Browser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text("<script>console.error('here'); nothing.at.all;</script><img src='gone.jpg'>")
    opened = Opened(browser, bad)
    heard = " ".join(opened.complaints)
    assert "here" in heard
    assert "nothing is not defined" in heard
    assert (tmp_path / "gone.jpg").as_uri() in opened.requested


def test_every_picture_loads_and_is_described_in_both_languages(page: Page) -> None:
    pictures = page.locator("[data-gallery] img").evaluate_all(
        "images => images.map(({naturalWidth, alt, dataset}) => "
        "({naturalWidth, alt, en: dataset.en, zh: dataset.zh}))"
    )
    assert len(pictures) > 3 * 6  # three panels of each image, and crops of errors
    assert all(picture["naturalWidth"] > 0 for picture in pictures)
    assert all(picture["alt"] == picture["en"] != picture["zh"] for picture in pictures)


FAR_FROM_LEGEND = """
(chart) => {
  const canvases = (root) => [...root.querySelectorAll('*')].flatMap((node) =>
    [...(node.tagName === 'CANVAS' ? [node] : []),
     ...(node.shadowRoot ? canvases(node.shadowRoot) : [])]);
  const place = document.querySelector(`#chart-${chart}`);
  const strokes = [...place.querySelectorAll('.stroke')];
  const legend = strokes.map((node) => getComputedStyle(node).borderTopColor.match(/\\d+/g));
  const nearest = legend.map(() => 255);  // the furthest channel of the nearest pixel
  for (const canvas of canvases(place)) {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] < 100) continue;
      legend.forEach((color, j) => {
        const far = Math.max(...color.map((value, k) => Math.abs(value - data[i + k])));
        nearest[j] = Math.min(nearest[j], far);
      });
    }
  }
  return nearest;
}
"""


@pytest.mark.parametrize("chart", ["hmean", "losses", "lr", "shrink", "thresh", "thresh_70"])
def test_charts_are_drawn_in_the_colors_of_their_legends(page: Page, chart: str) -> None:
    chart_drawn(page, chart)
    distances = page.evaluate(FAR_FROM_LEGEND, chart)
    assert len(distances) >= 2
    assert max(distances) <= 4


def place_of(page: Page, chart: str) -> tuple[float, float]:
    """Scroll a chart into view; returns the middle of its frame, where step 2 of 0 to 4 lies."""
    chart_drawn(page, chart)
    frame = page.evaluate(
        "(chart) => { const models = [...Bokeh.documents[0].all_models]; "
        "const plot = models.find((model) => model.name === chart); "
        "return [plot.inner_width, plot.inner_height]; }",
        chart,
    )
    box = page.locator(f"#chart-{chart} .plot").bounding_box()
    assert box
    return box["x"] + 64 + frame[0] / 2, box["y"] + frame[1] / 2


def tooltip_says(page: Page, text: str) -> None:
    shown = page.locator(".bk-tooltip-content:visible")
    expect(shown).to_contain_text(text, use_inner_text=True, timeout=10_000)


def test_pointing_at_a_chart_shows_the_values_of_its_lines(page: Page) -> None:
    page.mouse.move(*place_of(page, "losses"))
    tooltip_says(page, "step 2 ■ loss: 2 ■ shrink map: 0.7778 ■ alert of the monitor: overfitting")
    page.mouse.move(*place_of(page, "hmean"))  # step 2 has an alert and no evaluation
    tooltip_says(page, "step 2 ■ IoU 0.5, best unclip_ratio: – ■ IoU 0.5, config's unclip_ratio: –")


def test_a_tap_shows_them_too(browser: Browser, run: Path) -> None:
    page = Opened(browser, run / "report.html", has_touch=True, locale="zh-CN").page
    page.touchscreen.tap(*place_of(page, "losses"))
    tooltip_says(page, "步 2 ■ 总损失: 2 ■ 收缩图: 0.7778")
    page.locator("h1").tap()
    expect(page.locator(".bk-tooltip-content:visible")).to_have_count(0, timeout=10_000)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_is_wider_than_a_phone(page: Page, language: str) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.click(f"button[data-language={language}]")
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    chart_drawn(page, "hmean")
    page.wait_for_function("document.querySelector('#chart-hmean .bk-Figure').clientWidth < 340")
    assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [360, 360]


def test_the_language_switches_every_text(page: Page) -> None:
    alt = page.locator("figure img").first
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("#verdict h2").inner_text() == "Verdict"
    english = alt.get_attribute("alt")
    page.click("button[data-language=zh]")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert page.locator("#verdict h2").inner_text() == "结论"
    assert alt.get_attribute("alt") != english
    assert "末值" in page.locator("#chart-losses .legend").inner_text()
    assert page.title() == "run：微调报告"
    assert page.locator("span[lang=en]:visible").count() == 0


def test_opens_in_the_readers_language_unless_told(
    browser: Browser, run: Path, tmp_path: Path
) -> None:
    def language(path: Path, **options: object) -> str | None:
        page = Opened(browser, path, **options).page
        return page.locator("html").get_attribute("data-lang")

    assert language(run / "report.html", locale="zh-CN") == "zh"
    assert language(run / "report.html", locale="de-DE") == "en"
    chinese = run_folder(tmp_path / "run", boxes=False)
    report(chinese, "zh")
    assert language(chinese / "report.html") == "zh"


def test_without_javascript_the_curves_are_a_picture(browser: Browser, run: Path) -> None:
    page = Opened(browser, run / "report.html", java_script_enabled=False).page
    picture = page.locator("#curves noscript img")
    assert picture.is_visible()
    box = picture.bounding_box()
    assert box
    assert box["height"] > 500


def test_what_the_monitor_said_is_shown(page: Page) -> None:
    assert page.locator(".findings").inner_text() == "overfitting (step 2): It overfits. Stop."


def test_pictures_open_large_and_lead_to_the_next_by_key_click_and_swipe(page: Page) -> None:
    pictures = page.locator("[data-gallery]").first.locator("img")
    pictures.nth(1).focus()
    page.keyboard.press("Enter")
    caption, image = page.locator("#large figcaption"), page.locator("#large img")

    def shows(number: int) -> None:
        said = [pictures.nth(number).get_attribute(name) for name in ("alt", "data-note")]
        assert caption.inner_text() == " · ".join(text for text in said if text)
        assert image.get_attribute("src") == pictures.nth(number).get_attribute("src")
        box = image.bounding_box()
        assert box
        assert box["height"] > 0.9 * DESK["height"] - 60

    shows(1)
    assert caption.inner_text().endswith("@ 0.7")
    page.keyboard.press("ArrowRight")
    shows(2)
    page.click("#large .previous")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    shows(0)
    page.evaluate(SWIPE)
    shows(1)
    page.keyboard.press("Escape")
    assert page.evaluate("large.open") is False
    assert page.evaluate("document.activeElement.dataset.note") == pictures.nth(1).get_attribute(
        "data-note"
    )
    pictures.nth(1).click()
    image.click()
    assert page.evaluate("large.open") is False


SWIPE = """
(() => {
  const send = (kind, name, x) => {
    const touch = new Touch({identifier: 1, target: large, clientX: x, clientY: 300});
    large.dispatchEvent(new TouchEvent(kind, {[name]: [touch]}));
  };
  send('touchstart', 'touches', 200);
  send('touchend', 'changedTouches', 100);
})()
"""


def test_on_a_phone_all_three_pictures_and_each_step_are_seen_whole(page: Page) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    boxes = [
        picture.bounding_box() for picture in page.locator(".triple").first.locator("img").all()
    ]
    assert len({box["y"] for box in boxes if box}) == 1
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    page.click("button[data-language=zh]")
    heights = page.locator(".evaluations tbody th, #errors tbody th").evaluate_all(
        "cells => cells.map((cell) => cell.clientHeight)"
    )
    assert heights
    assert max(heights) < 40, "the name of a step or of a kind is one line"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_on_a_phone_what_was_lost_elsewhere_needs_no_swipe(
    language: str, browser: Browser, tmp_path: Path
) -> None:
    usual = {0: {1.16: (0.91, 0.73)}, 4: {1.25: (0.92, 0.77)}}
    rows = with_further_set(
        rows_of(usual), "sample", {0: {1.16: (0.9, 0.8)}, 4: {0.85: (0.5, 0.3)}}
    )
    folder = run_folder(tmp_path / "run", rows=rows)
    for name, step, shift_px in (("before", 0, 0.0), ("best", 4, 60.0)):
        kept = evaluation(tmp_path, step, shift_px)
        write_evaluation(folder / f"evaluations/sample/{name}.jsonl", kept.about, kept.images)
    page = Opened(browser, report(folder)).page
    page.set_viewport_size({"width": 390, "height": 844})
    page.click(f"button[data-language={language}]")
    table = page.locator("#verdict .table").first
    expect(table).to_contain_text("sample")
    expect(table).to_contain_text("...")
    assert table.evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    page.context.close()


def test_a_line_can_be_copied(page: Page) -> None:
    line = page.locator(".command").first
    line.locator("button").click()
    expect(line.locator("button")).to_have_text("copied", use_inner_text=True)
    assert page.evaluate("getSelection().toString().trim()") == line.locator("pre").inner_text()


LOWEST_CONTRAST = """
(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const contrast = (front, node) => {
    const [a, b] = [light(rgb(front)), light(behind(node))].sort((x, y) => y - x);
    return Math.round(100 * (a + 0.05) / (b + 0.05)) / 100;
  };
  const texts = [...document.querySelectorAll('body *')].filter((node) => node.checkVisibility()
    && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  const rows = texts.map((node) => [contrast(getComputedStyle(node).color, node),
    node.outerHTML.slice(0, 80)]);
  const plot = document.querySelector('.plot');
  const label = getComputedStyle(plot).getPropertyValue('--bk-major-label-text-color');
  const probe = document.createElement('i');
  probe.style.color = label;
  plot.append(probe);
  rows.push([contrast(getComputedStyle(probe).color, plot), 'labels of the axes']);
  return rows.sort((x, y) => x[0] - y[0])[0];
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    ratio, node = page.evaluate(LOWEST_CONTRAST)
    assert ratio >= 4.5, node  # WCAG 2.2, level AA

"""The page in headless Chromium: quiet, whole, alone, readable on a phone, in two languages."""

# ruff: noqa: RUF001  Chinese texts have punctuation of their own

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Tab, browser
from tests.support.report_run import GROUPS, run_folder

pytest.importorskip("paddle", reason="paddle is not installed")

from ppocr_ft.commands.report.run import report

DESK, PHONE = (1200, 900), (360, 740)
CHART = "reportCharts.find((chart) => chart.name === {name!r}).series"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = run_folder(tmp_path_factory.mktemp("page") / "run")
    verdict = {"step": 4, "name": "overfitting", "sentence": "It overfits.", "remedy": "Stop."}
    (folder / "verdicts.jsonl").write_text(json.dumps(verdict) + "\n")
    report(folder)
    return folder


@pytest.fixture(scope="module")
def tab(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile") / "home") as opened:
        yield opened


@pytest.fixture
def page(tab: Tab, run: Path) -> Tab:
    tab.open(run / "report.html", DESK)
    return tab


def test_says_nothing_on_the_console_and_asks_for_nothing(page: Tab, run: Path) -> None:
    page.run("document.querySelector('button[data-language=zh]').click()")
    assert page.complaints() == []
    asked = [url for url in page.requested() if not url.startswith("data:")]
    assert asked == [(run / "report.html").as_uri()]


def test_complaints_are_heard(tab: Tab, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text("<script>console.error('here'); nothing.at.all;</script><img src='gone.jpg'>")
    tab.open(bad, DESK)
    told = " ".join(tab.complaints())
    assert "here" in told
    assert "nothing is not defined" in told
    assert "ERR_FILE_NOT_FOUND" in told


def test_every_picture_loads_and_is_described_in_both_languages(page: Tab) -> None:
    pictures = page.run(
        "[...document.images].map(({naturalWidth, alt, dataset}) => "
        "({naturalWidth, alt, en: dataset.en, zh: dataset.zh}))"
    )
    assert len(pictures) > 3 * 6  # three panels of each image, and crops of errors
    assert all(each["naturalWidth"] > 0 for each in pictures)
    assert all(each["alt"] == each["en"] != each["zh"] for each in pictures)


def points(page: Tab, chart: str) -> dict[str, list[list[float]]]:
    """By column, and ``pick`` where a chart has a column twice."""
    series = page.run(f"{CHART.format(name=chart)}")
    return {f"{each['column']} {each.get('pick', '')}".strip(): each["points"] for each in series}


def csv_points(run: Path, kind: str, column: str, *, best: bool = False) -> list[list[float]]:
    """(step, value) of a column: of an evaluation's rows the first, or the best."""
    found: dict[int, list[float]] = {}
    with (run / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] == kind and row[column]:
                found.setdefault(int(row["step"]), []).append(float(row[column]))
    return [[step, max(each) if best else each[0]] for step, each in found.items()]


def test_charts_hold_the_figures_of_the_csv(page: Tab, run: Path) -> None:
    assert points(page, "hmean") == {
        "hmean best": csv_points(run, "eval", "hmean", best=True),
        "hmean first": csv_points(run, "eval", "hmean"),
        "hmean_70 best": csv_points(run, "eval", "hmean_70", best=True),
        "hmean_70 first": csv_points(run, "eval", "hmean_70"),
    }
    losses = ("loss", "loss_shrink_maps")  # loss_cbn is 0 all along
    assert points(page, "losses") == {name: csv_points(run, "train", name) for name in losses}
    assert points(page, "lr") == {name: csv_points(run, "train", name) for name in GROUPS}
    ratio = csv_points(run, "train", "shrink_ratio")
    assert points(page, "shrink") == {"shrink_ratio": ratio}
    assert [len(each) for each in points(page, "hmean").values()] == [2] * 4


def test_what_is_drawn_is_what_the_charts_hold(page: Tab) -> None:
    drawn = page.run(
        "[...document.querySelectorAll('#chart-losses path.line')].map((path) => "
        "[path.dataset.column, path.getAttribute('d').slice(1).split('L')])"
    )
    places = {column: [[float(n) for n in p.split(",")] for p in d] for column, d in drawn}
    assert set(places) == {"loss", "loss_shrink_maps"}
    across = [x for x, _ in places["loss"]]
    assert across == sorted(across)
    steps = [b - a for a, b in pairwise(across)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)
    falling = [y for _, y in places["loss"]]  # the loss falls, so the line goes down: y grows
    assert falling == sorted(falling)
    assert len(falling) == 4


def legend(page: Tab, chart: str) -> str:
    text: str = page.run(f"document.querySelector('#chart-{chart} .legend').innerText")
    return " ".join(text.split())


def test_pointing_at_one_chart_shows_the_step_in_all(page: Tab) -> None:
    place: dict[str, Any] = page.run(
        "(() => { const svg = document.querySelector('#chart-losses svg'); "
        "svg.scrollIntoView({behavior: 'instant'}); "
        "const {x, y, width, height} = svg.getBoundingClientRect(); "
        "return {x, y, width, height}; })()"
    )
    assert legend(page, "losses").startswith("last values loss 1")
    # 52 px of margin, 12 on the right; steps 0 to 4 share the axis: the middle is step 2.
    x = place["x"] + 52 + (place["width"] - 64) / 2
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=place["y"] + 60)
    assert legend(page, "losses").startswith("step 2 loss 2 ")
    assert "0.001" not in legend(page, "lr")
    assert legend(page, "lr") == "step 2 backbone 2e-4 head 0.002"
    assert legend(page, "hmean").startswith("step 2 IoU 0.5, best unclip_ratio 0.6100")
    assert legend(page, "thresh").startswith("box_thresh 0.6 ")


def test_arrow_keys_go_from_step_to_step(page: Tab) -> None:
    page.run("document.querySelector('#chart-losses svg').focus()")
    for _ in range(2):
        page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowLeft")
    assert legend(page, "losses").startswith("step 3 ")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Escape")
    assert legend(page, "losses").startswith("last values ")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_is_wider_than_a_phone(page: Tab, language: str) -> None:
    page.resize(PHONE)
    page.run(f"document.querySelector('button[data-language={language}]').click()")
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.run("[innerWidth, document.documentElement.scrollWidth]") == [360, 360]
    assert page.run("document.querySelector('#chart-hmean svg').clientWidth") < 340


def test_the_language_switches_every_text(page: Tab) -> None:
    shown = "document.querySelector('#verdict h2').innerText"
    alt = "document.images[0].alt"
    assert page.run("document.documentElement.lang") == "en"
    assert page.run(shown) == "Verdict"
    english = page.run(alt)
    page.run("document.querySelector('button[data-language=zh]').click()")
    assert page.run("document.documentElement.lang") == "zh-CN"
    assert page.run(shown) == "结论"
    assert page.run(alt) != english
    assert "末值" in legend(page, "losses")
    assert page.run("document.title") == "run：微调报告"
    left = page.run(
        "[...document.querySelectorAll('span[lang=en]')].filter((each) => each.offsetParent).length"
    )
    assert left == 0


def test_opens_in_the_readers_language_unless_told(
    tab: Tab, run: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    told = run_folder(tmp_path_factory.mktemp("told") / "run", boxes=False)
    report(told, "zh")
    tab.open(told / "report.html", DESK)
    assert tab.run("document.documentElement.dataset.lang") == "zh"


def test_what_the_monitor_said_is_shown(page: Tab) -> None:
    said = page.run("document.querySelector('.findings').innerText")
    assert said == "overfitting (step 4): It overfits. Stop."


def test_a_picture_opens_large_by_key_and_click(page: Tab) -> None:
    page.run("document.querySelector('figure img').focus()")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Enter")
    assert page.run("[large.open, large.querySelector('img').naturalWidth > 0]") == [True, True]
    page.run("large.click()")
    assert page.run("large.open") is False


LUMINANCE = """
(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = rgb(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('body *')].filter((node) => node.checkVisibility()
    && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return texts.map((node) => {
    const style = getComputedStyle(node);
    const front = node instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(rgb(front)), light(behind(node))].sort((x, y) => y - x);
    return [Math.round(100 * (a + 0.05) / (b + 0.05)) / 100, node.outerHTML.slice(0, 80)];
  }).sort((x, y) => x[0] - y[0])[0];
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(page: Tab, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.call("Emulation.setEmulatedMedia", features=features)
    ratio, node = page.run(LUMINANCE)
    page.call("Emulation.setEmulatedMedia", features=[])
    assert ratio >= 4.5, node  # WCAG 2.2, level AA

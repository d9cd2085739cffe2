"""The page's HTML, without a browser: texts in both languages, charts, nothing from outside."""

# ruff: noqa: RUF001  Chinese texts and ranges have punctuation of their own

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import get_args

import numpy as np
import pytest

from ppocr_ft.commands.report.run import read_run, report
from ppocr_ft.metrics.errors import KINDS
from ppocr_ft.report import page as page_package
from ppocr_ft.report.evaluations import write_evaluation
from ppocr_ft.report.page.charts import Chart, ChartLine, Points, curves
from ppocr_ft.report.page.comparison import Outcome
from ppocr_ft.report.page.figures import MAX_POINTS, embed, thinned
from ppocr_ft.report.page.render import render
from ppocr_ft.report.page.run import Run
from ppocr_ft.report.page.summary import histograms, text_statistics
from ppocr_ft.report.page.translation import LANGUAGES, Translated, name_of, texts
from tests.support.report_run import (
    CONFIG,
    GROUPS,
    columns_of,
    evaluation,
    rows_of,
    run_folder,
)

LARGEST_BYTES = 6e6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_folder(tmp_path_factory.mktemp("report") / "run")


# Texts


def placeholders(text: str) -> list[tuple[str, str]]:
    """Names and formats."""
    fields = ((name, spec) for _, name, spec, _ in Formatter().parse(text) if name is not None)
    return sorted((name, spec or "") for name, spec in fields)


def test_languages_have_the_same_keys_and_placeholders() -> None:
    english, *others = (texts(language) for language in LANGUAGES)
    assert all(english.values())
    for other in others:
        assert all(other.values())
        assert list(other) == list(english)
        assert {k: placeholders(v) for k, v in other.items()} == {
            k: placeholders(v) for k, v in english.items()
        }
    assert not [text for text in english.values() if re.search("[\u4e00-\u9fff]", text)]


def test_every_key_is_used_and_every_used_key_is_there() -> None:
    """A key is used by name, or by its group (``"kind." ~ kind``)."""
    root = Path(page_package.__file__).parent
    sources = [*root.glob("*.py"), *root.glob("templates/*.html")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    known = set(texts("en"))
    known_groups = {key.partition(".")[0] for key in known}
    names = set(re.findall(r"""(?:\bt|Translated)\(\s*"(\w+\.[\w ]+)\"""", code))
    code = re.sub(r'"\w+\.(html|css|js)"', "", code)
    for group, name in re.findall(r'"(\w+)\.([\w ]+)"', code):
        names |= {f"{group}.{name}"} if group in known_groups else set()
    groups = set(re.findall(r"""(?:\bt\(|Translated\(f)"(\w+)\.(?:" ~|\{)""", code))
    groups |= set(re.findall(r'name_of\("(\w+)"', code))
    assert sorted(names - known) == []
    assert sorted(groups - known_groups) == []
    assert [key for key in known - names if key.partition(".")[0] not in groups] == []


def test_what_has_names_has_them_all() -> None:
    def group(name: str) -> set[str]:
        return {key.partition(".")[2] for key in texts("en") if key.startswith(f"{name}.")}

    assert group("kind") == group("kind_meaning") == set(KINDS)
    assert group("outcome") == set(get_args(Outcome))
    assert group("nav") | {"notes"} == group("title")


def test_a_text_is_filled_in_each_language_and_escaped() -> None:
    text = Translated("pictures.alt", file="<0.5>", content=Translated("pictures.start"))
    assert text.text("zh") == "<0.5>：起始模型"
    assert text.__html__() == (
        '<span lang="en">&lt;0.5&gt;: start</span><span lang="zh">&lt;0.5&gt;：起始模型</span>'
    )
    assert name_of("loss", "loss_of_mine") == "loss_of_mine"


def test_every_text_of_the_page_stands_in_both_languages(folder: Path) -> None:
    page = render(read_run(folder))
    pairs = re.findall(r'<span lang="en">(.*?)</span><span lang="zh">(.*?)</span>', page)
    assert len(pairs) == page.count('<span lang="en">') == page.count('<span lang="zh">') > 100
    assert all(english and chinese for english, chinese in pairs)


def test_weights_that_are_random_and_records_that_are_missing(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", boxes=False)
    (folder / "weights.json").write_text('{"source": null}')
    assert ">Random.<" in render(read_run(folder))
    for name in ("weights.json", "data.json", "environment.json"):
        (folder / name).unlink()
    assert render(read_run(folder)).count(">Not recorded.<") == 3


def test_bars_show_the_classes_that_occur_and_the_highest_is_the_longest() -> None:
    text = np.array([[0, 0], [40, 0], [40, 10], [0, 10]], np.float64)
    small, large = (text_statistics(1, [text * scale] * 4, 4, 0) for scale in (1, 3))
    sets = [(Translated("data.train"), small), (Translated("data.eval"), large)]
    heights, aspects = histograms(sets)
    assert heights.rows == [
        ("8–12", (1, 0)),
        ("12–16", (0, 0)),
        ("16–24", (0, 0)),
        ("24–32", (0, 1)),
    ]
    assert aspects.rows == [("3–5", (1, 1))]
    assert heights.top == 1


def test_arrows_point_up_for_gains(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    before = evaluation(tmp_path, 0, shift_px=14)
    write_evaluation(folder / "evaluations" / "before.jsonl", before.about, before.images)
    page = render(read_run(folder))
    changes = re.findall(r"<small>(.) ([+-][\d.]+)</small></h3>", page)
    assert len(changes) == 6
    assert {(arrow, change[0]) for arrow, change in changes} == {("▲", "+")}


def test_the_highest_bar_is_the_longest(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", boxes=False)
    text = np.array([[0, 0], [40, 0], [40, 10], [0, 10]], np.float64)
    data = json.loads((folder / "data.json").read_text())
    data["train"] = text_statistics(1, [text, text, 3 * text], 3, 0)
    (folder / "data.json").write_text(json.dumps(data))
    widths = re.findall(r"background:#\w+;width:([\d.]+)%", render(read_run(folder)))
    assert widths == ["80.0", "0.0", "0.0", "40.0", "80.0"]


# One file


class Links(HTMLParser):
    """What the page's own tags point at, and its stylesheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.style = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pointing = ("src", "href", "srcset", "data", "poster", "action", "background")
        self.links += [value or "" for name, value in attrs if name in pointing]

    def handle_data(self, data: str) -> None:
        self.style += data if self.lasttag == "style" else ""


def test_the_page_needs_no_other_file(folder: Path) -> None:
    page = report(folder).read_text(encoding="utf-8")
    parsed = Links(page)
    assert len(parsed.links) > 20
    assert [link for link in parsed.links if not link.startswith(("data:", "#"))] == []
    assert "color-scheme: dark" in parsed.style
    assert not re.search(r"url\(|@import", parsed.style)
    assert len(page.encode()) < LARGEST_BYTES


def test_bokeh_is_imported_where_a_page_is_written_and_nowhere_else() -> None:
    code = (
        "import sys, ppocr_ft.runs.assemble, ppocr_ft.commands.train.cli, ppocr_ft.runs.folder; "
        "print('bokeh' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_comes_from_files_is_escaped(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a<b>&'\"", boxes=False)
    hostile = {"step": 2, "name": "<i>", "sentence": "</script><script>alert(1)", "remedy": "&"}
    (folder / "verdicts.jsonl").write_text(json.dumps(hostile) + "\n")
    (folder / "config.resolved.yml").write_text(CONFIG.replace("tiny", "</script><b>"))
    metrics = folder / "metrics.csv"
    metrics.write_text(metrics.read_text().replace("lr/head", "lr/<u>@{x}$"))
    page = render(read_run(folder))
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "</script><b>" not in page
    assert "<h1>a&lt;b&gt;&amp;" in page
    assert "<u>" not in page
    assert "&lt;u&gt;@{x}$" in page, "in the legend"
    assert "&amp;lt;u&amp;gt;&amp;#64;{x}&amp;#36;" in page, "in the tooltip, which Bokeh fills in"


# Charts


def points(run: Run) -> dict[str, dict[str, Points]]:
    """By chart and English name of the line."""
    charts = curves(run)
    return {
        chart.name: {name(line): list(line.points) for line in chart.series} for chart in charts
    }


def name(line: ChartLine) -> str:
    return line.name if isinstance(line.name, str) else line.name.text("en")


def csv_points(folder: Path, kind: str, column: str, *, best: bool = False) -> Points:
    """(step, value) of a column: of an evaluation's rows the first, or the best."""
    values: dict[int, list[float]] = {}
    with (folder / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] == kind and row[column]:
                values.setdefault(int(row["step"]), []).append(float(row[column]))
    return [(step, max(at) if best else at[0]) for step, at in values.items()]


def test_charts_hold_the_figures_of_the_csv(folder: Path) -> None:
    charts = points(read_run(folder))
    assert charts["hmean"] == {
        "IoU 0.5, best unclip_ratio": csv_points(folder, "eval", "hmean", best=True),
        "IoU 0.5, config's unclip_ratio": csv_points(folder, "eval", "hmean"),
        "IoU 0.7, best unclip_ratio": csv_points(folder, "eval", "hmean_70", best=True),
        "IoU 0.7, config's unclip_ratio": csv_points(folder, "eval", "hmean_70"),
    }
    assert charts["losses"] == {  # loss_cbn is 0 all along
        "loss": csv_points(folder, "train", "loss"),
        "shrink map": csv_points(folder, "train", "loss_shrink_maps"),
    }
    assert charts["lr"] == {
        group.removeprefix("lr/"): csv_points(folder, "train", group) for group in GROUPS
    }
    assert charts["shrink"] == {"shrink ratio": csv_points(folder, "train", "shrink_ratio")}
    assert [len(line) for line in charts["hmean"].values()] == [2] * 4


def test_gaps_validation_losses_and_equal_rates(tmp_path: Path) -> None:
    rows = rows_of({0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.6, 0.5)}})
    for row in rows:
        if row["kind"] == "eval":
            row |= {"val_loss": 2.5 - row["step"] / 8, "drawn_shrink_ratio": 0.5}
            row |= {"merged": 0.25, "split": row["step"] / 40}
        else:
            row |= {"lr/head": row["lr/backbone"], "loss": "nan" if row["step"] == 2 else 3}
    run = read_run(run_folder(tmp_path / "run", rows=rows, boxes=False))
    charts = points(run)
    assert charts["losses"]["loss"] == [(1, 3), (3, 3), (4, 3)]
    assert charts["losses"]["validation loss"] == [(0, 2.5), (4, 2)]
    assert list(charts["lr"]) == ["backbone and 1 more"]
    assert charts["shrink"]["measured on drawn maps"] == [(0, 0.5), (4, 0.5)]
    assert charts["errors"] == {"merged": [(0, 0.25), (4, 0.25)], "split": [(0, 0), (4, 0.1)]}


def test_marks_of_the_best_weights_and_of_alerts(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    alerts = [{"step": 2, "name": "overfitting"}, {"step": None, "name": "nan"}]
    (folder / "verdicts.jsonl").write_text("".join(f"{json.dumps(a)}\n" for a in alerts))
    hmean, *others = curves(read_run(folder))
    assert hmean.mark
    assert hmean.mark[0] == 4
    assert all(chart.alerts == [(2, "overfitting")] for chart in (hmean, *others))
    assert [chart.mark for chart in others] == [None] * 3


def test_values_are_the_last_ones_at_or_before_a_step() -> None:
    line = ChartLine("a", [(2, 0.5), (4, 0.25)], "#000000")
    assert [line.at(x) for x in (1, 2, 3, 4, 9)] == [None, 0.5, 0.5, 0.25, 0.25]
    chart = Chart("name", "title", [line], value_format=".4f")
    assert chart.values_at(1) == ["–"]
    assert chart.legend() == [(line, "0.2500")]
    assert Chart("name", "title", [line], legend_x=3).legend() == [(line, "0.5")]


def test_very_many_points_are_thinned_and_the_page_says_so(tmp_path: Path) -> None:
    many = [(float(x), float(x)) for x in range(2 * MAX_POINTS)]
    few = thinned(many)
    assert len(few) == MAX_POINTS
    assert (few[0], few[-1]) == (many[0], many[-1])
    assert thinned(many[:5]) == many[:5]
    rows = [{"kind": "train", "step": step, "loss": 1} for step in range(1, MAX_POINTS + 2)]
    page = render(read_run(run_folder(tmp_path / "run", rows=rows, boxes=False)))
    assert f"Of {MAX_POINTS + 1} training rows in metrics.csv, {MAX_POINTS} are drawn." in page


def test_a_chart_of_one_point_and_no_chart_at_all() -> None:
    chart = Chart("one", "title", [ChartLine("a", [(3, 1.0)], "#000000")])
    script, divs = embed([[chart]], lambda _: "tooltip")
    assert list(divs) == ["one"]
    assert "Scatter" in script
    assert embed([[], []], lambda _: "tooltip") == ("", {})


def test_the_made_up_run_has_the_columns_of_a_run(folder: Path) -> None:
    assert list(read_run(folder).columns) == columns_of()

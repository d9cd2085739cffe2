"""The curves: what is drawn of which column. ``charts.js`` draws them from the embedded figures."""

# ruff: noqa: RUF001  Chinese texts have punctuation of their own

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ppocr_ft.engine.metrics_file import EVAL, LR, TRAIN, Row
from ppocr_ft.report.page.judging import JudgedSet, threshold_curve
from ppocr_ft.report.page.markup import Words, div, figure, paragraph, section
from ppocr_ft.report.page.run import Run, ratio_text

MAX_TRAIN_ROWS = 3000
SHRINK, DRAWN_SHRINK = "shrink_ratio", "drawn_shrink_ratio"
RATES_COLUMNS = ("precision", "recall", "hmean")
THRESHOLD_COLUMNS = (
    "box_thresh",
    *(f"{rate}{iou}" for iou in ("", "_70") for rate in RATES_COLUMNS),
)
LOSS_NAMES = {
    "loss": Words("loss", "总损失"),
    "loss_shrink_maps": Words("shrink map", "收缩图"),
    "loss_threshold_maps": Words("threshold map", "阈值图"),
    "loss_binary_maps": Words("binary map", "二值图"),
    "loss_cbn": Words("cbn", "cbn"),
}
RATE_NAMES = {
    "precision": Words("precision", "精确率"),
    "recall": Words("recall", "召回率"),
    "hmean": Words("hmean", "hmean"),
}
Series = dict[str, Any]


def number(text: str) -> float | str | None:
    """A cell of metrics.csv; NaN and infinity, which JSON lacks, are gaps too."""
    try:
        value = float(text)
    except ValueError:
        return text or None
    if value != value or value in (float("inf"), float("-inf")):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def embedded(name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as JSON that a browser leaves alone."""
    text = json.dumps({"columns": list(columns), "rows": rows}, ensure_ascii=False, allow_nan=False)
    return _script(name, text)


def _script(name: str, text: str) -> str:
    safe = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="data-{name}">{safe}</script>'


def _shown_rows(run: Run) -> list[Row]:
    """All evaluations, and the training rows, evenly thinned where there are very many."""
    trained = run.trained
    if len(trained) <= MAX_TRAIN_ROWS:
        return list(run.rows)
    kept = {i * (len(trained) - 1) // (MAX_TRAIN_ROWS - 1) for i in range(MAX_TRAIN_ROWS)}
    chosen = {id(row) for i, row in enumerate(trained) if i in kept}
    return [row for row in run.rows if row["kind"] != TRAIN or id(row) in chosen]


def curves_section(run: Run) -> str:
    rows = _shown_rows(run)
    cells = [[number(row.get(column, "")) for column in run.columns] for row in rows]
    thinned = len(rows) < len(run.rows)
    hint = Words(
        "All curves share the axis of steps: point at one, tap it, or use the arrow keys, and all "
        "show that step. Evaluations judge the average of the weights where use_ema is on.",
        "所有曲线共用步数轴：指向、点按或用方向键移动，全部曲线显示同一步。"
        "启用 use_ema 时评估的是权重的平均。",
    )
    fewer = Words(
        f"Of {len(run.trained)} training rows in metrics.csv, {MAX_TRAIN_ROWS} are drawn.",
        f"metrics.csv 中共 {len(run.trained)} 行训练记录，图中画出 {MAX_TRAIN_ROWS} 行。",
    )
    return section(
        "curves",
        Words("Curves", "曲线"),
        paragraph(hint, "note"),
        paragraph(fewer, "note") if thinned else "",
        div("charts", *(_chart(chart) for chart in _time_charts(run))),
        embedded("metrics", run.columns, cells),
    )


def _chart(chart: dict[str, Any]) -> str:
    spec = json.dumps(chart, ensure_ascii=False).replace("<", "\\u003c")
    title = Words(*chart["title"])
    content = (
        f'<h3>{title}</h3><div class="legend"></div><div class="plot"></div>'
        f'<script type="application/json" class="spec">{spec}</script>'
    )
    return f'<div class="chart" id="chart-{chart["name"]}">{content}</div>'


def _time_charts(run: Run) -> list[dict[str, Any]]:
    charts = [_hmean(run), *_losses(run), _rates(run), _shrink(run)]
    return [{"table": "metrics", "x": "step", **chart} for chart in charts if chart["series"]]


def _series(column: str, kind: str, name: Words, **more: object) -> Series:
    return {"column": column, "kind": kind, "label": list(name), **more}


def _has(run: Run, column: str, kind: str) -> bool:
    return any(row["kind"] == kind and row.get(column) for row in run.rows)


def _hmean(run: Run) -> dict[str, Any]:
    series = []
    for color, (column, iou) in enumerate((("hmean", 0.5), ("hmean_70", 0.7))):
        if _has(run, column, EVAL):
            best = Words(f"IoU {iou}, best unclip_ratio", f"IoU {iou}，最佳 unclip_ratio")
            own = Words(f"IoU {iou}, config's unclip_ratio", f"IoU {iou}，配置的 unclip_ratio")
            series.append(_series(column, EVAL, best, pick="best", dots=True, color=color))
            series.append(_series(column, EVAL, own, pick="first", dashed=True, color=color))
    return {"name": "hmean", "digits": 4, "title": ["hmean", "hmean"], "series": series}


def _losses(run: Run) -> list[dict[str, Any]]:
    """The training losses; validation's, columns of evaluations with ``loss`` in their name."""
    trained = [column for column in run.columns if column.startswith("loss")]
    series = [
        _series(column, TRAIN, LOSS_NAMES.get(column, Words(column, column)))
        for column in trained
        if _is_not_zero(run, column)
    ]
    for column in run.columns:
        if "loss" in column and _has(run, column, EVAL):
            plain_name = column.removeprefix("val_")
            known = LOSS_NAMES.get(plain_name, Words(plain_name, plain_name))
            name = Words(f"validation {known.en}", f"验证 {known.zh}")
            series.append(_series(column, EVAL, name, pick="first", dots=True, dashed=True))
    title = ["losses (means over Global.log_smooth_window steps)", "损失（窗口平均）"]
    return [{"name": "losses", "title": title, "series": series, "zero": True}]


def _is_not_zero(run: Run, column: str) -> bool:
    return any(row.get(column) and float(row[column]) for row in run.trained)


def _rates(run: Run) -> dict[str, Any]:
    """A line for each group; groups whose rates are the same all along are one line."""
    columns = [column for column in run.columns if column.startswith(LR)] or ["lr"]
    members: dict[tuple[str, ...], list[str]] = {}
    for column in columns:
        if _has(run, column, TRAIN):
            values = tuple(row.get(column, "") for row in run.trained)
            members.setdefault(values, []).append(column)
    series = []
    for first, *others in members.values():
        name, more = first.removeprefix(LR), len(others)
        words = Words(f"{name} and {more} more", f"{name} 等 {more + 1} 组") if more else None
        series.append(_series(first, TRAIN, words or Words(name, name)))
    title = ["learning rate of each parameter group", "各参数组的学习率"]
    return {"name": "lr", "title": title, "series": series, "zero": True}


def _shrink(run: Run) -> dict[str, Any]:
    """The operators' ratio, and the one that the monitor measured on drawn maps, if it did."""
    series = []
    if _has(run, SHRINK, TRAIN):
        series.append(_series(SHRINK, TRAIN, Words("shrink ratio", "收缩比")))
    if _has(run, DRAWN_SHRINK, EVAL):
        drawn = Words("measured on drawn maps", "由标签图实测")
        series.append(_series(DRAWN_SHRINK, EVAL, drawn, pick="first", dots=True, dashed=True))
    title = ["shrink ratio", "收缩比"]
    return {"name": "shrink", "height": 130, "title": title, "series": series}


def threshold_section(best: JudgedSet | None, title: Words) -> str:
    """Precision, recall and hmean over box_thresh, from the scores of the kept boxes."""
    if best is None:
        return ""
    about, rows, ratio = best.about, threshold_curve(best), ratio_text(best.unclip_ratio)
    top = [max(rows, key=lambda row: row[column]) for column in (3, 6)]
    limits = Words(
        f"Boxes that scored less than {about.lowest_score:g} were not kept, so the curves begin "
        "there. ",
        f"得分低于 {about.lowest_score:g} 的框没有保留，曲线从该值开始。",
    )
    caption = Words(
        f"From the boxes of step {about.step} with unclip_ratio {ratio}; the "
        f"upright line is the config's box_thresh, {about.box_thresh:g}. {limits.en}"
        f"hmean is highest at {top[0][0]:g} for IoU 0.5 ({top[0][3]:.4f}) and at {top[1][0]:g} "
        f"for IoU 0.7 ({top[1][6]:.4f}).",
        f"取自第 {about.step} 步、unclip_ratio {ratio} 的框；竖线为配置的 box_thresh "
        f"{about.box_thresh:g}。{limits.zh}hmean 在 IoU 0.5 时于 {top[0][0]:g} 最高"
        f"（{top[0][3]:.4f}），在 IoU 0.7 时于 {top[1][0]:g} 最高（{top[1][6]:.4f}）。",
    )
    charts = [
        {
            "name": f"thresh{suffix}",
            "title": [f"IoU {iou}", f"IoU {iou}"],
            "table": "thresholds",
            "x": "box_thresh",
            "mark": about.box_thresh,
            "digits": 4,
            "series": [
                {"column": rate + suffix, "label": list(name)} for rate, name in RATE_NAMES.items()
            ],
        }
        for iou, suffix in ((0.5, ""), (0.7, "_70"))
    ]
    drawn = div("charts two", *map(_chart, charts))
    return section(
        "thresholds",
        title,
        figure(drawn, caption, "wide"),
        embedded("thresholds", THRESHOLD_COLUMNS, rows),
    )

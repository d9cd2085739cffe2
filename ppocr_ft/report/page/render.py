"""The page, put together."""

# ruff: noqa: RUF001  Chinese texts have punctuation of their own

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import Literal

from ppocr_ft.report.evaluations import KeptEvaluation
from ppocr_ft.report.page import drawing
from ppocr_ft.report.page.charts import curves_section, threshold_section
from ppocr_ft.report.page.facts import (
    config_section,
    data_section,
    environment_section,
    notes_section,
    weights_section,
)
from ppocr_ft.report.page.gallery import changed_section, errors_section
from ppocr_ft.report.page.judging import JudgedSet
from ppocr_ft.report.page.markup import Words
from ppocr_ft.report.page.run import Run
from ppocr_ft.report.page.verdict import verdict_section
from ppocr_ft.version import __version__

Language = Literal["auto", "en", "zh"]
THRESHOLDS = Words("Precision and recall against box_thresh", "精确率、召回率与 box_thresh")
LINKS = (
    ("verdict", Words("Verdict", "结论")),
    ("curves", Words("Curves", "曲线")),
    ("pictures", Words("Before and after", "前后对比")),
    ("errors", Words("Errors", "错误")),
    ("thresholds", Words("box_thresh", "box_thresh")),
    ("config", Words("Config", "配置")),
    ("data", Words("Data", "数据")),
    ("weights", Words("Weights", "权重")),
    ("environment", Words("Environment", "环境")),
)


def render(run: Run, language: Language = "auto") -> str:
    """The page as HTML; ``auto`` follows the reader's browser."""
    drawing.read.cache_clear()
    before, best = (_judged(run, each) for each in (run.before, run.best))
    sections = (
        verdict_section(run),
        curves_section(run),
        changed_section(before, best),
        errors_section(before, best),
        threshold_section(best, THRESHOLDS),
        config_section(run),
        data_section(run, best or before),
        weights_section(run),
        environment_section(run),
        notes_section(run),
    )
    main = "\n".join(part for part in sections if part)
    links = (f'<a href="#{n}">{words}</a>' for n, words in LINKS if f'id="{n}"' in main)
    model = str(run.setting("Global.model_name") or "detector")
    return Template(asset("page.html")).substitute(
        wanted=language,
        lang="zh-CN" if language == "zh" else "en",
        shown="zh" if language == "zh" else "en",
        title_en=escape(f"{run.name}: fine-tuning report"),
        title_zh=escape(f"{run.name}：微调报告"),
        model=escape(model),
        name=escape(run.name),
        version=__version__,
        links="".join(links),
        main=main,
        style=asset("style.css"),
        scripts=f"{asset('charts.js')}\n{asset('page.js')}",
    )


def _judged(run: Run, kept: KeptEvaluation | None) -> JudgedSet | None:
    """With the unclip ratio that suits these weights best."""
    if kept is None:
        return None
    ratio = run.unclip_ratio(kept.about.step)
    return JudgedSet(kept, kept.about.unclip_ratio if ratio is None else ratio)


def asset(name: str) -> str:
    """A text file beside this module."""
    return files("ppocr_ft.report.page").joinpath(name).read_text(encoding="utf-8")

"""The first thing on the page: better or worse than the start, by how much, and what to set."""

# ruff: noqa: RUF001  Chinese texts have punctuation of their own

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ppocr_ft.report.page.judging import JudgedSet, chance_interval
from ppocr_ft.report.page.markup import Cell, Words, details, div, paragraph, plain, section, table
from ppocr_ft.report.page.run import Judged, Run, ratio_text

COLUMNS = (("hmean", 0.5), ("hmean_70", 0.7))
EQUAL = 5e-5
"""Differences below this are zero in the figures that are shown."""
BETTER, WORSE, MIXED, SAME, UNKNOWN = "better", "worse", "mixed", "same", "unknown"

HEADLINES = {
    BETTER: Words("Better than the start", "比起始权重好"),
    WORSE: Words("Worse than the start", "比起始权重差"),
    MIXED: Words("Better at one IoU, worse at the other", "一个 IoU 下变好，另一个下变差"),
    SAME: Words("No better than the start", "没有超过起始权重"),
    UNKNOWN: Words("Not judged yet", "尚无评估结果"),
}


@dataclass(frozen=True)
class Compared:
    """One figure before and after training, each with the unclip ratio that is best for it."""

    column: str
    iou: float
    start: Judged
    after: Judged
    interval: tuple[float, float] | None

    @property
    def gain(self) -> float:
        return self.after.value - self.start.value

    @property
    def sign(self) -> int:
        return 0 if abs(self.gain) < EQUAL else 1 if self.gain > 0 else -1


def compared(run: Run) -> list[Compared]:
    """At IoU 0.5 and 0.7: the start, and the best weights or, where these are the start itself,
    the last evaluation; empty without an evaluation before training and one after."""
    after = run.best_step
    if after is None or 0 not in run.evaluations or len(run.evaluations) < 2:
        return []
    shown = after if after > 0 else max(run.evaluations)
    made = []
    for column, iou in COLUMNS:
        start, end = (run.at_best(step, column) for step in (0, shown))
        made.append(Compared(column, iou, start, end, _interval(run, start, end, iou)))
    return made


def _interval(run: Run, start: Judged, after: Judged, iou: float) -> tuple[float, float] | None:
    """What chance makes of the difference; None where the boxes of either aren't kept."""
    if run.before is None or run.best is None:
        return None
    if (run.before.about.step, run.best.about.step) != (start.step, after.step):
        return None
    before = JudgedSet(run.before, start.unclip_ratio)
    return chance_interval(before, JudgedSet(run.best, after.unclip_ratio), iou)


def outcome(run: Run, pairs: Sequence[Compared]) -> str:
    if not pairs:
        return UNKNOWN
    if run.best_step == 0:
        return SAME
    signs = {pair.sign for pair in pairs}
    if signs == {0}:
        return SAME
    if signs <= {0, 1}:
        return BETTER
    return WORSE if signs <= {0, -1} else MIXED


def verdict_section(run: Run) -> str:
    pairs = compared(run)
    which = outcome(run, pairs)
    return section(
        "verdict",
        Words("Verdict", "结论"),
        div(f"headline {which}", paragraph(HEADLINES[which], "big"), *_sentences(run, pairs)),
        div("cards", *(_card(run, pair) for pair in pairs)),
        *_findings(run),
        *_fitted(run),
        _table(run) if run.evaluations else "",
    )


def _sentences(run: Run, pairs: Sequence[Compared]) -> list[str]:
    said = (_gains(run, pairs), _doubt(run, pairs), _extent(run), _setting(run, pairs))
    return [paragraph(words) for words in said if words]


def _doubt(run: Run, pairs: Sequence[Compared]) -> Words | str:
    """Where neither difference is beyond chance."""
    known = [pair.interval for pair in pairs if pair.interval is not None]
    if run.best is None or not known or any(low > 0 or high < 0 for low, high in known):
        return ""
    images = len(run.best.images)
    return Words(
        f"With {images} validation images, differences of this size can be chance.",
        f"验证图像只有 {images} 张，这样大小的差别可能出于偶然。",
    )


def _gains(run: Run, pairs: Sequence[Compared]) -> Words | str:
    if not pairs:
        return Words(
            "There is no evaluation before training and one after; nothing can be compared.",
            "缺少训练前或训练后的评估，无法比较。",
        )
    en = " and ".join(f"{pair.gain:+.4f} at IoU {pair.iou}" for pair in pairs)
    zh = "，".join(f"IoU {pair.iou} 时 {pair.gain:+.4f}" for pair in pairs)
    last = pairs[0].after.step
    if run.best_step == 0:
        return Words(
            f"No evaluation beat the starting weights, so best_accuracy.pdparams holds these. The "
            f"last evaluation (step {last}) differs from them in hmean by {en}.",
            f"没有一次评估超过起始权重，因此 best_accuracy.pdparams 就是起始权重。"
            f"最后一次评估（第 {last} 步）的 hmean 与之相差：{zh}。",
        )
    return Words(
        f"hmean of the best weights (step {last}) against the start: {en}, each with its best "
        "unclip_ratio.",
        f"最佳权重（第 {last} 步）的 hmean 与起始权重相比：{zh}，各用其最佳 unclip_ratio。",
    )


def _extent(run: Run) -> Words | str:
    total = run.total_steps
    if total is None or run.last_step >= total:
        return ""
    return Words(
        f"The run was broken off after step {run.last_step} of {total}.",
        f"训练在第 {run.last_step} 步中断（共 {total} 步）。",
    )


def _setting(run: Run, pairs: Sequence[Compared]) -> Words | str:
    """The unclip ratio to set, where another one than the config's was best at both IoUs."""
    own = run.setting("PostProcess.unclip_ratio")
    ratios = {pair.after.unclip_ratio for pair in pairs}
    if len(ratios) != 1 or own is None or run.best_step == 0:
        return ""
    (ratio,) = ratios
    if abs(ratio - float(own)) < 1e-9:
        return ""
    return Words(
        f"These weights do best with PostProcess.unclip_ratio={ratio_text(ratio)}; the config "
        f"has {ratio_text(own)}.",
        f"这些权重在 PostProcess.unclip_ratio={ratio_text(ratio)} 时最好；"
        f"配置中为 {ratio_text(own)}。",
    )


def _card(run: Run, pair: Compared) -> str:
    after = Words("at the end", "训练结束") if run.best_step == 0 else Words("fine-tuned", "微调后")
    signs = {1: "up", -1: "down", 0: "even"}
    arrow = {1: "▲", -1: "▼", 0: "="}[pair.sign]
    return div(
        f"card {signs[pair.sign]}",
        f"<h3>hmean @ IoU {pair.iou}</h3>",
        paragraph(f'<b class="gain">{arrow} {pair.gain:+.4f}</b>'),
        paragraph(_value(Words("start", "起始"), pair.start) + " → " + _value(after, pair.after)),
        _chance(pair),
    )


def _value(name: Words, judged: Judged) -> str:
    ratio = f"unclip_ratio {ratio_text(judged.unclip_ratio)}"
    return f'<span class="value">{name} <b>{judged.value:.4f}</b> <small>({ratio})</small></span>'


def _chance(pair: Compared) -> str:
    if pair.interval is None:
        return ""
    low, high = pair.interval
    certain = low > 0 or high < 0
    en, zh = ("beyond chance", "超出偶然") if certain else ("may be chance", "可能是偶然")
    return paragraph(
        Words(
            f"95 % interval of the difference, over resampled images: {low:+.4f} to "
            f"{high:+.4f}; {en}.",
            f"对图像重采样得到的差值 95 % 区间：{low:+.4f} 至 {high:+.4f}；{zh}。",
        ),
        "note",
    )


def _findings(run: Run) -> list[str]:
    """What the monitor said during the run; its words are English."""
    if not run.verdicts:
        return []
    items = "".join(
        f"<li><b>{plain(each.get('name'))}</b> "
        f"({_step(each.get('step'))}): "
        f"{plain(each.get('sentence'))} <i>{plain(each.get('remedy'))}</i></li>"
        for each in run.verdicts
    )
    title = Words("What the monitor said during the run", "训练过程中监视器的提示")
    return [f"<h3>{title}</h3>", f'<ul class="findings">{items}</ul>']


def _fitted(run: Run) -> list[str]:
    """The post-processing that was fitted to the best weights, beside the config's."""
    if run.fitted is None:
        return []
    own, chosen = run.fitted["config"], run.fitted["chosen"]
    rows = [
        [key, _figure(own.get(key)), _figure(value)]
        for key, value in chosen.items()
        if isinstance(value, str | int | float)
    ]
    title = Words("Post-processing fitted to these weights", "为这些权重拟合的后处理")
    header = [
        Words("key", "键"),
        Words("config", "配置"),
        Words("fitted (fitted.yml)", "拟合（fitted.yml）"),
    ]
    return [details(title, table(header, rows, kind="keys"))]


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _step(step: object) -> Words:
    return Words(f"step {step}", f"第 {step} 步")


def _table(run: Run) -> str:
    """Every evaluation, with the config's unclip ratio and the best one."""
    rows: list[list[Cell]] = []
    for step, result in run.evaluations.items():
        half, strict = (run.at_best(step, column) for column, _ in COLUMNS)
        name = _step(step)
        if step == run.best_step:
            name = Words(f"{name.en} · best", f"{name.zh} · 最佳")
        rows.append(
            [
                name,
                ratio_text(result.unclip_ratio),
                f"{result.at_config['hmean']:.4f}",
                f"{result.at_config['hmean_70']:.4f}",
                f"{half.value:.4f} ({ratio_text(half.unclip_ratio)})",
                f"{strict.value:.4f} ({ratio_text(strict.unclip_ratio)})",
            ]
        )
    header: list[Cell] = [
        Words("evaluation", "评估"),
        Words("config's unclip_ratio", "配置的 unclip_ratio"),
        "hmean @ 0.5",
        "hmean @ 0.7",
        Words("best @ 0.5 (its unclip_ratio)", "最佳 @ 0.5（其 unclip_ratio）"),
        Words("best @ 0.7 (its unclip_ratio)", "最佳 @ 0.7（其 unclip_ratio）"),
    ]
    return details(Words("All evaluations as a table", "全部评估（表格）"), table(header, rows))

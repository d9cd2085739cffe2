"""Pictures: the images that changed most, and the worst errors of each kind."""

# ruff: noqa: RUF001  Chinese texts have punctuation of their own

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.geometry import areas
from ppocr_ft.metrics.errors import KINDS, DetError, Kind
from ppocr_ft.report.page import drawing
from ppocr_ft.report.page.drawing import FALSE_BGR, FITTING_BGR, LABEL_BGR, LOOSE_BGR, MISSED_BGR
from ppocr_ft.report.page.judging import IOUS, JudgedSet, JudgedTable, most_changed, rates
from ppocr_ft.report.page.markup import (
    Cell,
    Words,
    div,
    figure,
    image,
    paragraph,
    plain,
    section,
    table,
)
from ppocr_ft.report.page.run import ratio_text

SHOWN_IMAGES, SHOWN_ERRORS, SHOWN_PER_IMAGE = 6, 6, 2
KIND_NAMES: dict[Kind, Words] = {
    "missed": Words("missed", "漏检"),
    "split": Words("split", "拆分"),
    "merged": Words("merged", "合并"),
    "too small": Words("too small", "过小"),
    "too large": Words("too large", "过大"),
    "false": Words("false", "误检"),
}
KIND_MEANINGS: dict[Kind, Words] = {
    "missed": Words("A label that no box lies on.", "没有框覆盖的标注。"),
    "split": Words("Several boxes within one label.", "一个标注被多个框分开。"),
    "merged": Words("One box over several labels.", "一个框覆盖多个标注。"),
    "too small": Words("One box that covers too little of its label.", "框只覆盖了标注的一部分。"),
    "too large": Words("One box that reaches too far beyond its label.", "框超出标注太多。"),
    "false": Words("A box where no label is.", "没有标注处的框。"),
}
START = Words("start", "起始模型")
TUNED = Words("fine-tuned", "微调后")
TRUTH = Words("labels", "标注")


class Shown(NamedTuple):
    """An error and its image."""

    error: DetError
    judged: JudgedTable


def _swatch(color_bgr: tuple[int, int, int], words: Words, *, dashed: bool = False) -> str:
    blue, green, red = color_bgr
    style = "dashed" if dashed else "solid"
    box = f'<i class="outline" style="border:2px {style} rgb({red},{green},{blue})"></i>'
    return f'<span class="item">{box}{words}</span>'


LEGEND = div(
    "legend",
    _swatch(LABEL_BGR, Words("label (dashed: ignored)", "标注（虚线：忽略）")),
    _swatch(FITTING_BGR, Words("box, IoU over 0.7", "框，IoU > 0.7")),
    _swatch(LOOSE_BGR, Words("box, IoU 0.5 to 0.7", "框，IoU 0.5 至 0.7")),
    _swatch(FALSE_BGR, Words("box without a label (IoU 0.5)", "无对应标注的框（IoU 0.5）")),
    _swatch(
        MISSED_BGR, Words("label without a box (IoU 0.5)", "无对应框的标注（IoU 0.5）"), dashed=True
    ),
)

ERROR_LEGEND = div(
    "legend",
    _swatch(LABEL_BGR, Words("label", "标注")),
    _swatch(LOOSE_BGR, Words("its box", "其框")),
    _swatch(MISSED_BGR, Words("label without a box", "没有框的标注"), dashed=True),
    _swatch(FALSE_BGR, Words("box without a label", "没有标注的框")),
)


def changed_section(before: JudgedSet | None, best: JudgedSet | None) -> str:
    """Labels, start and fine-tuned model side by side."""
    title = Words("Before and after", "前后对比")
    if before is None or best is None:
        return section(
            "pictures",
            title,
            paragraph(
                Words(
                    "The folder lacks the boxes of the evaluation before training or of the best.",
                    "文件夹中缺少训练前或最佳评估的检测框。",
                )
            ),
        )
    changed = most_changed(before, best, SHOWN_IMAGES)
    ratios = [ratio_text(each.unclip_ratio) for each in (before, best)]
    intro = Words(
        f"The {len(changed)} validation images whose hmean, the mean of both IoUs, changed most, "
        f"up or down: labels, the start (unclip_ratio {ratios[0]}), the best weights (step "
        f"{best.about.step}, unclip_ratio {ratios[1]}); box_thresh {best.about.box_thresh:g}. Tap "
        "a picture to enlarge it.",
        f"hmean（两个 IoU 的平均）变化最大的 {len(changed)} 张验证图像：标注、起始模型"
        f"（unclip_ratio {ratios[0]}）、最佳权重（第 {best.about.step} 步，unclip_ratio "
        f"{ratios[1]}）；box_thresh {best.about.box_thresh:g}。点按图片可放大。",
    )
    rows = [_row(before.by_path[path], best.by_path[path], by) for path, by in changed]
    return section("pictures", title, paragraph(intro, "note"), LEGEND, *rows)


def _row(before: JudgedTable, best: JudgedTable, changed_by: float) -> str:
    path, size = best.image.path, best.image.size_px
    name = Path(path).name
    arrow = "▲" if changed_by > 0 else "▼" if changed_by < 0 else "="
    heading = f'<h3 class="file">{plain(name)} <small>{arrow} {changed_by:+.3f}</small></h3>'
    picture = drawing.read(path, size)
    if picture is None:
        return heading + paragraph(_gone(path), "note")
    panels = [
        (TRUTH, drawing.labels_of(best), None),
        (START, drawing.boxes_of(before), before),
        (TUNED, drawing.boxes_of(best), best),
    ]
    shown = []
    for words, outlines, judged in panels:
        drawn = drawing.whole(picture, outlines)
        alt = Words(f"{name}: {words.en}", f"{name}：{words.zh}")
        shown.append(figure(image(drawn.jpeg, alt, drawn.size_px), _caption(words, judged)))
    return heading + div("triple", *shown)


def _caption(words: Words, judged: JudgedTable | None) -> str:
    if judged is None:
        return str(words)
    half, strict = (rates(judged.counts(iou))[2] for iou in IOUS)
    return f"{words} <small>{half:.3f} @ 0.5 · {strict:.3f} @ 0.7</small>"


def _gone(path: str) -> Words:
    return Words(
        f"{path} can't be read any more, or has another size than it had in training.",
        f"{path} 已无法读取，或其尺寸与训练时不同。",
    )


def errors_section(before: JudgedSet | None, best: JudgedSet | None) -> str:
    if best is None:
        return ""
    title = Words("Errors by kind", "按种类的错误")
    intro = Words(
        "A label without a box and a box without a label are errors; which kind, says how they "
        "lie on each other. Below are the worst of the best weights at IoU 0.7, at most two of "
        "one kind from one image.",
        "没有框的标注和没有标注的框都是错误，按其相互位置分类。"
        "下面是最佳权重在 IoU 0.7 时最严重的错误，每类每张图最多两个。",
    )
    kinds = [_kind(kind, best) for kind in KINDS]
    return section(
        "errors", title, paragraph(intro, "note"), _counts(before, best), ERROR_LEGEND, *kinds
    )


def _counts(before: JudgedSet | None, best: JudgedSet) -> str:
    sets = [(START, before), (TUNED, best)]
    columns = [(words, judged, iou) for iou in IOUS for words, judged in sets if judged is not None]
    header: list[Cell] = [Words("kind", "种类")]
    header += [Words(f"{w.en} @ {iou}", f"{w.zh} @ {iou}") for w, _, iou in columns]
    counted = [judged.error_counts(iou) for _, judged, iou in columns]
    rows: list[list[Cell]] = [
        [KIND_NAMES[kind], *(count[kind] for count in counted)] for kind in KINDS
    ]
    return table(header, rows, kind="numbers")


def _kind(kind: Kind, best: JudgedSet) -> str:
    worst = worst_errors(kind, best)
    pictures = [shown for each in worst if (shown := _crop(each))]
    if not pictures:
        return ""
    meaning = KIND_MEANINGS[kind]
    heading = f"<h3>{KIND_NAMES[kind]} <small>{meaning}</small></h3>"
    return heading + div("crops", *pictures)


def worst_errors(kind: Kind, judged: JudgedSet) -> list[Shown]:
    """The first of them, the worst first, a few of one image at most."""
    known = [Shown(e, each) for each in judged.images for e in each.errors(IOUS[1])]
    of_kind = [shown for shown in known if shown.error.kind == kind]
    chosen: list[Shown] = []
    for shown in sorted(of_kind, key=_mildness):
        of_image = sum(other.judged is shown.judged for other in chosen)
        if of_image < SHOWN_PER_IMAGE:
            chosen.append(shown)
        if len(chosen) == SHOWN_ERRORS:
            break
    return chosen


def _mildness(shown: Shown) -> tuple[float, float]:
    """Low where an error is bad: many parts, a sure false box, a poor overlap, a large text."""
    error, seen = shown.error, shown.judged
    labels, boxes = ([seen.image.labels[i] for i in error.labels], _boxes(shown))
    size = -float(areas(labels or boxes).max())
    if error.kind in ("split", "merged"):
        return -float(len(error.boxes) + len(error.labels)), size
    if error.kind == "false":
        return -float(seen.scores[list(error.boxes)].max()), size
    return error.iou, size


def _boxes(shown: Shown) -> list[NDArray[np.float64]]:
    return [np.asarray(shown.judged.boxes[i], np.float64) for i in shown.error.boxes]


def _crop(shown: Shown) -> str:
    error, seen = shown.error, shown.judged.image
    picture = drawing.read(seen.path, seen.size_px)
    if picture is None:
        return ""
    labels = [seen.labels[i] for i in error.labels]
    boxes = _boxes(shown)
    outlines = [
        drawing.Outline(each, LABEL_BGR if boxes else MISSED_BGR, not boxes) for each in labels
    ]
    outlines += [drawing.Outline(each, LOOSE_BGR if labels else FALSE_BGR) for each in boxes]
    drawn = drawing.crop(picture, [*labels, *boxes], outlines)
    name, words = Path(seen.path).name, KIND_NAMES[error.kind]
    alt = Words(f"{words.en}: {name}", f"{words.zh}：{name}")
    return figure(image(drawn.jpeg, alt, drawn.size_px), _about(error, shown.judged.scores, name))


def _about(error: DetError, scores: NDArray[np.float64], name: str) -> str:
    parts = []
    if error.iou:
        parts.append(f"IoU {error.iou:.2f}")
    if error.kind == "false":
        parts.append(str(Words("score", "得分")) + f" {scores[error.boxes[0]]:.2f}")
    return " · ".join([*parts, f"<small>{plain(name)}</small>"])

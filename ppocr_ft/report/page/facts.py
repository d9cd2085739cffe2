"""What a run was made of: config, data, weights, environment, files."""

# ruff: noqa: RUF001  Chinese texts have punctuation of their own

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ppocr_ft.report.page.judging import JudgedSet
from ppocr_ft.report.page.markup import (
    Cell,
    Words,
    details,
    div,
    paragraph,
    plain,
    section,
    table,
)
from ppocr_ft.report.page.run import Facts, Run
from ppocr_ft.report.text_statistics import ASPECT_EDGES, HEIGHT_EDGES_PX, text_statistics

TRAIN, EVAL = Words("training", "训练"), Words("validation", "验证")
STATUSES = {
    "matched": Words("matched", "已填充"),
    "missing": Words("missing", "缺失"),
    "wrong shape": Words("wrong shape", "形状不符"),
    "unexpected": Words("unexpected", "多余"),
    "fresh by nature": Words("fresh by nature", "本就没有"),
}


def config_section(run: Run) -> str:
    title = Words("Config", "配置")
    whole = details(
        Words("The whole config (config.resolved.yml)", "完整配置（config.resolved.yml）"),
        f'<pre tabindex="0">{plain(run.config_text)}</pre>',
    )
    if run.differences is None:
        unknown = Words(
            "The default config is not installed here, so nothing is compared with it.",
            "此处没有默认配置，未作比较。",
        )
        return section("config", title, paragraph(unknown, "note"), whole)
    intro = Words(
        f"{len(run.differences)} keys differ from configs/det_v4_ft.yml.",
        f"与 configs/det_v4_ft.yml 相比有 {len(run.differences)} 个键不同。",
    )
    header = [Words("key", "键"), Words("default", "默认"), Words("this run", "本次")]
    absent = Words("–", "–")
    rows: list[list[Cell]] = [
        [each.key, *(absent if v is None else v for v in (each.default, each.own))]
        for each in run.differences
    ]
    shown = table(header, rows, kind="keys") if rows else ""
    return section("config", title, paragraph(intro, "note"), shown, whole)


def data_section(run: Run, judged: JudgedSet | None) -> str:
    sets: list[tuple[Words, Facts]] = []
    if run.data:
        sets.append((TRAIN, run.data["train"]))
    if judged is not None:
        sets.append((EVAL, _validation(judged)))
    title = Words("Data", "数据")
    if not sets:
        return section("data", title, paragraph(Words("Not recorded.", "没有记录。"), "note"))
    rows: list[list[Cell]] = [
        [Words("images", "图像"), *(f"{each['images']:,}" for _, each in sets)],
        [Words("texts", "文本"), *(f"{each['texts']:,}" for _, each in sets)],
        [Words("of these ignored", "其中忽略"), *(f"{each['ignored']:,}" for _, each in sets)],
        [Words("texts an image", "每图文本"), *(_mean(each) for _, each in sets)],
        [
            Words("text height, px: 5 %, 50 %, 95 %", "文本高度 px：5 %、50 %、95 %"),
            *(", ".join(f"{h:g}" for h in each["height_px"]) for _, each in sets),
        ],
    ]
    heights = Words("text height, px of the image file", "文本高度（原图像素）")
    aspects = Words("length / height of a text", "文本长宽比")
    return section(
        "data",
        title,
        _steps(run),
        table(["", *(words for words, _ in sets)], rows, kind="numbers"),
        div(
            "charts two",
            *(
                _histogram(words, edges, [(name, each[key]) for name, each in sets])
                for words, edges, key in (
                    (heights, HEIGHT_EDGES_PX, "heights"),
                    (aspects, ASPECT_EDGES, "aspects"),
                )
            ),
        ),
    )


def _steps(run: Run) -> str:
    if not run.data:
        return ""
    data = run.data
    return paragraph(
        Words(
            f"A step takes {data['step']}; an epoch of {data['images_per_epoch']:,} images has "
            f"{data['steps_per_epoch']:,} steps, the run {data['total_steps']:,}.",
            f"每步 {data['step'].replace('images', '张图像')}；"
            f"每轮 {data['images_per_epoch']:,} 张、"
            f"{data['steps_per_epoch']:,} 步，共 {data['total_steps']:,} 步。",
        ),
        "note",
    )


def _validation(judged: JudgedSet) -> Facts:
    images = [each.image for each in judged.images]
    polygons = [p for image in images for p in image.labels if len(p) >= 3]
    texts = sum(len(image.labels) for image in images)
    ignored = sum(int(image.ignored.sum()) for image in images)
    return text_statistics(len(images), polygons, texts, ignored)


def _mean(facts: Facts) -> str:
    return f"{facts['texts'] / facts['images']:.1f}" if facts["images"] else "0"


def _histogram(
    title: Words, edges: Sequence[float], sets: Sequence[tuple[Words, Sequence[int]]]
) -> str:
    """Shares of the texts in each class, as bars of HTML, without empty classes at either end."""
    names = [*(f"{a:g}–{b:g}" for a, b in pairwise(edges)), f"≥ {edges[-1]:g}"]
    used = [i for i in range(len(names)) if any(counts[i] for _, counts in sets)] or [0]
    shares = [[count / max(sum(counts), 1) for count in counts] for _, counts in sets]
    top = max(max(share) for share in shares) or 1
    rows = []
    for i in range(used[0], used[-1] + 1):
        bars = "".join(
            f'<div class="bar"><i class="s{number}" style="width:{80 * share[i] / top:.1f}%"></i>'
            f"<small>{share[i]:.0%}</small></div>"
            for number, share in enumerate(shares)
        )
        rows.append(
            f'<div class="class"><span>{names[i]}</span><div class="bars">{bars}</div></div>'
        )
    legend = "".join(
        f'<span class="item"><i class="box s{number}"></i>{words}</span>'
        for number, (words, _) in enumerate(sets)
    )
    return div("histogram", f"<h3>{title}</h3>", div("legend", legend), *rows)


def weights_section(run: Run) -> str:
    title = Words("Weights at the start", "起始权重")
    if run.weights is None:
        return section("weights", title, paragraph(Words("Not recorded.", "没有记录。"), "note"))
    found = run.weights
    if found["source"] is None:
        return section("weights", title, paragraph(Words("Random.", "随机初始化。")))
    form = f", {found['form']} form" if found.get("form") else ""
    source = f"<code>{plain(found['source'])}</code>{plain(form)}"
    statuses = [s for s in STATUSES if s == "matched" or _any(found["parts"], s)]
    header: list[Cell] = [
        Words("part", "部分"),
        Words("parameters", "参数"),
        Words("filled", "填充比例"),
        *(Words(f"tensors {STATUSES[s].en}", f"张量：{STATUSES[s].zh}") for s in statuses),
    ]
    rows: list[list[Cell]] = [
        [
            part["part"],
            f"{part['parameters']:,}",
            f"{part['share']:.1%}",
            *(part["by_status"].get(s, 0) for s in statuses),
        ]
        for part in found["parts"]
    ]
    warnings = [paragraph(plain(warning), "note") for warning in found.get("warnings", ())]
    shown = table(header, rows, kind="numbers")
    return section("weights", title, paragraph(source), shown, *warnings)


def _any(parts: Sequence[Mapping[str, Any]], status: str) -> bool:
    return any(part["by_status"].get(status) for part in parts)


def environment_section(run: Run) -> str:
    title = Words("Environment", "环境")
    if run.environment is None:
        return section(
            "environment", title, paragraph(Words("Not recorded.", "没有记录。"), "note")
        )
    names = {
        "system": Words("system", "系统"),
        "device": Words("device", "设备"),
        "cpu_threads": Words("CPU threads", "CPU 线程"),
        "processes": Words("processes", "进程"),
    }
    rows: list[list[Cell]] = [
        [names.get(key, key), str(value)] for key, value in run.environment.items()
    ]
    header = [Words("what", "项目"), Words("version or value", "版本或数值")]
    return section("environment", title, table(header, rows, kind="keys"))


def notes_section(run: Run) -> str:
    if not run.notes:
        return ""
    items = "".join(f"<li>{plain(note)}</li>" for note in run.notes)
    title = Words("Files that could not be used", "无法使用的文件")
    return section("notes", title, f"<ul>{items}</ul>")

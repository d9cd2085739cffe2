"""The tables and the picture of the finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.marked_tables import Table, replaced
from experiments.real_sets.arms import OURS, PADDLEOCR_27, PADDLEOCR_210
from experiments.real_sets.judge import Counts, gain, hmeans
from experiments.real_sets.runs import AS_SHIPPED, JUDGED, RELEASED, Record
from experiments.real_sets.sets import CEILING, FOLD, MINUTES, UNSEEN

Records = Mapping[tuple[str, str], Sequence[Record]]
"""By set and arm, a record per seed."""
STYLES = {
    OURS.name: "#009E73",
    PADDLEOCR_27.name: "#D55E00",
    PADDLEOCR_210.name: "#56B4E9",
}
"""Colours of Okabe and Ito."""
STORY = {
    "released, as shipped": (RELEASED, AS_SHIPPED),
    "released, fitted": (RELEASED, JUDGED),
    PADDLEOCR_27.name: (PADDLEOCR_27.name, JUDGED),
    PADDLEOCR_210.name: (PADDLEOCR_210.name, JUDGED),
    "ppocr_ft": (OURS.name, JUDGED),
}
"""The columns of the story: an arm, and whose counts."""
MOST_FOLDS = 10


def tables(records: Records, below: str = "") -> list[Table]:
    """Return the tables of the document; ``below`` follows the story."""
    return [
        over_the_bar("must hold", records, list(MINUTES)),
        story(records, below=below),
        forgetting(records),
        chosen(records),
        over_the_bar("ceiling", records, [CEILING.format(name) for name in MINUTES]),
        folds(records),
        over_the_bar("unseen", records, [UNSEEN.format(name) for name in MINUTES]),
    ]


def rows_of(records: Records, names: Sequence[str]) -> list[tuple[str, Sequence[Record], Record]]:
    """Return the sets with finished runs of our config: the set's name, they, and the bar."""
    return [
        (name, records[name, OURS.name], records[name, RELEASED][0])
        for name in names
        if (name, OURS.name) in records and (name, RELEASED) in records
    ]


def over_the_bar(table: str, records: Records, names: Sequence[str]) -> Table:
    """Return our runs beside the bar: medians over seeds, and the interval over images."""
    header = [
        "set", "minutes", "steps", "seeds", "images", "bar, IoU 0.5 / 0.7", "ours",
        "gain at IoU 0.5", "gain at IoU 0.7", "lowest seed",
    ]  # fmt: skip
    rows = []
    for name, runs, bar in rows_of(records, names):
        lengths = [
            f"{np.median([getattr(run, of) for run in runs]):{form}}"
            for of, form in (("minutes", ".1f"), ("steps", ".0f"))
        ]
        counts = [str(len(runs)), str(len(bar.of()))]
        lowest = pair(gain([run.of() for run in runs], bar.of()).lowest, "+")
        gains = gain_cells(runs, bar)
        rows.append([name, *lengths, *counts, medians([bar]), medians(runs), *gains, lowest])
    return Table(table, header, rows)


def folds(records: Records) -> Table:
    """Return our runs beside the bar on the images of all folds together."""
    header = [
        "set", "folds", "minutes", "steps", "seeds", "images", "bar, IoU 0.5 / 0.7", "ours",
        "gain at IoU 0.5", "gain at IoU 0.7",
    ]  # fmt: skip
    rows = []
    for name, count in product(MINUTES, range(2, MOST_FOLDS + 1)):
        parts = rows_of(records, [FOLD.format(name, i + 1, count) for i in range(count)])
        if len(parts) < count:
            continue
        bar = np.concatenate([bar.of() for _, _, bar in parts])
        by_seed = zip(*(runs for _, runs, _ in parts), strict=False)  # those that all folds have
        runs = [np.concatenate([run.of() for run in seed]) for seed in by_seed]
        everything = [run for _, runs, _ in parts for run in runs]
        lengths = [
            f"{np.median([run.minutes for run in everything]):.1f}",
            f"{np.median([run.steps for run in everything]):.0f}",
        ]
        ours = pair(np.median([hmeans(run) for run in runs], axis=0))
        counts = [str(len(runs)), str(len(bar))]
        both = [pair(hmeans(bar)), ours, *gains_of(runs, bar)]
        rows.append([name, str(count), *lengths, *counts, *both])
    return Table("folds", header, rows)


def gain_cells(runs: Sequence[Record], bar: Record) -> list[str]:
    """Return the gains at IoU 0.5 and 0.7 over the bar, each with its interval."""
    return gains_of([run.of() for run in runs], bar.of())


def gains_of(runs: Sequence[Counts], bar: Counts) -> list[str]:
    """Return the same of counts of boxes, a run or the bar each (images, 4)."""
    found = gain(runs, bar)
    both = zip(found.median, found.low, found.high, strict=True)
    return [f"{median:+.4f} ({low:+.4f} to {high:+.4f})" for median, low, high in both]


def story(records: Records, header: Sequence[str] = ("set", *STORY), below: str = "") -> Table:
    """Hmean at IoU 0.5 / 0.7 of everything that a user could do; a set a row."""
    rows = [
        [name, *(medians(records.get((name, arm), ()), judged) for arm, judged in STORY.values())]
        for name in MINUTES
        if (name, RELEASED) in records
    ]
    return Table("story", header, rows, below)


def forgetting(records: Records) -> Table:
    """Return what is lost elsewhere: the fitted start and the run's result on the other sets."""
    header = ["trained on", "judged on", "images", "fitted start, IoU 0.5 / 0.7", "ours", "lost"]
    rows = []
    for name, runs, bar in rows_of(records, list(MINUTES)):
        for other in (each for each in bar.counts if each not in (JUDGED, AS_SHIPPED)):
            with_it = [run for run in runs if other in run.counts]
            if with_it:
                start = hmeans(bar.of(other))
                own = np.median([hmeans(run.of(other)) for run in with_it], axis=0)
                images = str(len(bar.of(other)))
                rows.append([name, other, images, pair(start), pair(own), pair(start - own, "+")])
    return Table("forgetting", header, rows)


def chosen(records: Records) -> Table:
    """Return what was chosen on the training part."""
    header = ["set", "who", "seed", "resize", "thresh", "box_thresh", "unclip_ratio"]
    rows = [
        [name, arm, str(run.seed or ""), *map(str, run.settings.values())]
        for (name, arm), runs in sorted(records.items())
        for run in runs
    ]
    return Table("chosen", header, rows)


def medians(runs: Sequence[Record], judged: str = JUDGED) -> str:
    """Return hmean at both IoUs, the median over seeds; nothing if there is no run."""
    with_it = [run for run in runs if judged in run.counts]
    if not with_it:
        return ""
    return pair(np.median([hmeans(run.of(judged)) for run in with_it], axis=0))


def pair(values: Any, sign: str = "") -> str:
    return " / ".join(f"{value:{sign}.4f}" for value in values)


def write(document: Path, found: Sequence[Table]) -> None:
    """Put tables between their markers."""
    text = document.read_text(encoding="utf-8")
    for table in found:
        text = replaced(text, table)
    document.write_text(text, encoding="utf-8")


def picture(records: Records, path: Path) -> None:
    """Draw hmean over the steps, of each run's own validation images; a set a column."""
    names = [name for name in MINUTES if any(each == name for each, _ in records)]
    figure = Figure(figsize=(2.6 * max(len(names), 2), 4.4), layout="constrained", dpi=80)
    axes = figure.subplots(2, max(len(names), 1), squeeze=False)
    for column, name in enumerate(names):
        for row, iou in enumerate(("0.5", "0.7")):
            place = axes[row, column]
            place.set_title(f"{name}, IoU {iou}", fontsize=9)
            place.grid(alpha=0.3)
            place.spines[["top", "right"]].set_visible(False)
            for arm, colour in STYLES.items():
                for run in records.get((name, arm), ()):
                    steps = [step for step, *_ in run.curve]
                    values = [hmean[row] for _, *hmean in run.curve]
                    place.plot(steps, values, color=colour, linewidth=1.4, label=arm)
        axes[1, column].set_xlabel("steps", fontsize=9)
    lines = {line.get_label(): line for each in axes.flat for line in each.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})

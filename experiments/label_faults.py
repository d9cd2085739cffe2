"""Are label faults found? Faults are planted in real labels, and `check --model` looks for them.

Usage: make label-faults (python -m experiments.label_faults). It prints the tables and puts them
into docs/check.md. Of the texts of a set one in twenty is dropped, shifted, resized, or joined with
the line below, by a fixed seed. On the receipts the released weights with fitted post-processing
look for them; for the sample data set a detector is trained on the faulty labels themselves.

Real labels have faults of their own, which count as wrong findings. Which of those on the receipts
are none was judged by eye: label_faults_seen.json lists them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.marked_tables import Table, replaced
from experiments.real_sets.sets import CONFIG, ROOT, RealSet, eval_overrides, sets_of, written
from ppocr_ft.commands.check.contradictions import MODEL_RULES, Contradiction, Frame
from ppocr_ft.commands.check.data import Source, check_dataset
from ppocr_ft.commands.common import command, import_paddle
from ppocr_ft.commands.fit_postprocess.cli import resize
from ppocr_ft.config import Config, load_config
from ppocr_ft.fitting.grid import LimitedResize, with_resize
from ppocr_ft.metrics.det import Labels
from ppocr_ft.metrics.errors import table_of
from ppocr_ft.transforms.labels import IGNORED
from ppocr_ft.utils.progress import progress

if TYPE_CHECKING:
    from ppocr_ft.commands.check.by_model import ModelCheck

DOCUMENT = ROOT / "docs" / "check.md"
OUTPUT = ROOT / "output" / "label_faults"
SEEN = Path(__file__).with_name("label_faults_seen.json")
SETS = ("receipts", "sample")
SEED, SHARE = 0, 0.05
DROPPED, SHIFTED, RESIZED, JOINED = (
    "dropped",
    "shifted",
    "half or twice as high",
    "two lines joined",
)
ALL = "all"
RECALL_HEADER = ("set", "planted", "faults", "found", "recall")
PRECISION_HEADER = (
    *("set", "rule", "findings", "planted", "of the labels themselves", "real ones among these"),
    *("wrong", "precision", "without the labels' own", "with the real ones"),
)
SHEET = 40
KINDS = (DROPPED, SHIFTED, RESIZED, JOINED)
SHIFT_HEIGHTS = (0.5, 1.0)
TIMES = (0.5, 2.0)
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))
FARTHEST_HEIGHTS = 2.0
"""Between the middles of two lines that are joined."""
MOSTLY = 0.4
"""Share of a box within the text whose label was dropped or moved, to be that text's."""
Polygon = NDArray[np.float64]


@dataclass
class Planted:
    """A fault: what was done, the text as it was labelled, and its place in the new list."""

    kind: str
    image: int
    text: Polygon
    place: int | None
    found: bool = False


@dataclass
class Faulty:
    """Label lines with faults, and where these are."""

    lines: list[str] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)


def faulty(lines: Sequence[str], rng: np.random.Generator) -> Faulty:
    """Plant faults in label lines."""
    result = Faulty()
    for image, line in enumerate(lines):
        name, _, label = line.partition("\t")
        texts = json.loads(label)
        kept, planted = _with_faults(texts, image, rng)
        result.lines.append(f"{name}\t{json.dumps(kept, ensure_ascii=False)}")
        result.planted += planted
    return result


def _with_faults(
    texts: list[dict[str, Any]], image: int, rng: np.random.Generator
) -> tuple[list[dict[str, Any]], list[Planted]]:
    polygons = [np.array(text["points"], float) for text in texts]
    free = {i for i, text in enumerate(texts) if text["transcription"] not in IGNORED}
    changed: dict[int, tuple[str, Polygon]] = {}
    gone = set()
    for i in [i for i in sorted(free) if rng.random() < SHARE]:
        kind = KINDS[rng.integers(len(KINDS))]
        below = _below(polygons, i, free) if kind == JOINED else None
        if i not in free or (kind == JOINED and below is None):
            continue
        free.discard(i)
        changed[i] = kind, _changed(kind, polygons[i], rng)
        if below is not None:
            free.discard(below)
            gone.add(below)
            points = np.concatenate([polygons[i], polygons[below]])
            (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
            corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
            changed[i] = kind, np.array(corners)
        if kind == DROPPED:
            gone.add(i)
    kept = [i for i in range(len(texts)) if i not in gone]
    planted = [
        Planted(kind, image, polygons[i], kept.index(i) if i in kept else None)
        for i, (kind, _) in changed.items()
    ]
    new = {i: polygon.round(1).tolist() for i, (_, polygon) in changed.items()}
    return [{**texts[i], "points": new.get(i, texts[i]["points"])} for i in kept], planted


def _changed(kind: str, text: Polygon, rng: np.random.Generator) -> Polygon:
    frame = Frame.of(text)
    if kind == SHIFTED:
        along, down = DIRECTIONS[rng.integers(len(DIRECTIONS))]
        way = along * frame.along + down * frame.down
        return text + rng.uniform(*SHIFT_HEIGHTS) * frame.height * way
    if kind == RESIZED:
        heights = (text - frame.center) @ frame.down
        return text + np.outer(heights * (rng.choice(TIMES) - 1), frame.down)
    return text


def _below(polygons: Sequence[Polygon], i: int, free: set[int]) -> int | None:
    """Return the free text on the next line below that lies under text i, if there is one."""
    frame, (left, right) = Frame.of(polygons[i]), _columns(polygons[i])
    near = []
    for j in sorted(free - {i}):
        start, end = _columns(polygons[j])
        down = float((Frame.of(polygons[j]).center - frame.center)[1])
        is_next = 0.7 * frame.height < down < FARTHEST_HEIGHTS * frame.height
        if is_next and min(right, end) > max(left, start):
            near.append((down, j))
    return min(near)[1] if near else None


def _columns(polygon: Polygon) -> tuple[float, float]:
    return float(polygon[:, 0].min()), float(polygon[:, 0].max())


@dataclass(frozen=True)
class Asked:
    """What a detector finds wrong with the labels of a set, as they are and with faults."""

    name: str
    faulty: Faulty
    clean: ModelCheck
    bad: ModelCheck

    def right(self, one: Contradiction) -> list[Planted]:
        """Return the planted faults that a finding among the faulty labels tells of."""
        seen = self.bad.seen[one.image]
        planted = [each for each in self.faulty.planted if each.image == one.image]
        if one.label is not None:
            return [each for each in planted if each.place == one.label]
        boxes = [seen.boxes[i] for i in one.boxes]
        return [each for each in planted if _share_inside(boxes, each.text) > MOSTLY]

    def told_of_clean(self) -> set[tuple[object, ...]]:
        """Return what identifies the findings among the labels as they are."""
        return {identity(self.clean, one) for one in self.clean.result.found}


def identity(check: ModelCheck, one: Contradiction) -> tuple[object, ...]:
    """Return what a finding has in common with that of the same fault among other labels."""
    seen = check.seen[one.image]
    label = None if one.label is None else tuple(np.ravel(seen.labels[one.label]).tolist())
    return one.rule, one.image, label, () if label else one.boxes


def _share_inside(boxes: Sequence[NDArray[Any]], text: Polygon) -> float:
    table = table_of(boxes, Labels.of([text], [False]))
    return float(table.share_of_box.max()) if len(table.share_of_box) else 0.0


def ask(name: str, config: Config, folder: Path, lines: Sequence[str], planted: Faulty) -> Asked:
    """Let the config's detector judge label lines, as they are and with faults."""
    from ppocr_ft.commands.check.by_model import all_boxes, compare, labelled_images

    clean, bad = (
        labelled_images(check_dataset([Source(file, folder)], [], images=False))
        for file in (
            written(tuple(lines), OUTPUT / name / "clean.txt"),
            written(tuple(planted.lines), OUTPUT / name / "faulty.txt"),
        )
    )
    found = all_boxes(config, [image.path for image in clean], progress)
    sure = config.PostProcess.box_thresh
    return Asked(name, planted, compare(clean, found, sure), compare(bad, found, sure))


def recall_rows(asked: Asked) -> list[list[str]]:
    found = {id(each) for one in asked.bad.result.found for each in asked.right(one)}
    rows = []
    for kind in (*KINDS, ALL):
        planted = [each for each in asked.faulty.planted if kind in (each.kind, ALL)]
        hits = sum(id(each) in found for each in planted)
        rows.append([asked.name, kind, str(len(planted)), str(hits), share(hits, len(planted))])
    return rows


def precision_rows(asked: Asked, no_faults: Sequence[str] | None) -> list[list[str]]:
    """Return what the findings are; ``no_faults`` names those that were judged wrong by eye.

    None: nobody has judged them.
    """
    before = asked.told_of_clean()
    rows = []
    for rule in (*MODEL_RULES, ALL):
        findings = [one for one in asked.bad.result.found if rule in (one.rule, ALL)]
        of_planted = [one for one in findings if asked.right(one)]
        rest = [one for one in findings if not asked.right(one)]
        own = [one for one in rest if identity(asked.bad, one) in before]
        real = [one for one in own if place(asked.bad, one) not in (no_faults or ())]
        n, planted, new = len(findings), len(of_planted), len(rest) - len(own)
        rows.append(
            [
                asked.name,
                rule if rule == ALL else f"`{rule}`",
                *map(str, (n, planted, len(own), "" if no_faults is None else len(real), new)),
                share(planted, n),
                share(planted, planted + new),
                "" if no_faults is None else share(planted + len(real), n),
            ]
        )
    return rows


def share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""


def place(check: ModelCheck, one: Contradiction) -> str:
    """Return a finding's image, rule and upper left corner: how SEEN names it."""
    seen = check.seen[one.image]
    polygon = seen.boxes[one.boxes[0]] if one.label is None else seen.labels[one.label]
    x, y = np.min(polygon, axis=0).astype(int).tolist()
    return f"{Path(check.images[one.image].path).name} {one.rule} {x},{y}"


def fitted(name: str) -> Config:
    """Return the released weights' config, with the values that `make real-sets` fitted."""
    from experiments.real_sets.runs import RELEASED, RUNS, finished

    values = finished(RUNS)[name, RELEASED][0].settings
    keys = ("thresh", "box_thresh", "unclip_ratio")
    config = load_config(CONFIG, [f"PostProcess.{key}={values[key]}" for key in keys])
    limits = resize(values["resize"])
    return config if limits is None else with_resize(config, LimitedResize(*limits))


def trained(name: str, real: RealSet, folder: Path, planted: Faulty) -> Config:
    """Return the config of a run on the faulty labels; a finished run is not repeated."""
    from ppocr_ft.api import train
    from ppocr_ft.runs.folder import config_of_run, delivered_weights
    from ppocr_ft.runs.models import model_config

    run = OUTPUT / name / "run"
    if config_of_run(run) is None or not delivered_weights(run).is_file():
        count = len(real.train)
        parts = planted.lines[:count], planted.lines[count:]
        train_file, val_file = (
            written(tuple(lines), OUTPUT / name / f"{part}.txt")
            for part, lines in zip(("train", "val"), parts, strict=True)
        )
        labels = [
            f"Train.dataset.data_dir={folder}",
            f"Train.dataset.label_file_list=[{train_file}]",
            *eval_overrides(folder, val_file),
        ]
        train(CONFIG, [*labels, f"Global.save_model_dir={run}"])
    return model_config(run, load_config(CONFIG))


def sheets(asked: Asked) -> Iterator[Path]:
    """Draw the findings among the labels as they are, all of them, to be judged by eye."""
    found = asked.clean.result.found
    for start in range(0, len(found), SHEET):
        part = replace(asked.clean, result=replace(asked.clean.result, found=found[start:][:SHEET]))
        path = OUTPUT / asked.name / f"clean_{start}.png"
        path.write_bytes(part.sheet_png())
        names = [place(asked.clean, one) for one in part.result.found]
        path.with_suffix(".txt").write_text("\n".join(names) + "\n", encoding="utf-8")
        yield path


@command
def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, metavar="N", help="the first N of each part (all)")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    options = parser.parse_args(argv)
    import_paddle()
    judged: dict[str, list[str]] = json.loads(SEEN.read_text(encoding="utf-8"))
    recalls, precisions = [], []
    for real in sets_of(options.sets, options.images):
        lines = (*real.train, *real.judge)
        planted = faulty(lines, np.random.default_rng(SEED))
        config = (
            trained(real.name, real, real.data_dir, planted)
            if real.name == "sample"
            else fitted(real.name)
        )
        asked = ask(real.name, config, real.data_dir, lines, planted)
        print(f"{real.name}: {asked.bad.note()}")
        for path in sheets(asked):
            print(f"findings among the labels as they are: {path}")
        recalls += recall_rows(asked)
        precisions += precision_rows(asked, judged.get(real.name))
    tables = [
        Table("label_faults_recall", RECALL_HEADER, recalls),
        Table("label_faults_precision", PRECISION_HEADER, precisions),
    ]
    document = DOCUMENT.read_text(encoding="utf-8")
    for table in tables:
        print(f"\n{table.markdown()}")
        document = replaced(document, table)
    if options.images is None and len(options.sets) == len(SETS):
        DOCUMENT.write_text(document, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

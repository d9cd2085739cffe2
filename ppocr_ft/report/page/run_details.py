"""The inputs of a run: config, data, weights, environment, as rows of tables and bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ppocr_ft.report.page.matches import EvaluationMatches
from ppocr_ft.report.page.run import Record, Run
from ppocr_ft.report.page.translation import Label, Translated, name_of
from ppocr_ft.report.text_statistics import ASPECT_EDGES, HEIGHT_EDGES_PX, text_statistics

DataSets = Sequence[tuple[Translated, Record]]


@dataclass(frozen=True)
class Histogram:
    """``rows`` are classes with one share, 0 to 1, per data set; ``top`` is the highest share."""

    title: Translated
    sets: Sequence[Translated]
    rows: Sequence[tuple[str, Sequence[float]]]
    top: float


def config_rows(run: Run) -> list[list[str]]:
    """Return key, default and value of what differs from the default config."""
    rows = ((change.key, change.default, change.own) for change in run.differences or ())
    return [["–" if cell is None else cell for cell in row] for row in rows]  # noqa: RUF001


def data_sets(run: Run, evaluated: EvaluationMatches | None) -> DataSets:
    """Return the statistics of training and validation, if they are known."""
    sets: list[tuple[Translated, Record]] = []
    if run.data:
        sets.append((Translated("data.train"), run.data["train"]))
    if evaluated is not None:
        sets.append((Translated("data.eval"), _validation(evaluated)))
    return sets


def _validation(evaluated: EvaluationMatches) -> Record:
    images = [matches.image for matches in evaluated.images]
    polygons = [polygon for image in images for polygon in image.labels if len(polygon) >= 3]
    texts = sum(len(image.labels) for image in images)
    ignored = sum(int(image.ignored.sum()) for image in images)
    return text_statistics(len(images), polygons, texts, ignored)


def steps_sentence(run: Run) -> Translated | None:
    """Say how many images a step takes, and how many steps an epoch has."""
    if not run.data:
        return None
    data = run.data
    images, _, factors = data["step"].partition(" images")
    return Translated(
        "data.steps",
        step_images=images,
        factors=factors,
        images=data["images_per_epoch"],
        epoch_steps=data["steps_per_epoch"],
        total_steps=data["total_steps"],
    )


def data_rows(sets: DataSets) -> list[list[Label]]:
    """Return counts and sizes, a column per data set."""
    columns: list[list[str]] = []
    for _, statistics in sets:
        images = statistics["images"]
        columns.append(
            [
                *(f"{statistics[key]:,}" for key in ("images", "texts", "ignored")),
                f"{statistics['texts'] / images:.1f}" if images else "0",
                ", ".join(f"{height:g}" for height in statistics["height_px"]),
            ]
        )
    names = (
        Translated("data.images"),
        Translated("data.texts"),
        Translated("data.ignored"),
        Translated("data.mean"),
        Translated("data.height_px"),
    )
    return [[name, *cells] for name, *cells in zip(names, *columns, strict=True)]


def histograms(sets: DataSets) -> list[Histogram]:
    """Return the shares of the texts by height and by aspect ratio."""
    return [
        _histogram(Translated("data.heights"), "heights", HEIGHT_EDGES_PX, sets),
        _histogram(Translated("data.aspects"), "aspects", ASPECT_EDGES, sets),
    ]


def _histogram(title: Translated, key: str, edges: Sequence[float], sets: DataSets) -> Histogram:
    """Make a histogram without the empty classes at either end."""
    names = [*(f"{low:g}–{high:g}" for low, high in pairwise(edges)), f"≥ {edges[-1]:g}"]  # noqa: RUF001
    counts = [statistics[key] for _, statistics in sets]
    shares = [[count / max(sum(of_set), 1) for count in of_set] for of_set in counts]
    rows = list(zip(names, zip(*shares, strict=True), strict=True))
    used = [i for i, (_, row_shares) in enumerate(rows) if any(row_shares)] or [0]
    top = max(max(of_set) for of_set in shares) or 1.0
    return Histogram(title, [name for name, _ in sets], rows[used[0] : used[-1] + 1], top)


def weight_table(weights: Record) -> tuple[list[Label], list[list[Any]]]:
    """Return the statuses' column heads and, per part of the network, how much was filled."""
    parts = weights["parts"]
    statuses = list(dict.fromkeys(["matched", *(s for part in parts for s in part["by_status"])]))
    header: list[Label] = [
        Translated("weights.tensors", status=name_of("status", status)) for status in statuses
    ]
    rows = [
        [
            part["part"],
            f"{part['parameters']:,}",
            f"{part['share']:.1%}",
            *(part["by_status"].get(status, 0) for status in statuses),
        ]
        for part in parts
    ]
    return header, rows


def environment_rows(run: Run) -> list[list[Label]]:
    """Return names and values."""
    return [
        [name_of("machine", key), str(value)]
        for key, value in (run.environment or {}).items()
        if key != "command"
    ]

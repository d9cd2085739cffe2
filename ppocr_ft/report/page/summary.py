"""Beside the verdict: a run's inputs, what was fitted, what to do next, as sentences and rows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.engine.metrics_file import number
from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.geometry import areas, perimeters, rectangle_sides
from ppocr_ft.report.page.comparison import Comparison, weights_name
from ppocr_ft.report.page.matches import EvaluationMatches
from ppocr_ft.report.page.run import HMEANS, Record, Run, ratio_text
from ppocr_ft.report.page.translation import Label, Translated, name_of, texts
from ppocr_ft.utils.program import command_line

GB_IN_MB = 1024
PHOTO = "photo.jpg"
"""Stands for an image in a command."""
FITTED_KEYS = ("unclip_ratio", "box_thresh", "thresh", "score_mode", "resize", *HMEANS)
OTHER_RATES = ("precision", "recall")
HEIGHT_EDGES_PX = (0, 8, 12, 16, 24, 32, 48, 64, 96, 128)
ASPECT_EDGES = (1, 2, 3, 5, 8, 12, 20, 30)
DataSets = Sequence[tuple[Translated, Record]]


@dataclass(frozen=True)
class Histogram:
    """``rows`` are classes with one share, 0 to 1, per data set; ``top`` is the highest share."""

    title: Translated
    sets: Sequence[Translated]
    rows: Sequence[tuple[str, Sequence[float]]]
    top: float


def facts(run: Run) -> list[Label]:
    """Return date, duration, device and memory, as far as they are known."""
    environment = run.environment or {}
    device = environment.get("gpu") or environment.get("processor") or environment.get("device")
    memory_mb = max((number(row, "memory_mb") or 0.0 for row in run.trained), default=0.0)
    known: Sequence[Label | None] = (
        f"{run.began:%Y-%m-%d %H:%M}" if run.began else None,
        None if run.seconds is None else _duration(round(run.seconds)),
        Translated("facts.steps", step=run.last_step),
        str(device) if device else None,
        Translated("facts.memory", gb=memory_mb / GB_IN_MB) if memory_mb else None,
    )
    return [fact for fact in known if fact is not None]


def _duration(seconds: int) -> Translated:
    if seconds < 3600:
        return Translated("facts.minutes", minutes=seconds // 60, seconds=seconds % 60)
    minutes = seconds // 60
    return Translated("facts.hours", hours=minutes // 60, minutes=minutes % 60)


def other_rates(run: Run, pair: Comparison) -> list[tuple[Label, float, float]]:
    """Return precision and recall of the start and after it, where hmean is best."""
    suffix = "" if pair.iou == 0.5 else "_70"
    start, after = (
        run.evaluations[rate.step].rates[rate.unclip_ratio] for rate in (pair.start, pair.after)
    )
    return [
        (name_of("rate", rate), start[rate + suffix], after[rate + suffix]) for rate in OTHER_RATES
    ]


def alert_text(alert: Record) -> Label:
    """Return what the monitor said: sentence and remedy."""
    name, said, remedy = (str(alert.get(key)) for key in ("name", "sentence", "remedy"))
    if f"alert.{name}" not in texts("en"):
        return f"{said} {remedy}"
    return Translated(f"alert.{name}", said=said, remedy=_remedy(name, remedy))


def _remedy(name: str, said: str) -> Label:
    known = f"remedy.{name}" in texts("en")
    return Translated(f"remedy.{name}", said=said) if known else said


def advice_text(run: Run) -> Translated | None:
    """Return the one thing to try next."""
    if run.advice is None:
        return None
    values = dict(run.advice.values)
    if run.advice.name == "verdict":
        values["remedy"] = _remedy(str(values["verdict"]), str(values["remedy"]))
    return Translated(f"advice.{run.advice.name}", **values)


def next_steps(run: Run) -> list[tuple[Translated, str]]:
    """Return what can be done with the run's weights, with its command.

    Nothing without weights, nor with the start's while training goes on.
    """
    usable = run.best_step or run.delivered is not None
    usable = usable or (run.best_step == 0 and not run.running)
    commands = next_commands(run.folder, fitted=run.fitted is not None) if usable else {}
    return [(Translated(f"next.{name}"), line) for name, line in commands.items()]


def next_commands(folder: Path, *, fitted: bool, image: str = PHOTO) -> dict[str, str]:
    """Return the command lines that use a run's best weights, with fitted.yml if there is one."""
    config = ["-c", str(folder / ("fitted.yml" if fitted else "config.resolved.yml"))]
    weights = [] if fitted else ["-o", f"Global.checkpoints={folder / 'best_accuracy'}"]
    exported = [*(weights or ["-o"]), f"Global.save_inference_dir={folder / 'inference'}"]
    arguments = {
        "predict": [*config, *weights, "--images", image, "--out", "found"],
        "export": [*config, *exported],
    }
    return {name: f"{command_line(name)} {shlex.join(words)}" for name, words in arguments.items()}


def fitted_sentences(run: Run) -> list[Translated]:
    """Say what the fitted post-processing brings, and whether that holds on other images."""
    if run.fitted is None:
        return []
    chosen, configured = run.fitted["chosen"], run.fitted["config"]
    if not set(HMEANS) <= chosen.keys() & configured.keys():
        return []
    values = {"half": chosen["hmean"], "strict": chosen["hmean_70"]}
    sentences = [Translated("fit.kept", **values)]
    if _is_taken(run.fitted):
        before = {"config_half": configured["hmean"], "config_strict": configured["hmean_70"]}
        sentences = [Translated("fit.taken", **values, **before)]
    if held := run.fitted.get("held_out"):
        images = {"gain": held["gain"], "error": held["gain_error"]}
        sentences.append(Translated("fit.held_out", objective=_objective(run.fitted), **images))
    return sentences


def _is_taken(fitted: Record) -> bool:
    chosen, configured = fitted["chosen"], fitted["config"]
    return any(chosen.get(key) != configured.get(key) for key in FITTED_KEYS)


def _objective(fitted: Record) -> Label:
    return name_of("objective", str(fitted.get("objective")))


def fitted_rows(run: Run) -> list[list[Label]]:
    """Return name, the config's value and the chosen one of each setting and of hmean.

    None where the config's values stay.
    """
    if run.fitted is None or not _is_taken(run.fitted):
        return []
    columns = [run.fitted[name] for name in ("config", "chosen")]
    return [
        [name_of("fit_key", key), *(_value_text(column.get(key)) for column in columns)]
        for key in FITTED_KEYS
        if key in columns[1]
    ]


def _value_text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def final_rows(run: Run) -> list[list[Label]]:
    """Return name, both hmeans on all images and held out, and the gain of each weights tried."""
    rows: list[list[Label]] = []
    for candidate in () if run.final is None else run.final["candidates"]:
        weights, held_out = Delivered.of(candidate), candidate["held_out"]
        gain = f"{held_out['gain']:+.4f} ± {held_out['gain_error']:.4f}"
        rates = (f"{place[column]:.4f}" for place in (candidate, held_out) for column in HMEANS)
        rows.append([weights_name(weights), *rates, gain])
    return rows


def final_sentences(run: Run) -> list[Translated]:
    """Say how the final weights were chosen, what they gain, and what they are on other sets."""
    if run.final is None:
        return []
    gains = {"gain": run.final["gain"], "error": run.final["gain_error"]}
    start = run.final["candidates"][0]
    chosen = [] if run.delivered_candidate is None else [run.delivered_candidate]
    return [
        Translated("final.how"),
        *(Translated("final.gain", objective=_objective(run.final), **gains) for _ in chosen),
        *(
            Translated("final.elsewhere", name=name, before=start["also"][name], after=after)
            for candidate in chosen
            for name, after in candidate.get("also", {}).items()
        ),
    ]


def evaluation_rows(run: Run) -> list[list[Label]]:
    """Return each evaluation's rates with the config's unclip ratio and with the best one."""
    rows: list[list[Label]] = []
    for step, result in run.evaluations.items():
        name = "verdict.best_step" if step == run.best_step else "page.step"
        rates = [run.judged.at_best(step, column) for column in HMEANS]
        rows.append(
            [
                Translated(name, step=step),
                ratio_text(result.unclip_ratio),
                *(f"{result.at_config[column]:.4f}" for column in HMEANS),
                *(f"{rate.value:.4f} ({ratio_text(rate.unclip_ratio)})" for rate in rates),
            ]
        )
    return rows


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
        images = [matches.image for matches in evaluated.images]
        polygons = [polygon for image in images for polygon in image.labels if len(polygon) >= 3]
        texts = sum(len(image.labels) for image in images)
        ignored = sum(int(image.ignored.sum()) for image in images)
        statistics = text_statistics(len(images), polygons, texts, ignored)
        sets.append((Translated("data.eval"), statistics))
    return sets


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
        counts = [statistics[key] for key in ("images", "texts", "ignored")]
        mean = f"{counts[1] / counts[0]:.1f}" if counts[0] else "0"
        heights = ", ".join(f"{height:g}" for height in statistics["height_px"])
        columns.append([*(f"{count:,}" for count in counts), mean, heights])
    keys = ("images", "texts", "ignored", "mean", "height_px")
    names = [Translated(f"data.{key}") for key in keys]
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


def text_statistics(
    images: int, polygons: Sequence[NDArray[Any]], texts: int, ignored: int
) -> dict[str, Any]:
    """Return counts, and the sizes of ``polygons`` (k, 2) px, which are all texts or some of them.

    ``heights`` and ``aspects`` count by the edges above, with one more class beyond the last: the
    shorter side, and the longer over the shorter one, of the rectangle with the polygon's area and
    perimeter. ``height_px`` is [5 %, 50 %, 95 %] of the heights.
    """
    short, long = rectangle_sides(areas(polygons), perimeters(polygons))

    def counts(values: NDArray[np.float64], edges: Sequence[float]) -> list[int]:
        histogram, _ = np.histogram(np.maximum(values, edges[0]), [*edges, np.inf])
        return [int(count) for count in histogram]

    return {
        "images": images,
        "texts": texts,
        "ignored": ignored,
        "measured": len(polygons),
        "height_px": np.round(np.percentile(short, (5, 50, 95)), 1).tolist() if len(short) else [],
        "heights": counts(short, HEIGHT_EDGES_PX),
        "aspects": counts(long / np.maximum(short, 1e-6), ASPECT_EDGES),
    }

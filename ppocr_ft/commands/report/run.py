"""Making the page of a run, with the differences from the default config."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ppocr_ft.config import load_config
from ppocr_ft.config.load import shipped_configs
from ppocr_ft.engine.log import LOG_FILE, LOG_TIME
from ppocr_ft.engine.metrics_file import METRICS_FILE, read_metrics
from ppocr_ft.engine.monitor.callback import VERDICTS_FILE
from ppocr_ft.errors import DataError, UserInputError
from ppocr_ft.report.evaluations import (
    BEFORE,
    BEST,
    EVALUATIONS,
    TRAINED,
    KeptEvaluation,
    read_evaluation,
)
from ppocr_ft.report.page import CURVES, PAGE
from ppocr_ft.report.page.render import Language, render
from ppocr_ft.report.page.run import Difference, Record, Run
from ppocr_ft.runs.assemble import GOES_ON
from ppocr_ft.runs.folder import FIT_JSON, RESOLVED_CONFIG
from ppocr_ft.runs.metadata import DATA, ENVIRONMENT, WEIGHTS
from ppocr_ft.runs.weights_origin import FINAL_JSON
from ppocr_ft.utils.files import write_whole

FILES = (
    METRICS_FILE,
    LOG_FILE,
    VERDICTS_FILE,
    RESOLVED_CONFIG,
    DATA,
    WEIGHTS,
    ENVIRONMENT,
    FIT_JSON,
    FINAL_JSON,
)
"""Of a run's folder, what its page is made of, beside those of EVALUATIONS."""
LOG_TIME_LENGTH = len("2026-01-31 00:00:00")
DATA_KEYS = ("train", "step", "images_per_epoch", "steps_per_epoch", "total_steps")
NOT_COMPARED = frozenset({"Global.save_model_dir"})
DEFAULT_CONFIG = "det_v4_ft.yml"
Found = TypeVar("Found")


def config_differences(default: Any, config: Any) -> list[Difference]:
    """Compare two configs as plain data; operators of a pipeline by their names."""
    theirs, ours = dict(_flat(default, "")), dict(_flat(config, ""))
    keys = [*ours, *(key for key in theirs if key not in ours)]
    return [
        Difference(key, theirs.get(key), ours.get(key))
        for key in keys
        if theirs.get(key) != ours.get(key) and key not in NOT_COMPARED
    ]


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif _is_pipeline(value):
        counts = Counter[str]()
        for operator in value:
            ((name, arguments),) = operator.items()
            counts[name] += 1  # the second one of a name is NAME#2
            number = "" if counts[name] == 1 else f"#{counts[name]}"
            yield from _flat(arguments, f"{key}.{name}{number}")
    else:
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_pipeline(value: Any) -> bool:
    """Return whether this is a list of one-key mappings, as PaddleOCR writes operators."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(item, Mapping) and len(item) == 1 for item in value)


def report(folder: Path, language: Language = "auto") -> Path:
    """Write report.html and results.png into a run's folder; returns the page's path.

    Files that are missing, or broken, leave a gap that the page names.

    Raises:
        DataError: the folder holds no run's metrics.csv, or can't be written.
    """
    from ppocr_ft.report.page.figures import results_png

    run = read_run(folder)
    try:
        curves = results_png(run)
        write_whole(folder / CURVES, curves)
        write_whole(folder / PAGE, render(run, language, curves).encode())
    except OSError as error:
        raise DataError(f"can't be written: {error.strerror}", path=folder / PAGE) from error
    return folder / PAGE


FINAL_KEYS = (
    "alpha", "step", "averaged", "objective", "images", "gain", "gain_error", "candidates",
)  # fmt: skip


def read_run(folder: Path, *, running: bool = False) -> Run:
    """Read a run from the files of its folder; say so if it is still ``running``.

    Raises:
        DataError: there is no metrics.csv with a row.
    """
    columns, rows = _metrics(folder / METRICS_FILE)
    notes: list[str] = []
    text, config = _config(folder / RESOLVED_CONFIG, notes)

    def record(name: str, *keys: str) -> Record | None:
        return _tried(partial(_record, keys=keys), folder / name, notes)

    def boxes(place: Path) -> list[KeptEvaluation | None]:
        return [_tried(read_evaluation, place / name, notes) for name in (BEFORE, BEST, TRAINED)]

    before, best, best_trained = boxes(folder / EVALUATIONS)
    further_boxes = {
        place.name: [kept for kept in boxes(place) if kept is not None]
        for place in sorted((folder / EVALUATIONS).glob("*"))
        if place.is_dir()
    }
    began, seconds = _tried(training_time, folder / LOG_FILE, notes) or (None, None)
    return Run(
        name=folder.resolve().name,
        folder=folder,
        columns=columns,
        rows=rows,
        config=config,
        config_text=text,
        differences=_differences(config),
        before=before,
        best=best,
        best_trained=best_trained,
        further_boxes=further_boxes,
        weights=record(WEIGHTS, "source"),
        data=record(DATA, *DATA_KEYS),
        environment=record(ENVIRONMENT),
        fitted=record(FIT_JSON, "config", "chosen"),
        final=record(FINAL_JSON, *FINAL_KEYS),
        alerts=_tried(_json_lines, folder / VERDICTS_FILE, notes) or (),
        notes=notes,
        began=began,
        seconds=seconds,
        running=running,
    )


def _metrics(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        header, rows = read_metrics(path)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise DataError(
            f"can't be read: {why}; give the folder of a run, Global.save_model_dir", path=path
        ) from None
    if not rows:
        raise DataError("has no row of a run yet: nothing to report", path=path)
    return header, rows


def _config(path: Path, notes: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the config as plain data, so that a run of an earlier version can be shown too."""
    text = _tried(lambda file: file.read_text(encoding="utf-8"), path, notes) or ""
    parsed = _tried(lambda _: yaml.safe_load(text), path, notes)
    return text, parsed if isinstance(parsed, dict) else {}


def _differences(config: Mapping[str, Any]) -> list[Difference] | None:
    default = _default_config()
    return config_differences(default, config) if default and config else None


@cache
def _default_config() -> Mapping[str, Any]:
    default = next((path for path in shipped_configs() if path.name == DEFAULT_CONFIG), None)
    return yaml.safe_load(load_config(default).to_yaml()) if default else {}


def training_time(log: Path) -> tuple[datetime, float]:
    """Return when a run began and the seconds that it took, without those before a resume.

    Raises:
        OSError: the log can't be read.
        ValueError: no line of it begins with a time.
    """
    lines_by_time: dict[datetime, str] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            time = datetime.strptime(line[:LOG_TIME_LENGTH], LOG_TIME)
            lines_by_time[time] = lines_by_time.get(time, "") + line
    if not lines_by_time:
        raise ValueError("no line begins with a time")
    gaps = [
        max((after - before).total_seconds(), 0.0)  # a clock may be set back
        for before, after in pairwise(lines_by_time)
        if GOES_ON not in lines_by_time[after]
    ]
    return next(iter(lines_by_time)), sum(gaps)


def _record(path: Path, keys: Sequence[str]) -> Record:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not set(keys) <= content.keys():
        raise ValueError(f"holds no object with {', '.join(keys) or 'names and values'}")
    return content


def _json_lines(path: Path) -> list[Record]:
    parsed = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return [line for line in parsed if isinstance(line, dict) and "name" in line]


def _tried(read: Callable[[Path], Found], path: Path, notes: list[str]) -> Found | None:
    """Return the file's content; None if it is missing or, with a note, broken."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, UserInputError, yaml.YAMLError) as error:
        notes.append(f"{path.name}: {error}")
        return None

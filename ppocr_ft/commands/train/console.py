"""The words with which a training ends: the table, the outcome, the files, what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.outcome import Advice, Delivered
from ppocr_ft.report.page import PAGE
from ppocr_ft.report.page.comparison import compare_with_start, forgetting_rows, verdict
from ppocr_ft.report.page.run import HMEANS, Run
from ppocr_ft.report.page.summary import PHOTO, next_commands
from ppocr_ft.runs.eval_files import PICTURE_BOTH
from ppocr_ft.runs.folder import FITTED_CONFIG
from ppocr_ft.utils.console import aligned, wrapped
from ppocr_ft.utils.program import as_started


def closing_table(run: Run) -> str:
    """Return hmean before training, of the best weights, at the end, and what fitting made of it.

    What was fitted is also given on images that the values were not chosen on.
    """
    last = max(run.evaluations, default=0)
    steps = {"before training": 0, "best": run.best_step, "at the end": last}
    if run.best_step == 0:  # the same row twice
        del steps["best"]
    results = {
        name: run.evaluations[step] for name, step in steps.items() if step in run.evaluations
    }
    return summary_table(results, run.setting("Metric.main_indicator", "hmean"), _fitted_rows(run))


def _fitted_rows(run: Run) -> list[list[str]]:
    records: dict[str, Mapping[str, Any]] = {}
    if run.final is not None:
        records["before training, fitted"] = run.final["candidates"][0]
    if run.fitted is not None:
        chosen, which = run.fitted["chosen"], "best" if run.final is None else "final"
        records[f"{which} weights, fitted"] = chosen
        if chosen == run.fitted.get("fitted"):
            records["  on images held out"] = run.fitted.get("held_out") or {}
    return [_rates_row(*pair) for pair in records.items() if pair[1].keys() >= {*HMEANS}]


def _rates_row(label: str, record: Mapping[str, Any]) -> list[str]:
    ratio = record.get("unclip_ratio")
    rates = [f"{record[column]:.4f}" for column in HMEANS]
    return [label, "" if ratio is None else f"{ratio:.2f}", *rates]


def summary_table(
    results: Mapping[str, EvalResult], indicator: str, more: Sequence[Sequence[str]] = ()
) -> str:
    """Return a table of hmean of named evaluations at both IoUs, and ``more`` rows below.

    Each is given with the config's unclip ratio and, if ``indicator`` is higher with another one,
    with that.
    """
    rows = [["", "unclip_ratio", "hmean at IoU 0.5", "at IoU 0.7"]]
    for name, result in results.items():
        ratios = dict.fromkeys((result.unclip_ratio, result.best_ratio(indicator)))
        labels = (f"{name} (step {result.step})", "  with its best unclip_ratio")
        for label, ratio in zip(labels, ratios, strict=False):
            rates = result.rates[ratio]
            rows.append(
                [label, f"{ratio:.2f}", f"{rates['hmean']:.4f}", f"{rates['hmean_70']:.4f}"]
            )
    return "\n".join(aligned([*rows, *more]))


def outcome_lines(run: Run) -> list[str]:
    """Return the verdict, one sentence; with sets of ``Eval.also`` the table of what was lost."""
    if run.outcome is None:
        return []
    lines = _wrapped(verdict(run, compare_with_start(run)).text("en"))
    if rows := forgetting_rows(run):
        head = ["hmean on", "IoU", "before", "after", "change", "95 % interval"]
        lines += ["", *aligned([head, *rows])]
    return lines


def closing_lines(
    folder: Path,
    seconds: float,
    *,
    trained: bool = True,
    final: Delivered | None = None,
    image: str = PHOTO,
    advice: Advice | None = None,
) -> list[str]:
    """Return where the files are, the commands that use the run's weights, and the duration.

    ``trained``: the run's weights are not the start. ``image`` is what the commands are tried on,
    ``advice`` what may make the next run better.
    """
    fitted = (folder / FITTED_CONFIG).is_file()
    commands = next_commands(folder, fitted=fitted, image=image)
    best = f"best weights: {folder / 'best_accuracy'}.pdparams{'' if trained else ' (the start)'}"
    told = [] if advice is None else _wrapped(as_started(f"To try next: {advice.sentence}"))
    return [
        f"report: {folder / PAGE}",
        f"pictures: {folder / PICTURE_BOTH}",
        best if final is None else _final(folder, final),
        "next:" if trained else "next, with the start's weights:",
        *(f"  {line}" for line in commands.values()),
        *told,
        f"done in {timedelta(seconds=round(seconds))} (h:mm:ss)",
    ]


def _final(folder: Path, final: Delivered) -> str:
    return f"final weights: {folder / 'final'}.pdparams{' (the start)' * final.is_start}"


def _wrapped(*sentences: str) -> list[str]:
    """Break each sentence into lines, but no command and no "step 40"."""
    lines: list[str] = []
    for sentence in sentences:
        lines += wrapped(re.sub(r"\b(step|python|ppocr-ft) ", "\\1\N{NO-BREAK SPACE}", sentence))
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]

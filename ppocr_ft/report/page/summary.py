"""Beside the verdict: when and where a run was made, what was fitted, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.engine.metrics_file import number
from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.report.page.comparison import Comparison, weights_name
from ppocr_ft.report.page.run import HMEANS, Record, Run, ratio_text
from ppocr_ft.report.page.translation import Label, Translated, name_of, texts
from ppocr_ft.utils.program import command_line

GB_IN_MB = 1024
FITTED_KEYS = ("unclip_ratio", "box_thresh", "thresh", "score_mode", "resize", *HMEANS)
OTHER_RATES = ("precision", "recall")


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
    said = f"{alert.get('sentence')} {alert.get('remedy')}"
    name = alert.get("name")
    return Translated(f"alert.{name}", said=said) if f"alert.{name}" in texts("en") else said


def advice_text(run: Run) -> Translated | None:
    """Return the one thing to try next."""
    if run.advice is None:
        return None
    return Translated(f"advice.{run.advice.name}", **run.advice.values)


def next_steps(run: Run) -> list[tuple[Translated, str]]:
    """Return what can be done with the best weights, if they are trained, with its command."""
    usable = run.best_step or run.delivered is not None
    commands = next_commands(run.folder, fitted=run.fitted is not None) if usable else {}
    return [(Translated(f"next.{name}"), line) for name, line in commands.items()]


def next_commands(folder: Path, *, fitted: bool) -> dict[str, str]:
    """Return the command lines that use a run's best weights, with fitted.yml if there is one."""
    config = ["-c", str(folder / ("fitted.yml" if fitted else "config.resolved.yml"))]
    weights = [] if fitted else ["-o", f"Global.checkpoints={folder / 'best_accuracy'}"]
    exported = [*(weights or ["-o"]), f"Global.save_inference_dir={folder / 'inference'}"]
    arguments = {
        "predict": [*config, *weights, "--images", "photo.jpg", "--out", "found"],
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
    said = [Translated("fit.kept", **values)]
    if any(chosen.get(key) != configured.get(key) for key in FITTED_KEYS):
        before = {"config_half": configured["hmean"], "config_strict": configured["hmean_70"]}
        said = [Translated("fit.taken", **values, **before)]
    if held := run.fitted.get("held_out"):
        images = {"gain": held["gain"], "error": held["gain_error"]}
        said.append(Translated("fit.held_out", objective=_objective(run.fitted), **images))
    return said


def _objective(fitted: Record) -> Label:
    return name_of("objective", str(fitted.get("objective")))


def fitted_rows(run: Run) -> list[list[Label]]:
    """Return name, the config's value and the chosen one of each setting and of hmean."""
    if run.fitted is None:
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
    for each in () if run.final is None else run.final["candidates"]:
        weights, held_out = Delivered.of(each), each["held_out"]
        gain = f"{held_out['gain']:+.4f} ± {held_out['gain_error']:.4f}"
        rates = (f"{place[column]:.4f}" for place in (each, held_out) for column in HMEANS)
        rows.append([weights_name(weights), *rates, gain])
    return rows


def final_sentences(run: Run) -> list[Translated]:
    """Say how the final weights were chosen, what they gain, and what they are on other sets."""
    if run.final is None:
        return []
    gain, error, objective = run.final["gain"], run.final["gain_error"], _objective(run.final)
    start, *others = run.final["candidates"]
    chosen = [each for each in others if Delivered.of(each) == run.delivered]
    return [
        Translated("final.how", gain=gain, error=error, objective=objective),
        *(
            Translated("final.elsewhere", name=name, before=start["also"][name], after=after)
            for each in chosen
            for name, after in each.get("also", {}).items()
        ),
    ]


def evaluation_rows(run: Run) -> list[list[Label]]:
    """Return each evaluation's rates with the config's unclip ratio and with the best one."""
    rows: list[list[Label]] = []
    for step, result in run.evaluations.items():
        name = "verdict.best_step" if step == run.best_step else "page.step"
        rates = [run.at_best(step, column) for column in HMEANS]
        rows.append(
            [
                Translated(name, step=step),
                ratio_text(result.unclip_ratio),
                *(f"{result.at_config[column]:.4f}" for column in HMEANS),
                *(f"{rate.value:.4f} ({ratio_text(rate.unclip_ratio)})" for rate in rates),
            ]
        )
    return rows

"""A training run from its folder's lock to its last words, and the run that ``--resume`` names."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from ppocr_ft.commands.check.cli import grouped
from ppocr_ft.commands.check.run import precheck
from ppocr_ft.commands.common import config_of, with_global
from ppocr_ft.commands.fit_postprocess.cli import fit_at_end
from ppocr_ft.commands.report.run import config_differences, read_run, report
from ppocr_ft.commands.train.console import closing_lines, closing_table, outcome_lines
from ppocr_ft.commands.train.dry_run import dry_run
from ppocr_ft.config import Config
from ppocr_ft.engine.checkpoints import STATE_FILE, state_path
from ppocr_ft.engine.distributed import ProcessGroup, process_count
from ppocr_ft.engine.metrics_file import MetricsFile, ProgressCallback, figures
from ppocr_ft.engine.stop import Stopped, StoppedEarly
from ppocr_ft.engine.trainer import Diverged
from ppocr_ft.errors import FAILED, SIGNALLED, ConfigError, Finding, UserInputError, WriteError
from ppocr_ft.factory.device import device
from ppocr_ft.messages import counted
from ppocr_ft.report.page.run import Difference
from ppocr_ft.report.page.summary import PHOTO
from ppocr_ft.runs.adapt import adapted
from ppocr_ft.runs.assemble import Training, resume_path, training
from ppocr_ft.runs.folder import RESOLVED_CONFIG
from ppocr_ft.runs.metadata import DATA, ENVIRONMENT, IMAGES, PROCESSES, facts_of
from ppocr_ft.utils.console import colored, severities_colored
from ppocr_ft.utils.files import folder_lock, link_newest
from ppocr_ft.utils.program import as_started

SHOWN_FINDINGS = 3
BENDING = (
    "Global.epoch_num",
    "Global.fit_scale",
    "Global.fit_targets",
    "Global.seed",
    "Global.time_budget",
    "Optimizer.",
    "Train.dataset.label_file_list",
    "Train.dataset.ratio_list",
    "Train.loader.batch_size_per_card",
    "Train.loader.drop_last",
    "Train.loader.shuffle",
    "Train.unlabelled",
)
"""Keys, or how they begin, that say which rate and which images step n has."""
PER_STEP = ("Optimizer.gradient_accumulation_steps", "Train.loader.batch_size_per_card")
"""Of them, those that say with the number of processes how many images a step has."""
NOT_OF_THE_RUN = frozenset({"Global.resume", "Global.save_model_dir"})


def begin(
    config: Config,
    options: argparse.Namespace,
    group: ProcessGroup,
    progress: ProgressCallback | None = None,
) -> int:
    """Take the folder, make everything, then train; with ``--dry-run`` show the plan alone.

    ``progress`` is called in process 0 with the figures of each row of metrics.csv.
    """
    if options.dry_run:
        began = time.monotonic()
        state = resume_path(config, options.resume)
        fitted = adapted(config, state, group, lambda: time.monotonic() - began)
        if fitted.lines:
            print("\n".join(fitted.lines))
        print(dry_run(fitted.config, group))
        return 0
    if not group.is_main:
        return carry_out(config, options, group)
    folder = Path(config.Global.save_model_dir)
    with folder_lock(folder, "Global.save_model_dir"):
        try:
            return carry_out(config, options, group, progress)
        except BrokenPipeError:
            raise
        except (KeyboardInterrupt, OSError):
            print(how_to_go_on(folder), file=sys.stderr)
            raise


def carry_out(
    config: Config,
    options: argparse.Namespace,
    group: ProcessGroup,
    progress: ProgressCallback | None = None,
) -> int:
    """Train in a folder that no other process writes to; in process 0 fit, report and close."""
    started = time.monotonic()
    state = resume_path(config, options.resume)
    print(device(config, group), flush=True)
    fitted = adapted(config, state, group, lambda: time.monotonic() - started)
    config, different = fitted.config, list[str]()
    if state is not None and state.is_file() and group.is_main:
        different = check_same_run(config, state, group.size, force=options.force)
    if group.is_main:
        tell(precheck(config))
    import_rest()
    run = training(config, state, group=group)
    if group.is_main:
        fitted.save(run.folder)
    if options.numbered:
        link_newest(run.folder)
    shown, logged = (
        "\n".join([*fitted.lines, run.describe(short=short), *different])
        for short in (not options.verbose, False)
    )
    run.say(shown, logged)
    if progress is not None and run.writers is not None:
        tell_figures(progress, run.writers.metrics, run.trainer.total_steps)
    code = train(run)
    if code == 0 and config.Global.fit_postprocess and group.is_main:
        fit_at_end(config, run.folder, run.say)
    if group.is_main:
        page = make_page(run)
        if code == 0:
            close(run, time.monotonic() - started)
        elif page:
            run.say(f"report: {page}")
    return code


def import_rest() -> None:
    """Import what a run needs in its steps and at its end: the package may be another one then."""
    import ppocr_ft.commands.fit_postprocess.final
    import ppocr_ft.commands.fit_postprocess.report
    import ppocr_ft.models.cpu_loops
    import ppocr_ft.postprocess.map_loops
    import ppocr_ft.report.page.figures  # noqa: F401


def tell_figures(progress: ProgressCallback, metrics: MetricsFile, total_steps: int) -> None:
    """Have ``progress`` called with the figures of each row, those of a resumed run first."""
    metrics.listen(lambda row: progress({**figures(row), "total_steps": total_steps}))


def make_page(run: Training) -> Path | None:
    """Write the page of a run that is over or interrupted; an error leaves the run unchanged."""
    try:
        return report(run.folder)
    except (OSError, UserInputError) as error:
        print(f"report.html was not made: {error}", file=sys.stderr)
        return None


def close(run: Training, seconds: float) -> None:
    """Say what has come of the run, where its files are, and what to do next."""
    try:
        read = read_run(run.folder)
        lines, ended, final = outcome_lines(read), read.outcome, read.delivered
        advice = read.advice
        table, image = closing_table(read), read.best.images[0].path if read.best else PHOTO
    except (OSError, UserInputError) as error:
        lines, ended, final = [f"the run's files can't be read: {error}"], None, None
        table, image, advice = "", PHOTO, None
    trained = ended is None or not (ended.is_start if final is None else final.is_start)
    plain = "\n".join(lines)
    files = closing_lines(
        run.folder, seconds, trained=trained, final=final, image=image, advice=advice
    )
    rest = "\n".join([*(["", table] if table else []), "", *files])
    gained = not final.is_start if final else ended is not None and ended.kind == "better"
    shown = colored(plain, "green" if gained else "yellow", sys.stdout)
    run.say(*(f"\n{text}\n{rest}" for text in (shown, plain)))


def tell(findings: Sequence[Finding]) -> None:
    """Print what a quick look at config and labels found; training continues without it."""
    if findings:
        lines = grouped(findings, SHOWN_FINDINGS, cut_errors=True)
        if any(finding.severity == "error" and finding.line for finding in findings):
            lines.append("training goes on without the lines that have errors")
        lines.append("(ppocr-ft check says all, looks at the images, and draws samples)\n")
        print(severities_colored(as_started("\n".join(lines)), sys.stderr), file=sys.stderr)


def train(run: Training) -> int:
    """Run, and say how it went."""
    with run.trainer.stop.listening():
        try:
            run.trainer.run()
        except Stopped as stopped:
            run.save_latest()
            run.say(
                f"stopped by {stopped} after step {run.trainer.progress.step}; go on with\n"
                f"  {resume_command(run.folder)}"
            )
            return SIGNALLED + stopped.signal_number
        except StoppedEarly as early:
            run.save_latest()
            run.say(
                f"stopped early after step {run.trainer.progress.step} of "
                f"{run.trainer.total_steps} {early.reason}; "
                "to go on change Global.stop_on or Global.patience and add --resume"
            )
        except Diverged as diverged:
            run.say(
                f"stopped: {diverged}; the last good checkpoint is {run.last_good}. "
                "Lower Optimizer.lr.learning_rate or set Optimizer.clip_norm_global"
            )
            return FAILED
        except BrokenPipeError:
            raise
        except (OSError, WriteError) as error:  # a full disk: the log can't be written either
            last_good = run.last_good
            print(f"stopped: {error}; the last good checkpoint is {last_good}", file=sys.stderr)
            return FAILED
        finally:
            run.close()
    return 0


def how_to_go_on(folder: Path) -> str:
    """Say what is left of a run that is broken off outside of its steps."""
    if not (folder / STATE_FILE).is_file():
        return "nothing was saved yet; the same command begins anew"
    return f"the state that was saved last is whole; go on with\n  {resume_command(folder)}"


def resume_command(folder: Path) -> str:
    """Return the command line that goes on with the run in ``folder``."""
    launcher = "python -m paddle.distributed.launch [as before] " * (process_count() > 1)
    return f"{as_started(f'{launcher}ppocr-ft train')} --resume {shlex.quote(str(folder))}"


def config_of_run(options: argparse.Namespace) -> Config:
    """Return the config of the run that ``--resume`` names, with the overrides.

    Raises:
        UserInputError: it can't be read, or there is no such run.
    """
    folder = state_path(options.resume).parent
    options.config = str(folder / RESOLVED_CONFIG)
    return with_global(config_of(options), save_model_dir=str(folder))


def check_same_run(config: Config, state: Path, processes: int, *, force: bool) -> list[str]:
    """Return lines on the keys that differ from those of the run whose state this is.

    Raises:
        ConfigError: the run is in another folder than Global.save_model_dir; or, without
            ``force``, keys or the number of ``processes`` differ so that its schedule would bend.
    """
    folder = state.parent
    if folder.resolve() != Path(config.Global.save_model_dir).resolve():
        raise ConfigError(
            f"is {config.Global.save_model_dir}, but the run to go on with is in {folder}; "
            f"--resume {folder} without -c goes on with the run's own config",
            key="Global.save_model_dir",
        )
    path, own = folder / RESOLVED_CONFIG, None
    if not path.exists():
        return []  # a state without its config: nothing to hold the config against
    with suppress(OSError, ValueError, yaml.YAMLError, RecursionError):
        own = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(own, dict):
        return [f"{path}: is damaged, so that the keys could not be compared with the run's"]
    different = [
        difference
        for difference in config_differences(own, yaml.safe_load(config.to_yaml()))
        if difference.key not in NOT_OF_THE_RUN
    ]
    alike = PER_STEP if is_same_step(own, config, folder, processes, force=force) else ()
    bending = [
        difference
        for difference in different
        if difference.key.startswith(BENDING) and difference.key not in alike
    ]
    if bending and not force:
        raise ConfigError(
            f"the run in {folder} began with other values, and these would bend its schedule "
            f"({RESOLVED_CONFIG} has the run's):\n"
            + "\n".join(map(_line, bending))
            + f"\n--resume {folder} without -c and -o keeps the run's; --force takes the new ones"
        )
    if not different:
        return []
    return [f"{counted(len(different), 'key')} other than the run's:", *map(_line, different)]


def is_same_step(
    own: dict[str, Any], config: Config, folder: Path, processes: int, *, force: bool
) -> bool:
    """Return whether another number of processes goes through the same images in each step.

    Raises:
        ConfigError: it doesn't, and there is no ``force``.
    """
    before = facts_of(folder, ENVIRONMENT).get(PROCESSES, processes)
    if before == processes:
        return False
    try:
        images = facts_of(folder, DATA)[IMAGES]
        batch = own["Train"]["loader"]["batch_size_per_card"]
        wanted = before * batch * own["Optimizer"]["gradient_accumulation_steps"]
        uneven = not config.Train.loader.drop_last and bool(
            (images % before) or (images % processes)
        )
    except (LookupError, TypeError, ZeroDivisionError):
        return False  # damaged: the state knows the number of steps
    loader = config.Train.loader
    parts = processes * config.Optimizer.gradient_accumulation_steps
    if force or (parts * loader.batch_size_per_card == wanted and not uneven):
        return True
    many = [counted(number, "process", "processes") for number in (before, processes)]
    went = f"the run's steps were of {counted(wanted, 'image')}, by {many[0]}"
    if uneven:
        raise ConfigError(
            f"{went}; {counted(images, 'image')} an epoch can't be shared evenly by "
            f"{max(before, processes)}, whose last step has other images than that of "
            f"{min(before, processes)}; go on with {before}, or --force other steps",
            key="Train.loader",
        )
    same = f"set it to {wanted // parts}" if wanted % parts == 0 else f"go on with {before}"
    raise ConfigError(
        f"{went}; {many[1]} with {counted(loader.batch_size_per_card, 'image')} each would make "
        f"other steps, in another order and at other rates; {same}",
        key="Train.loader.batch_size_per_card",
    )


def _line(difference: Difference) -> str:
    value_now, default = (
        "not given" if value is None else value for value in (difference.own, difference.default)
    )
    return f"  {difference.key}: {value_now}, the run's {default}"

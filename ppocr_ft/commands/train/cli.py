"""Command line of ``train``: train a detector."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ppocr_ft.commands.check.cli import grouped
from ppocr_ft.commands.common import command, config_of, import_paddle, parser, run_together
from ppocr_ft.commands.fit_postprocess.cli import fit_at_end
from ppocr_ft.engine.distributed import (
    SINGLE_PROCESS,
    ProcessGroup,
    only_main_prints,
    process_count,
)
from ppocr_ft.errors import FAILED, SIGNALLED, Finding, UserInputError, WriteError
from ppocr_ft.utils.color import colored, severities_colored
from ppocr_ft.utils.folder_lock import folder_lock
from ppocr_ft.utils.program import as_started

if TYPE_CHECKING:
    from ppocr_ft.commands.train.dry_run import DryRun
    from ppocr_ft.config import Config
    from ppocr_ft.engine.metrics_file import MetricsFile
    from ppocr_ft.engine.stop import StoppedEarly
    from ppocr_ft.runs.assemble import Training

EXAMPLES = """\
  ppocr-ft train -c det_v4_ft.yml
        the released weights, fine-tuned on the built-in sample data set
  ppocr-ft train -c det_v4_ft.yml -o Train.dataset.data_dir=/my/data \\
        Train.dataset.label_file_list=[/my/data/Label.txt] Eval.dataset.data_dir=/my/data \\
        Eval.dataset.label_file_list=[/my/data/val.txt] Global.save_model_dir=output/mine
  ppocr-ft train -c det_v4_ft.yml --dry-run
        what the run would do when, as a picture and a table
  ppocr-ft train --resume output/mine
        go on with the run in that folder, with its own config
  python -m paddle.distributed.launch --devices 0,1 ppocr-ft train -c det_v4_ft.yml
        on two cards; --nproc_per_node 2 --backend gloo: two processes on the CPU"""
SHOWN_FINDINGS = 3
EPILOGUE = """

exit codes: 0 done, or stopped early as Global.stop_on or Global.patience ask; 2 the input is
wrong; 1 the losses turned NaN or infinite, or anything else;
130 and 143 stopped by Ctrl-C or SIGTERM, with the run saved"""


@partial(command, in_group=True)
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    with only_main_prints():
        options = options_of(argv)
        if process_count() > 1:
            return run_together(lambda group: begin(config_to_train(options), options, group))
        config = config_to_train(options)

        import_paddle()
        return begin(config, options, SINGLE_PROCESS)


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(
        "train",
        "Train a detector, or fine-tune one.",
        EXAMPLES + EPILOGUE,
        config_required=False,
    )
    how = arguments.add_mutually_exclusive_group()
    how.add_argument(
        "--dry-run",
        action="store_true",
        help="don't train: draw learning rates and shrink ratio over the steps (schedule.png, "
        "schedule.csv in Global.save_model_dir), print the groups and the key steps",
    )
    how.add_argument(
        "--resume",
        nargs="?",
        const="latest",
        metavar="PATH",
        help="go on with a run: its folder or its latest.pdstate, with the run's own config if "
        "there is no -c; without PATH the run in Global.save_model_dir",
    )
    arguments.add_argument(
        "--verbose",
        action="store_true",
        help="print all of the weights and parameter groups, which train.log has in any case",
    )
    arguments.add_argument(
        "--force",
        action="store_true",
        help="with --resume: take other values of keys that bend the run's schedule",
    )
    options = arguments.parse_args(argv)
    if options.config is None and options.resume in (None, "latest"):
        arguments.error("-c FILE is required, or --resume FOLDER")
    return options


def config_to_train(options: argparse.Namespace) -> Config:
    """Return the config of ``-c``; without it the own one of the run that ``--resume`` names."""
    if options.config is not None:
        return config_of(options)
    import_paddle()
    from ppocr_ft.commands.train.resume import own_config

    return own_config(options)


def begin(config: Config, options: argparse.Namespace, group: ProcessGroup) -> int:
    """Take the folder, make everything, then train."""
    from ppocr_ft.commands.train.dry_run import dry_run
    from ppocr_ft.runs.adapt import adapted
    from ppocr_ft.runs.assemble import resume_path

    if options.dry_run:
        began = time.monotonic()
        state = resume_path(config, options.resume)
        found = adapted(config, state, group, lambda: time.monotonic() - began)
        print("\n".join(found.lines), end="\n" * bool(found.lines))
        return show(dry_run(found.config, group))
    if not group.is_main:
        return carry_out(config, options, group)
    with folder_lock(Path(config.Global.save_model_dir), "Global.save_model_dir"):
        return carry_out(config, options, group)


def carry_out(config: Config, options: argparse.Namespace, group: ProcessGroup) -> int:
    """Train in a folder that no other process writes to; in process 0 fit, report and close."""
    from ppocr_ft.commands.check.run import precheck
    from ppocr_ft.commands.train.resume import check_same_run
    from ppocr_ft.factory.device import device
    from ppocr_ft.runs import assemble
    from ppocr_ft.runs.adapt import adapted

    started = time.monotonic()
    state = assemble.resume_path(config, options.resume)
    print(device(config, group), flush=True)
    found = adapted(config, state, group, lambda: time.monotonic() - started)
    config, different = found.config, list[str]()
    if state is not None and state.is_file() and group.is_main:
        different = check_same_run(config, state, force=options.force)
    if group.is_main:
        tell(precheck(config))
    run = assemble.training(config, state, group=group)
    if group.is_main:
        found.save(run.folder)
    shown, logged = (
        "\n".join([*found.lines, run.describe(short=short), *different])
        for short in (not options.verbose, False)
    )
    run.say(shown, logged)
    code = train(run)
    if code == 0 and config.Global.fit_postprocess and group.is_main:
        fit_at_end(config, run.folder, run.say)
    if group.is_main:
        made = make_page(run)
        if code == 0:
            close(run, time.monotonic() - started)
        elif made:
            run.say(f"report: {made}")
    return code


def make_page(run: Training) -> Path | None:
    """Write the page of a run that is over or interrupted; an error leaves the run unchanged."""
    from ppocr_ft.commands.report.run import report

    try:
        return report(run.folder)
    except (OSError, UserInputError) as error:
        print(f"report.html was not made: {error}", file=sys.stderr)
        return None


def close(run: Training, seconds: float) -> None:
    """Say what has come of the run, where its files are, and what to do next."""
    from ppocr_ft.commands.report.run import read_run
    from ppocr_ft.commands.train.console import closing_lines, outcome_lines

    try:
        report = read_run(run.folder)
        lines, found, final = outcome_lines(report), report.outcome, report.delivered
    except (OSError, UserInputError) as error:
        lines, found, final = [f"the run's files can't be read: {error}"], None, None
    trained = found is None or not found.is_start
    said = "\n".join(lines)
    files = "\n".join(closing_lines(run.folder, seconds, trained=trained, final=final))
    gained = not final.is_start if final else found is not None and found.kind == "better"
    shown = colored(said, "green" if gained else "yellow", sys.stdout)
    run.say(*(f"\n{text}\n\n{files}" for text in (shown, said)))


def tell(findings: Sequence[Finding]) -> None:
    """Print what a quick look at config and labels found; training continues without it."""
    if findings:
        lines = grouped(findings, SHOWN_FINDINGS, cut_errors=True)
        if any(finding.severity == "error" and finding.line for finding in findings):
            lines.append("training goes on without the lines that have errors")
        lines.append("(ppocr-ft check says all, looks at the images, and draws samples)\n")
        print(severities_colored(as_started("\n".join(lines)), sys.stderr), file=sys.stderr)


def show(plan: DryRun) -> int:
    """Say what a dry run found out."""
    print(plan.text)
    if plan.files:
        print(f"drawn: {' and '.join(map(str, plan.files))}")
    return 0


def train(run: Training) -> int:
    """Run, and say how it went."""
    from ppocr_ft.engine.stop import Stopped, StoppedEarly
    from ppocr_ft.engine.trainer import Diverged

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
            run.say(stopped_early(run, early))
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
    if run.writers is not None:
        run.say(summary(run, run.writers.metrics))
    return 0


def stopped_early(run: Training, early: StoppedEarly) -> str:
    """Say after which step and why the run stopped, and how to continue it."""
    progress = run.trainer.progress
    return (
        f"stopped early after step {progress.step} of {run.trainer.total_steps} {early.reason}; "
        "to go on change Global.stop_on or Global.patience and add --resume"
    )


def resume_command(folder: Path) -> str:
    """Return the command line that goes on with the run in ``folder``."""
    launcher = "python -m paddle.distributed.launch [as before] " * (process_count() > 1)
    return f"{as_started(f'{launcher}ppocr-ft train')} --resume {shlex.quote(str(folder))}"


def summary(run: Training, metrics: MetricsFile) -> str:
    """Return before and after as a table."""
    from ppocr_ft.commands.train.console import summary_table
    from ppocr_ft.engine.eval_result import results_of

    results = {result.step: result for result in results_of(metrics.rows())}
    progress = run.trainer.progress
    steps = {
        "before training": 0,
        "best": progress.best_step,
        "at the end": progress.evaluated_step,
    }
    evaluations_shown = {name: results[step] for name, step in steps.items() if step in results}
    return f"\n{summary_table(evaluations_shown, run.config.Metric.main_indicator)}"

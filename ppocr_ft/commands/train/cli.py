"""Command line of ``train``: train a detector."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ppocr_ft.commands.common import (
    command,
    config_of,
    import_paddle,
    in_numbered_folder,
    own_config,
    parser,
    run_together,
)
from ppocr_ft.config.load import shipped_models
from ppocr_ft.engine.distributed import (
    SINGLE_PROCESS,
    ProcessGroup,
    only_main_prints,
    process_count,
)
from ppocr_ft.messages import suggest
from ppocr_ft.utils.files import NUMBER

if TYPE_CHECKING:
    from ppocr_ft.config import Config

EXAMPLES = """\
  ppocr-ft train
        with the ppocr_ft.yml of this folder, as ppocr-ft init writes it
  ppocr-ft train -c det_v4_ft.yml
        the released weights, fine-tuned on the built-in sample data set
  ppocr-ft train -c det_v4_ft.yml -o Train.dataset.data_dir=/my/data \\
        Train.dataset.label_file_list=[/my/data/Label.txt] \\
        Eval.dataset.data_dir=/my/data \\
        Eval.dataset.label_file_list=[/my/data/val.txt] \\
        Global.save_model_dir=output/mine
  ppocr-ft train --model PP-OCRv6_small_det -o Global.save_model_dir=output/v6
        another released model, by the config that the package has for it
  ppocr-ft train -c det_v4_ft.yml --dry-run
        what the run would do when, as a picture and a table
  ppocr-ft train --resume output/mine
        go on with the run in that folder, with its own config
  python -m paddle.distributed.launch --devices 0,1 ppocr-ft train -c my.yml
        on two cards; --nproc_per_node 2 --backend gloo: two processes on the CPU"""
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
        begins=True,
    )
    arguments.add_argument(
        "--model",
        type=_config_of_model,
        metavar="NAME",
        help="in place of -c: the package's config for a released model, "
        + ", ".join(sorted(shipped_models())),
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
    options.numbered = False
    if options.model is not None and options.config is not None:
        arguments.error("-c and --model both name a config; keep one of them")
    options.config = options.config or options.model
    if options.config is None and options.resume in (None, "latest"):
        options.config = own_config()
        if options.config is None:
            arguments.error("-c FILE or --model NAME is required, or --resume FOLDER")
        print(f"config: {options.config}", file=sys.stderr)
    return options


def _config_of_model(name: str) -> str:
    """Return the config of the package that trains a released model, and say which it is."""
    models = shipped_models()
    if name not in models:
        hint = suggest(name, models, one_letter=True)
        raise argparse.ArgumentTypeError(f"no config of the package is for {name!r}{hint}")
    print(f"config: {models[name]}, which comes with the package", file=sys.stderr)
    return str(models[name])


def config_to_train(options: argparse.Namespace) -> Config:
    """Return the config of ``-c``; without it the own one of the run that ``--resume`` names."""
    if options.config is not None:
        config = config_of(options)
        options.numbered = NUMBER in config.Global.save_model_dir
        return in_numbered_folder(config, options.resume or config.Global.resume)
    import_paddle()
    from ppocr_ft.commands.train.run import config_of_run

    return config_of_run(options)


def begin(config: Config, options: argparse.Namespace, group: ProcessGroup) -> int:
    """Train, or with ``--dry-run`` show the plan; return the exit code."""
    from ppocr_ft.commands.train.run import begin as begin_run

    return begin_run(config, options, group)

"""Command line of ``fit_postprocess``: fit thresholds, unclip ratio and resize."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ppocr_ft.commands.common import (
    beside_runs,
    command,
    config_of,
    import_paddle,
    parser,
    whole_number,
)
from ppocr_ft.config import Config
from ppocr_ft.errors import WRONG_INPUT, UserInputError
from ppocr_ft.messages import counted
from ppocr_ft.utils.program import as_started
from ppocr_ft.utils.progress import progress

if TYPE_CHECKING:
    from ppocr_ft.commands.fit_postprocess.run import FitOptions

LIMIT_TYPES = ("max", "min", "resize_long")
OBJECTIVES = ("hmean", "hmean_70", "mean")
NO_OTHERS = "none"
EXAMPLES = """\
  ppocr-ft fit-postprocess -c det_v4_ft.yml \\
        -o Global.checkpoints=output/det_v4_ft/best_accuracy
        the usual values, at the config's evaluation resize, a smaller and a larger one
  ppocr-ft fit-postprocess -c det_v4_ft.yml --resizes 960:max 1280:max 736:min
  ppocr-ft fit-postprocess -c det_v4_ft.yml --resizes none --objective hmean
        at the config's own resize alone
  ppocr-ft fit-postprocess -c det_v4_ft.yml --unclip-ratios 1 1.1 --threshs 0.3
  ppocr-ft eval -c output/det_v4_ft/fitted.yml
        what it wrote, to evaluate, predict, export or train on with"""
EPILOGUE = """

The values are taken only where they gain on images they were not chosen on; else the config's own
stay. fitted.yml, heatmap.png, fit_postprocess.csv and fit_postprocess.json go to
Global.save_model_dir, or to the folder of --out.

exit codes: 0 done, whichever values were taken; 2 the input is wrong (images that could not be
used were left out); 130 stopped by Ctrl-C"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = options_of(argv)
    config = beside_runs(config_of(options), "fit")

    import_paddle()
    from ppocr_ft.commands.fit_postprocess.report import as_json, fit_report
    from ppocr_ft.commands.fit_postprocess.run import check_room, fit_postprocess
    from ppocr_ft.factory import objects
    from ppocr_ft.factory.device import device
    from ppocr_ft.runs.folder import FITTED_CONFIG

    out = Path(options.out or Path(config.Global.save_model_dir) / FITTED_CONFIG)
    objects.eval_data(config)  # label files that can't be used are known before a folder is made
    check_room(out, "--out" if options.out else "Global.save_model_dir")
    print(device(config), flush=True)
    detector, coverage = objects.network(config)
    print(coverage.summary(), flush=True)
    fit = fit_postprocess(config, detector, what_to_try(config, options), progress)
    print(f"{fit.cost_text()}\n\n{fit_report(fit.fitted)}\n")
    print(fit.verify(detector, progress))
    fit.save(out)
    print(f"{out}: a config to go on with; beside it heatmap.png, fit_postprocess.csv")
    for note in fit.notes:
        print(f"note: {note}", file=sys.stderr)
    for fault in fit.faults.faults:
        print(fault, file=sys.stderr)
    if options.json:
        print(json.dumps(as_json(fit.fitted)))
    return WRONG_INPUT if fit.faults.faults else 0


def fit_at_end(config: Config, folder: Path, say: Callable[[str], None]) -> None:
    """Choose the final weights of a run that is over, if asked for, and fit to them.

    If that fails, the run stays unchanged; the user reads why, and which command does it later.
    """
    from ppocr_ft.commands.fit_postprocess.choice import choice_text
    from ppocr_ft.commands.fit_postprocess.final import after_training
    from ppocr_ft.commands.fit_postprocess.report import fit_summary
    from ppocr_ft.runs.folder import FITTED_CONFIG

    try:
        at_end = after_training(config, folder, progress)
        at_end.fit.save(folder / FITTED_CONFIG)
    except (OSError, UserInputError) as error:
        say(f"\npost-processing was not fitted: {error}")
        say(as_started("ppocr-ft fit-postprocess does it alone"))
        return
    if at_end.why_none:
        say(f"\nno weights between start and trained ones were tried: {at_end.why_none}")
    if at_end.choice is not None:
        say(f"\n{choice_text(at_end.choice, int(at_end.fit.exact['images']))}")
    if more := at_end.fit.more_images:
        say(
            f"\nEval has few images: post-processing was fitted to {counted(more, 'image')} of "
            "Train as well; the figures are of Eval's images alone"
        )
    if at_end.enlarged:
        say(f"\n{at_end.enlarged}")
    summary = fit_summary(at_end.fit.fitted, "best" if at_end.choice is None else "final")
    say(f"\n{summary}\na config to go on with: {folder / FITTED_CONFIG}")


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(
        "fit-postprocess",
        "Fit thresholds, unclip ratio and resize to Eval's images.",
        EXAMPLES + EPILOGUE,
    )
    arguments.add_argument(
        "--objective",
        choices=OBJECTIVES,
        default="mean",
        help="what is maximised: hmean at IoU 0.5, at 0.7, or their mean (mean)",
    )
    arguments.add_argument(
        "--resizes",
        nargs="+",
        type=resize,
        metavar="SIDE:TYPE",
        help="other limit_side_len:limit_type to try, as 960:max, or none; each is a pass over "
        "the images (a smaller and a larger one)",
    )
    values = {
        "--unclip-ratios": "from half to 1.6 times what the labels ask for, more where needed",
        "--box-threshs": "0.2 to 0.9 by 0.05",
        "--threshs": "0.15 to 0.4 by 0.05, 0.5",
    }
    for name, default in values.items():
        arguments.add_argument(
            name, nargs="+", type=float, metavar="X", help=f"values to try ({default})"
        )
    arguments.add_argument(
        "--score-modes", nargs="+", choices=("fast", "slow"), help="modes to try (both)"
    )
    arguments.add_argument(
        "--folds",
        type=whole_number(2),
        default=5,
        metavar="N",
        help="parts that are held out in turn (5)",
    )
    arguments.add_argument("--out", metavar="FILE", help="config to write")
    arguments.add_argument("--json", action="store_true", help="the last line is one JSON object")
    return arguments.parse_args(argv)


def resize(text: str) -> tuple[int, str] | None:
    """Parse limit_side_len and limit_type; None: no others."""
    if text == NO_OTHERS:
        return None
    side, _, kind = text.partition(":")
    if not (side.isdecimal() and int(side) > 0 and kind in LIMIT_TYPES):
        raise argparse.ArgumentTypeError(
            f"found {text!r}, expected limit_side_len:limit_type, as 960:max or 736:min, or none"
        )
    return int(side), kind


def what_to_try(config: Config, options: argparse.Namespace) -> FitOptions:
    """Return the options of the search from the command line."""
    from ppocr_ft.commands.fit_postprocess.run import FitOptions
    from ppocr_ft.fitting.grid import LimitedResize, nearby_resizes

    if options.resizes is None:
        resizes = nearby_resizes(config)
    else:
        resizes = [LimitedResize(*given) for given in options.resizes if given is not None]
    names = ("unclip_ratios", "box_threshs", "threshs", "score_modes")
    values = {name: given for name in names if (given := getattr(options, name)) is not None}
    return FitOptions(objective=options.objective, resizes=resizes, folds=options.folds, **values)

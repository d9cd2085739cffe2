"""Command line of ``find_lr``: try many learning rates."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ppocr_ft.commands.common import (
    beside_runs,
    command,
    config_of,
    import_paddle,
    parser,
    say_not_fitted,
)
from ppocr_ft.messages import counted
from ppocr_ft.utils.files import folder_lock

NOT_FOUND = 1
EXAMPLES = """\
  ppocr-ft find-lr -c det_v4_ft.yml
  ppocr-ft find-lr -c det_v4_ft.yml -o Optimizer.name=Momentum
  ppocr-ft find-lr -c det_v4_ft.yml --start 1e-6 --end 0.1 --steps 150
It trains by a rate that rises from step to step (LR range test), until the loss rises again, and
names the rate two thirds through the valley of the loss, and the one where it falls steepest.
Nothing of that training is kept: find_lr.png and find_lr.csv go to Global.save_model_dir."""
EPILOGUE = """

exit codes: 0 found; 1 the losses speak for no rate; 2 the input is wrong; 130 stopped by Ctrl-C"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = options_of(argv)
    config = beside_runs(config_of(options), "find_lr")

    import_paddle()
    say_not_fitted([config])
    from ppocr_ft.commands.find_lr.run import FIGURES, PICTURE, LrSweep, find_lr, lr_override
    from ppocr_ft.commands.find_lr.suggestion import NoLrSuggestion
    from ppocr_ft.factory.device import device

    sweep = LrSweep(options.start, options.end, options.steps)
    begun, used = time.perf_counter(), time.process_time()
    folder = Path(config.Global.save_model_dir)
    with folder_lock(folder, "Global.save_model_dir"):
        print(device(config), flush=True)
        search = find_lr(config, sweep, partial(print, flush=True))
        search.save(folder)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - used
    print(
        f"{counted(len(search.test.points), 'step')}, ended by {search.test.ending}; "
        f"{seconds:.0f} s, {cpu_seconds:.0f} s of CPU; {folder / PICTURE}, {folder / FIGURES}\n"
    )
    suggestion = search.suggestion
    if isinstance(suggestion, NoLrSuggestion):
        print(f"no learning rate found: {suggestion.reason}")
        return NOT_FOUND
    print(
        f"valley:   {suggestion.valley:.1e}, two thirds through {suggestion.begin:.1e} ... "
        f"{suggestion.bottom:.1e}\nsteepest: {suggestion.steepest:.1e}\n\n"
        f"  -o {lr_override(config, suggestion.valley)}"
    )
    return 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(
        "find-lr", "Find a learning rate by trying many.", EXAMPLES + EPILOGUE, begins=True
    )
    arguments.add_argument(
        "--start", type=float, default=1e-7, metavar="LR", help="first rate (1e-7)"
    )
    arguments.add_argument("--end", type=float, default=1.0, metavar="LR", help="last rate (1)")
    arguments.add_argument(
        "--steps", type=int, default=100, metavar="N", help="how many rates (100)"
    )
    return arguments.parse_args(argv)

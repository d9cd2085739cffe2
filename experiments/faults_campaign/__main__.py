"""Try the faults that a run must survive, and print whether it does.

Usage: make faults-campaign (python -m experiments.faults_campaign [--short] [--only N ...]).

    python -m experiments.faults_campaign
        all of them: under 20 minutes on two cores
    python -m experiments.faults_campaign --short --only 1 4
        a few cases of two of them

The exit code is 1 where a line does not hold.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # sums are then repeatable, and processes can be forked

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.faults_campaign import LINES, Line
from experiments.faults_campaign.line import Process

SEED = 19


def main(argv: Sequence[str] | None = None) -> int:
    assert __doc__
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    numbers = [line.number for line in LINES]
    arguments.add_argument("--only", nargs="+", type=int, choices=numbers, default=numbers)
    arguments.add_argument("--short", action="store_true", help="a few cases of each, for CI")
    arguments.add_argument("--seed", type=int, default=SEED, help=f"of the cases ({SEED})")
    arguments.add_argument("--jobs", type=int, default=2, help="lines at a time (2)")
    options = arguments.parse_args(argv)
    began = time.monotonic()
    chosen = [line for line in LINES if line.number in options.only]
    print("| # | fault | must hold | tried | result |\n| --- | --- | --- | --- | --- |")
    wrong = 0
    for line, tried, held in results(chosen, options):
        wrong += held != "held"
        cells = (str(line.number), line.fault, line.must_hold, tried, held)
        print(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |", flush=True)
    minutes = (time.monotonic() - began) / 60
    form = "short form" if options.short else "whole form"
    print(f"\n{len(chosen)} lines, {wrong} do not hold")
    print(f"seed {options.seed}, {form}, {minutes:.0f} min")
    return int(bool(wrong))


def results(chosen: Sequence[Line], options: argparse.Namespace) -> Iterator[tuple[Line, str, str]]:
    """Try lines in processes of their own, several at a time; yield in the table's order."""
    with tempfile.TemporaryDirectory() as folder:
        places = {line: Path(folder) / f"{line.number}.json" for line in chosen}

        def begin(line: Line) -> Process:
            def action() -> None:
                found = line.result(seed=options.seed, short=options.short)
                places[line].write_text(json.dumps(found))

            return Process.of(action, places[line].with_suffix(".txt"))

        waiting, running, told = list(chosen), dict[Line, Process](), list(chosen)
        while told:
            while waiting and len(running) < options.jobs:
                running[waiting[0]] = begin(waiting[0])
                del waiting[0]
            for line, process in list(running.items()):
                if process.wait(0) is not None:
                    del running[line]
            while told and told[0] not in running and told[0] not in waiting:
                place = places[told[0]]
                found = json.loads(place.read_text()) if place.exists() else ("nothing", "it broke")
                yield told.pop(0), *found
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())

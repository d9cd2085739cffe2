"""Try every fault that users' files and reports showed, and print what the program says now.

Usage: make faults (python -m experiments.faults [--fast] [NAME ...]).

    python -m experiments.faults
        all of them: some minutes, since some train
    python -m experiments.faults --fast td500 rctw
        of these, those that don't train

An input of ``../shared/faults`` that isn't on this machine is said to be skipped. The exit code is
1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from experiments.faults import FAULTS
from ppocr_ft.utils.progress import progress

WIDTH = 160


def main(argv: Sequence[str] | None = None) -> int:
    assert __doc__
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("names", nargs="*", metavar="NAME", help="faults by name")
    arguments.add_argument("--fast", action="store_true", help="leave out those that train")
    options = arguments.parse_args(argv)
    known = [fault.name for fault in FAULTS]
    if unknown := set(options.names) - set(known):
        arguments.error(f"no fault {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    chosen = [
        fault
        for fault in FAULTS
        if fault.name in (options.names or known) and not (options.fast and fault.slow)
    ]
    counts: Counter[str] = Counter()
    print("| from | fault | name | now | |\n| --- | --- | --- | --- | --- |")
    for fault in progress(chosen, len(chosen), "faults", "fault"):
        words, verdict = fault.result()
        counts[verdict] += 1
        cells = (
            fault.source,
            fault.title,
            fault.name,
            " ".join(words.split())[:WIDTH].replace("|", "\\|"),
        )
        print(f"| {' | '.join(cells)} | {verdict} |")
    print(", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items())))
    return int(bool(counts["WRONG"]))


if __name__ == "__main__":
    sys.exit(main())

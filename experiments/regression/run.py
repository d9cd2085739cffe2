"""Fine-tunes with PaddleOCR's map operators and with ours, and checks what must come of it.

make regression                  trains, prints tables, draws curves into output/regression;
                                 exit code 1 if a check fails
make regression ARGS=--docs      likewise, and renews numbers, curves and tables of the documents
make regression ARGS=--redraw    curves and tables of the documents, from docs/pictures/*.json
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.marked_tables import Table, replaced
from experiments.regression.checks import failures
from experiments.regression.data_sets import DATA_SETS, DataSet
from experiments.regression.report import equality, picture, table
from experiments.regression.results import Result
from ppocr_ft.commands.common import import_paddle
from tests.support.paddleocr_wheels import WheelMissingError

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
OUTPUT = ROOT / "output" / "regression"
DOCUMENT = ROOT / "docs" / "shrink.md"
EVALUATED_STEPS = (5, 10, 20)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.redraw:
        redraw()
        return 0
    try:
        results = [measured(data_set) for data_set in DATA_SETS if data_set.name in options.data]
    except WheelMissingError as error:
        print(error, file=sys.stderr)
        return 2
    done = [result for result in results if result is not None]
    print(f"\n{equality(done).markdown()}\n")
    save(done, PICTURES if options.docs else OUTPUT)
    if options.docs:
        redraw()
    failed = [f"{result.title}: {what}" for result in done for what in failures(result)]
    print("\n".join(failed) or "all checks hold")
    return 1 if failed else 0


def measured(data_set: DataSet) -> Result | None:
    """None where the data set is not here."""
    if not data_set.is_here():
        print(f"{data_set.title}: left out, no ../shared/data here")
        return None
    import_paddle()
    from experiments.regression.runs import run_arms

    clock, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        result = run_arms(data_set, Path(folder), EVALUATED_STEPS)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    print(f"\n{result.about()}; {clock:.0f} s, {cpu:.0f} s of CPU time\n")
    print(table(result).markdown(), flush=True)
    return result


def save(results: Iterable[Result], folder: Path) -> None:
    """Save the numbers and the curves."""
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        path = folder / f"regression_{result.data_set}.json"
        path.write_text(result.to_json(), encoding="utf-8")
        drawn = path.with_suffix(".svg")
        drawn.write_text(picture(result), encoding="utf-8")
        print(drawn)


def committed() -> list[Result]:
    """Read the numbers in docs/pictures, in the order of the data sets."""
    paths = [PICTURES / f"regression_{data_set.name}.json" for data_set in DATA_SETS]
    return [Result.from_json(path.read_text(encoding="utf-8")) for path in paths]


def tables() -> list[Table]:
    results = committed()
    return [*map(table, results), equality(results)]


def redraw() -> None:
    """Bring curves and documents in line with the numbers in docs/pictures."""
    save(committed(), PICTURES)
    text = DOCUMENT.read_text(encoding="utf-8")
    for table_of_results in tables():
        text = replaced(text, table_of_results)
    DOCUMENT.write_text(text, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [data_set.name for data_set in DATA_SETS]
    parser.add_argument("--data", nargs="+", choices=names, default=names)
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--redraw", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Draws the pictures of docs/shrink.md and computes its tables, with the real PaddleOCR wheels.

python -m experiments.shrink_pictures            writes both, prints the tables
python -m experiments.shrink_pictures --check    exit code 1 if a table in the document is stale
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.made_up_crop import made_up_crop
from experiments.marked_tables import Table, replaced, stale
from experiments.shrink_figures import draw_all
from experiments.shrink_tables import RECEIPTS, all_tables
from tests.support.paddleocr_wheels import WheelMissingError

DOCS = Path(__file__).parents[1] / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    crop = made_up_crop()
    try:
        tables = all_tables(crop)
        if options.check:
            return check(options.document, tables)
        pictures = draw_all(crop, options.document.parent / "images")
    except WheelMissingError as error:
        print(error, file=sys.stderr)
        return 2
    write(options.document, tables)
    for picture in pictures:
        print(f"{picture.name}: {picture.stat().st_size} bytes")
    return 0


def check(document: Path, tables: Sequence[Table]) -> int:
    old = stale(document.read_text(encoding="utf-8"), tables)
    for name in old:
        print(f"{document}: table {name} is not what it is now; run `make docs`", file=sys.stderr)
    _say_what_is_missing("not checked")
    return 1 if old else 0


def write(document: Path, tables: Sequence[Table]) -> None:
    text = document.read_text(encoding="utf-8")
    for table in tables:
        print(f"{table.name}\n\n{table.markdown()}\n")
        text = replaced(text, table)
    document.write_text(text, encoding="utf-8")
    _say_what_is_missing("left as it is")


def _say_what_is_missing(state: str) -> None:
    if not RECEIPTS.is_file():
        print(f"table ceiling_receipts {state}: no receipts' labels beside the repository")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare the tables, write nothing")
    parser.add_argument("--document", type=Path, default=DOCS / "shrink.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())

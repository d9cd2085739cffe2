"""``python -m sample_data --out DIR``, in the root of the repository."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.errors import UserInputError
from sample_data.store import Parameters, draw_sample

DESCRIPTION = """\
Draw a sample data set from a seed: images/, train.txt and val.txt.

With no numbers given it is the data set that the package ships."""
EXAMPLES = """\
examples:
  python -m sample_data --out ppocr_ft/data/sample --force     (the shipped pictures, drawn anew)
  python -m sample_data --out data/other --seed 3 --train 500 --val 100 --quality 90

exit codes: 0 done; 2 wrong input"""


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    try:
        parameters = Parameters(options.seed, options.train, options.val, options.quality)
        drawn = draw_sample(options.out, parameters, force=options.force)
    except UserInputError as error:
        print(f"sample_data: {error}", file=sys.stderr)
        return 2
    print(f"{drawn.data_dir}: {drawn.train_label.name}, {drawn.val_label.name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    shipped = Parameters()
    parser = argparse.ArgumentParser(
        prog="python -m sample_data",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    for name, default, meaning in (
        ("seed", shipped.seed, "same seed, same data set"),
        ("train", shipped.train_images, "training pictures"),
        ("val", shipped.val_images, "validation pictures"),
        ("quality", shipped.quality, "of the JPEG files, 1 to 100"),
    ):
        parser.add_argument(
            f"--{name}",
            type=int,
            default=default,
            metavar="N",
            help=f"{meaning}; default: {default}",
        )
    parser.add_argument("--force", action="store_true", help="replace a sample data set")
    return parser


if __name__ == "__main__":
    sys.exit(main())

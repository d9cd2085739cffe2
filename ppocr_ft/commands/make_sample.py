"""Command line of ``make_sample``: copy the sample data set to look at or to try things."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.common import bare_parser, command
from ppocr_ft.data.sample_set import TRAIN_IMAGES, VAL_IMAGES, copy_sample

DESCRIPTION = """\
Copy the sample data set, or its first pictures, into a folder: images/, train.txt, val.txt.

The pictures come with the package; configs need no copy of them (data_dir: sample). They were
drawn by the program in sample_data/ of the repository, which draws others too:
python -m sample_data --help"""
EXAMPLES = """\
  ppocr-ft make-sample --out data/sample
  ppocr-ft make-sample --out data/small --train 16 --val 8
  ppocr-ft make-sample --out data/sample --force      (replace an earlier copy)"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    arguments = bare_parser("make-sample", DESCRIPTION, EXAMPLES)
    arguments.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    for name, what, count in (
        ("--train", "training", TRAIN_IMAGES),
        ("--val", "validation", VAL_IMAGES),
    ):
        about = f"the first N {what} pictures; default: {count}, all"
        arguments.add_argument(name, type=int, default=count, metavar="N", help=about)
    arguments.add_argument("--force", action="store_true", help="replace a sample data set")
    options = arguments.parse_args(argv)
    copy = copy_sample(options.out, train=options.train, val=options.val, force=options.force)
    print(f"{copy.data_dir}: {copy.train_label.name}, {copy.val_label.name}")
    return 0

"""Command line of ``rank``: which images to label next."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.common import command, config_of, import_paddle, parser, whole_number
from ppocr_ft.config.load import with_values
from ppocr_ft.data.label_writing import label_writer
from ppocr_ft.errors import WRONG_INPUT
from ppocr_ft.messages import counted
from ppocr_ft.utils.progress import progress

FIRST = 20
EXAMPLES = """\
  ppocr-ft rank -c output/latest/fitted.yml --images more/ --out output/next
        ranked.csv: all in their order; ranked.png: the first 20 with the boxes found
  ppocr-ft rank -c output/latest/fitted.yml --images more/ --out output/next \\
        --save-label more/Label.txt --first 50
        boxes of the first 50, to correct in PPOCRLabel
  ppocr-ft rank -c det_v4_ft.yml --images 'scans/*.png' --out output/next
        before any training, by the released weights
"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = options_of(argv)
    config = with_values(config_of(options), {"Eval.tiles": None})  # a page is one image

    import_paddle()
    from ppocr_ft.commands.rank.run import pool_of, rank

    pool = pool_of(config, options.images)
    for note in pool.notes:
        print(f"note: {note}", file=sys.stderr)
    with label_writer(options.save_label) as label:
        ranked = rank(config, pool, progress)
        ranked.save(options.out, options.first)
        for choice, image in ranked.first(options.first):
            label(image.path, image.boxes["points"])
            print(f"{choice.score:.3f}  {image.path}")
    for fault in pool.images.faults:
        print(fault, file=sys.stderr)
    labels = f"; labels of the first {options.first}: {options.save_label}"
    print(
        f"{counted(len(ranked.images), 'image')}: {options.out}{labels * bool(options.save_label)}",
        file=sys.stderr,
    )
    return WRONG_INPUT if pool.images.faults else 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(
        "rank",
        "Order unlabelled images by how much their labels would teach.",
        EXAMPLES,
        begins=True,
    )
    arguments.add_argument(
        "--images", required=True, nargs="+", metavar="PATH", help="files, folders or patterns"
    )
    arguments.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for ranked.csv and .png"
    )
    arguments.add_argument(
        "--first",
        type=whole_number(1),
        default=FIRST,
        metavar="N",
        help=f"so many are printed, drawn and written as labels ({FIRST})",
    )
    arguments.add_argument(
        "--save-label",
        type=Path,
        metavar="FILE",
        help="write PPOCRLabel's Label.txt of the first ones; best beside the images",
    )
    return arguments.parse_args(argv)

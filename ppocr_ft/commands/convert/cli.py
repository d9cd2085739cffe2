"""Command line of ``convert``: label files of other tools, and back."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.common import bare_parser, command
from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.image_folder import folder_of_images
from ppocr_ft.commands.convert.formats.reading import BLOCKS, LINES, WORDS, TextChoice
from ppocr_ft.commands.convert.formats.recognition import recognise
from ppocr_ft.errors import WRONG_INPUT
from ppocr_ft.utils.progress import progress

AUTO, IGNORE = "auto", "ignore"
DESCRIPTION = """\
Convert label files of other tools to PaddleOCR's, and back.

{formats}

All faults are listed together, and nothing is written while there is one, unless --skip-bad is
given; then images with a fault are left out whole, since texts that lack would be taught as
background."""
EXAMPLES = """\
  ppocr-ft convert gt/ --images images/ --split 0.9
        the format is recognised; images/train.txt and images/val.txt
  ppocr-ft convert Annotations/ --images JPEGImages/ --only plate,text --out labels/
        objects of two classes alone
  ppocr-ft convert imgs/ --difficult ignore --out labels/
        all Label.txt below imgs/; texts marked difficult become ###
  ppocr-ft convert --from labelstudio export.json --images photos/ --out labels/
  ppocr-ft convert --from coco COCO_Text.json --images train2014/ --skip-bad
        COCO-Text also lists images of other folders: they are counted and left out
  ppocr-ft convert --from page export/ --images scans/ --level words
  ppocr-ft convert images/Label.txt --to coco --out coco/
  ppocr-ft convert images/Label.txt --split 0.8 --seed 1 --out parts/

exit codes: 0 everything was converted; 2 something was not (--skip-bad: the rest was)"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(argv)

    from ppocr_ft.commands.convert.console import summary, told, write_findings
    from ppocr_ft.commands.convert.run import Request, convert

    source: Path = options.source
    from_format = options.from_format
    if from_format == AUTO:
        from_format, reason = recognise(source, FORMATS)
        print(f"reading it as {from_format}: {reason}")
    images: Path = options.images or folder_of_images(source)
    ignores = options.difficult == IGNORE
    choice = TextChoice(options.only, options.without, ignores, options.level)
    request = Request(
        source=source,
        from_format=from_format,
        to_format=options.to_format,
        images=images,
        out=options.out or images,
        split_ratio=options.split,
        seed=options.seed,
        skip_bad=options.skip_bad,
        force=options.force,
        negatives=options.negatives,
        choice=choice,
    )
    done = convert(request, progress)
    lines, is_cut = told(done.findings)
    for line in lines:
        print(line, file=sys.stderr)
    if is_cut:
        print(f"all of them are in {write_findings(done.findings, request.out)}", file=sys.stderr)
    print("\n".join(summary(done, options.to_format, images)))
    return WRONG_INPUT if done.errors else 0


def _parser() -> argparse.ArgumentParser:
    formats = "\n".join(f"{form.name:14}{form.meaning}" for form in FORMATS.values())
    arguments = bare_parser("convert", DESCRIPTION.format(formats=formats), EXAMPLES)
    arguments.add_argument(
        "source", type=Path, metavar="PATH", help="a label file, or a folder of them"
    )
    arguments.add_argument(
        "--from",
        dest="from_format",
        default=AUTO,
        choices=(AUTO, *FORMATS),
        metavar="FORMAT",
        help="one of the formats above; default: auto, known by the files' content",
    )
    writable = [form.name for form in FORMATS.values() if form.writer]
    arguments.add_argument(
        "--to", dest="to_format", default="ppocr", choices=writable, help="default: ppocr"
    )
    arguments.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="where the images are; default: where PATH is, or images/, JPEGImages/ beside it",
    )
    arguments.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for Label.txt, annotations.json or gt_*.txt; default: the images' folder",
    )
    arguments.add_argument(
        "--split",
        type=_share,
        metavar="SHARE",
        help="this share of the images into train, the others into val (train.txt and val.txt, "
        "or .json, or folders)",
    )
    arguments.add_argument("--seed", type=int, default=0, help="of the split; default: 0")
    _add_choices(arguments.add_argument_group("which images and texts"))
    arguments.add_argument("--skip-bad", action="store_true", help="write what has no fault")
    arguments.add_argument("--force", action="store_true", help="overwrite files that are there")
    return arguments


def _add_choices(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--negatives",
        action="store_true",
        help="images of the folder that no label names are images without text",
    )
    group.add_argument(
        "--only", type=_names, default=(), metavar="A,B", help="objects of these classes alone"
    )
    group.add_argument(
        "--without", type=_names, default=(), metavar="A,B", help="no objects of these classes"
    )
    group.add_argument(
        "--difficult",
        choices=("learn", IGNORE),
        default="learn",
        help="texts marked difficult: learn as any other (default), or ignore (###)",
    )
    group.add_argument(
        "--level",
        choices=(LINES, WORDS, BLOCKS),
        help="which texts, where a format has several levels: "
        + "; ".join(f"{f.name}: {', '.join(f.levels)}" for f in FORMATS.values() if f.levels),
    )


def _names(text: str) -> tuple[str, ...]:
    """Return names between commas; one with a comma stands in double quotes."""
    parts = next(csv.reader([text], skipinitialspace=True), [])
    names = tuple(part.strip() for part in parts if part.strip())
    if not names:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected the name of a class, or A,B")
    return names


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number between 0 and 1")
    return share

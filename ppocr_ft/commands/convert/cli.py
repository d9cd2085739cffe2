"""Command line of ``convert``: label files of other tools, and back."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ppocr_ft.commands.common import bare_parser, command
from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.reading import BLOCKS, LINES, WORDS, Choice
from ppocr_ft.commands.convert.formats.recognition import recognise
from ppocr_ft.errors import WRONG_INPUT
from ppocr_ft.utils.progress import progress

if TYPE_CHECKING:
    from ppocr_ft.commands.convert.run import Conversion
    from ppocr_ft.errors import Finding

AUTO, IGNORE = "auto", "ignore"
NAMED = 20
"""The number of names that are listed; the errors have named each."""
DESCRIPTION = """\
Convert label files of other tools to PaddleOCR's, and back.

{formats}

All faults are listed together, and nothing is written while there is one, unless --skip-bad is
given; then images with a fault are left out whole, since texts that lack would be taught as
background."""
EXAMPLES = """\
  ppocr-ft convert --from icdar gt/ --images images/ --split 0.9
        images/train.txt and images/val.txt; config: Train.dataset.data_dir=images/
  ppocr-ft convert --from labelstudio export.json --images photos/ --out labels/
  ppocr-ft convert --from coco COCO_Text.json --images train2014/ --skip-bad
        COCO-Text also lists images of other folders: they are counted and left out
  ppocr-ft convert --from ppocr images/Label.txt --to coco --out coco/
  ppocr-ft convert --from ppocr images/Label.txt --split 0.8 --seed 1 --out parts/

exit codes: 0 everything was converted; 2 something was not (--skip-bad: the rest was)"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(argv)

    from ppocr_ft.commands.convert.run import Request, convert

    source: Path = options.source
    from_format = options.from_format
    if from_format == AUTO:
        from_format, reason = recognise(source, FORMATS)
        print(f"reading it as {from_format}: {reason}")
    images: Path = options.images or (source if source.is_dir() else source.parent)
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
        choice=Choice(options.only, options.without, options.difficult == IGNORE, options.level),
    )
    done = convert(request, progress)
    for finding in done.findings:
        print(described(finding), file=sys.stderr)
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
        help="default: auto, known by the files' content",
    )
    writable = [form.name for form in FORMATS.values() if form.writer]
    arguments.add_argument(
        "--to", dest="to_format", default="ppocr", choices=writable, help="default: ppocr"
    )
    arguments.add_argument(
        "--images", type=Path, metavar="DIR", help="where the images are; default: where PATH is"
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
    arguments.add_argument(
        "--negatives",
        action="store_true",
        help="images of the folder that no label names are images without text",
    )
    arguments.add_argument(
        "--only", type=_names, default=(), metavar="A,B", help="objects of these classes alone"
    )
    arguments.add_argument(
        "--without", type=_names, default=(), metavar="A,B", help="no objects of these classes"
    )
    arguments.add_argument(
        "--difficult",
        choices=("learn", IGNORE),
        default="learn",
        help="texts marked difficult: learn as any other (default), or ignore (###)",
    )
    arguments.add_argument(
        "--level",
        choices=(LINES, WORDS, BLOCKS),
        help="which texts, where a format has several levels: "
        + "; ".join(f"{f.name}: {', '.join(f.levels)}" for f in FORMATS.values() if f.levels),
    )
    arguments.add_argument("--skip-bad", action="store_true", help="write what has no fault")
    arguments.add_argument("--force", action="store_true", help="overwrite files that are there")
    return arguments


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number between 0 and 1")
    return share


def described(finding: Finding) -> str:
    """Return one line: where, what, and what to do."""
    where = finding.file or ""
    if finding.line is not None:
        where += f":{finding.line}"
    parts = [finding.severity, where, f"{finding.message}; {finding.remedy}"]
    return ": ".join(part for part in parts if part)


def summary(done: Conversion, to_format: str, images: Path) -> list[str]:
    """Describe what was written, and what was not."""
    lines = []
    if done.errors:
        lines.append(f"{done.errors} fault{'s' * (done.errors > 1)}, listed above")
    if not done.files:
        return [*lines, _nothing(done)]
    if done.left_out:
        names = ", ".join([*done.left_out[:NAMED], *["..."] * (len(done.left_out) > NAMED)])
        lines.append(f"left out with a fault: {len(done.left_out)} ({names})")
    lines.append(f"written: {done.describe()}")
    sizes = {part: len(entries) for part, entries in done.parts.items() if part}
    if sizes:
        lines.append(", ".join(f"{part}: {size} images" for part, size in sizes.items()))
    lines += [str(path) for path in done.files[:2]]
    if len(done.files) > 2:
        lines.append(f"... {len(done.files)} files in all")
    return [*lines, *(_config(done, images) if to_format == "ppocr" else [])]


def _nothing(done: Conversion) -> str:
    good = sum(len(entries) for entries in done.parts.values())
    exists = any(finding.rule == "output-exists" for finding in done.findings)
    hint = f"; --skip-bad writes the {good} images without fault" if good and not exists else ""
    return f"nothing was written{hint}"


def _config(done: Conversion, images: Path) -> list[str]:
    """Return the lines about how to train on it."""
    words = []
    for section, path in zip(("Train", "Eval"), done.files, strict=False):
        words += [
            f"{section}.dataset.data_dir={images}",
            f"{section}.dataset.label_file_list=[{path}]",
        ]
    return [f"to train on it: -o {shlex.join(words)}"]

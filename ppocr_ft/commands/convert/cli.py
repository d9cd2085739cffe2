"""Command line of ``convert``: label files of other tools, and back."""

from __future__ import annotations

import argparse
import csv
import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.common import bare_parser, command
from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.image_folder import folder_of_images
from ppocr_ft.commands.convert.formats.reading import BLOCKS, LINES, WORDS, TextChoice
from ppocr_ft.commands.convert.recognition import recognise
from ppocr_ft.commands.convert.run import Conversion, Request, convert
from ppocr_ft.errors import WRONG_INPUT, Finding
from ppocr_ft.messages import counted
from ppocr_ft.utils.console import wrapped
from ppocr_ft.utils.files import write_whole
from ppocr_ft.utils.progress import progress

_AUTO, _IGNORE = "auto", "ignore"
_DESCRIPTION = """\
Convert label files of other tools to PaddleOCR's, and back.

{formats}

All faults are listed together, and nothing is written while there is one, unless --skip-bad is
given; then images with a fault are left out whole, since texts that lack would be taught as
background."""
_EXAMPLES = """\
  ppocr-ft convert gt/ --images images/ --split 0.9
        the format is recognised; images/train.txt and images/val.txt
  ppocr-ft convert Annotations/ --only plate,text --out labels/
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
_SHOWN, _SCREEN = 5, 20
"""The most findings that are shown of a kind, and of all kinds where there are many."""
_FINDINGS_FILE = "convert_findings.log"
_NAMED = 5
_PLAIN = re.compile(r"[\w./\\ +=@~-]+")


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    return run(argv)


def run(argv: Sequence[str], *, how_to_train: bool = True) -> int:
    """Convert, and say how to train on it if that is wanted; return the exit code."""
    options = _parser().parse_args(argv)
    source: Path = options.source
    from_format = options.from_format
    if from_format == _AUTO:
        from_format, reason = recognise(source)
        print(f"reading it as {from_format}: {reason}")
    images: Path = options.images or folder_of_images(source)
    ignores = options.difficult == _IGNORE
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
        choice=TextChoice(options.only, options.without, ignores, options.level),
    )
    done = convert(request, progress)
    lines, is_cut = _shown(done.findings)
    for line in lines:
        print(line, file=sys.stderr)
    if is_cut:
        written_to = _write_findings(done.findings, request.out)
        print(f"all of them are in {written_to}", file=sys.stderr)
    how_to_train &= options.to_format == "ppocr"
    print("\n".join(_summary(done, images if how_to_train else None)))
    return WRONG_INPUT if done.errors else 0


def _parser() -> argparse.ArgumentParser:
    lines = (wrapped(one.meaning, f"{one.name:14}", " " * 14) for one in FORMATS.values())
    formats = "\n".join(line for of_format in lines for line in of_format)
    arguments = bare_parser("convert", _DESCRIPTION.format(formats=formats), _EXAMPLES)
    arguments.add_argument(
        "source", type=Path, metavar="PATH", help="a label file, or a folder of them"
    )
    arguments.add_argument(
        "--from",
        dest="from_format",
        default=_AUTO,
        choices=(_AUTO, *FORMATS),
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
        choices=("learn", _IGNORE),
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


def _shown(findings: Sequence[Finding]) -> tuple[list[str], bool]:
    """Return a line for each finding, a few of each kind, and whether some are only counted."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.severity, finding.rule), []).append(finding)
    shown = max(1, min(_SHOWN, _SCREEN // max(1, len(kinds))))
    lines = []
    for (severity, rule), alike in kinds.items():
        lines += [_described(finding) for finding in alike[:shown]]
        if len(alike) > shown:
            lines.append(f"{severity}: ... {len(alike) - shown:,} more of this kind ({rule})")
    return lines, any(len(alike) > shown for alike in kinds.values())


def _described(finding: Finding) -> str:
    """Return one line: where, what, and what to do."""
    where = finding.file or ""
    if finding.line is not None:
        where += f":{finding.line}"
    parts = [finding.severity, where, f"{finding.message}; {finding.remedy}"]
    return ": ".join(part for part in parts if part)


def _write_findings(findings: Sequence[Finding], folder: Path) -> Path | str:
    """Write all findings into a file of the folder; return its path, or why there is none."""
    path = folder / _FINDINGS_FILE
    content = "".join(f"{_described(finding)}\n" for finding in findings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.encode("utf-8", errors="backslashreplace"))
    except OSError as error:
        return f"no file: {path} can't be written ({error.strerror})"
    return path


def _summary(done: Conversion, images: Path | None) -> list[str]:
    """Describe what was written, and what was not; with ``images`` say how to train on it."""
    lines = []
    if done.errors:
        rules = Counter(finding.rule for finding in done.findings if finding.severity == "error")
        kinds = ", ".join(f"{rule} {count:,}" for rule, count in rules.most_common())
        lines.append(f"{counted(done.errors, 'fault')}: {kinds}")
    if not done.files:
        good = sum(len(entries) for entries in done.parts.values())
        exists = any(finding.rule == "output-exists" for finding in done.findings)
        may_skip = good and not exists
        hint = f"; --skip-bad writes the {counted(good, 'image')} without fault" if may_skip else ""
        return [*lines, f"nothing was written{hint}"]
    if done.left_out:
        names = ", ".join([*done.left_out[:_NAMED], *["..."] * (len(done.left_out) > _NAMED)])
        lines.append(f"left out with a fault: {len(done.left_out)} ({names})")
    lines += [str(path) for path in done.files[:2]]
    if len(done.files) > 2:
        lines.append(f"... {len(done.files):,} files in all")
    sizes = {part: len(entries) for part, entries in done.parts.items() if part}
    parts = ", ".join(f"{part} {counted(size, 'image')}" for part, size in sizes.items())
    lines.append(f"written: {done.describe()}{f' ({parts})' if parts else ''}")
    return [*lines, *([] if images is None else _config(done, images))]


def _config(done: Conversion, images: Path) -> list[str]:
    """Return the line about how to train on it; a fifth of a single part is held out."""
    words = ["Global.val_ratio=0.2"] if len(done.files) == 1 else []
    for section, path in zip(("Train", "Eval"), done.files, strict=False):
        words += [
            f"{section}.dataset.data_dir={_in_yaml(images)}",
            f"{section}.dataset.label_file_list=[{_in_yaml(path)}]",
        ]
    return [f"to train on it: -o {shlex.join(words)}"]


def _in_yaml(path: Path) -> str:
    """Return the path, in quotes if YAML would read it as something else."""
    is_plain = _PLAIN.fullmatch(str(path)) and str(path).strip() == str(path)
    return str(path) if is_plain else json.dumps(str(path), ensure_ascii=False)

"""Command line of ``check``: the faults of a config, its data and its weights."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ppocr_ft.commands.check.console import described, grouped, is_cut
from ppocr_ft.commands.common import command, import_paddle, parser
from ppocr_ft.errors import WRONG_INPUT
from ppocr_ft.utils.program import as_started

if TYPE_CHECKING:
    from ppocr_ft.commands.check.run import Check

SAMPLES = 4
EXAMPLES = """\
  ppocr-ft check -c det_v4_ft.yml
  ppocr-ft check -c PaddleOCR/configs/det/ch_PP-OCRv4/ch_PP-OCRv4_det_student.yml \\
        --no-weights -o Train.dataset.data_dir=/my/data
        any PaddleOCR detector's YAML, trained here or there
  ppocr-ft check -c my.yml --fix fixed/
        cleaned label files; the old ones stay as they are
  ppocr-ft check -c my.yml --no-images --json > issues.json
geometry.png, samples.png and, where warnings are too many to print, check.txt go to
Global.save_model_dir."""
EPILOGUE = """

exit codes: 0 nothing that stops a training, perhaps warnings; 2 an error; 1 anything else"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = options_of(argv)
    with contextlib.redirect_stdout(sys.stderr):  # libraries talk, and stdout may be JSON
        with contextlib.suppress(ImportError):
            import_paddle()
        from ppocr_ft.commands.check.run import CheckOptions, check, save_findings

        check_options = CheckOptions(
            images=options.images,
            weights=options.weights,
            samples=options.samples,
            fix=options.fix,
        )
        result = check(options.config, options.override, check_options)
        if is_cut(result.findings) and not options.json:
            save_findings(result)
    print(json.dumps(result.as_dict(), ensure_ascii=False) if options.json else text_of(result))
    return WRONG_INPUT if result.has_errors else 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(
        "check",
        "Check a config, its data and its weights, before any training.",
        EXAMPLES + EPILOGUE,
    )
    arguments.add_argument(
        "--json", action="store_true", help="print one JSON object, nothing else"
    )
    arguments.add_argument(
        "--fix", type=Path, metavar="OUT", help="write cleaned label files into this folder"
    )
    arguments.add_argument(
        "--no-images",
        dest="images",
        action="store_false",
        help="labels only: no image need be there",
    )
    arguments.add_argument(
        "--no-weights", dest="weights", action="store_false", help="don't look at the weights"
    )
    arguments.add_argument(
        "--samples",
        type=_count,
        default=SAMPLES,
        metavar="N",
        help=f"so many training samples in samples.png ({SAMPLES}); 0: no picture",
    )
    return arguments.parse_args(argv)


def text_of(result: Check) -> str:
    """Return the result for people: findings by rule, then tables, then counts."""
    from ppocr_ft.commands.check.geometry_table import geometry_lines

    parts = [grouped(result.findings)]
    if is_cut(result.findings):
        parts.append([f"every warning is in {result.written or 'the output of --json'}"])
    if result.data is not None:
        counts = result.data.counts.items()
        parts.append([f"read: {path}: {numbers.describe()}" for path, numbers in counts])
    parts.append(_ratios(result))
    if result.geometry is not None:
        parts.append(geometry_lines(result.geometry))
    if result.weights is not None:
        parts.append([str(result.weights)])
    parts.append(result.changes)
    parts.append([f"note: {note}" for note in result.notes])
    parts.append([f"drawn: {path}" for path in result.files])
    parts.append([described(result.findings)])
    return as_started("\n\n".join("\n".join(lines) for lines in parts if lines))


def _ratios(result: Check) -> list[str]:
    """Return the shrink ratio by PaddleOCR version; nothing if a finding says it already."""
    if result.ratios is None or any(finding.rule == "total-epoch" for finding in result.findings):
        return []
    ours = result.ratios.ours
    if all(
        (version.first, version.last) == (ours.first, ours.last)
        for version in result.ratios.versions
    ):
        return [f"shrink ratio: constant {ours.first:g}, here and in every PaddleOCR"]
    versions = [f"  {version.describe()}" for version in result.ratios.versions]
    return ["shrink ratio that this YAML gives, first to last epoch:", *versions]


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"found {text}; 0 or more")
    return count

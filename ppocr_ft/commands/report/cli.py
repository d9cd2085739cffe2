"""Command line of ``report``: make the page of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.common import bare_parser, command, import_paddle

EXAMPLES = """\
  ppocr-ft report output/det_v4_ft
        report.html and results.png of a run, finished or broken off, from the files in its folder
  ppocr-ft report output/det_v4_ft --language zh"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    arguments = bare_parser(
        "report",
        "Make the page of a run again: report.html and results.png in its folder.",
        EXAMPLES,
    )
    arguments.add_argument(
        "folder", type=Path, metavar="FOLDER", help="a run's folder, its Global.save_model_dir"
    )
    arguments.add_argument(
        "--language",
        choices=("auto", "en", "zh"),
        default="auto",
        help="the language that the page opens in (default: auto, the browser's); it can be "
        "switched there",
    )
    options = arguments.parse_args(argv)

    import_paddle()
    from ppocr_ft.commands.report.run import report

    print(report(options.folder, options.language))
    return 0

"""Command line of ``watch``: serve the page of a run while it goes on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.common import bare_parser, command, import_paddle

DESCRIPTION = """\
Show the report of a run in the browser, and keep it up to date while training goes on.

Nothing leaves this machine. Another --host than this machine's own 127.0.0.1 lets others see the
run, not encrypted, if they have the address with its token, which is printed."""
EXAMPLES = """\
  ppocr-ft watch
        output/latest, or the newest run below output/; open the address that is printed
  ppocr-ft watch output/run3 --port 0
        that run, on a free port
  ppocr-ft watch --host 0.0.0.0
        for other machines too, with a token
  ssh -L 8080:127.0.0.1:8080 server
        with  ppocr-ft watch  on the server: http://127.0.0.1:8080/ here, encrypted, no token"""
HIGHEST_PORT = 65535


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    arguments = bare_parser("watch", DESCRIPTION, EXAMPLES)
    arguments.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="RUN",
        help="a run's folder; default: output/latest, or the newest run below output/",
    )
    arguments.add_argument(
        "--port", type=_port, default=8080, help="default: 8080; 0 takes a free one"
    )
    arguments.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to serve on; default: 127.0.0.1, which only this machine reaches",
    )
    options = arguments.parse_args(argv)

    import_paddle()
    from ppocr_ft.commands.watch.run import found_run, watch

    watch(found_run(options.folder), options.host, options.port)
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"found {text!r}, must be 0 to {HIGHEST_PORT}")
    return int(text)

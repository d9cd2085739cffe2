"""Evaluate a detector on labelled images; --help tells how."""

import sys

from ppocr_ft.commands.eval.cli import main

if __name__ == "__main__":
    sys.exit(main())

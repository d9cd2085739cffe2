"""Evaluate a detector on labelled images; --help tells how."""

import sys

from ppocr_ft.cli.eval import main

if __name__ == "__main__":
    sys.exit(main())

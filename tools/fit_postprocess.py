"""Fit thresholds, unclip ratio and resize to labelled images; --help tells how."""

import sys

from ppocr_ft.commands.fit_postprocess.cli import main

if __name__ == "__main__":
    sys.exit(main())

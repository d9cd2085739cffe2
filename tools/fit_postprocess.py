"""Fit thresholds, unclip ratio and resize to labelled images; --help tells how."""

import sys

from ppocr_ft.cli.fit_postprocess import main

if __name__ == "__main__":
    sys.exit(main())

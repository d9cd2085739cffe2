"""Make the page of a run; --help tells how."""

import sys

from ppocr_ft.commands.report.cli import main

if __name__ == "__main__":
    sys.exit(main())

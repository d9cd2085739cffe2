"""Export a detector; --help tells how."""

import sys

from ppocr_ft.commands.export.cli import main

if __name__ == "__main__":
    sys.exit(main())

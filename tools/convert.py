"""Convert label files of other tools, and back; --help tells how."""

import sys

from ppocr_ft.commands.convert.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""Check a config, its data and its weights before any training; --help tells how."""

import sys

from ppocr_ft.commands.check.cli import main

if __name__ == "__main__":
    sys.exit(main())

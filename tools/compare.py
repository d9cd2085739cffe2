"""Short runs of different configs beside each other; --help tells how."""

import sys

from ppocr_ft.commands.compare.cli import main

if __name__ == "__main__":
    sys.exit(main())

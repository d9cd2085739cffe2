"""Find text in images; --help tells how."""

import sys

from ppocr_ft.commands.predict.cli import main

if __name__ == "__main__":
    sys.exit(main())

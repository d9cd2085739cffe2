"""Train a detector, or fine-tune one; --help tells how."""

import sys

from ppocr_ft.commands.train.cli import main

if __name__ == "__main__":
    sys.exit(main())

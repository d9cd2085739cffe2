"""Train a detector, or fine-tune one; --help tells how."""

import sys

from ppocr_ft.cli.train import main

if __name__ == "__main__":
    sys.exit(main())

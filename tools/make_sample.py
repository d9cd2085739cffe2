"""Copy the sample data set; --help tells how."""

import sys

from ppocr_ft.commands.make_sample.cli import main

if __name__ == "__main__":
    sys.exit(main())

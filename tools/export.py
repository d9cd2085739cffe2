"""Export a detector; --help tells how."""

import sys

from ppocr_ft.cli.export import main

if __name__ == "__main__":
    sys.exit(main())

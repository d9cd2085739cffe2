"""Find a learning rate by trying many; --help tells how."""

import sys

from ppocr_ft.cli.find_lr import main

if __name__ == "__main__":
    sys.exit(main())

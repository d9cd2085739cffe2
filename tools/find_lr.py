"""Find a learning rate by trying many; --help tells how."""

import sys

from ppocr_ft.commands.find_lr.cli import main

if __name__ == "__main__":
    sys.exit(main())

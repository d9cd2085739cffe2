"""``python -m ppocr_ft COMMAND ...`` is ``ppocr-ft COMMAND ...``."""

import sys

from ppocr_ft.commands.main import main

if __name__ == "__main__":
    sys.exit(main())

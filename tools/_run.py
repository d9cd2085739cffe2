"""Start a command of the package, or say how to install the package."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(command: str) -> None:
    """Run the command, and exit with its code."""
    try:
        from ppocr_ft.commands.main import main
    except ModuleNotFoundError as error:
        if error.name != "ppocr_ft":
            raise
        pythons = [ROOT / ".venv/bin/python", ROOT / ".venv/Scripts/python.exe"]
        ready = [python for python in pythons if python.exists()]
        remedy = f"pip install -e '.[cpu]' in {ROOT}"
        if ready:
            remedy = f"{ready[0]} {sys.argv[0]} ... runs it; or {remedy}"
        print(f"ppocr_ft is not installed for {sys.executable}: {remedy}", file=sys.stderr)
        sys.exit(2)
    sys.exit(main([command, *sys.argv[1:]]))

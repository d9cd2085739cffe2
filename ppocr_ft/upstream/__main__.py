"""Run a PaddleOCR checkout's own trainer with the pair in place."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from ppocr_ft.errors import WRONG_INPUT, UserInputError
from ppocr_ft.upstream.patch import install

USAGE = """\
usage: python -m ppocr_ft.upstream SCRIPT [ARGUMENT ...]

Runs SCRIPT of a PaddleOCR 2.x checkout as "python SCRIPT ARGUMENT ..." would, with
MakeShrinkMap and MakeBorderMap replaced by ppocr_ft's: right targets, and a shrink ratio
that follows the true epoch. The checkout itself stays as it is.

examples:
  python -m ppocr_ft.upstream PaddleOCR/tools/train.py \\
      -c PaddleOCR/configs/det/ch_PP-OCRv4/ch_PP-OCRv4_det_student.yml
  python -m ppocr_ft.upstream tools/train.py -c my.yml \\
      -o Global.checkpoints=output/latest                (resumes where that run is)
  python -m paddle.distributed.launch --gpus 0,1 \\
      python -m ppocr_ft.upstream tools/train.py -c my.yml
"""
PROGRAM = "ppocr_ft.upstream"


def main(argv: list[str]) -> int:
    """Run a trainer with the operators in place; return the exit code."""
    if argv and argv[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    try:
        run(_script(argv), argv[1:])
    except UserInputError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return WRONG_INPUT
    return 0


def run(script: Path, arguments: list[str]) -> None:
    """Run ``script`` as the main program, in the PaddleOCR that it belongs to.

    Raises:
        UserInputError: there is no PaddleOCR for it.
    """
    folders = _install_for(script)
    names = " and ".join(map(str, folders))
    print(f"{PROGRAM}: MakeShrinkMap and MakeBorderMap replaced in {names}", flush=True)
    if not getattr(sys.flags, "safe_path", False):  # else neither python put a folder there
        sys.path[0] = str(script.parent)
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")


def _script(argv: list[str]) -> Path:
    if not argv:
        raise UserInputError("no script given; for example PaddleOCR/tools/train.py (see --help)")
    if not Path(argv[0]).is_file():
        raise UserInputError("no such file; needed is PaddleOCR's tools/train.py", path=argv[0])
    return Path(argv[0]).absolute()


def _install_for(script: Path) -> list[Path]:
    """Install into the checkout that holds the script, else into any PaddleOCR at hand."""
    holders = (folder for folder in script.parents if (folder / "ppocr/data/imaug").is_dir())
    checkout = [str(folder) for folder in holders][:1]
    sys.path[:0] = checkout
    try:
        return install()
    except ImportError as error:
        raise UserInputError(f"no PaddleOCR for it: {error}", path=script) from error
    finally:
        for folder in checkout:
            sys.path.remove(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

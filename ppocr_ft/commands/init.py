"""Command line of ``init``: copy the configs of the package, to change them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.common import bare_parser, command
from ppocr_ft.config.load import shipped_configs
from ppocr_ft.errors import ConfigError
from ppocr_ft.utils.files import write_whole
from ppocr_ft.utils.program import as_started

DESCRIPTION = """\
Copy the configs of the package into a folder, to change them. Files that are there stay.

A config is also found by its name, without a copy: ppocr-ft train -c det_v4_ft.yml"""
EXAMPLES = """\
  ppocr-ft init
  ppocr-ft init my_project/configs"""
NEXT = """\
next, with your own images (Train.dataset and Eval.dataset in the file, or -o):
  ppocr-ft check -c {config}
  ppocr-ft train -c {config}"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    arguments = bare_parser("init", as_started(DESCRIPTION), EXAMPLES)
    arguments.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("configs"),
        metavar="DIR",
        help="folder for the configs; default: configs",
    )
    folder = arguments.parse_args(argv).folder
    if folder.suffix.lower() in (".yml", ".yaml"):
        arguments.error(f"DIR is {folder}; name a folder, all configs are copied into it")
    for path, what in shipped_configs().items():
        print(f"{_copied(path, folder)}: {what}")
    print(as_started(f"\n{NEXT.format(config=folder / 'det_v4_ft.yml')}"))
    return 0


def _copied(source: Path, folder: Path) -> str:
    """Copy a config unless the folder has one of that name; return which it has now.

    Raises:
        ConfigError: the folder can't be made or written to.
    """
    target = folder / source.name
    try:
        if target.exists():
            same = target.read_bytes() == source.read_bytes()
            return f"{target} (there already{'' if same else ', with changes; left as it is'})"
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(target, source.read_bytes())
    except OSError as error:
        raise ConfigError(f"can't be written: {error.strerror}", path=target) from error
    return str(target)

"""Command line of ``init``: a config for labelled images, or the configs of the package."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.common import OWN_CONFIG, bare_parser, command
from ppocr_ft.config.load import find_config, load_config, shipped_configs
from ppocr_ft.config.source_map import dump_yaml
from ppocr_ft.errors import ConfigError
from ppocr_ft.utils.files import write_whole
from ppocr_ft.utils.program import as_started

DESCRIPTION = """\
Begin with your own images: recognise their labels, hold a fifth of the images out to judge by,
write ppocr_ft.yml and check it all. Then ppocr-ft train needs no further word.

Without labelled images in DIR the configs of the package are copied there, to change them. A config
is also found by its name, without a copy: ppocr-ft train -c det_v4_ft.yml

Files that are there stay."""
EXAMPLES = """\
  ppocr-ft init photos
        photos/ holds images and Label.txt of PPOCRLabel, or labels of any tool that convert reads
  ppocr-ft init photos --config det_v6_small_ft --minutes 40
  ppocr-ft init
        the configs of the package, in configs/"""
NEXT = """\
next, with your own images (Train.dataset and Eval.dataset in the file, or -o):
  ppocr-ft check -c {config}
  ppocr-ft train -c {config}"""
LABELS = Path("labels")
MINUTES = 20
OWN = """\
# Fine-tune {model} on {images}: ppocr-ft train
#
# This file has what is yours; all else is as in {base}. Any key of docs/keys.md may be set here,
# an operator by its name: Train: {{dataset: {{transforms: {{ScaledCrop: {{text_p: 0.7}}}}}}}}
{extends}
Global:
  save_model_dir: output/run  # checkpoints, log, pictures and report.html
  time_budget: {minutes}m  # of the whole run; the schedule fits itself to this machine
  val_ratio: 0.2  # so many of the images judge and are never trained on; look-alikes stay together
Train:
  dataset:
    {data_dir}
    label_file_list: [{labels}]
"""


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
        help="your images, with their labels; or a folder for the configs (configs)",
    )
    arguments.add_argument(
        "--config", default="det_v4_ft", metavar="NAME", help="to start from (det_v4_ft)"
    )
    arguments.add_argument(
        "--minutes", type=int, default=MINUTES, help=f"that a run may take ({MINUTES})"
    )
    arguments.add_argument(
        "--skip-bad", action="store_true", help="go on without the images whose labels have a fault"
    )
    options = arguments.parse_args(argv)
    folder = options.folder
    if folder.suffix.lower() in (".yml", ".yaml"):
        arguments.error(f"DIR is {folder}; name a folder")
    if options.minutes < 1:
        arguments.error(f"--minutes is {options.minutes}; 1 or more")
    if _holds_images(folder):
        return _begin(folder, options.config, options.minutes, skip_bad=options.skip_bad)
    for path, what in shipped_configs().items():
        print(f"{_copied(path, folder)}: {what}")
    print(as_started(f"\n{NEXT.format(config=folder / 'det_v4_ft.yml')}"))
    return 0


def _holds_images(folder: Path) -> bool:
    from ppocr_ft.data.images import IMAGE_SUFFIXES

    walked = os.walk(folder)
    return any(
        Path(name).suffix.lower() in IMAGE_SUFFIXES for *_, names in walked for name in names
    )


def _begin(folder: Path, base: str, minutes: int, *, skip_bad: bool) -> int:
    """Read the labels, write the config, check it; return the exit code of what fails first."""
    from ppocr_ft.commands.check.cli import main as check
    from ppocr_ft.commands.convert.cli import main as convert
    from ppocr_ft.commands.convert.formats.image_folder import folder_of_images

    target = Path(OWN_CONFIG)
    if target.exists():
        raise ConfigError("is there already; remove it, or begin in another folder", path=target)
    model = load_config(base).Global.model_name
    images = folder_of_images(folder)
    labels = LABELS / "Label.txt"
    options = ["--images", str(images), "--out", str(LABELS)]
    failed = convert([str(folder), *options, *(["--skip-bad"] if skip_bad else [])])
    if failed and not (skip_bad and labels.is_file()):
        return failed
    text = OWN.format(
        model=model,
        images=images,
        base=find_config(base).name,
        extends=_line("extends", base),
        minutes=minutes,
        data_dir=_line("data_dir", str(images)),
        labels=labels,
    )
    write_whole(target, as_started(text).encode())
    print(f"\nwritten: {target}\n", flush=True)
    failed = check(["-c", str(target)])
    if not failed:
        print(as_started("\nnext:\n  ppocr-ft train"))
    return failed


def _line(key: str, value: str) -> str:
    """Return a line of YAML, with quotes where the value needs them."""
    return dump_yaml({key: value}).strip()


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

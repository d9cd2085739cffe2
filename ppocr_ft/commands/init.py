"""Command line of ``init``: a config for labelled images, or the configs of the package."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.common import OWN_CONFIG, bare_parser, command, whole_number
from ppocr_ft.config.load import find_config, load_config, shipped_configs
from ppocr_ft.config.source_map import dump_yaml
from ppocr_ft.errors import ConfigError
from ppocr_ft.utils.console import wrapped
from ppocr_ft.utils.files import write_whole
from ppocr_ft.utils.program import as_started

DESCRIPTION = """\
Begin with your own images: recognise their labels, write ppocr_ft.yml and check it all. Then
ppocr-ft train needs no options.

Without PATH the configs of the package are copied, to change them. A config is also found by its
name, without a copy: ppocr-ft train -c det_v4_ft.yml

Files that are there stay."""
EXAMPLES = """\
  ppocr-ft init photos
        photos/ holds images and Label.txt of PPOCRLabel, or labels of any tool that convert reads
  ppocr-ft init photos --config det_v6_small_ft --minutes 40
  ppocr-ft init
        the configs of the package, in configs/
  ppocr-ft init --configs my_project/configs"""
NEXT = """\
next, with your own images (Train.dataset and Eval.dataset in the file, or -o):
  ppocr-ft check -c {config}
  ppocr-ft train -c {config}"""
LABELS = Path("labels", "Label.txt")
MINUTES, VAL_RATIO = 20, 0.2
OWN = """\
# Fine-tune {model} on {images}: ppocr-ft train
#
# This file has what is yours; all else is as in {base}. Any key of docs/keys.md may be set here.
{extends}
Global:
  save_model_dir: output/run{{n}}  # run1, run2 ... and latest: checkpoints, log, report.html
  time_budget: {minutes}m  # for the whole run; the schedule fits itself to this machine
  val_ratio: {val_ratio}  # share of the images held out for evaluation; look-alikes stay together
Train:
  dataset:
    {data_dir}
    label_file_list: [{labels}]  # a copy; anew: ppocr-ft convert {source} --out {folder} --force
    # transforms:
    #   IaaAugment: ...  # an operator of {base} by its name, with the keys to change
"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    arguments = bare_parser("init", as_started(DESCRIPTION), EXAMPLES)
    add = arguments.add_argument
    add("path", nargs="?", type=Path, metavar="PATH", help="your images with their labels: a "
        "folder, or a label file")  # fmt: skip
    add("--config", default="det_v4_ft", metavar="NAME", help="config to extend (det_v4_ft)")
    add("--minutes", type=whole_number(1), default=MINUTES, metavar="N",
        help=f"time for the run ({MINUTES})")  # fmt: skip
    add("--skip-bad", action="store_true", help="leave out images whose labels have a fault")
    add("--configs", type=Path, default=Path("configs"), metavar="DIR",
        help="without PATH: folder for the configs (configs)")  # fmt: skip
    options = arguments.parse_args(argv)
    if options.path is not None:
        return _begin(options.path, options.config, options.minutes, skip_bad=options.skip_bad)
    folder = options.configs
    if folder.suffix.lower() in (".yml", ".yaml"):
        arguments.error(f"DIR is {folder}; name a folder, all configs are copied into it")
    for path, what in shipped_configs().items():
        print("\n".join([_copied(path, folder), *wrapped(what, "  ", "  ")]))
    print(as_started(f"\n{NEXT.format(config=folder / 'det_v4_ft.yml')}"))
    return 0


def _begin(source: Path, base: str, minutes: int, *, skip_bad: bool) -> int:
    """Read the labels, write the config, check it; return the exit code of what fails first."""
    from ppocr_ft.commands.check.cli import main as check
    from ppocr_ft.commands.convert.cli import run as convert
    from ppocr_ft.commands.convert.formats.image_folder import folder_of_images

    target = Path(OWN_CONFIG)
    for path in (target, LABELS):
        if path.exists():
            raise ConfigError("is there already; remove it, or begin in another folder", path=path)
    model = load_config(base).Global.model_name
    images = folder_of_images(source)
    options = ["--images", str(images), "--out", str(LABELS.parent)]
    more = ["--skip-bad"] if skip_bad else []
    failed = convert([str(source), *options, *more], how_to_train=False)
    if not LABELS.is_file():
        return failed
    text = OWN.format(
        model=model,
        images=images,
        base=find_config(base).name,
        extends=_line("extends", base),
        minutes=minutes,
        val_ratio=VAL_RATIO,
        data_dir=_line("data_dir", str(images)),
        labels=LABELS,
        source=shlex.quote(str(source)),
        folder=LABELS.parent,
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

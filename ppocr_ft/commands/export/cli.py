"""Command line of ``export``: an inference model, proved equal to the trained network."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ppocr_ft.commands.common import command, config_of, import_paddle, parser
from ppocr_ft.config import Config
from ppocr_ft.errors import FAILED, ConfigError
from ppocr_ft.utils.progress import progress

if TYPE_CHECKING:
    from ppocr_ft.commands.export.run import Exported
    from ppocr_ft.export.write import Formats

EXAMPLES = """\
  ppocr-ft export -c det_v4_ft.yml -o Global.checkpoints=output/best_accuracy \\
        Global.save_inference_dir=output/inference
        inference.json, inference.pdiparams and inference.yml, for PaddleOCR 3
  ppocr-ft export -c ... -o ... --onnx
        inference.onnx too, for ONNX Runtime and RapidOCR
  ppocr-ft export -c ... -o ... --openvino
        inference.xml and inference.bin too, for OpenVINO
  ppocr-ft export -c ... -o ... --legacy
        inference.pdmodel in place of inference.json, for PaddleOCR 2
  ppocr-ft export -c ... -o ... --hub-folder output/hub
        a folder to push to Hugging Face or ModelScope: the files, README.md, licence, curves
The model is written aside, run on validation images beside the trained network, each through its
own pre- and post-processing, and put in place only if it is equal; parity.json and model_card.md
go with it."""
EPILOGUE = """

exit codes: 0 exported; 2 the input is wrong; 1 the model is not equal, or anything else"""
PARITY_IMAGES = 10


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = options_of(argv)
    config = config_of(options)
    if options.hub_pictures and options.hub_folder is None:
        raise ConfigError("goes with --hub-folder", key="--hub-pictures")

    os.environ.setdefault("GLOG_minloglevel", "2")  # Paddle remarks on its own tracing
    import_paddle()
    from ppocr_ft.commands.export.hub import check_hub_folder
    from ppocr_ft.commands.export.run import ExportRefused, export
    from ppocr_ft.export.write import Formats

    if options.hub_folder is not None:
        check_hub_folder(options.hub_folder, config)
    formats = Formats(options.legacy, options.onnx, options.openvino)
    try:
        exported = export(config, formats, options.parity_images, progress)
    except ExportRefused as refused:
        print(f"not exported: {refused}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk
        print(f"not exported: {error}", file=sys.stderr)
        return FAILED
    tell(exported)
    if options.hub_folder is None:
        return 0
    return fill_hub_folder(config, exported, formats, options)


def tell(exported: Exported) -> None:
    """Print what was exported, and how equal it is."""
    from ppocr_ft.commands.export.run import CARD_FILE

    print(exported.coverage.summary())
    print(exported.origin.sentence)
    print(exported.parity.describe())
    for note in exported.notes:
        print(f"note: {note}", file=sys.stderr)
    for fault in exported.faults:
        print(f"not compared on: {fault}", file=sys.stderr)
    names = ", ".join(sorted(path.name for path in exported.folder.iterdir()))
    print(f"equal; {exported.folder}: {names}")
    if exported.arguments:
        told = ", ".join(f"{key}={value!r}" for key, value in exported.arguments.items())
        print(
            f"note: images are enlarged. PaddleOCR 3 does so by its arguments {told} alone, "
            f"RapidOCR by its params: {CARD_FILE} has both",
            file=sys.stderr,
        )


def fill_hub_folder(
    config: Config, exported: Exported, formats: Formats, options: argparse.Namespace
) -> int:
    """Write the hub folder of a finished export and say how to push it; return the exit code."""
    from ppocr_ft.commands.export.hub import how_to_push, write_hub_folder

    folder: Path = options.hub_folder.expanduser()
    try:
        notes = write_hub_folder(config, exported, formats, folder, images=options.hub_pictures)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"{folder} was not written: {error}", file=sys.stderr)
        return FAILED
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    print(how_to_push(folder))
    return 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    about = "Export a detector, proved equal to the trained one."
    arguments = parser("export", about, EXAMPLES + EPILOGUE)
    arguments.add_argument(
        "--legacy", action="store_true", help="the program as inference.pdmodel, for PaddleOCR 2"
    )
    arguments.add_argument("--onnx", action="store_true", help="inference.onnx too")
    arguments.add_argument(
        "--openvino", action="store_true", help="inference.xml and inference.bin too"
    )
    arguments.add_argument(
        "--parity-images",
        type=count_or_all,
        default=PARITY_IMAGES,
        metavar="N",
        help=f"validation images to compare on, or 'all' ({PARITY_IMAGES})",
    )
    arguments.add_argument(
        "--hub-folder",
        type=Path,
        metavar="DIR",
        help="a folder for Hugging Face and ModelScope too; you push it",
    )
    arguments.add_argument(
        "--hub-pictures",
        action="store_true",
        help="with a picture of the run's validation images in it, which others will see",
    )
    return arguments.parse_args(argv)


def count_or_all(text: str) -> int | None:
    """Parse a whole number above 0, or ``all`` as None."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, must be 1 or more, or all")
    return int(text)

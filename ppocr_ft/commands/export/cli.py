"""Command line of ``export``: an inference model, proved equal to the trained network."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ppocr_ft.commands.common import command, config_of, import_paddle, parser
from ppocr_ft.errors import FAILED
from ppocr_ft.utils.progress import progress

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

    os.environ.setdefault("GLOG_minloglevel", "2")  # Paddle remarks on its own tracing
    import_paddle()
    from ppocr_ft.commands.export.run import CARD_FILE, ExportRefused, export
    from ppocr_ft.export.write import Formats

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
    return arguments.parse_args(argv)


def count_or_all(text: str) -> int | None:
    """Parse a whole number above 0, or ``all`` as None."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, must be 1 or more, or all")
    return int(text)

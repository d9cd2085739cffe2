"""Command line of ``predict``: find text in images."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.commands.common import command, config_of, import_paddle, parser, whole_number
from ppocr_ft.config.load import with_values
from ppocr_ft.data.label_writing import label_writer
from ppocr_ft.errors import WRONG_INPUT
from ppocr_ft.messages import counted
from ppocr_ft.transforms.tiles import AUTO_TILES, MOST_TILE_SCALE, Tiles, read_tiles
from ppocr_ft.utils.progress import progress

EXAMPLES = """\
  ppocr-ft predict -c det_v4_ft.yml --images photo.jpg
  ppocr-ft predict -c det_v4_ft.yml --images scans/ --out found/
        boxes.jsonl, and each picture with its boxes drawn
  ppocr-ft predict -c det_v4_ft.yml -o Global.checkpoints=output/best_accuracy \\
        --images 'scans/*.png'
  ppocr-ft predict --model output/inference --images scans/
        an exported model, by its own inference.yml; --model output/inference/inference.onnx too
  ppocr-ft predict --model output/inference --images scans/ \\
        --save-label scans/Label.txt
        boxes to correct in PPOCRLabel and to train on
  ppocr-ft predict -c output/latest/fitted.yml --images plans/ --tiles auto
        pages on which text would get smaller than on the images of training, in tiles
"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = options_of(argv)
    config = None if options.config is None else config_of(options)

    import_paddle()
    from ppocr_ft.commands.predict.run import (
        config_predictor,
        model_predictor,
        prediction,
        prediction_folder,
    )

    if config is None:
        predictor = model_predictor(options.model, options.images, options.batch, options.tiles)
    else:
        if options.tiles is not None:
            config = with_values(config, {"Eval.tiles": options.tiles})
        predictor = config_predictor(config, options.images, options.batch)
    images, predict, about = predictor
    print("\n".join([about, *(f"note: {note}" for note in images.notes)]), file=sys.stderr)
    counts: list[int] = []
    pictures = prediction_folder(options.out, scores=not options.no_scores)
    with pictures as write, label_writer(options.save_label) as label:
        watched = progress(images.samples(), len(images), "predict")
        for path, boxes in predict(watched):
            write(path, boxes)
            label(path, boxes["points"])
            if options.json or options.out is None:
                print(json.dumps(prediction(path, boxes), ensure_ascii=False))
            counts.append(len(boxes["points"]))
    for fault in images.faults:
        print(fault, file=sys.stderr)
    print(summary(counts, len(images.faults), options), file=sys.stderr)
    return WRONG_INPUT if images.faults else 0


def summary(counts: Sequence[int], bad: int, options: argparse.Namespace) -> str:
    """Return the number of images and boxes, and where they are."""
    parts = [f"{counted(len(counts), 'image')}, {counted(sum(counts), 'box', 'boxes')}"]
    if bad:
        parts.append(f"{bad} that can't be used, see above")
    if options.out:
        parts.append(f"boxes.jsonl and pictures: {options.out}")
    if options.save_label:
        parts.append(f"labels: {options.save_label}")
    return "; ".join(parts)


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(
        "predict",
        "Find text in images: boxes as JSON lines, and pictures of them.",
        EXAMPLES,
        config_required=False,
    )
    arguments.add_argument(
        "--model",
        type=Path,
        metavar="PATH",
        help="an exported folder, a .onnx file or OpenVINO's .xml, in place of -c and -o",
    )
    arguments.add_argument(
        "--images", required=True, nargs="+", metavar="PATH", help="files, folders or patterns"
    )
    arguments.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for boxes.jsonl and pictures"
    )
    arguments.add_argument(
        "--json", action="store_true", help="print the boxes as JSON lines, with --out too"
    )
    arguments.add_argument(
        "--no-scores", action="store_true", help="leave the scores out of the pictures"
    )
    arguments.add_argument(
        "--save-label",
        type=Path,
        metavar="FILE",
        help="write PPOCRLabel's Label.txt; best beside the images, since it names them from the "
        "folder that it lies in",
    )
    arguments.add_argument(
        "--batch",
        type=whole_number(1),
        metavar="N",
        help="images through the network together; only neighbours that get the same size are",
    )
    arguments.add_argument(
        "--tiles",
        type=_tiles,
        metavar="auto|FACTOR",
        help="pages that would shrink more than the images of training go through the network in "
        "overlapping tiles, at the scale of these, or at a factor on the page: 0.5",
    )
    options = arguments.parse_args(argv)
    if (options.config is None) == (options.model is None):
        arguments.error("give either -c FILE or --model PATH")
    if options.model is not None and options.override:
        arguments.error("-o changes a config; an exported model has its values in inference.yml")
    return options


def _tiles(text: str) -> Tiles:
    """Read an option's value."""
    try:
        return read_tiles(text if text == AUTO_TILES else float(text))
    except ValueError:
        message = f"found {text!r}, expected auto or a factor up to {MOST_TILE_SCALE:g}"
        raise argparse.ArgumentTypeError(message) from None

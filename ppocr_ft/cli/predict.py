"""Find text in images."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ppocr_ft.cli.common import command, config_of, parser
from ppocr_ft.cli.exit_codes import WRONG_INPUT
from ppocr_ft.cli.quiet_paddle import import_paddle
from ppocr_ft.report.progress import progress

EXAMPLES = """\
  python tools/predict.py -c configs/det_v4_ft.yml --images photo.jpg
  python tools/predict.py -c configs/det_v4_ft.yml --images scans/ --out found/
        boxes.jsonl, and each picture with its boxes drawn
  python tools/predict.py -c configs/det_v4_ft.yml -o Global.checkpoints=output/best_accuracy \\
        --images 'scans/*.png'
"""


@command
def main(argv: Sequence[str]) -> int:
    made = parser("Find text in images: boxes as JSON lines, and pictures of them.", EXAMPLES)
    made.add_argument(
        "--images", required=True, nargs="+", metavar="PATH", help="files, folders or patterns"
    )
    made.add_argument("--out", type=Path, metavar="DIR", help="folder for boxes.jsonl and pictures")
    options = made.parse_args(argv)
    config = config_of(options)

    import_paddle()
    from ppocr_ft import build
    from ppocr_ft.report.predictions import prediction, prediction_folder

    images = build.image_files(config, options.images)
    network, coverage = build.network(config)
    print(coverage, file=sys.stderr)
    with prediction_folder(options.out) as write:
        shown = progress(images.images(), len(images), "image", "predict")
        for path, boxes in build.predict(config, network, shown):
            write(path, boxes)
            print(json.dumps(prediction(path, boxes), ensure_ascii=False))
    for fault in images.faults:
        print(fault, file=sys.stderr)
    return WRONG_INPUT if images.faults else 0

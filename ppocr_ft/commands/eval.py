"""Command line of ``eval``: evaluate a detector on labelled images."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from ppocr_ft.commands.common import command, config_of, import_paddle, parser
from ppocr_ft.data.faults import ALSO
from ppocr_ft.engine.eval_result import flooded_text
from ppocr_ft.errors import WRONG_INPUT
from ppocr_ft.messages import counted
from ppocr_ft.metrics.det import textless_boxes
from ppocr_ft.utils.progress import progress

EXAMPLES = """\
  ppocr-ft eval -c det_v4_ft.yml
        the released weights on the built-in sample data set
  ppocr-ft eval -c det_v4_ft.yml -o Eval.dataset.data_dir=/my/data \\
        Eval.dataset.label_file_list=[/my/data/val.txt]
  ppocr-ft eval -c output/latest/fitted.yml --json
        the final weights of the last run, as one JSON object
"""
RESULT_KEYS = ("precision", "recall", "hmean", "precision_70", "recall_70", "hmean_70", "images")


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    arguments = parser(
        "eval",
        "Evaluate a detector: precision, recall, hmean at IoU 0.5 and 0.7.",
        EXAMPLES,
    )
    arguments.add_argument("--json", action="store_true", help="the last line is one JSON object")
    options = arguments.parse_args(argv)
    config = config_of(options)

    import_paddle()  # here, so that --help and wrong configs need not wait for it
    from ppocr_ft.factory import objects

    sets = objects.judged_data(config)
    for note in dict.fromkeys(note for data in sets.values() for note in data.notes):
        print(f"note: {note}", file=sys.stderr)
    network, coverage = objects.network(config)
    print(coverage.summary())
    found = {}
    for name, data in sets.items():
        samples = progress(data.samples(), len(data), f"evaluate {name}")
        result = objects.evaluate(config, network, samples)
        print(describe(result.summary, name if name.startswith(ALSO) else ""))
        if result.flooded:
            print(f"note: {flooded_text(result.flooded)}", file=sys.stderr)
        print(f"{result.images_per_second:.2f} images/s; {result.stopwatch.describe()}")
        for fault in data.faults:
            print(fault, file=sys.stderr)
        values = {key: result.summary[key] for key in RESULT_KEYS}
        false = textless_boxes(result.summary)
        found[name.removeprefix(ALSO)] = values | (
            {} if false is None else {"textless_boxes": false}
        )
    if options.json:
        main_set, *further = found.items()
        print(json.dumps(main_set[1] | ({"also": dict(further)} if further else {})))
    return WRONG_INPUT if any(data.faults for data in sets.values()) else 0


def describe(summary: dict[str, float], name: str = "") -> str:
    """Format the rates as a table; ``name`` is a further set's."""
    lines = [f"\n{name}:"] if name else []
    lines += ["            precision   recall    hmean"]
    for name, suffix in (("IoU 0.5", ""), ("IoU 0.7", "_70")):
        rates = (summary[f"{rate}{suffix}"] for rate in ("precision", "recall", "hmean"))
        lines.append(f"{name:10}" + "".join(f"{rate:11.4f}" for rate in rates))
    of = (("images", "image", ""), ("gt", "text", ""), ("det", "box", "boxes"))
    counts = ", ".join(counted(int(summary[key]), *noun) for key, *noun in of)
    false = textless_boxes(summary)
    if false is not None:
        images = counted(int(summary["textless"]), "image")
        counts += f"; on {images} without text {false:.2f} false boxes each"
    return "\n".join([*lines, counts])

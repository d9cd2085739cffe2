"""The installed program ``ppocr-ft COMMAND ...`` with all commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "check": "what is wrong with a config, its data and its weights, before any training",
    "convert": "label files of other tools to PaddleOCR's, and back",
    "train": "fine-tune a detector, or train one",
    "eval": "evaluate a detector on labelled images",
    "predict": "find text in images",
    "find-lr": "find a learning rate by trying many",
    "compare": "short runs of different configs beside each other",
    "fit-postprocess": "thresholds, unclip ratio and resize that suit the data best",
    "export": "an inference model that is proved equal to the trained one",
    "report": "a finished run as one page",
    "make-sample": "copy the sample data set into a folder",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: ppocr-ft COMMAND [-h] -c FILE [-o SECTION.KEY=VALUE ...]\n\ncommands:")
        print("\n".join(f"  {name:16}{what}" for name, what in COMMANDS.items()))
        return 0 if arguments else 2
    name = arguments.pop(0)
    if name not in COMMANDS:
        print(f"ppocr-ft: no command {name!r}; known: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    sys.argv[0] = f"ppocr-ft {name}"
    run = import_module(f"ppocr_ft.commands.{name.replace('-', '_')}.cli").main
    code: int = run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())

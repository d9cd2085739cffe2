"""``ppocr-ft COMMAND ...``, the same commands installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "train": "fine-tune a detector, or train one",
    "eval": "evaluate a detector on labelled images",
    "predict": "find text in images",
    "find-lr": "find a learning rate by trying many",
    "compare": "short runs of different configs beside each other",
}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: ppocr-ft COMMAND [-h] -c FILE [-o SECTION.KEY=VALUE ...]\n\ncommands:")
        print("\n".join(f"  {name:10}{what}" for name, what in COMMANDS.items()))
        return 0 if arguments else 2
    name = arguments.pop(0)
    if name not in COMMANDS:
        print(f"ppocr-ft: no command {name!r}; known: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    sys.argv[0] = f"ppocr-ft {name}"
    run = import_module(f"ppocr_ft.cli.{name.replace('-', '_')}").main
    code: int = run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())

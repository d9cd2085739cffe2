"""Measure the house: sizes of files and functions, and how many files a change or a look takes.

Usage: make house (python -m experiments.house). The tables are printed and put into
docs/architecture.md.

"Files that run in one training step" are counted by a profile of the second step of a training on
the sample data set with configs/det_v4_ft.yml. The files that a change touches are those that
docs/architecture.md tells to touch; tests prove that they are enough where a row names one.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from experiments.marked_tables import Table, replaced

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ppocr_ft"
DOCUMENT = ROOT / "docs" / "architecture.md"
CONFIG = ROOT / "configs" / "det_v4_ft.yml"
NEW = "NEW"

CHANGES = {
    "an augmentation": ("ppocr_ft/transforms/photometric.py",),
    "a backbone": (
        "ppocr_ft/models/NEW.py",
        "ppocr_ft/models/configs.py",
        "ppocr_ft/models/architecture.py",
    ),
    "a verdict of the monitor": (
        "ppocr_ft/engine/monitor/rules_training.py",
        "ppocr_ft/engine/monitor/history.py",
    ),
    "a label format": (
        "ppocr_ft/commands/convert/formats/NEW.py",
        "ppocr_ft/commands/convert/formats/__init__.py",
    ),
}
"""Files of the package to write (NEW) or to change."""


def sizes() -> Table:
    """Return counts over every file of the package."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    lines = {path: len(text.splitlines()) for path, text in texts.items() if text.strip()}
    nodes = [node for text in texts.values() for node in ast.walk(ast.parse(text))]
    functions = [
        node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    lengths = [_length(function) for function in functions]
    classes = Counter(node.name for node in nodes if isinstance(node, ast.ClassDef))
    total, longest = sum(lines.values()), max(lines, key=lambda path: lines[path])
    rows = {
        "files with code": f"{len(lines)}",
        "lines": f"{total:,}",
        "median file, lines": f"{median(lines.values()):.0f}",
        "largest file, lines": f"{lines[longest]} ({longest.relative_to(ROOT)})",
        "functions": f"{len(functions):,}",
        "median function, lines": f"{median(lengths):.0f}",
        "largest function, lines": f"{max(lengths)}",
        "functions in 1,000 lines": f"{1000 * len(functions) / total:.0f}",
        "class names with two meanings": f"{sum(count > 1 for count in classes.values())}",
    }
    return Table("house_sizes", ["of `ppocr_ft/`", ""], list(rows.items()))


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def changes() -> Table:
    """Return how many files each kind of addition touches.

    Raises:
        FileNotFoundError: a file that is to be changed is not there.
    """
    rows = []
    for what, files in CHANGES.items():
        for name in files:
            if NEW not in name and not (ROOT / name).is_file():
                raise FileNotFoundError(f"{what}: {name} is not there")
        rows.append([what, str(len(files)), ", ".join(f"`{name}`" for name in files)])
    return Table("house_changes", ["to add", "files", "which"], rows)


def step_files() -> list[Path]:
    """Return the files of the package that run in one training step, most calls first."""
    from ppocr_ft.commands.common import import_paddle

    import_paddle()
    from ppocr_ft.config import load_config
    from ppocr_ft.engine import trainer
    from ppocr_ft.runs.assemble import training

    calls: Counter[Path] = Counter()
    done = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            calls[path] += 1

    plain = trainer.train_step

    def watched(*arguments: Any, **options: Any) -> Any:
        nonlocal done
        done += 1
        if done != 2:
            return plain(*arguments, **options)
        sys.setprofile(count)
        try:
            return plain(*arguments, **options)
        finally:
            sys.setprofile(None)

    with TemporaryDirectory() as folder:
        overrides = [
            f"Global.save_model_dir={folder}",
            "Global.epoch_num=1",
            "Global.cpu_threads=1",
            "Train.dataset.ratio_list=[0.08]",
            "Eval.dataset.ratio_list=[0.05]",
        ]
        trainer.train_step = watched
        try:
            run = training(load_config(CONFIG, overrides))
            run.trainer.run()
            run.close()
        finally:
            trainer.train_step = plain
    return [path for path, _ in calls.most_common()]


def step_table() -> Table:
    """Return the files of one step beside those of the network, which are read on their own."""
    files = [path for path in step_files() if not path.is_relative_to(PACKAGE / "models")]
    files = [PACKAGE / "engine" / "trainer.py", *files]
    rows = [[f"`{path.relative_to(ROOT)}`", str(_line_count(path))] for path in files]
    total = sum(int(row[1]) for row in rows)
    return Table(
        "house_step", ["one training step", "lines"], [*rows, [f"{len(rows)} files", str(total)]]
    )


def _line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def tables() -> Iterator[Table]:
    yield sizes()
    yield changes()
    yield step_table()


def main() -> int:
    document = DOCUMENT.read_text(encoding="utf-8")
    for table in tables():
        print(f"{table.markdown()}\n")
        document = replaced(document, table)
    DOCUMENT.write_text(document, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How many small faults the tests notice: a seeded sample of mutants of the modules with numbers.

Usage: make mutants (python -m experiments.mutants [--count N] [--seed N] [--module PART ...]).
Each mutant changes one operator, constant, condition or returned value in a copy of the repository,
then its topic's fast tests run; a mutant that they pass has survived.

    python -m experiments.mutants --count 30 --module geometry
        thirty mutants of ppocr_ft/geometry.py
    python -m experiments.mutants --count 80 --seed 3 --jobs 2
        another sample of all modules, two at a time
    python -m experiments.mutants --list --module postprocess
        every mutant that could be drawn; nothing is run

Mutants that change nothing that can be seen stand in experiments/equivalent_mutants.txt, each with
its reason; they are not drawn. The exit code is 1 where fewer than --at-least are killed.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from compileall import compile_dir
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from threading import Timer
from typing import NoReturn

from ppocr_ft.utils.progress import progress

ROOT = Path(__file__).parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
DRAWS = "tests/transforms/test_draws.py"
DEFAULTS = "tests/experiments/test_keys_table.py::test_the_document_is_up_to_date"
"""Notices each default, limit and meaning of a key."""
TOPICS: dict[str, tuple[str, ...]] = {
    "geometry.py": (
        "tests/test_geometry.py",
        "tests/test_polygon_loops.py",
        "tests/metrics",
        "tests/transforms/test_rounding.py",
    ),
    "shrinking.py": ("tests/test_shrinking.py", "tests/transforms/test_rounding.py"),
    "transforms/crops.py": ("tests/transforms/test_crops.py", DRAWS, DEFAULTS),
    "transforms/photometric.py": ("tests/transforms/test_pixels.py", DRAWS, DEFAULTS),
    "transforms/image_ops.py": (
        "tests/transforms/test_eval.py",
        "tests/transforms/test_pixels.py",
        "tests/transforms/test_transparency.py",
        "tests/transforms/test_likeness.py",
        DEFAULTS,
    ),
    "transforms/resize.py": (
        "tests/transforms/test_eval.py",
        "tests/config/test_operators.py",
        DEFAULTS,
    ),
    "transforms/registry.py": ("tests/config/test_operators.py",),
    "transforms/random_crop.py": ("tests/transforms/test_random_crop.py", DRAWS, DEFAULTS),
    "transforms/random_perspective.py": (
        "tests/transforms/test_random_perspective.py",
        DRAWS,
        DEFAULTS,
    ),
    "transforms/likeness.py": (
        "tests/transforms/test_likeness.py",
        "tests/commands/check/test_data_rules.py",
    ),
    "transforms/shrink_schedule.py": (
        "tests/transforms/test_schedule.py",
        "tests/transforms/test_clock.py",
        "tests/transforms/test_operators.py",
    ),
    "transforms/geometric.py": ("tests/transforms/test_geometry.py", DRAWS, DEFAULTS),
    "transforms/sample.py": (
        "tests/transforms/test_geometry.py",
        "tests/transforms/test_crops.py",
        "tests/transforms/test_random_crop.py",
        "tests/transforms/test_random_perspective.py",
        DRAWS,
    ),
    "transforms/pipeline.py": (
        "tests/transforms/test_geometry.py",
        "tests/transforms/test_operators.py",
        "tests/transforms/test_fault.py",
    ),
    "transforms/labels.py": ("tests/transforms/test_geometry.py", "tests/data/test_labels.py"),
    "transforms/": (
        "tests/transforms/test_operators.py",
        "tests/transforms/test_any_label.py",
        "tests/transforms/test_gap_weight.py",
        "tests/transforms/test_parity_261.py",
        "tests/transforms/test_rounding.py",
        DEFAULTS,
        "-k=not hypothesis and not real_images",
    ),
    "models/cpu_operators.py": ("tests/models/test_cpu_operators.py",),
    "models/cpu_loops.py": ("tests/models/test_cpu_operators.py",),
    "data/labels.py": ("tests/data/test_labels.py", "tests/data/test_image_paths.py"),
    "data/batches.py": ("tests/data/test_batches.py",),
    "losses/": ("tests/losses", DEFAULTS),
    "postprocess/": ("tests/postprocess/test_db.py", DEFAULTS),
    "metrics/": ("tests/metrics", "tests/test_polygon_loops.py"),
    "optim/schedules.py": ("tests/optim/test_schedules.py", "tests/factory/test_optimizers.py"),
    "optim/rates.py": ("tests/optim/test_rates.py", "tests/factory/test_optimizers.py"),
    "optim/": (
        "tests/optim/test_groups.py",
        "tests/optim/test_optimizers.py",
        "tests/factory/test_optimizers.py",
        "tests/engine/test_group_log.py::test_names_say_where_and_what_sets_apart",
        DEFAULTS,
    ),
    "engine/eval_result.py": ("tests/engine/test_eval_result.py", "tests/report/test_run.py"),
    "engine/metrics_file.py": (
        "tests/engine/test_eval_result.py",
        "tests/engine/test_group_log.py",
    ),
    "engine/evaluation.py": (
        "tests/engine/test_evaluation.py",
        "tests/engine/test_eval_result.py",
        "tests/commands/test_eval.py",
    ),
    "engine/train_step.py": (
        "tests/engine/test_train_step.py",
        "tests/engine/test_process_group.py",
    ),
    "engine/threaded_forward.py": ("tests/engine/test_threaded_forward.py",),
    "engine/monitor/": ("tests/engine/test_monitor.py", "tests/engine/test_monitor_targets.py"),
    "weights/arrays.py": ("tests/weights/test_arrays.py", "tests/weights/test_pdparams.py"),
    "weights/coverage.py": ("tests/weights/test_coverage.py", "tests/weights/test_load.py"),
    "weights/download.py": ("tests/weights/test_download.py",),
    "weights/files.py": (
        "tests/weights/test_hostile.py",
        "tests/weights/test_pdparams.py",
        "tests/weights/test_load.py",
    ),
    "weights/graph.py": ("tests/weights/test_graph.py", "tests/weights/test_onnx_graph.py"),
    "weights/hugging_face.py": ("tests/weights/test_hugging_face.py",),
    "weights/inference.py": ("tests/weights/test_inference.py", "tests/weights/test_hostile.py"),
    "weights/onnx_graph.py": ("tests/weights/test_onnx_graph.py",),
    "weights/pdparams.py": ("tests/weights/test_pdparams.py", "tests/weights/test_hostile.py"),
    "weights/released.py": ("tests/weights/test_released.py",),
    "weights/unpickle.py": ("tests/weights/test_pdparams.py", "tests/weights/test_hostile.py"),
    "weights/trace.py": ("tests/models/test_reparameterize.py", "tests/weights/test_load.py"),
    "weights/": (
        "tests/weights/test_load.py",
        "tests/weights/test_sources.py",
        "tests/weights/test_inference.py",
    ),
    "commands/fit_postprocess/choice.py": ("tests/commands/fit_postprocess/test_choice.py",),
    "commands/fit_postprocess/final.py": ("tests/commands/fit_postprocess/test_final.py",),
    "commands/fit_postprocess/": (
        "tests/commands/fit_postprocess/test_search.py",
        "tests/commands/fit_postprocess/test_choice.py",
    ),
    "commands/convert/formats/": ("tests/commands/convert",),
    "commands/check/data/": (
        "tests/commands/check/test_word_labels.py",
        "tests/commands/check/test_data_rules.py",
        "tests/commands/check/test_data_fix.py",
        "tests/commands/check/test_data.py",
    ),
    "commands/find_lr/suggestion.py": (
        "tests/commands/find_lr/test_find_lr.py",
        "-k=valley or steepest or difficulty or explodes or decades or relative or standard_error "
        "or noise or noisy or fall or curve or enough or sweep or by_hand",
    ),
}
"""Modules that decide numbers, below ``ppocr_ft``, and the tests that must notice a fault in them.
The first that fits counts."""
LEFT_OUT = ("configs.py", "plot.py", "console.py", "cli.py", "run.py", "report.py", "__init__.py")
"""Files of declarations, of printing and of command lines."""

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """``old`` at ``start`` (offset in the file's bytes) becomes ``new``."""

    path: str
    line: int
    start: int
    old: str
    new: str
    source_line: str

    @property
    def key(self) -> str:
        """What names it in the file of equivalent mutants, whatever stands above it."""
        return f"{self.path} | {self.source_line} | {self.old} -> {self.new}"


# --- which mutants there are


def mutants_of(path: Path) -> list[Mutant]:
    """Every mutant of a module, in its order."""
    source = path.read_bytes()
    lines = source.splitlines(keepends=True)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    name = path.relative_to(ROOT).as_posix()
    mutants = []
    for node, changed in _changes(ast.parse(source)):
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        old = source[start:end].decode()
        line = lines[node.lineno - 1].decode().strip()
        mutants.append(Mutant(name, node.lineno, start, old, changed, line))
    return mutants


def _changes(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Expressions and what takes their place."""
    for node in _decisions(tree):
        if isinstance(node, ast.BinOp) and type(node.op) in SWAPS and not _is_text(node):
            yield node, _unparsed(ast.BinOp(node.left, SWAPS[type(node.op)](), node.right))
        elif isinstance(node, ast.Compare):
            for k, op in enumerate(node.ops):
                ops = [*node.ops[:k], SWAPS[type(op)](), *node.ops[k + 1 :]]
                yield node, _unparsed(ast.Compare(node.left, ops, node.comparators))
        elif isinstance(node, ast.BoolOp):
            yield node, _unparsed(ast.BoolOp(SWAPS[type(node.op)](), node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, str(not node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            yield node, repr(node.value + 1 if isinstance(node.value, int) else node.value * 2 + 1)
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            yield node.test, _unparsed(ast.UnaryOp(ast.Not(), node.test))
        elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
            yield node.value, "None"


def _decisions(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but annotations, decorators, texts, and code for the type checker alone."""
    skipped = ("annotation", "returns", "decorator_list", "type_params")
    for name, value in ast.iter_fields(node):
        if name in skipped:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_left_out(child):
                continue
            yield child
            yield from _decisions(child)


def _is_left_out(node: ast.AST) -> bool:
    """Whether nothing below it decides a number: messages, errors, imports for types.

    ``strict=True`` of zip is an assertion.
    """
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name):
        return node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return isinstance(node.value, ast.Constant) and node.value.value is True
    return isinstance(node, ast.JoinedStr | ast.Raise | ast.Assert | ast.Import | ast.ImportFrom)


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    if isinstance(node.op, ast.BitOr) and any(_is_none(side) for side in sides):
        return True  # a type
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in sides
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _unparsed(node: ast.expr) -> str:
    return f"({ast.unparse(ast.fix_missing_locations(node))})"


def modules(parts: Sequence[str]) -> list[Path]:
    """Return the modules of the topics; with ``parts``, those whose path has one of them."""
    paths = sorted((ROOT / "ppocr_ft").rglob("*.py"))
    named = [path for path in paths if _topic(path) and path.name not in LEFT_OUT]
    if not parts:
        return named
    return [path for path in named if any(part in path.as_posix() for part in parts)]


def _topic(path: Path) -> str | None:
    name = path.relative_to(ROOT / "ppocr_ft").as_posix()
    return next((topic for topic in TOPICS if name.startswith(topic)), None)


def equivalent() -> set[str]:
    """Return the keys of mutants that no test can notice. A line: key, `` # ``, reason."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    return {line.rpartition(" # ")[0].strip() for line in lines if line and line[0] != "#"}


# --- the tests on one mutant


LIBRARIES = (
    "pytest", "hypothesis", "numpy", "cv2", "PIL.Image", "pydantic", "yaml", "shapely", "pyclipper",
    "numba", "safetensors.numpy", "onnx", "paddle",
)  # fmt: skip
"""What takes longest to import: seconds, which each run of the tests would take again."""


def serve() -> None:
    """Run pytest with the arguments of each line that comes in, in a process forked off.

    Writes that process's id at once, and its exit code when it has ended. The libraries are
    imported before, the package is not.
    """
    from ppocr_ft.utils.cpu import tune_cpu

    tune_cpu()
    compile_dir("ppocr_ft", quiet=2)
    for name in LIBRARIES:
        with suppress(ImportError):
            import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "ppocr_ft"]:
        del sys.modules[name]
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            _run_pytest(json.loads(line))
        print(process, flush=True)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)  # what a test has left behind
        print(code, flush=True)


def _run_pytest(arguments: list[str]) -> NoReturn:
    """Run pytest without a word, in a session of its own, and end the process."""
    import pytest

    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    code = 3
    try:
        code = int(pytest.main(arguments))
    finally:
        os._exit(code)


class Workshop:
    """A copy of the repository in which one mutant at a time is tried."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "output")
        shutil.copytree(ROOT, folder, ignore=ignored)
        variables = {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PPOCR_FT_CACHE": os.environ.get("PPOCR_FT_CACHE", str(ROOT / ".cache")),
        }
        self._server = subprocess.Popen(
            [sys.executable, "-c", "from experiments.mutants import serve; serve()"],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def close(self) -> None:
        self._server.communicate()

    def run(self, topic: str, timeout_s: float) -> str:
        """``killed``, ``timeout`` or ``survived``."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(["-x", "-q", "--no-header", *TOPICS[topic]]) + "\n")
        self._server.stdin.flush()
        process = int(self._server.stdout.readline())
        timer = Timer(timeout_s, os.killpg, (process, signal.SIGKILL))
        timer.start()
        code = int(self._server.stdout.readline())
        timer.cancel()
        if code == -signal.SIGKILL:
            return "timeout"
        return "killed" if code else "survived"

    def try_out(self, mutant: Mutant, timeout_s: float) -> str:
        path = self.folder / mutant.path
        source, times = path.read_bytes(), path.stat()
        old = mutant.old.encode()
        end = mutant.start + len(old)
        assert source[mutant.start : end] == old
        path.write_bytes(source[: mutant.start] + mutant.new.encode() + source[end:])
        try:
            return self.run(_topic(ROOT / mutant.path) or "", timeout_s)
        finally:
            path.write_bytes(source)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # compiled kernels stay valid


def time_limits(workshop: Workshop, topics: Sequence[str]) -> dict[str, float]:
    """Seconds for each topic's tests: a few times what they take, once all is compiled.

    Raises:
        SystemExit: they fail without any mutant.
    """
    limits = {}
    for topic in progress(topics, len(topics), "tests without a mutant", "topic"):
        start = time.monotonic()
        if workshop.run(topic, 1800) != "survived":
            sys.exit(f"the tests of {topic} fail without any mutant: {' '.join(TOPICS[topic])}")
        limits[topic] = 60 + 3 * (time.monotonic() - start)
    return limits


def try_all(mutants: Sequence[Mutant], jobs: int) -> list[str]:
    """How each ended."""
    topics = sorted({_topic(ROOT / mutant.path) or "" for mutant in mutants})
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        workshops: SimpleQueue[Workshop] = SimpleQueue()
        for k in range(jobs):
            workshops.put(Workshop(Path(folder) / str(k)))
        first = workshops.get()
        limits = time_limits(first, topics)
        workshops.put(first)

        def outcome(mutant: Mutant) -> str:
            workshop = workshops.get()
            try:
                result = workshop.try_out(mutant, limits[_topic(ROOT / mutant.path) or ""])
            finally:
                workshops.put(workshop)
            if result != "killed":
                print(f"{result}: {mutant.path}:{mutant.line} {mutant.old} -> {mutant.new}")
            return result

        with ThreadPoolExecutor(jobs) as pool:
            outcomes = pool.map(outcome, mutants)
            found = list(progress(outcomes, len(mutants), "mutants", "mutant"))
        while not workshops.empty():
            workshops.get().close()
        return found


# --- the command


def report(mutants: Sequence[Mutant], outcomes: Sequence[str], seed: int) -> float:
    """Print the table and the survivors; the share that was killed."""
    counts: dict[str, Counter[str]] = {}
    for mutant, outcome in zip(mutants, outcomes, strict=True):
        counts.setdefault(_topic(ROOT / mutant.path) or "", Counter())[outcome] += 1
    print("| modules | mutants | killed | timed out | survived |\n|---|---|---|---|---|")
    for topic, count in sorted(counts.items()):
        cells = (count[name] for name in ("killed", "timeout", "survived"))
        print(f"| `{topic}` | {count.total()} | {' | '.join(map(str, cells))} |")
    survivors = outcomes.count("survived")
    share = 1 - survivors / len(outcomes)
    print(f"\n{len(outcomes)} mutants, seed {seed}: {share:.0%} killed or timed out", flush=True)
    for mutant, outcome in zip(mutants, outcomes, strict=True):
        if outcome == "survived":
            print(f"survived: {mutant.path}:{mutant.line}\n    {mutant.key}")
    return share


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    equivalents = equivalent()
    paths = modules(options.module)
    candidates = [m for path in paths for m in mutants_of(path) if m.key not in equivalents]
    if not candidates:
        print(f"no module of the topics is named by {options.module}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{m.path}:{m.line}: {m.old} -> {m.new}" for m in candidates))
        return 0
    chosen = random.Random(options.seed).sample(candidates, min(options.count, len(candidates)))
    chosen.sort(key=lambda mutant: (mutant.path, mutant.start))
    print(f"{len(chosen)} of {len(candidates)} mutants of {len(paths)} modules", flush=True)
    share = report(chosen, try_all(chosen, options.jobs), options.seed)
    return 0 if share >= options.at_least else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=60, help="how many mutants (60)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (0)")
    parser.add_argument(
        "--module", nargs="+", default=[], metavar="PART", help="only modules whose path holds it"
    )
    parser.add_argument("--jobs", type=int, default=1, help="at a time (1)")
    parser.add_argument(
        "--at-least", type=float, default=0.9, metavar="SHARE", help="exit code 1 below it (0.9)"
    )
    parser.add_argument("--list", action="store_true", help="list them, run nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""One part of a recording: a folder in which commands run, and the facts that are kept of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.recording.facts import Facts, split_json_lines, without_fingerprint, without_times

TIMEOUT_S = 1800


@dataclass
class Part:
    """A folder of its own, in which commands of the checkout ``root`` run; their facts."""

    root: Path
    folder: Path
    receipts: Path
    facts: Facts = field(default_factory=Facts)

    def config(self, name: str) -> str:
        """Return the path of a shipped config."""
        return str(self.root / "configs" / f"{name}.yml")

    def run(self, label: str, tool: str, *arguments: str) -> None:
        """Run ``tools/TOOL.py`` to its end; keep its exit code and what it printed."""
        self.run_python(label, str(self.root / "tools" / f"{tool}.py"), *arguments)

    def run_python(self, label: str, *arguments: str) -> None:
        """Run Python to its end; keep the exit code, the JSON lines and the text of the others."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        objects, printed = split_json_lines(done.stdout)
        self.facts.exact[f"{label}: exit code"] = done.returncode
        if objects:
            self.facts.add(f"{label}: JSON lines", objects)
        self.facts.text[f"{label}: printed"] = self.tidy(f"{printed}\n{done.stderr}")

    def stop_at(self, line: str, label: str, tool: str, *arguments: str) -> None:
        """Send SIGTERM to a command once it has printed ``line``; keep its exit code only."""
        command = [sys.executable, str(self.root / "tools" / f"{tool}.py"), *arguments]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            for printed in process.stdout or ():
                if line in printed:
                    process.send_signal(signal.SIGTERM)
            self.facts.exact[f"{label}: exit code"] = process.wait(TIMEOUT_S)

    def keep(self, name: str, *, without: Sequence[str] = ()) -> None:
        """Keep the facts of a folder in this part's, but of files whose name so begins."""
        kept = Facts()
        kept.add_folder(name, self.folder / name, self.tidy)
        for mine, theirs in ((self.facts.exact, kept.exact), (self.facts.text, kept.text)):
            mine.update({key: value for key, value in theirs.items() if not _begins(key, without)})

    def environment(self) -> Mapping[str, str]:
        """Return one thread, this checkout's package, and lines that come at once."""
        more = {"PYTHONPATH": str(self.root), "PYTHONUNBUFFERED": "1", "COLUMNS": "100"}
        return {**os.environ, "OMP_NUM_THREADS": "1", **more}

    def tidy(self, text: str) -> str:
        """Return the text without what belongs to the moment or to the folders."""
        names = {"PART": self.folder, "VENV": sys.prefix, "ROOT": self.root, "HOME": Path.home()}
        for name, folder in names.items():
            text = text.replace(str(folder), name)
        return without_fingerprint(without_times(text))


def _begins(key: str, names: Sequence[str]) -> bool:
    return any(Path(key).name.startswith(name) for name in names)

"""The room that a run's checkpoints will take."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ppocr_ft.config import load_config
from tests.support.small_run import small_config

VALUE_BYTES = 4 * 100
CASES = {
    # best, latest, iter_epoch_2; the state with two moments, the one before it, and once more
    # while it is replaced
    "a new run": ((), False, False, 3 + 3 + 3 + 3),
    "a new run where another one was": (("best_accuracy", "latest"), False, False, 3 + 3 + 3 + 3),
    "resumed": (("best_accuracy", "latest"), True, False, 1 + 3 + 3),
    "resumed at the end": (("best_accuracy", "latest", "iter_epoch_2"), True, False, 3 + 3),
    "with an average": ((), False, True, 1 + 2 + 2 + 4 + 4 + 4),
}


@pytest.mark.parametrize(("there", "resumed", "ema", "wanted"), CASES.values(), ids=CASES.keys())
def test_bytes_needed(
    there: tuple[str, ...], resumed: bool, ema: bool, wanted: int, tmp_path: Path
) -> None:
    pytest.importorskip("paddle", reason="paddle is not installed")
    from ppocr_ft.runs.folder import bytes_needed

    for name in there:
        (tmp_path / f"{name}.pdparams").touch()
        (tmp_path / "latest.pdstate").touch()
    parameters = [SimpleNamespace(size=60), SimpleNamespace(size=40)]
    network = SimpleNamespace(parameters=lambda: parameters)
    state = SimpleNamespace(network=network, ema=object() if ema else None)
    config = load_config(small_config(tmp_path))
    resume_from = tmp_path / "latest.pdstate" if resumed else None
    needed = bytes_needed(config, cast(Any, state), tmp_path, resume_from)
    assert needed == wanted * VALUE_BYTES

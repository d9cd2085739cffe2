"""The notebooks: they run from top to bottom on a few images, and are kept without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HAS_PADDLE
from tests.support import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PARAMETERS = "parameters"
"""The cell with this tag has the values that may be changed."""
TINY = """
minutes, train_images, val_images = None, 6, 1
overrides = {
    "Global.epoch_num": 1,
    "Global.fit_scale": False,
    "Global.fit_postprocess": False,
    "Global.interpolate": False,
    "Train.dataset.transforms.ScaledCrop.size": [160, 160],
    "Eval.dataset.transforms.DetResizeForTest.limit_side_len": 320,
    "Eval.also": {},
}
"""
TIMEOUT_S = 600
"""Of a cell; far more than it takes."""

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def tagged(cell: dict[str, Any]) -> bool:
    return PARAMETERS in cell["metadata"].get("tags", [])


def test_there_is_one() -> None:
    assert [path.name for path in NOTEBOOKS] == ["quickstart.ipynb"]


@each
def test_it_is_kept_without_outputs(path: Path) -> None:
    code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in code] == [[]] * len(code)
    assert [cell["execution_count"] for cell in code] == [None] * len(code)
    assert [tagged(cell) for cell in code].count(True) == 1
    assert not any(Path.home().as_posix() in "".join(cell["source"]) for cell in cells(path))


@each
@pytest.mark.slow
@pytest.mark.skipif(not HAS_PADDLE, reason="paddle is not installed")
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / ".jupyter"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    place = next(index for index, cell in enumerate(notebook.cells) if tagged(cell))
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(TINY))
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=TIMEOUT_S, resources=resources).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert (tmp_path / "output" / "quickstart_model" / "inference.json").is_file()

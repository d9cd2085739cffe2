"""A run's folder: made, checked, and cleared of an earlier run's files."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path

from ppocr_ft.config import Config
from ppocr_ft.engine.callbacks.log import LOG_FILE
from ppocr_ft.engine.callbacks.monitor import VERDICTS_FILE
from ppocr_ft.engine.callbacks.writers import FOLDERS
from ppocr_ft.engine.metrics_file import METRICS_FILE
from ppocr_ft.engine.state import Array, TrainState
from ppocr_ft.engine.state_file import STATE_FILE
from ppocr_ft.report.evaluations import EVALUATIONS
from ppocr_ft.report.page import CURVES, PAGE
from ppocr_ft.runs.eval_files import PICTURE_BEFORE, PICTURE_BEST, PICTURE_BOTH
from ppocr_ft.runs.metadata import DATA, ENVIRONMENT, WEIGHTS
from ppocr_ft.utils.files import check_writable, remove_unfinished, write_whole
from ppocr_ft.weights.arrays import at_path

RESOLVED_CONFIG = "config.resolved.yml"
FITTED_CONFIG = "fitted.yml"
FIT_FIGURES, FIT_PICTURE, FIT_JSON = "fit_postprocess.csv", "heatmap.png", "fit_postprocess.json"
FIT_FILES = (FITTED_CONFIG, FIT_FIGURES, FIT_PICTURE, FIT_JSON)
"""What fit_postprocess leaves beside a run's files."""
RUN_FILES = (
    "*.pdparams",
    STATE_FILE,
    RESOLVED_CONFIG,
    METRICS_FILE,
    LOG_FILE,
    PICTURE_BEFORE,
    PICTURE_BEST,
    PICTURE_BOTH,
    EVALUATIONS,
    DATA,
    ENVIRONMENT,
    WEIGHTS,
    VERDICTS_FILE,
    *FOLDERS.values(),
    PAGE,
    CURVES,
    *FIT_FILES,
)
"""What a run leaves in its folder."""
BYTES_PER_VALUE = 100
"""Room that a parameter takes on the disk: three files of weights, those that replace them, and
two states with an optimizer's moments; about."""


def take_folder(
    config: Config,
    state: TrainState,
    folder: Path,
    resume_from: Path | None,
    arrays: Mapping[str, Array],
) -> Path | None:
    """Make the folder this run's. Returns the folder to which an earlier run's files were moved."""
    earlier = None
    values = sum(parameter.size for parameter in state.network.parameters())
    check_writable(folder, BYTES_PER_VALUE * values, "Global.save_model_dir")
    if resume_from is None:
        earlier = set_aside(folder)
    else:
        with at_path(resume_from):
            state.restore(arrays)
    for place in (folder, folder / EVALUATIONS):
        remove_unfinished(place)
    write_whole(folder / RESOLVED_CONFIG, config.to_yaml().encode())
    return earlier


def set_aside(folder: Path) -> Path | None:
    """Move an earlier run's files to ``folder``/earlier_N; None if there was no run.

    The state is moved last: while it is there, the run can be moved or resumed.
    """
    state = folder / STATE_FILE
    if not state.exists():
        return None
    names = (f"earlier_{number}" for number in count(1))
    aside = next(folder / name for name in names if not (folder / name).exists())
    aside.mkdir()
    files = {path for pattern in RUN_FILES for path in folder.glob(pattern)}
    for path in [*sorted(files - {state}), state]:
        path.replace(aside / path.name)
    return aside

"""A run's folder: made, checked, and cleared of an earlier run's files."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path

from ppocr_ft.config import Config
from ppocr_ft.engine.checkpoints import (
    BEST,
    FINAL,
    LATEST,
    PREVIOUS_STATE,
    STATE_FILE,
    settle_best,
    settle_metrics,
)
from ppocr_ft.engine.log import LOG_FILE
from ppocr_ft.engine.metrics_file import METRICS_FILE, SAVED_METRICS
from ppocr_ft.engine.monitor.callback import VERDICTS_FILE
from ppocr_ft.engine.scalar_log import FOLDERS
from ppocr_ft.engine.state import Array, Progress, TrainState
from ppocr_ft.errors import ConfigError
from ppocr_ft.report.evaluations import EVALUATIONS
from ppocr_ft.report.page import CURVES, PAGE
from ppocr_ft.runs.eval_files import PICTURE_BOTH, PICTURES
from ppocr_ft.runs.metadata import DATA, ENVIRONMENT, EVAL_PART, TRAIN_PART, WEIGHTS
from ppocr_ft.runs.weights_origin import FINAL_JSON
from ppocr_ft.utils.files import check_writable, remove_unfinished, write_whole
from ppocr_ft.weights.arrays import at_path

RESOLVED_CONFIG = "config.resolved.yml"
FITTED_CONFIG = "fitted.yml"
FIT_FIGURES, FIT_PICTURE, FIT_JSON = "fit_postprocess.csv", "heatmap.png", "fit_postprocess.json"
FIT_FILES = (FITTED_CONFIG, FIT_FIGURES, FIT_PICTURE, FIT_JSON)
"""What fit_postprocess leaves beside a run's files."""
FINAL_FILES = (f"{FINAL}.pdparams", FINAL_JSON)
"""What a choice of weights leaves beside them."""
TEACHER_LABELS = "unlabelled_epoch_{}.txt"
"""The labels that a teacher has written, used from that epoch on."""
ADAPTED, SCALE_FIGURES = "adapted.json", "fit_scale.csv"
"""What was chosen before the first step, and the scales that were tried for it."""
RUN_FILES = (
    "*.pdparams",
    PREVIOUS_STATE,
    STATE_FILE,
    RESOLVED_CONFIG,
    METRICS_FILE,
    SAVED_METRICS,
    LOG_FILE,
    *PICTURES.values(),
    PICTURE_BOTH,
    EVALUATIONS,
    DATA,
    ENVIRONMENT,
    TRAIN_PART,
    EVAL_PART,
    WEIGHTS,
    VERDICTS_FILE,
    *FOLDERS.values(),
    PAGE,
    CURVES,
    *FIT_FILES,
    *FINAL_FILES,
    ADAPTED,
    SCALE_FIGURES,
    TEACHER_LABELS.format("*"),
)
"""What a run leaves in its folder."""
BYTES_PER_VALUE = 4
"""Of a parameter in a file: float32."""
STATE_VALUES = 3
"""Values that ``latest.pdstate`` has for a parameter: with an optimizer's two moments."""


def take_folder(
    config: Config,
    state: TrainState,
    folder: Path,
    resume_from: Path | None,
    arrays: Mapping[str, Array],
) -> tuple[Path | None, tuple[str, ...]]:
    """Make the folder this run's.

    Returns the folder to which an earlier run's files were moved, and which of a resumed run's
    files were damaged.
    """
    earlier, notes = None, tuple[str, ...]()
    check_writable(
        folder, bytes_needed(config, state, folder, resume_from), "Global.save_model_dir"
    )
    if resume_from is None:
        earlier = set_aside(folder)
    else:
        with at_path(resume_from):
            state.restore(arrays)
            _check_length(config, state.progress)
        settled = settle_best(folder, state.progress), settle_metrics(folder, state.progress)
        notes = tuple(filter(None, settled))
    for place in (folder, folder / EVALUATIONS):
        remove_unfinished(place)
    write_whole(folder / RESOLVED_CONFIG, config.to_yaml().encode())
    return earlier, notes


def bytes_needed(config: Config, state: TrainState, folder: Path, resume_from: Path | None) -> int:
    """Return the bytes that the run's checkpoints will still take in its folder.

    Each is written aside before it replaces another one, so the largest needs room twice, and the
    state before the latest is kept. Files that a resumed run overwrites have their room already.
    """
    values = sum(int(parameter.size) for parameter in state.network.parameters())
    averages = 1 if state.ema is None else 2
    every, epochs = config.Global.save_epoch_step, config.Global.epoch_num
    kept = [f"iter_epoch_{epoch}" for epoch in range(every, epochs + 1, every)]
    sizes = dict.fromkeys((BEST, LATEST, *kept), averages)
    sizes[BEST] = 1
    sizes |= {FINAL: 1} if config.Global.interpolate else {}
    state_values = STATE_VALUES + averages - 1
    there = resume_from is not None
    new = [n for name, n in sizes.items() if not (there and (folder / f"{name}.pdparams").exists())]
    states = (STATE_FILE, PREVIOUS_STATE)
    new += [state_values for name in states if not (there and (folder / name).exists())]
    return BYTES_PER_VALUE * values * (sum(new) + state_values)


def _check_length(config: Config, progress: Progress) -> None:
    epochs = config.Global.epoch_num
    if progress.step > epochs * progress.steps_per_epoch:
        raise ConfigError(
            f"found {epochs}, which are {epochs * progress.steps_per_epoch} steps; the run has "
            f"already done {progress.step}, so give {progress.epoch} or more",
            key="Global.epoch_num",
        )


def config_of_run(folder: Path) -> Path | None:
    """Return the config to go on with: the fitted one if there is one; None: it is no run."""
    configs = (folder / name for name in (FITTED_CONFIG, RESOLVED_CONFIG))
    is_run = (folder / RESOLVED_CONFIG).is_file()
    return next(config for config in configs if config.is_file()) if is_run else None


def delivered_weights(folder: Path) -> Path:
    """Return the weights that a run delivers: the final ones if it chose some, else the best."""
    final = folder / f"{FINAL}.pdparams"
    return final if final.is_file() else folder / f"{BEST}.pdparams"


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


def resume_hint(config: Config, earlier: Path | None = None) -> list[str]:
    """Say that a new run from a checkpoint could go on with the run that the checkpoint is of.

    ``earlier`` is the folder to which that run's files were moved if they were in the new run's.
    """
    if config.Global.checkpoints is None:
        return []
    where = Path(config.Global.checkpoints)
    folder = where if where.is_dir() else where.parent
    moved = earlier and folder.resolve() == Path(config.Global.save_model_dir).resolve()
    state = (earlier if earlier and moved else folder) / STATE_FILE
    if not state.is_file():
        return []
    return [
        "starts at step 0 with the weights of Global.checkpoints; "
        f"--resume {state.parent} goes on with that run ({STATE_FILE} lies there)"
    ]

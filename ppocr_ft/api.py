"""The commands as functions: ``from ppocr_ft import train, evaluate, predict, export_model``.

A config is a file or the name of one that comes with the package. ``overrides`` are what ``-o``
takes: ``{"Global.epoch_num": 3}`` or ``["Global.epoch_num=3"]``. What goes wrong is a PpocrFtError:
UserInputError for wrong input, with every fault in its text, and RunFailed for the rest.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.common import import_paddle, silence_opencv
from ppocr_ft.config import Config, load_config
from ppocr_ft.data.faults import ALSO
from ppocr_ft.errors import (
    INTERRUPTED,
    ConfigError,
    DataError,
    Finding,
    PpocrFtError,
    RunFailed,
    UserInputError,
)
from ppocr_ft.metrics.det import RATES
from ppocr_ft.utils.console import forget_said
from ppocr_ft.utils.cpu import tune_cpu
from ppocr_ft.utils.program import import_problem

if TYPE_CHECKING:
    from ppocr_ft.commands.export.run import Exported
    from ppocr_ft.commands.predict.run import Predictor

Overrides = Mapping[str, object] | Sequence[str]
DEFAULT = "det_v4_ft.yml"


@dataclass(frozen=True)
class Evaluation:
    """Rates on labelled images, 0 to 1, at IoU 0.5 and (``_70``) at 0.7.

    ``faults`` are the images and label lines that couldn't be used; ``also`` are the rates on the
    sets of ``Eval.also``, by their names.
    """

    precision: float
    recall: float
    hmean: float
    precision_70: float
    recall_70: float
    hmean_70: float
    faults: tuple[DataError, ...] = ()
    also: Mapping[str, Evaluation] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainResult:
    """A finished run.

    Attributes:
        folder: the run's folder, with report.html and all figures.
        weights: the final weights with Global.interpolate, else the best ones.
        config: a config to go on with, fitted.yml; None if the post-processing wasn't fitted.
        start: the rates before the first step, with the config's unclip ratio, as the others.
        best: the rates of the best weights.
        last: the rates at the end.
        best_step: the steps that the best weights were trained; 0: nothing was better than the
            start.
    """

    folder: Path
    weights: Path
    config: Path | None
    start: Evaluation
    best: Evaluation
    last: Evaluation
    best_step: int


@dataclass(frozen=True)
class Prediction:
    """The text boxes of one image: ``boxes`` (k, 2) each, in pixels of the file, and scores."""

    path: str
    boxes: tuple[NDArray[Any], ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Predictions:
    """The images with their boxes, in order; ``faults`` are images that couldn't be used.

    ``notes`` name the files of a folder that are no images.
    """

    images: list[Prediction]
    faults: list[DataError] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def train(
    config: str | Path | None = None,
    overrides: Overrides = (),
    *,
    resume: str | Path | None = None,
    force: bool = False,
) -> TrainResult:
    """Train, as ``ppocr-ft train`` does, and print what it prints.

    ``resume`` is the folder of a run to go on with, by its own config if there is no ``config``, or
    ``"latest"`` for the run in ``Global.save_model_dir``; with ``force`` by other values of keys
    that bend its schedule. Without ``resume`` the config is det_v4_ft.yml if there is none.

    Raises:
        UserInputError: config, data or weights are wrong.
        RunFailed: the losses turned NaN, or files couldn't be written.
        KeyboardInterrupt: Ctrl-C; the run was saved, and ``resume`` goes on.
    """
    if config is None and resume in (None, "latest"):
        config = DEFAULT
    words = [] if config is None else ["-c", str(config)]
    words += [] if resume is None else [f"--resume={resume}"]
    with _one_error():
        import_paddle()
        from ppocr_ft.commands.train.cli import begin, config_to_train, options_of
        from ppocr_ft.engine.distributed import SINGLE_PROCESS

        options = options_of(words)
        options.override, options.force = _words(overrides), force
        loaded = config_to_train(options)
        code = begin(loaded, options, SINGLE_PROCESS)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            folder = loaded.Global.save_model_dir
            raise RunFailed(f"the training stopped; {folder}/train.log says why")
        return _result(loaded)


def evaluate(config: str | Path = DEFAULT, overrides: Overrides = ()) -> Evaluation:
    """Evaluate the config's weights on the labelled images of ``Eval``, and of its further sets.

    Raises:
        UserInputError: config, data or weights are wrong.
    """
    with _one_error():
        loaded = _load(config, overrides)
        from ppocr_ft.factory import objects

        sets = objects.judged_data(loaded)
        network, _ = objects.network(loaded)
        by_set = {
            name: _evaluation(
                objects.evaluate(loaded, network, data.samples()).summary, data.faults
            )
            for name, data in sets.items()
        }
        main_set = by_set.pop("Eval")
        return replace(main_set, also={name.removeprefix(ALSO): of for name, of in by_set.items()})


def predict(
    images: str | Path | Sequence[str | Path],
    config: str | Path = DEFAULT,
    overrides: Overrides = (),
    *,
    model: str | Path | None = None,
) -> Predictions:
    """Find text in image files, folders or patterns.

    ``model`` is an exported folder, ONNX file or OpenVINO's .xml, which goes before ``config``.

    Raises:
        UserInputError: config, weights or model are wrong, or there is no image.
    """
    if isinstance(images, str) or not isinstance(images, Iterable):
        images = [images]
    given = list(images)
    with _one_error():
        if others := [type(item).__name__ for item in given if not isinstance(item, str | Path)]:
            raise DataError(
                f"images are files, folders or patterns, found {others[0]}; "
                "write an array into a file"
            )
        patterns = [str(pattern) for pattern in given]
        if model is not None:
            if overrides:
                raise ConfigError("overrides change a config; an exported model has its values")
            import_paddle()
            from ppocr_ft.commands.predict.run import model_predictor

            return _predictions(model_predictor(model, patterns))
        loaded = _load(config, overrides)
        from ppocr_ft.commands.predict.run import config_predictor

        return _predictions(config_predictor(loaded, patterns))


def export_model(
    config: str | Path,
    overrides: Overrides = (),
    *,
    onnx: bool = False,
    legacy: bool = False,
    openvino: bool = False,
    parity_images: int | None = 10,
) -> Exported:
    """Export to ``Global.save_inference_dir`` a model that is proved equal to the trained one.

    ``onnx`` writes inference.onnx too, ``openvino`` inference.xml and inference.bin, ``legacy`` the
    program of PaddleOCR 2. ``parity_images`` of Eval's images are compared on, None: all.

    Raises:
        UserInputError: config, data or weights are wrong, or a package is missing.
        RunFailed: the model isn't equal, or can't be written; nothing is left of it.
    """
    with _one_error():
        loaded = _load(config, overrides)
        from ppocr_ft.commands.export.run import export
        from ppocr_ft.export.write import Formats

        return export(loaded, Formats(legacy, onnx, openvino), parity_images)


def check(
    config: str | Path = DEFAULT,
    overrides: Overrides = (),
    *,
    images: bool = True,
    weights: bool = True,
) -> list[Finding]:
    """Return what is wrong with a config, its labels, images and weights; nothing is raised for it.

    With ``images=False`` no image is opened, with ``weights=False`` no weights are.
    """
    with _one_error():
        from ppocr_ft.commands.check.run import CheckOptions
        from ppocr_ft.commands.check.run import check as check_all

        with suppress(ImportError):  # config and data are checked without Paddle
            import_paddle()
        options = CheckOptions(images=images, weights=weights, samples=0)
        return check_all(_named(config), _words(overrides), options).findings


@contextmanager
def _one_error() -> Iterator[None]:
    """Make a PpocrFtError of a package that is missing and of a file that can't be written."""
    os.environ.setdefault("GLOG_minloglevel", "2")  # Paddle remarks on its own tracing
    tune_cpu()
    silence_opencv()
    forget_said()
    try:
        yield
    except PpocrFtError:
        raise
    except ImportError as error:
        raise UserInputError(import_problem(error)) from error
    except OSError as error:
        raise RunFailed(str(error)) from error


def _load(config: str | Path, overrides: Overrides) -> Config:
    """Load the config, and Paddle; the config's warnings become Python's."""
    loaded = load_config(_named(config), _words(overrides))
    for warning in loaded.warnings:
        warnings.warn(warning.describe(), stacklevel=3)
    import_paddle()
    return loaded


def _named(config: object) -> str | Path:
    """Return the config's path; a run without fitted.yml has None for it."""
    if not isinstance(config, str | Path):
        raise ConfigError(f"config is {config!r}; give a YAML file, or the name of one")
    return config


def _words(overrides: Overrides) -> list[str]:
    """Return ``KEY=VALUE`` for each; JSON is YAML."""
    if isinstance(overrides, str):
        return [overrides]
    if not isinstance(overrides, Mapping):
        return list(overrides)
    return [
        f"{key}={json.dumps(value, ensure_ascii=False, default=str)}"
        for key, value in overrides.items()
    ]


def _result(config: Config) -> TrainResult:
    from ppocr_ft.engine.checkpoints import BEST, FINAL
    from ppocr_ft.engine.eval_result import best, results_of
    from ppocr_ft.engine.metrics_file import METRICS_FILE, read_metrics
    from ppocr_ft.runs.folder import FITTED_CONFIG

    folder = Path(config.Global.save_model_dir)
    results = results_of(read_metrics(folder / METRICS_FILE)[1])
    chosen = best(results, config.Metric.main_indicator)
    fitted, final = folder / FITTED_CONFIG, folder / f"{FINAL}.pdparams"
    return TrainResult(
        folder,
        final if final.is_file() else folder / f"{BEST}.pdparams",
        fitted if fitted.is_file() else None,
        _evaluation(results[0].at_config),
        _evaluation(chosen.at_config),
        _evaluation(results[-1].at_config),
        chosen.step,
    )


def _evaluation(rates: Mapping[str, float], faults: Sequence[DataError] = ()) -> Evaluation:
    values: dict[str, Any] = {name: float(rates[name]) for name in RATES}
    return Evaluation(**values, faults=tuple(faults))


def _predictions(predictor: Predictor) -> Predictions:
    images, run, _ = predictor
    predictions = [
        Prediction(
            path, tuple(map(np.asarray, boxes["points"])), tuple(map(float, boxes["scores"]))
        )
        for path, boxes in run(images.samples())
    ]
    return Predictions(predictions, images.faults, images.notes)

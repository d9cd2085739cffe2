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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.common import import_paddle, silence_opencv
from ppocr_ft.config import Config, load_config
from ppocr_ft.config.load import with_values
from ppocr_ft.data.faults import ALSO
from ppocr_ft.data.images import ImageInMemory, ImageSource
from ppocr_ft.errors import (
    INTERRUPTED,
    SIGNALLED,
    ConfigError,
    DataError,
    Finding,
    PpocrFtError,
    RunFailed,
    UserInputError,
)
from ppocr_ft.metrics.det import RATES, textless_boxes
from ppocr_ft.results import Evaluation, Prediction, Predictions, TrainResult
from ppocr_ft.transforms.tiles import Tiles, read_tiles
from ppocr_ft.utils.console import forget_said
from ppocr_ft.utils.cpu import tune_cpu
from ppocr_ft.utils.program import import_problem

if TYPE_CHECKING:
    from ppocr_ft.commands.export.run import Exported
    from ppocr_ft.commands.predict.run import Predictor
    from ppocr_ft.engine.metrics_file import ProgressCallback

Overrides = Mapping[str, object] | Sequence[str]
Image = str | Path | NDArray[np.uint8]
"""A file, a folder, a pattern, or pixels (h, w, 3) BGR as ``cv2.imread`` gives them."""
DEFAULT = "det_v4_ft.yml"


def train(
    config: str | Path | None = None,
    overrides: Overrides = (),
    *,
    resume: str | Path | None = None,
    force: bool = False,
    progress: ProgressCallback | None = None,
) -> TrainResult:
    """Train, as ``ppocr-ft train`` does, and print what it prints.

    ``resume`` is the folder of a run to go on with, by its own config if there is no ``config``, or
    ``"latest"`` for the run in ``Global.save_model_dir``; with ``force`` by other values of keys
    that bend its schedule. Without ``resume`` the config is det_v4_ft.yml if there is none.

    ``progress`` is called with the figures of each row of metrics.csv when it is written, those of
    a resumed run first: ``kind`` (train, eval or also), ``step``, ``total_steps``, and what that
    kind has, such as ``loss`` or ``hmean``. What it raises ends the run.

    Raises:
        UserInputError: config, data or weights are wrong.
        RunFailed: the losses turned NaN, or files couldn't be written.
        KeyboardInterrupt: Ctrl-C; the run was saved, and ``resume`` goes on.
        SystemExit: SIGTERM asked the process to end; the run was saved likewise.
    """
    if config is None and resume in (None, "latest"):
        config = DEFAULT
    words = [] if config is None else ["-c", str(config)]
    words += [] if resume is None else [f"--resume={resume}"]
    with one_error():
        import_paddle()
        from ppocr_ft.commands.train.cli import config_to_train, options_of
        from ppocr_ft.commands.train.run import begin
        from ppocr_ft.engine.distributed import SINGLE_PROCESS

        options = options_of(words)
        options.override, options.force = as_words(overrides), force
        loaded = config_to_train(options)
        code = begin(loaded, options, SINGLE_PROCESS, progress)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code > SIGNALLED:
            raise SystemExit(code)
        if code:
            folder = loaded.Global.save_model_dir
            raise RunFailed(f"the training stopped; {folder}/train.log says why")
        return _result(loaded)


def evaluate(config: str | Path = DEFAULT, overrides: Overrides = ()) -> Evaluation:
    """Evaluate the config's weights on the labelled images of ``Eval``, and of its further sets.

    Raises:
        UserInputError: config, data or weights are wrong.
    """
    with one_error():
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
    images: Image | Sequence[Image],
    config: str | Path = DEFAULT,
    overrides: Overrides = (),
    *,
    model: str | Path | None = None,
    tiles: Tiles = None,
) -> Predictions:
    """Find text in image files, folders, patterns and arrays.

    ``model`` is an exported folder, ONNX file or OpenVINO's .xml, which goes before ``config``.
    ``tiles`` goes before Eval.tiles of the config: ``"auto"`` or a factor cuts large pages.

    Raises:
        UserInputError: config, weights or model are wrong, or there is no image.
    """
    if isinstance(images, str | np.ndarray) or not isinstance(images, Iterable):
        images = [images]
    with one_error():
        sources = [_source(image, place) for place, image in enumerate(images)]
        try:
            tiles = read_tiles(tiles)
        except ValueError as fault:
            raise ConfigError(f"tiles: {fault}") from None
        if model is not None:
            if overrides:
                raise ConfigError("overrides change a config; an exported model has its values")
            import_paddle()
            from ppocr_ft.commands.predict.run import model_predictor

            return _predictions(model_predictor(model, sources, tiles=tiles), sources)
        loaded = _load(config, overrides)
        if tiles is not None:
            loaded = with_values(loaded, {"Eval.tiles": tiles})
        from ppocr_ft.commands.predict.run import config_predictor

        return _predictions(config_predictor(loaded, sources), sources)


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
    with one_error():
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
    model: str | Path | None = None,
) -> list[Finding]:
    """Return what is wrong with a config, its labels, images and weights; nothing is raised for it.

    With ``images=False`` no image is opened, with ``weights=False`` no weights are. ``model``, a
    run's folder, a config or a checkpoint, names labels that it contradicts, the worst first.
    """
    with one_error():
        from ppocr_ft.commands.check.run import CheckOptions
        from ppocr_ft.commands.check.run import check as check_all

        with suppress(ImportError):  # config and data are checked without Paddle
            import_paddle()
        options = CheckOptions(images=images, weights=weights, samples=0, model=model)
        return check_all(_named(config), as_words(overrides), options).findings


@contextmanager
def one_error() -> Iterator[None]:
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
    loaded = load_config(_named(config), as_words(overrides))
    for warning in loaded.warnings:
        warnings.warn(warning.describe(), stacklevel=3)
    import_paddle()
    return loaded


def _named(config: object) -> str | Path:
    """Return the config's path; a run without fitted.yml has None for it."""
    if not isinstance(config, str | Path):
        raise ConfigError(f"config is {config!r}; give a YAML file, or the name of one")
    return config


def _source(image: object, place: int) -> ImageSource:
    """Return an image, a folder or a pattern that was given at a place of a list."""
    if isinstance(image, str | Path):
        return str(image)
    if not isinstance(image, np.ndarray):
        found = type(image).__name__
    elif image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
        return ImageInMemory(f"images[{place}]", image)
    else:
        found = f"an array {image.shape} of {image.dtype}"
    raise DataError(
        f"images are files, folders, patterns or arrays (h, w, 3) of uint8 in BGR, found {found}"
    )


def as_words(overrides: Overrides) -> list[str]:
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
    from ppocr_ft.engine.eval_result import best, results_of
    from ppocr_ft.engine.metrics_file import METRICS_FILE, read_metrics
    from ppocr_ft.runs.folder import FITTED_CONFIG, delivered_weights

    folder = Path(config.Global.save_model_dir)
    results = results_of(read_metrics(folder / METRICS_FILE)[1])
    chosen = best(results, config.Metric.main_indicator)
    fitted = folder / FITTED_CONFIG
    return TrainResult(
        folder,
        delivered_weights(folder),
        fitted if fitted.is_file() else None,
        _evaluation(results[0].at_config),
        _evaluation(chosen.at_config),
        _evaluation(results[-1].at_config),
        chosen.step,
    )


def _evaluation(rates: Mapping[str, float], faults: Sequence[DataError] = ()) -> Evaluation:
    values: dict[str, Any] = {name: float(rates[name]) for name in RATES}
    false = textless_boxes(rates) if "textless" in rates else None
    return Evaluation(**values, faults=tuple(faults), textless_boxes=false)


def _predictions(predictor: Predictor, sources: Sequence[ImageSource]) -> Predictions:
    images, run, _ = predictor
    pixels = {each.name: each.pixels for each in sources if isinstance(each, ImageInMemory)}
    predictions = [
        Prediction(
            path,
            tuple(map(np.asarray, boxes["points"])),
            tuple(map(float, boxes["scores"])),
            pixels.get(path),
        )
        for path, boxes in run(images.samples())
    ]
    return Predictions(predictions, images.faults, images.notes)

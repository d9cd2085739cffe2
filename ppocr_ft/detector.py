"""A detector as an object: ``from ppocr_ft import Detector``. Its methods call ``ppocr_ft.api``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ppocr_ft.api import (
    Image,
    Overrides,
    as_words,
    evaluate,
    export_model,
    one_error,
    predict,
    train,
)
from ppocr_ft.commands.common import import_paddle
from ppocr_ft.commands.init import MINUTES, VAL_RATIO
from ppocr_ft.config.load import CONFIG_SUFFIXES, find_config, load_config, shipped_models
from ppocr_ft.errors import ConfigError
from ppocr_ft.messages import nearest
from ppocr_ft.results import Evaluation, Predictions, TrainResult
from ppocr_ft.transforms.tiles import Tiles

if TYPE_CHECKING:
    from ppocr_ft.commands.export.run import Exported
    from ppocr_ft.engine.metrics_file import ProgressCallback

MODEL = "PP-OCRv4_mobile_det"
LABELS = "labels"
"""Folder of the label file, in the run's folder."""
EXPORTED_FILES, EXPORTED_SUFFIXES = "inference.*", (".onnx", ".xml")
Values = dict[str, Any]
"""Values of keys as ``-o`` names them."""


class Detector:
    """A text detector, to fine-tune, evaluate, use and export.

    Args:
        model: a released model's name, the folder of a run, a config (a file, or the name of one
            that comes with the package), or an exported model: its folder, ONNX file or OpenVINO's
            .xml. An exported model only predicts.

    Raises:
        UserInputError: there is no such model, or its config is wrong.
    """

    def __init__(self, model: str | Path = MODEL) -> None:
        self._config: Path | None = None
        self._run: Path | None = None
        self._exported: Path | None = None
        with one_error():
            self._open(_path("model", model))

    def finetune(
        self,
        data: str | Path,
        *,
        minutes: float | None = MINUTES,
        folder: str | Path = "output/run",
        overrides: Overrides = (),
        progress: ProgressCallback | None = None,
    ) -> TrainResult:
        """Fine-tune on labelled images; from then on the detector has what the run delivers.

        Prints what ``ppocr-ft train`` prints. A fifth of the images is held out for evaluation.

        Args:
            data: a folder of images with their labels, or a label file, as ``ppocr-ft init`` takes
                them. The labels are copied into ``folder``.
            minutes: time for the whole run; None: as long as the config says.
            folder: folder of the run. The files of an earlier one in it are moved to earlier_1.
            overrides: further values of the config's keys.
            progress: called with the figures of each row of metrics.csv, as ``train`` calls it.

        Raises:
            UserInputError: data, overrides or the model are wrong.
            RunFailed: the losses turned NaN, or files couldn't be written.
            KeyboardInterrupt: Ctrl-C; the run was saved, and ``train(resume=folder)`` goes on.
        """
        config, values = self._to_train()
        folder = _path("folder", folder)
        if self._run is not None and folder.resolve() == self._run.resolve():
            raise ConfigError("has the weights to start from; name another folder", path=folder)
        if minutes is not None and not (isinstance(minutes, int | float) and minutes > 0):
            raise ConfigError(f"minutes is {minutes!r}; give a number above 0, or None")
        values |= {
            "Global.save_model_dir": str(folder),
            "Global.time_budget": None if minutes is None else f"{minutes}m",
            "Global.val_ratio": VAL_RATIO,
            **_data_sets(data, folder / LABELS, "Train", "Eval"),
        }
        words = [*as_words(values), *as_words(overrides)]
        result = train(config, words, progress=progress)
        self._open_run(result.folder)
        return result

    def evaluate(self, data: str | Path | None = None, overrides: Overrides = ()) -> Evaluation:
        """Evaluate on labelled images, of any form that ``finetune`` takes.

        Without ``data`` on those of the config: of a run the ones that it held out, of a released
        model the sample data set.

        Raises:
            UserInputError: data, overrides or the model are wrong.
        """
        config, values = self._to_use()
        with TemporaryDirectory(prefix="ppocr_ft_labels_") as labels:
            if data is not None:
                values |= {"Global.val_ratio": 0, **_data_sets(data, Path(labels), "Eval")}
            return evaluate(config, [*as_words(values), *as_words(overrides)])

    def predict(self, images: Image | Sequence[Image], *, tiles: Tiles = None) -> Predictions:
        """Find text in image files, folders, patterns and arrays (h, w, 3) BGR, or a list of them.

        Each call reads the weights, so many images are faster in one call. With ``tiles="auto"``
        pages on which text would get smaller than in training go through the network in overlapping
        tiles, at the scale of training; a number is the factor on the page instead.

        Raises:
            UserInputError: the model or ``tiles`` are wrong, or there is no image.
        """
        if self._exported is not None:
            return predict(images, model=self._exported, tiles=tiles)
        config, values = self._to_use()
        return predict(images, config, values, tiles=tiles)

    def export(
        self,
        folder: str | Path,
        *,
        onnx: bool = False,
        openvino: bool = False,
        legacy: bool = False,
    ) -> Exported:
        """Export to a folder a model that is proved equal to this one, as ``export_model`` does.

        Raises:
            UserInputError: the model is wrong, or a package is missing.
            RunFailed: the exported model isn't equal, or can't be written; nothing is left of it.
        """
        config, values = self._to_use()
        values |= {"Global.save_inference_dir": str(_path("folder", folder))}
        return export_model(config, values, onnx=onnx, legacy=legacy, openvino=openvino)

    def _open(self, model: Path) -> None:
        """Find out what the model is, and whether its config is right."""
        released, config = shipped_models(), find_config(model)
        if str(model) in released:
            self._config = released[str(model)]
        elif config.is_file() and config.suffix in CONFIG_SUFFIXES:
            self._config = config
        elif _is_run(model):
            self._open_run(model)
        elif _is_exported(model):
            self._exported = model
        else:
            near = nearest(str(model), list(released))
            hint = f"; did you mean {near!r}?" if near else ""
            raise ConfigError(
                f"{str(model)!r} is no released model ({', '.join(sorted(released))}), run, config "
                f"or exported model{hint}"
            )
        if self._config is not None:
            load_config(self._config)

    def _open_run(self, folder: Path) -> None:
        from ppocr_ft.runs.folder import config_of_run, delivered_weights

        if not delivered_weights(folder).is_file():
            raise ConfigError("is a run without weights", path=folder)
        self._config = config_of_run(folder)
        self._run, self._exported = folder, None

    def _to_use(self) -> tuple[Path, Values]:
        """Return the config with which the detector runs, and values beside it."""
        if self._config is None:
            raise ConfigError(
                "is an exported model, which only predicts; give a model's name, a run or a config",
                path=self._exported,
            )
        if self._run is None:
            return self._config, {}
        from ppocr_ft.runs.folder import delivered_weights

        return self._config, {"Global.checkpoints": str(delivered_weights(self._run))}

    def _to_train(self) -> tuple[Path, Values]:
        """Return the config by which training starts from the detector, and values beside it.

        What a run chose by its own data is chosen anew.
        """
        config, values = self._to_use()
        if self._run is None:
            return config, values
        from ppocr_ft.runs.adapt import values_before
        from ppocr_ft.runs.folder import RESOLVED_CONFIG

        start = {
            "Global.pretrained_model": values["Global.checkpoints"],
            "Global.checkpoints": None,
            "Global.resume": None,
        }
        return self._run / RESOLVED_CONFIG, {**values_before(self._run), **start}


def _is_run(folder: Path) -> bool:
    import_paddle()
    from ppocr_ft.runs.folder import config_of_run

    return config_of_run(folder) is not None


def _is_exported(path: Path) -> bool:
    if path.is_dir():
        return any(path.glob(EXPORTED_FILES))
    return path.is_file() and path.suffix in EXPORTED_SUFFIXES


def _path(what: str, given: object) -> Path:
    if not isinstance(given, str | Path):
        raise ConfigError(f"{what} is {given!r}; give a name or a path")
    return Path(given).expanduser()


def _data_sets(data: str | Path, labels: Path, *splits: str) -> Values:
    """Return the keys of data sets of labelled images, whose labels are written to ``labels``."""
    from ppocr_ft.commands.convert.run import own_labels

    with one_error():
        own = own_labels(_path("data", data), labels)
    for warning in own.warnings:
        warnings.warn(f"labels, read as ppocr-ft convert reads them: {warning}", stacklevel=3)
    values: Values = {}
    for split in splits:
        values |= {
            f"{split}.dataset.data_dir": str(own.images.absolute()),  # "sample" is the built-in set
            f"{split}.dataset.label_file_list": [str(own.file.absolute())],
            f"{split}.dataset.ratio_list": None,
            f"{split}.dataset.delimiter": "\t",
        }
    return values

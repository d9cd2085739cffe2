"""Export of a config's network: the folder appears once the model is proved equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import cast
from urllib.parse import urlsplit

import paddle

from ppocr_ft.config import Config
from ppocr_ft.config.schema import Dataset
from ppocr_ft.data.images import EvalSample, ImageSet
from ppocr_ft.engine.evaluation import Map, probability_maps
from ppocr_ft.errors import ConfigError, DataError, RunFailed, WeightsError
from ppocr_ft.export.card import Origin, model_card
from ppocr_ft.export.parity import Parity, compare
from ppocr_ft.export.runtime import open_model
from ppocr_ft.export.settings import (
    MODEL_NAMES,
    InferenceSettings,
    check_model_name,
    resize_rule,
)
from ppocr_ft.export.write import Formats, atomic_dir, write_model
from ppocr_ft.factory.device import cpu_threads
from ppocr_ft.factory.objects import LABEL_OPERATORS, data_set, post_process, starting_network
from ppocr_ft.factory.tiles import tile_rule, training_tiles
from ppocr_ft.messages import counted
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.models.configs import DETECTORS
from ppocr_ft.models.program import WorkerFailed
from ppocr_ft.runs.weights_origin import WeightsOrigin, weights_origin
from ppocr_ft.utils.progress import ProgressBar, no_progress
from ppocr_ft.utils.sampling import evenly_spaced
from ppocr_ft.weights import CoverageReport
from ppocr_ft.weights.matching import state_of

PARITY_FILE, CARD_FILE, TENSORS_FILE = "parity.json", "model_card.md", "inference.pdiparams"
PIXEL_OPERATORS = {"DecodeImage", "DetResizeForTest", "NormalizeImage", "ToCHWImage"}


class ExportRefused(RunFailed):
    """The exported model is not equal to the trained network, or could not be made."""


@dataclass(frozen=True)
class Exported:
    """A finished export.

    ``folder`` holds the model; ``faults`` are images that can't be used, ``notes`` those of the
    label files. ``arguments`` is what PaddleOCR 3 must be told beside ``inference.yml``.
    """

    folder: Path
    parity: Parity
    coverage: CoverageReport
    origin: WeightsOrigin
    faults: list[DataError]
    notes: tuple[str, ...] = ()
    arguments: Mapping[str, object] = field(default_factory=dict)


def export(
    config: Config,
    formats: Formats,
    parity_images: int | None,
    bar: ProgressBar = no_progress,
) -> Exported:
    """Export to ``Global.save_inference_dir``, on the CPU.

    ``parity_images`` of the validation images, evenly spread, or all of them (None) are compared
    on; ``bar`` shows how far that is.

    Raises:
        ConfigError: the config can't be exported; packages are missing.
        DataError, WeightsError: data or weights can't be used.
        ExportRefused: the model is not equal to the network; nothing is left of it, and an earlier
            export is untouched.
    """
    if config.Global.save_inference_dir is None:
        raise ConfigError(
            "is null; name the folder that the model is to be in", key="Global.save_inference_dir"
        )
    folder = Path(config.Global.save_inference_dir).expanduser()
    formats.check()
    settings, note = with_tile_rule(inference_settings(config), config)
    paddle.set_device("cpu")
    network, coverage = starting_network(config)
    if coverage is None:
        raise ConfigError(
            "is null: name the checkpoint to export, such as output/best_accuracy",
            key="Global.checkpoints",
        )
    origin = weights_origin(config)
    images = parity_set(config, parity_images)
    with atomic_dir(folder) as aside:
        parity = _make(config, network, settings, formats, images, aside, bar)
        figures = json.dumps(parity.as_dict(), indent=2, allow_nan=False)
        (aside / PARITY_FILE).write_text(f"{figures}\n", encoding="utf-8")
        about = card_origin(config, coverage, origin, aside / TENSORS_FILE)
        card = model_card(settings, about, parity, formats)
        (aside / CARD_FILE).write_text(card, encoding="utf-8")
    arguments = settings.resize.arguments(settings.model_name)
    notes = (*images.notes, *note)
    return Exported(folder, parity, coverage, origin, images.faults, notes, arguments)


def released_name(config: Config) -> str:
    """Return the name of the first released detector with the config's backbone, or one like it."""
    backbone = config.Architecture.Backbone
    same = [name for name, detector in DETECTORS.items() if detector.Backbone == backbone]
    alike = [n for n, detector in DETECTORS.items() if type(detector.Backbone) is type(backbone)]
    if alike:
        return (same or alike)[0]
    raise ConfigError(
        f"is null, and no released detector has the backbone {config.Architecture.Backbone.name}; "
        f"name one that PaddleOCR 3 is to take it for: {', '.join(MODEL_NAMES)}",
        key="Global.model_name",
    )


def inference_settings(config: Config) -> InferenceSettings:
    """Return what ``inference.yml`` says: the config's ``Eval`` and ``PostProcess``.

    Raises:
        ConfigError: PaddleOCR 3 has no words for it.
    """
    given = {item.name: item.arguments() for item in config.Eval.dataset.transforms}
    _check_operators(given)
    decode, normalize = given["DecodeImage"], given["NormalizeImage"]
    name = check_model_name(config.Global.model_name or released_name(config))
    return InferenceSettings(
        name,
        decode["img_mode"],
        resize_rule(given["DetResizeForTest"], name),
        normalize.get("scale", 1 / 255),
        normalize["mean"],
        normalize["std"],
        post_process(config),
    )


def with_tile_rule(
    settings: InferenceSettings, config: Config
) -> tuple[InferenceSettings, tuple[str, ...]]:
    """Return the settings with the rule for large pages, and a note if there is none.

    It is that of Eval.tiles, or what auto means there, as far as the images of Train can be read.
    """
    try:
        tiles = tile_rule(config) or training_tiles(config)
    except DataError as fault:
        return settings, (f"predict --tiles auto will not know the model's scale: {fault}",)
    return replace(settings, tiles=tiles), ()


def _check_operators(given: Mapping[str, Mapping[str, object]]) -> None:
    missing = sorted(PIXEL_OPERATORS - given.keys())
    others = sorted(given.keys() - PIXEL_OPERATORS - LABEL_OPERATORS)
    if missing or others:
        difference = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(others)}"
        raise ConfigError(
            f"{difference}; PaddleOCR 3 prepares images by {', '.join(sorted(PIXEL_OPERATORS))}",
            key="Eval.dataset.transforms",
        )
    if given["DecodeImage"].get("ignore_orientation"):
        raise ConfigError(
            "can't be exported as true: PaddleOCR 3 turns a photo as its EXIF says",
            key="Eval.dataset.transforms.DecodeImage.ignore_orientation",
        )


def parity_set(config: Config, count: int | None) -> ImageSet:
    """Return ``count`` evenly spaced validation images, or all, with labels and files.

    Raises:
        DataError: no validation image can be used.
    """
    with_paths = [item for item in config.Eval.dataset.transforms if item.name != "KeepKeys"]
    data = data_set(config, "Eval", with_paths)
    chosen = evenly_spaced(len(data), len(data) if count is None else count)
    return ImageSet(
        lambda index: data[chosen[index]],
        len(chosen),
        config.Eval.loader.num_workers,
        list(data.label_faults),
        data.label_notes,
    )


def _make(
    config: Config,
    network: DetectionNetwork,
    settings: InferenceSettings,
    formats: Formats,
    images: ImageSet,
    aside: Path,
    bar: ProgressBar,
) -> Parity:
    """Write the model into ``aside`` and hold it against the network; returns if it is equal."""
    try:
        architecture = config.Architecture.arguments()
        written = write_model(state_of(network), architecture, settings, aside, formats)
        models = {name: open_model(path, cpu_threads(config)) for name, path in written.items()}
    except (WorkerFailed, ConfigError, WeightsError) as error:
        raise ExportRefused(f"the model could not be made: {error}") from None
    threads = cpu_threads(config)
    maps = cast(  # of whole images: `parity_set` cuts none
        "Iterator[tuple[EvalSample, Map]]",
        probability_maps(network, images.samples(), threads=threads, in_paddle=True),
    )
    try:
        parity = compare(bar(maps, len(images), "compare"), post_process(config), models)
    except ValueError as error:
        if isinstance(error, (ConfigError, DataError)):
            raise
        raise ExportRefused("no validation image could be read to compare on") from error
    faults = parity.faults()
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise ExportRefused(
            f"the model is not equal to the trained network:\n{listed}\n{parity.describe()}"
        )
    return parity


def card_origin(
    config: Config,
    coverage: CoverageReport,
    origin: WeightsOrigin,
    tensors: Path,
    *,
    names_only: bool = False,
) -> Origin:
    """Return what the model card says of data and training, none of which a start had.

    With ``names_only`` files and folders are told by their names, without where they lie.
    """
    shown = last_part if names_only else str
    weights = config.Global.checkpoints or config.Global.pretrained_model
    architecture = config.Architecture
    parts = (architecture.Backbone, architecture.Neck, architecture.Head)
    recipe = {
        "weights": shown(str(weights)) if names_only else coverage.source,
        f"SHA-256 of `{TENSORS_FILE}`": hashlib.sha256(tensors.read_bytes()).hexdigest(),
        "network": ", ".join(part.name for part in parts),
    }
    judged = {"judged on": _data_text(config.Eval.dataset, shown)}
    if config.Global.val_ratio:
        share = f"{100 * config.Global.val_ratio:g} % of the training images, held out"
        judged = {"judged on": f"{share} (Global.val_ratio)"}
    if not origin.step:  # nothing is said of a training that was not, or isn't known
        start = "starting weights with the post-processing below" if origin.step == 0 else ""
        return Origin(judged, recipe, start, origin.sentence)
    batch, rate = config.Train.loader.batch_size_per_card, config.Optimizer.lr.learning_rate
    trained = {"trained on": _data_text(config.Train.dataset, shown)}
    how = {
        "started from": shown(str(config.Global.pretrained_model)),
        "length": f"step {origin.step} of a run of {counted(config.Global.epoch_num, 'epoch')}, "
        f"{counted(batch, 'image')} a step",
        "optimizer": f"{config.Optimizer.name}, learning rate {rate:g}",
    }
    return Origin({**trained, **judged}, {**recipe, **how}, "fine-tuned", origin.sentence)


def last_part(place: str) -> str:
    """Return the name of a file or folder, of a URL without its query."""
    path = urlsplit(place).path if "://" in place else place
    return PurePath(path).name or "."


def _data_text(data: Dataset, shown: Callable[[str], str]) -> str:
    return f"{shown(data.data_dir)}: {', '.join(map(shown, data.label_file_list))}"

"""Networks, data sets, evaluation and prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import paddle

from ppocr_ft.config import Config
from ppocr_ft.config.schema import Dataset
from ppocr_ft.data.dataset import SimpleDataSet
from ppocr_ft.data.faults import ALSO, check_text, data_set_key, noting, refuse_all
from ppocr_ft.data.held_out import place_of
from ppocr_ft.data.images import EvalSample, ImageSet, ImageSource, find_images, unlabelled
from ppocr_ft.engine import evaluation
from ppocr_ft.errors import ConfigError, DataError, WeightsError
from ppocr_ft.factory.device import cpu_threads
from ppocr_ft.factory.label_source import (
    LabelSource,
    held_out_lines,
    held_out_note,
    naming_the_split,
)
from ppocr_ft.factory.tiles import tile_rule
from ppocr_ft.models.architecture import DetectionNetwork, build_architecture
from ppocr_ft.models.configs import Form
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.transforms.registry import Operator, OperatorSection
from ppocr_ft.transforms.shrink_schedule import ShrinkScheduled
from ppocr_ft.transforms.tiles import TileRule, with_tiles
from ppocr_ft.weights import (
    CoverageReport,
    WeightsSource,
    choose_form,
    load_into,
    open_source,
    released_name,
)
from ppocr_ft.weights.load import FOLDED_NORMS_WARNING

LABEL_OPERATORS = {"DetLabelEncode", "KeepKeys"}


def network(config: Config) -> tuple[DetectionNetwork, CoverageReport]:
    """Build the detector to run, with its weights.

    They are those of ``Global.checkpoints``, else of ``pretrained_model``. With
    ``Global.form: auto`` it is folded, the faster of two forms that give the same maps.

    Raises:
        WeightsError: they can't be read, or fill too little of the network.
        ConfigError: neither is set.
    """
    source = weights_source(config)
    if source is None:
        raise ConfigError(
            "is null, and so is Global.checkpoints: there are no weights to run; set one of them",
            key="Global.pretrained_model",
        )
    form: Form = "branches" if config.Global.form == "branches" else "folded"
    return _loaded(config, source, form)


def weights_source(config: Config) -> WeightsSource | None:
    """Read the weights of ``Global.checkpoints``, else of ``pretrained_model``; None: neither.

    Raises:
        WeightsError: they can't be read; it names the key.
    """
    where = config.Global.checkpoints or config.Global.pretrained_model
    with _naming_the_key(config):
        if where is None:
            return None
        model = released_name(config.Global.model_name, config.Architecture)
        return open_source(where, model=model)


@contextmanager
def _naming_the_key(config: Config) -> Iterator[None]:
    """Say of an error about weights which key of the config names them."""
    try:
        yield
    except WeightsError as error:
        key = "checkpoints" if config.Global.checkpoints else "pretrained_model"
        raise type(error)(str(error), key=f"Global.{key}") from error


def _loaded(
    config: Config, source: WeightsSource, form: Form
) -> tuple[DetectionNetwork, CoverageReport]:
    paddle.seed(config.Global.seed)
    detector = build_architecture(config.Architecture.arguments(), form=form)
    least = 1.0 if config.Global.checkpoints else config.Global.min_weight_coverage
    with _naming_the_key(config):
        report = load_into(detector, source, min_coverage=least)
    if config.Global.freeze_bn_stats:
        kept = tuple(w for w in report.warnings if w != FOLDED_NORMS_WARNING)
        report = replace(report, warnings=kept)
    return detector, report


def starting_network(config: Config) -> tuple[DetectionNetwork, CoverageReport | None]:
    """Build the network at the start of training: the weights of ``network``, or random ones.

    With ``Global.form: auto`` it has the form of the weights.

    Raises:
        WeightsError: for the reasons of ``network``.
    """
    source = weights_source(config)
    if source is not None:
        with _naming_the_key(config):
            chosen = choose_form(source, config.Global.form)
        return _loaded(config, source, chosen)
    paddle.seed(config.Global.seed)
    form: Form = "folded" if config.Global.form == "folded" else "branches"
    return build_architecture(config.Architecture.arguments(), form=form), None


def operators(
    dataset: Dataset, leave_out: Iterable[str] = (), epoch_num: int | None = None
) -> list[Operator]:
    """Return the data set's operators, in their order.

    ``epoch_num`` is the length of a shrink ramp without a length of its own.
    """
    chosen = [item for item in dataset.transforms if item.name not in set(leave_out)]
    operators = []
    for item in chosen:
        run = {"epoch_num": epoch_num} if item.is_a(ShrinkScheduled) else {}
        operators.append(item.build(**run))
    return operators


def data_set(
    config: Config,
    split: str,
    transforms: Sequence[OperatorSection] | None = None,
    tiles: TileRule | None = None,
) -> SimpleDataSet:
    """Return a data set of ``Train``, ``Eval`` or ``Eval.also.NAME``.

    It has other operators if ``transforms`` are given. Large pages are cut by the rule ``tiles``.
    ``data_dir: sample`` names the one that comes with the package. Bad samples of ``Train`` are
    replaced. With Global.val_ratio ``Train`` and ``Eval`` share the images of ``Train``.

    Raises:
        DataError: a label file has no line that can be used; it says what is wrong with each.
    """
    dataset = config.dataset(split)
    if transforms is not None:
        dataset = dataset.model_copy(update={"transforms": tuple(transforms)})
    source, is_train = LabelSource.of(config, split), split == "Train"
    if not source.names:
        raise DataError(
            "there are no labels yet; ppocr-ft train has Train.unlabelled.teacher make them, in "
            f"{config.Global.save_model_dir}",
            key=f"{data_set_key(source.split)}.label_file_list",
        )
    chain = operators(dataset, epoch_num=config.Global.epoch_num if is_train else None)
    held = frozenset() if split.startswith(ALSO) else held_out_lines(config)
    with naming_the_split(source.split):
        return SimpleDataSet(
            source.folder,
            source.names,
            with_tiles(chain, tiles),
            ratio_list=dataset.ratio_list if source.split == split else None,
            delimiter=source.delimiter,
            seed=config.Global.seed,
            strict=dataset.strict,
            replace_bad=is_train,
            keep=(lambda entry: (place_of(entry) in held) != is_train) if held else None,
        )


def eval_data(config: Config) -> ImageSet:
    """Return the labelled images of ``Eval``.

    Raises:
        DataError: a label file can't be used, or no text counts.
    """
    images, held = _labelled_images(config, "Eval"), held_out_lines(config)
    if held:  # what is wrong with the label files is said of Train
        return replace(images, faults=[], notes=(held_out_note(held),))
    same = [f"{ALSO}{name}" for name in config.Eval.also if name not in config.further]
    told = tuple(f"{name} has the images of Eval itself, which are judged once" for name in same)
    return replace(images, notes=(*images.notes, *told))


def also_data(config: Config) -> dict[str, ImageSet]:
    """Return the labelled images of each set of ``Eval.also`` that is judged, by its name.

    Raises:
        DataError: with the faults of all sets of which a label file can't be used, or no text
            counts.
    """
    sets: dict[str, ImageSet] = {}
    faults: list[DataError] = []
    for name in config.further:
        with noting(faults):
            sets[name] = _labelled_images(config, f"{ALSO}{name}")
    refuse_all(faults)
    return sets


def judged_data(config: Config) -> dict[str, ImageSet]:
    """Return the images of ``Eval``, by that name, and of the sets of ``Eval.also``.

    Raises:
        DataError: with the faults of all.
    """
    sets: dict[str, ImageSet] = {}
    faults: list[DataError] = []
    with noting(faults):
        sets["Eval"] = eval_data(config)
    with noting(faults):
        sets |= {f"{ALSO}{name}": images for name, images in also_data(config).items()}
    refuse_all(faults)
    return sets


def _labelled_images(config: Config, split: str) -> ImageSet:
    tiles = tile_rule(config)
    data = data_set(config, split, tiles=tiles)
    check_text(split, data.entries)
    faults = list(data.label_faults)
    return ImageSet(data.__getitem__, len(data), _ahead(config, tiles), faults, data.label_notes)


def _ahead(config: Config, tiles: TileRule | None) -> int:
    """Return how many threads read ahead; none where pages may fill the memory one by one."""
    return config.Eval.loader.num_workers if tiles is None else 0


def image_files(config: Config, patterns: Sequence[ImageSource]) -> ImageSet:
    """Return images by files, folders or patterns, prepared as ``Eval`` prepares its own.

    Raises:
        DataError: naming every pattern that no image matches.
    """
    images, notes = find_images(patterns)
    tiles = tile_rule(config)
    chain = with_tiles(operators(config.Eval.dataset, leave_out=LABEL_OPERATORS), tiles)
    return ImageSet(unlabelled(images, chain), len(images), _ahead(config, tiles), notes=notes)


def post_process(config: Config) -> DBPostProcess:
    """Return the post-processing of the config."""
    return DBPostProcess(**config.PostProcess.arguments())


def evaluate(
    config: Config, detector: DetectionNetwork, samples: Iterable[EvalSample]
) -> evaluation.EvalReport:
    """Evaluate on samples of ``eval_data(config)``, which a progress bar may wrap."""
    return evaluation.evaluate(
        detector,
        samples,
        post_process(config),
        batch_size=config.Eval.loader.batch_size_per_card,
        threads=cpu_threads(config),
    )


def predict(
    config: Config,
    detector: DetectionNetwork,
    samples: Iterable[EvalSample],
    batch_size: int | None = None,
) -> Iterator[tuple[str, ImageBoxes]]:
    """Yield each image's path and boxes; ``batch_size`` overrides the config's for Eval."""
    records = evaluation.eval_records(
        detector,
        samples,
        post_process(config),
        batch_size=batch_size or config.Eval.loader.batch_size_per_card,
        threads=cpu_threads(config),
    )
    for record in records:
        (boxes,) = record.boxes.values()
        yield record.sample.path, boxes

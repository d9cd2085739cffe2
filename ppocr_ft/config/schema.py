"""The sections of a config, with PaddleOCR's names and keys; each key with its unit.

A key's default is the one of PaddleOCR's code for a missing key, unless noted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from annotated_types import Ge, Lt, MinLen
from pydantic import BeforeValidator, PlainValidator, PrivateAttr, Strict, model_validator

from ppocr_ft.config.faults import Fault
from ppocr_ft.config.source_map import dump_yaml
from ppocr_ft.constructor_keys import PartSection
from ppocr_ft.data.faults import ALSO
from ppocr_ft.declaration import (
    FilePath,
    ImageFolder,
    LabelPath,
    Listed,
    NonNegativeInt,
    OneOf,
    OpenShare,
    OptionalPath,
    PositiveFloat,
    PositiveInt,
    Section,
    Share,
    Text,
    empty_as_defaults,
    one_as_list,
)
from ppocr_ft.engine.monitor.history import VERDICT_NAMES
from ppocr_ft.losses.configs import DBLossConfig
from ppocr_ft.messages import show
from ppocr_ft.metrics import det as metrics_det
from ppocr_ft.models.configs import ArchitectureConfig
from ppocr_ft.optim.configs import OptimizerSection
from ppocr_ft.postprocess import db as postprocess_db
from ppocr_ft.transforms.registry import OperatorItem
from ppocr_ft.transforms.tiles import Tiles, read_tiles
from ppocr_ft.utils.timing import seconds_of

SAMPLE_DATA_DIR = "sample"
"""The ``data_dir`` that means the built-in sample data set."""
RELEASED_WEIGHTS = "released"
"""The ``pretrained_model`` that means the released weights of the config's detector."""
AVERAGED, START = "averaged", "start"
"""The teachers that are the run's own weights: their average so far, and those it began from."""


VerdictName = Annotated[str, OneOf(VERDICT_NAMES)]
"""The alerts of the monitor."""


def _every(value: object) -> object:
    """Read PaddleOCR's ``eval_batch_step: 500`` as ``[0, 500]``."""
    return (0, value) if isinstance(value, int) else value


def _duration(value: object) -> object:
    """Check a duration; its unit is part of it."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"found {show(value)}, expected a duration such as 90s, 20m or 1h30m")
    seconds_of(value)
    return value


Duration = Annotated[str | None, BeforeValidator(_duration)]

_DEVICE = "training runs on the CPU or on CUDA cards"
_PREDICT = "ppocr-ft predict takes images and output folder as options"
_NONE = "it has no counterpart"
_RECOGNITION = "it is a recogniser's key"


class GlobalSection(Section):
    """The run as a whole."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "debug": "there is no debug mode",
        "distributed": "python -m paddle.distributed.launch says on how many cards to run",
        "cal_metric_during_train": "a detector's metric needs whole images, not training crops",
        "d2s_train_image_shape": "training builds no static graph",
        "to_static": "training builds no static graph",
        "use_wandb": "metrics.csv holds every curve",
        "save_visual": "metrics.csv holds every curve",
        "infer_img": _PREDICT,
        "infer_list": _PREDICT,
        "infer_mode": _PREDICT,
        "save_res_path": _PREDICT,
        "use_xpu": _DEVICE,
        "use_npu": _DEVICE,
        "use_mlu": _DEVICE,
        "use_gcu": _DEVICE,
        "use_metax_gpu": _DEVICE,
        "use_iluvatar_gpu": _DEVICE,
        "use_sync_bn": _NONE,
        "find_unused_parameters": _NONE,
        "print_mem_info": _NONE,
        "log_ranks": _NONE,
        "calc_epoch_interval": _RECOGNITION,
        "uniform_output_enabled": "it belongs to PaddleX",
        "pdx_model_name": "it belongs to PaddleX",
        "hpi_config_path": "it belongs to PaddleX",
        "export_with_pir": "ppocr-ft export takes the format as an option",
        "load_static_weights": "static weights are recognised by themselves",
        "amp_custom_black_list": _NONE,
        "amp_custom_white_list": _NONE,
        "character_dict_path": _RECOGNITION,
        "rec_char_dict_path": _RECOGNITION,
        "max_text_length": _RECOGNITION,
        "use_space_char": _RECOGNITION,
    }

    model_name: Text | None = None
    """Name that an exported model bears."""
    use_gpu: bool = True
    """Whether a CUDA card is used if the installed Paddle has one."""
    cpu_threads: PositiveInt | None = None
    """Without a card, threads that take images through the network side by side; null: as many as
    there are cores for this process."""
    seed: NonNegativeInt = 1024
    """Seed of weights, data order and augmentation."""
    epoch_num: PositiveInt = 500
    """Length of the run, epochs; with time_budget it is chosen."""
    time_budget: Duration = None
    """Time for the whole run, as 90s, 20m or 1h30m; epoch_num and eval_batch_step are fitted to the
    measured speed. null: they count."""
    fit_scale: bool = False
    """Whether evaluation's and training's scale is chosen; by a pass of the starting weights over
    some training images."""
    fit_targets: bool = False
    """Whether the training labels choose shrink ratio; with it unclip ratio, min_text_size, how far
    IaaAugment turns images and, with DiceLoss, the loss of words and the gap_weight of lines."""
    val_ratio: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of Train's images that is held out for Eval, in place of Eval's own; images that show
    the same stay together. 0: none."""
    log_smooth_window: PositiveInt = 20
    """Steps over which printed losses are averaged."""
    print_batch_step: PositiveInt = 10
    """Steps between two printed lines."""
    save_model_dir: FilePath = "./output"
    """Folder of checkpoints, logs and pictures."""
    save_epoch_step: PositiveInt = 1
    """Epochs between two kept checkpoints iter_epoch_N."""
    eval_batch_step: Annotated[
        tuple[NonNegativeInt, PositiveInt], Strict(False), BeforeValidator(_every)
    ] = (0, 2000)
    """First step that may evaluate; steps between two evaluations."""
    eval_batch_epoch: PositiveInt | None = None
    """Epochs between two evaluations; goes before eval_batch_step."""
    pretrained_model: OptionalPath = RELEASED_WEIGHTS
    """Weights to start from: a file, a model folder, a URL, 'released'; null: random ones."""
    min_weight_coverage: Share = 0.9
    """Share of backbone and neck that pretrained_model must fill."""
    form: Literal["auto", "branches", "folded"] = "auto"
    """Form of PP-OCRv4 mobile and v6: as PaddleOCR trains it, as it exports it, or the weights'."""
    freeze_bn_stats: bool = True
    """Whether batch norms keep the statistics of pretrained_model; others learn theirs.
    PaddleOCR never keeps them."""
    checkpoints: OptionalPath = None
    """Checkpoint of an own run to evaluate, export or start from; Global.resume continues it."""
    resume: OptionalPath = None
    """Run to continue: a checkpoint, or 'latest' for the one in save_model_dir."""
    save_inference_dir: OptionalPath = None
    """Folder of the exported model."""
    fit_postprocess: bool = True
    """Whether training ends with PostProcess fitted on Eval; to the best weights, in fitted.yml."""
    interpolate: bool = False
    """Whether training ends with a choice of weights: the start, trained ones or some between, each
    with its own fitted PostProcess, by images held out; final.pdparams has them."""
    keep_general: Share | None = None
    """By how much hmean on a set of Eval.also may fall below the start's in that choice; null:
    any fall."""
    use_ema: bool = False
    """Whether an average of the weights (EMA) is kept; evaluations judge it, best_accuracy is it.
    PaddleDetection's key."""
    ema_decay: Share = 0.98
    """Share that a step keeps of the average; step t keeps at most t / (9 + t)."""
    ema_decay_type: Literal["threshold"] = "threshold"
    """How the share rises to ema_decay; PaddleDetection's other two are not known here."""
    stop_on: Listed[VerdictName] = ()
    """Verdicts of the monitor that end the run; docs/monitor.md explains each."""
    patience: PositiveInt | None = None
    """Evaluations in a row without a gain that end the run; null: none do."""
    use_visualdl: bool = False
    """Whether metrics.csv's figures are VisualDL scalars too, in save_model_dir/vdl."""
    use_tensorboard: bool = False
    """Whether they are TensorBoard scalars too, in save_model_dir/tensorboard."""
    use_mlflow: bool = False
    """Whether they are metrics of an MLflow run too, in save_model_dir/mlruns."""
    use_amp: bool = False
    """Whether training uses mixed precision."""
    amp_level: Literal["O1", "O2"] = "O2"
    """O1: listed operators in low precision, O2: nearly all."""
    amp_dtype: Literal["float16", "bfloat16"] = "float16"
    """Type of low precision."""
    scale_loss: PositiveFloat = 1.0
    """First factor on the loss under float16."""
    use_dynamic_loss_scaling: bool = False
    """Whether that factor adapts."""


if TYPE_CHECKING:
    PostProcessSection: TypeAlias = PartSection
    MetricSection: TypeAlias = PartSection
else:
    PostProcessSection, MetricSection = postprocess_db.SECTION, metrics_det.SECTION


Labels = Annotated[Listed[LabelPath], BeforeValidator(one_as_list)]
Ratios = Annotated[Listed[Share], MinLen(1)]


class Dataset(Section):
    """Images and label files."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "ext_op_transform_idx": "pasted images pass the operators before CopyPaste",
        "ds_width": _RECOGNITION,
        "ext_data_num": "CopyPaste takes one image",
    }

    name: Literal["SimpleDataSet", "TextDetDataset"] = "SimpleDataSet"
    """Images in a folder, label files; PaddleOCR's two names mean the same."""
    data_dir: ImageFolder
    """Folder that the label files' image paths start from; 'sample': the built-in data set."""
    label_file_list: Labels
    """Label files: image path, delimiter, JSON. Of Train none, [], if another detector labels
    Train.unlabelled."""
    ratio_list: Ratios | None = None
    """Share of each label file that an epoch draws; one for all, or one each. Absent: all."""
    delimiter: Text = "\t"
    """The text between image path and JSON."""
    strict: bool = False
    """Whether the first bad sample stops the run."""
    transforms: Annotated[Listed[OperatorItem], MinLen(1)]
    """Operators, in their order."""

    @model_validator(mode="before")
    @classmethod
    def _one_ratio_for_all(cls, data: object) -> object:
        """Read PaddleOCR's ``ratio_list: 0.5`` as 0.5 for each label file."""
        if not isinstance(data, dict):
            return data
        ratio, files = data.get("ratio_list"), data.get("label_file_list")
        if isinstance(ratio, bool) or not isinstance(ratio, (int, float)):
            return data
        count = len(files) if isinstance(files, (list, tuple)) else 1
        return {**data, "ratio_list": (ratio,) * count}

    @property
    def is_sample(self) -> bool:
        """Whether it is the built-in sample data set."""
        return self.data_dir == SAMPLE_DATA_DIR


class Loader(Section):
    """Batches."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "use_shared_memory": "batches pass through shared memory where there is enough",
        "collate_fn": "a detector's batches are always put together alike",
    }

    shuffle: bool = False
    """Whether each epoch has a new order."""
    drop_last: bool = False
    """Whether a last, smaller batch is left out."""
    batch_size_per_card: PositiveInt = 1
    """Images per batch and process; of Train one step takes
    Optimizer.gradient_accumulation_steps batches."""
    num_workers: NonNegativeInt = 0
    """Threads that read ahead; 0: none."""


class SplitSection(Section):
    """Train or Eval."""

    dataset: Dataset
    loader: Loader = Loader()


class Unlabelled(Section):
    """Images without labels, which a teacher labels while a run trains: a share of its samples."""

    data_dir: ImageFolder
    """Folder of the images, with its subfolders; those of Train's label files are left out."""
    share: OpenShare = 0.5
    """Share of an epoch's samples that they are, after a rise over a third of the run."""
    teacher: FilePath = AVERAGED
    """What labels them: averaged, the run's own average after a third of the run, and anew after
    two; start, its starting weights; or another detector: a model, a run's folder, weights."""


class TrainSection(SplitSection):
    """The images that a run learns from."""

    unlabelled: Unlabelled | None = None
    """Images without labels beside the labelled ones; null: none."""


class FurtherSet(Section):
    """A further set of labelled images, prepared as those of Eval and judged apart from them."""

    data_dir: ImageFolder
    """Folder that the label files' image paths start from; 'sample': the built-in data set."""
    label_file_list: Labels
    """Label files: image path, delimiter, JSON."""
    delimiter: Text = "\t"
    """The text between image path and JSON."""


_SET_NAME = re.compile(r"[\w-]+")


def _plain_names(sets: object) -> object:
    """Refuse names that would not stand as one word in a key, a table or a tag."""
    for name in sets if isinstance(sets, dict) else ():
        if not _SET_NAME.fullmatch(name):
            raise ValueError(
                f"found the name {name!r}; the name of a set has letters, digits, - and _ only"
            )
    return sets


FurtherSets = Annotated[
    dict[str, FurtherSet], BeforeValidator(_plain_names), BeforeValidator(empty_as_defaults)
]


class EvalSection(SplitSection):
    """The images that judge a run, and further sets of them."""

    tiles: Annotated[Tiles, PlainValidator(read_tiles)] = None
    """Whether large pages go through the network in overlapping tiles: auto for those that the
    resize shrinks more than any image of Train, at the scale that most of these get; a number for
    those that it shrinks below this factor, at this factor; null: none."""
    also: FurtherSets = {}  # noqa: RUF012  pydantic copies it
    """Further sets of labelled images by name, each with rates of its own: what a fine-tune
    forgets."""


class Config(Section):
    """A whole config, as ``load_config`` returns it; ``warnings`` are its findings.

    Two configs are equal if all their values are, even if they came from different files.
    """

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "profiler_options": "a profiler is started outside of the config",
        "AMP": "mixed precision is Global.use_amp, amp_level, amp_dtype and scale_loss",
        "wandb": "metrics.csv holds every curve",
    }

    Global: GlobalSection = GlobalSection()
    Architecture: ArchitectureConfig
    Loss: DBLossConfig = DBLossConfig()
    Optimizer: OptimizerSection
    PostProcess: PostProcessSection = PostProcessSection()
    Metric: MetricSection = MetricSection()
    Train: TrainSection
    Eval: EvalSection

    _warnings: tuple[Fault, ...] = PrivateAttr(default=())

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """The findings that don't prevent a run, in the file's order."""
        return self._warnings

    def dataset(self, split: str) -> Dataset:
        """Return the data set of ``Train``, ``Eval`` or ``Eval.also.NAME``.

        The latter has the transforms of ``Eval``.
        """
        if not split.startswith(ALSO):
            dataset: Dataset = getattr(self, split).dataset
            return dataset
        further = self.Eval.also[split.removeprefix(ALSO)]
        return self.Eval.dataset.model_copy(update={**dict(further), "ratio_list": None})

    @property
    def further(self) -> tuple[str, ...]:
        """The names of the sets of ``Eval.also`` that are judged: not one of Eval's own images."""
        main, keys = self.Eval.dataset, ("data_dir", "label_file_list", "delimiter")
        return tuple(
            name
            for name, dataset in self.Eval.also.items()
            if self.Global.val_ratio or any(getattr(dataset, k) != getattr(main, k) for k in keys)
        )

    def with_warnings(self, warnings: tuple[Fault, ...]) -> Config:
        copy = self.model_copy()
        copy._warnings = warnings
        return copy

    def to_yaml(self) -> str:
        """Return the resolved config, every default written out; it loads to an equal Config."""
        return dump_yaml(self.model_dump())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash(self.to_yaml())

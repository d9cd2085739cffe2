"""Texts for users: the nearest known name, values as YAML writes them, and pydantic's findings.

Each finding says what was found and what would be right.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from itertools import takewhile
from operator import eq

from pydantic_core import ErrorDetails

# Names of other networks and projects, so that no message takes them for slips of known names.
# Sources: PaddleOCR's configs/det (1.1 to PP-OCRv6), PaddleX 3's modules, PaddleDetection,
# PaddleSeg, PaddleClas and Ultralytics.
_NOT_HERE = {
    "a backbone of PaddleOCR's recognisers and classifiers": (
        "PPLCNet PPHGNet PPHGNet_tiny PPHGNet_base PPHGNetV2_B0 PPHGNetV2_B1 PPHGNetV2_B2 "
        "PPHGNetV2_B3 PPHGNetV2_B5 PPHGNetV2_B6 MobileNetV1Enhance SVTRNet"
    ),
    "the backbone of PaddleOCR's DB on ResNet": "ResNet",
    "RepSVTR's backbone": "RepSVTR_det",
    "the neck of PaddleOCR's DB before PP-OCRv3": "DBFPN",
    "another detector's neck": "FPN EASTFPN SASTFPN CTFPN FCEFPN PGFPN",
    "another detector's head": "EASTHead SASTHead PSEHead FCEHead CT_Head DRRGHead PGHead",
    "another detector's loss": "EASTLoss SASTLoss PSELoss FCELoss CTLoss DRRGLoss PGLoss",
    "a loss of distillation": "CombinedLoss DistillationDBLoss DistillationDilaDBLoss",
    "another detector's operator": (
        "MakePseGt RandomCropImgMask FCENetTargets DRRGTargets EASTProcessTrain SASTProcessTrain "
        "PGProcessTrain MakeCentripetalShift GroupRandomCrop GroupRandomHorizontalFlip "
        "GroupRandomRotate RandomScaling RandomCropFlip RandomCropPolyInstances "
        "RandomRotatePolyInstances SquareResizePad ScaleAlignedShort"
    ),
    "another detector's post-processing": (
        "EASTPostProcess SASTPostProcess PSEPostProcess FCEPostProcess CTPostProcess "
        "DRRGPostprocess PGPostProcess DistillationDBPostProcess"
    ),
    "another task's metric": "DistillationMetric DetFCEMetric CTMetric E2EMetric TableMetric",
    "another task's data set": (
        "LMDBDataSet LMDBDataSetSR MultiScaleDataSet MSTextRecDataset TextRecDataset PGDataSet "
        "PubTabDataSet"
    ),
    "a recogniser's operator": (
        "CTCLabelEncode MultiLabelEncode ClsLabelEncode AttnLabelEncode NRTRLabelEncode "
        "SARLabelEncode ClsResizeImg"
    ),
    "a recogniser's schedule": "TwoStepCosine",
    "a recogniser's loss": "CTCLoss MultiLoss ClsLoss AttentionLoss NRTRLoss",
    "a recogniser's metric": "RecMetric ClsMetric",
    "a recogniser's augmentation": "RecAug RecConAug RecResizeImg RecDynamicResize",
}
_CALLED_HERE = {
    "Momentum, with momentum: 0": "SGD",
    "Optimizer.lr.learning_rate": "base_lr lr0",
    "Optimizer.lr.warmup_epoch": "warmup_epochs",
    "Global.save_model_dir": "output output_dir save_dir project",
    "Global.save_epoch_step": "snapshot_epoch save_interval",
    "Global.eval_batch_step or eval_batch_epoch": "eval_interval val_interval eval_step",
    "Global.print_batch_step": "log_iter log_iters print_interval log_interval",
    "Global.epoch_num": "epochs num_epochs max_epoch total_epochs epochs_iters",
    "Global.use_gpu (CUDA_VISIBLE_DEVICES says which card)": "device use_cuda gpu_id gpus",
    "Global.use_amp with amp_dtype: float16": "is_float16 use_fp16 fp16 half",
    "Global.pretrained_model": (
        "pretrain_weights pretrain_weight_path pretrained_weights pretrain_model weights"
    ),
    "Global.checkpoints": "weight_path resume_checkpoint load_from",
    "Global.resume, or the option --resume": "resume_path resume_from",
    "Train.loader.batch_size_per_card": (
        "batch_size train_batch_size train_batch_size_per_card samples_per_gpu"
    ),
    "Eval.loader.batch_size_per_card": "test_batch_size_per_card eval_batch_size",
    "loader.num_workers": "worker_num workers workers_per_gpu",
    "Global.cpu_threads": "num_threads",
    "Global.save_inference_dir": "inference_dir export_dir",
    "PostProcess.thresh": "det_db_thresh text_det_thresh",
    "PostProcess.box_thresh": "det_db_box_thresh text_det_box_thresh",
    "PostProcess.unclip_ratio": "det_db_unclip_ratio text_det_unclip_ratio",
    "PostProcess.score_mode": "det_db_score_mode",
    "PostProcess.box_type": "det_box_type",
    "limit_side_len of Eval's DetResizeForTest": "det_limit_side_len text_det_limit_side_len",
    "limit_type of Eval's DetResizeForTest": "det_limit_type text_det_limit_type",
    "dataset.label_file_list": "label_file label_file_path anno_path train_list_name",
    "dataset.data_dir": "dataset_dir image_dir img_dir img_set_dir dataset_root data_root",
}


_MEANINGS = {
    name.casefold(): template.format(owner)
    for table, template in (
        (_NOT_HERE, "it is {}, which is not known here"),
        (_CALLED_HERE, "here it is {}"),
    )
    for owner, names in table.items()
    for name in names.split()
}
"""What a message says of each name, by the name in small letters."""

_PADDLEX = (
    "this is PaddleX's YAML; take PaddleOCR's of the same model, or configs/det_v4_ft.yml, and set "
    "data_dir and label_file_list of Train.dataset and Eval.dataset (PaddleX: dataset_dir), "
    "Global.epoch_num (epochs_iters), Train.loader.batch_size_per_card (batch_size), "
    "Optimizer.lr.learning_rate and Global.pretrained_model"
)
_INSTEAD = "this project trains PaddleOCR's text detectors; start from configs/det_v4_ft.yml"
_FILES: tuple[tuple[str, str], ...] = (
    ("Global.mode", _PADDLEX),
    ("Train.epochs_iters", _PADDLEX),
    ("Evaluate", _PADDLEX),
    ("CheckDataset", _PADDLEX),
    (
        "PreProcess",
        "this is the inference.yml of an exported model; it can't be trained. Its folder can be "
        "Global.pretrained_model of a YAML of the same network, such as configs/det_v4_ft.yml",
    ),
    ("Architecture.function", f"this is PaddleOCR 1.x's YAML: {_INSTEAD}"),
    ("Global.reader_yml", f"this is PaddleOCR 1.x's YAML: {_INSTEAD}"),
    ("TrainReader", f"this is PaddleDetection's YAML: {_INSTEAD}"),
    ("TrainDataset", f"this is PaddleDetection's YAML: {_INSTEAD}"),
    ("LearningRate", f"this is PaddleDetection's YAML: {_INSTEAD}"),
    ("OptimizerBuilder", f"this is PaddleDetection's YAML: {_INSTEAD}"),
    ("architecture", f"this is PaddleDetection's YAML: {_INSTEAD}"),
    ("_BASE_", f"this is PaddleDetection's YAML: {_INSTEAD}"),
    ("train_dataset", f"this is PaddleSeg's YAML: {_INSTEAD}"),
    ("val_dataset", f"this is PaddleSeg's YAML: {_INSTEAD}"),
    ("lr_scheduler", f"this is PaddleSeg's YAML: {_INSTEAD}"),
    ("Arch", f"this is PaddleClas's YAML: {_INSTEAD}"),
    ("DataLoader", f"this is PaddleClas's YAML: {_INSTEAD}"),
    ("names", f"this is Ultralytics' data YAML: {_INSTEAD}"),
)
"""A key that another project's YAML has, and what that YAML is."""


def meaning_elsewhere(name: str) -> str | None:
    """Return what a name of another network or project is, as the end of a message."""
    return _MEANINGS.get(name.casefold())


def other_projects_file(data: object) -> tuple[str, str] | None:
    """Return the key that shows another project's YAML, and a sentence that says whose it is.

    A file with an ``Architecture`` that has a backbone is PaddleOCR's, whatever else it holds.
    """
    if not isinstance(data, Mapping) or _has(data, "Architecture.Backbone"):
        return None
    return next(((key, text) for key, text in _FILES if _has(data, key)), None)


def _has(data: object, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(data, Mapping) or part not in data:
            return False
        data = data[part]
    return True


MAX_SHOWN_CHARS = 60
MAX_LISTED_NAMES = 16


def suggest(
    word: str,
    names: Collection[str],
    unlisted: Collection[str] = (),
    *,
    one_letter: bool = False,
) -> str:
    """Return ``; did you mean 'shrink_ratio'?``, or all ``names`` if none is near.

    ``unlisted`` names are guessed too, but not listed. A name that another network or project
    has is no slip: it is called what it is there. ``one_letter``: as for ``nearest``.
    """
    elsewhere = meaning_elsewhere(word)
    if elsewhere is not None:
        return f"; {elsewhere}"
    near = nearest(word, (*names, *unlisted), one_letter=one_letter)
    if near is not None:
        return f"; did you mean {near!r}?"
    if not names:
        return "; none is known here"
    if len(names) <= MAX_LISTED_NAMES:
        return f"; known: {', '.join(sorted(names))}"
    return ""


def nearest(word: str, names: Collection[str], *, one_letter: bool = False) -> str | None:
    """Return the one of ``names`` that ``word`` may be a slip of.

    With ``one_letter`` only one letter may be wrong, and no digit: a name that is further off may
    be another thing's own, as RepLKFPN and RepLKPAN, PPLCNetV3 and PPLCNetV4 are two networks.
    """
    if meaning_elsewhere(word) is not None:
        return None
    folded, by_folded = word.casefold(), {name.casefold(): name for name in names}
    if one_letter:
        return next((name for key, name in by_folded.items() if _one_letter_off(folded, key)), None)
    near = difflib.get_close_matches(folded, by_folded, n=1)
    return by_folded[near[0]] if near else None


def _one_letter_off(word: str, name: str) -> bool:
    """Return whether one letter too many, missing, wrong, or two exchanged make the difference."""
    if re.findall(r"\d+", word) != re.findall(r"\d+", name):
        return False
    same = sum(takewhile(bool, map(eq, word, name)))
    ours, theirs = word[same:], name[same:]
    exchanged = ours[:2] == theirs[1::-1] and ours[2:] == theirs[2:]
    return exchanged or ours[1:] == theirs[1:] or ours[1:] == theirs or ours == theirs[1:]


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 image`` or ``2,000 images``; ``plural`` if it isn't the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def show(value: object) -> str:
    """Return a value in YAML's words, shortened to one line."""
    text = in_yaml(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 3]}..."


def in_yaml(value: object) -> str:
    """Return a value in YAML's words, in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {in_yaml(below)}' for name, below in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(in_yaml, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def describe(details: ErrorDetails) -> str:
    """Return a finding of pydantic's in plain words."""
    words = _WORDS.get(details["type"])
    return words(details) if words else f"found {show(details['input'])}: {details['msg']}"


def is_telling(details: ErrorDetails) -> bool:
    """Return whether a finding says anything.

    Pydantic also reports a list as too short if only its items are wrong.
    """
    context = details.get("ctx", {})
    if details["type"] != "too_short":
        return True
    return len(details["input"]) < int(context["min_length"])


def _expected(words: str) -> Callable[[ErrorDetails], str]:
    def describe(details: ErrorDetails) -> str:
        value = details["input"]
        if value is None:
            return f"is empty, expected {words}"
        return f"found {show(value)}, expected {words}{_quote_hint(value, words)}"

    return describe


def _quote_hint(value: object, words: str) -> str:
    if not isinstance(value, str):
        return ""
    patterns = {
        "a whole number": r"[-+]?\d+",
        "a number": r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?",
        "true or false": r"(?i:true|false)",
    }
    if value.strip().casefold() == "none":
        return "; YAML's nothing is null"
    quoted = words in patterns and re.fullmatch(patterns[words], value)
    return "; take the quotes away" if quoted else ""


def _bound(template: str, name: str) -> Callable[[ErrorDetails], str]:
    def describe(details: ErrorDetails) -> str:
        limit = format(details.get("ctx", {})[name], "g")
        return f"found {show(details['input'])}, must be {template.format(limit)}"

    return describe


def _one_of(details: ErrorDetails) -> str:
    expected = str(details.get("ctx", {})["expected"])
    value = details["input"]
    choices = expected.replace(" or ", ", ").replace("'", "").split(", ")
    hint = suggest(value, choices) if isinstance(value, str) else ""
    hint = "" if hint.startswith("; known") else hint  # they are listed anyhow
    words = f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    words = words.replace("True", "true").replace("False", "false")
    return f"found {show(value)}, expected {words}{hint}"


def _length(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    limit = int(context.get("min_length", context.get("max_length", 0)))
    bound = "at least" if "min_length" in context else "at most"
    return f"found {show(details['input'])}, expected {bound} {counted(limit, 'value')}"


def _missing(details: ErrorDetails) -> str:
    if isinstance(details["loc"][-1], int):
        return f"found {show(details['input'])}, expected {details['loc'][-1] + 1} values"
    return "missing; it has no default"


_WORDS: Mapping[str, Callable[[ErrorDetails], str]] = {
    "extra_forbidden": lambda details: "unknown key",
    "int_type": _expected("a whole number"),
    "float_type": _expected("a number"),
    "bool_type": _expected("true or false"),
    "string_type": _expected("text"),
    "string_unicode": _expected("text of valid characters"),
    "tuple_type": _expected("a list"),
    "dict_type": _expected("names, each with keys of its own"),
    "model_type": _expected("a section of keys"),
    "none_required": _expected("nothing (null)"),
    "finite_number": _expected("a finite number"),
    "string_too_short": _expected("a text that isn't empty"),
    "greater_than": _bound("above {}", "gt"),
    "greater_than_equal": _bound("{} or more", "ge"),
    "less_than": _bound("below {}", "lt"),
    "less_than_equal": _bound("{} or less", "le"),
    "multiple_of": _bound("a multiple of {}", "multiple_of"),
    "literal_error": _one_of,
    "too_short": _length,
    "too_long": _length,
    "missing": _missing,
    "value_error": lambda details: str(details.get("ctx", {}).get("error", details["msg"])),
}

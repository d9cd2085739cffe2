"""Rules about the images of Train and Eval together."""

from __future__ import annotations

from ppocr_ft.config.faults import Fault, error, remedy
from ppocr_ft.config.schema import Config


@remedy(
    "name your own images in both: -o Train.dataset.data_dir=... "
    "Train.dataset.label_file_list=[...] Eval.dataset.data_dir=... "
    "Eval.dataset.label_file_list=[...]"
)
def one_data_set(config: Config) -> list[Fault]:
    """Check that not one of Train and Eval is the user's own and the other the built-in sample.

    Only commands that use both ask: an evaluation needs no training images.
    """
    train, evaluation = config.Train.dataset, config.Eval.dataset
    if train.is_sample == evaluation.is_sample or config.Global.val_ratio:
        return []
    own, other = ("Eval", "Train") if train.is_sample else ("Train", "Eval")
    folder = getattr(config, own).dataset.data_dir
    split = ", or hold a tenth of Train's images out by Global.val_ratio=0.1" * (own == "Train")
    message = (
        f"is still the built-in sample data set, while {own}.dataset.data_dir is {folder}: "
        "the network would be judged on other pictures than it is trained for. Name your own "
        f"images in {other}.dataset.data_dir and {other}.dataset.label_file_list too{split}"
    )
    return [error(f"{other}.dataset.data_dir", message, f"{own}.dataset.data_dir")]


@remedy("take Global.val_ratio out, or set Eval.dataset.data_dir=sample")
def held_out_or_own(config: Config) -> list[Fault]:
    """Check that Eval names no images of its own if Global.val_ratio holds some of Train out."""
    train, evaluation = config.Train.dataset, config.Eval.dataset
    same = ("data_dir", "label_file_list")
    is_trains = all(getattr(train, key) == getattr(evaluation, key) for key in same)
    if not config.Global.val_ratio or evaluation.is_sample or is_trains:
        return []
    message = (
        f"holds images of Train out for Eval, but Eval.dataset names its own, in "
        f"{evaluation.data_dir}; take val_ratio out, or set Eval.dataset.data_dir=sample"
    )
    return [error("Global.val_ratio", message, "Eval.dataset.data_dir")]

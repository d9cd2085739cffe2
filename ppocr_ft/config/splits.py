"""Rules about Train and Eval together, which only commands that use both ask.

``load_config`` doesn't: an evaluation needs no training images, and a prediction neither.
"""

from __future__ import annotations

from ppocr_ft.config.faults import Fault, error, remedy
from ppocr_ft.config.schema import Config


@remedy(
    "name your own images in both: -o Train.dataset.data_dir=... "
    "Train.dataset.label_file_list=[...] Eval.dataset.data_dir=... "
    "Eval.dataset.label_file_list=[...]"
)
def one_data_set(config: Config) -> list[Fault]:
    """Check that not one of Train and Eval is the user's own and the other the built-in sample."""
    train, evaluation = config.Train.dataset, config.Eval.dataset
    if train.is_sample == evaluation.is_sample:
        return []
    own, other = ("Eval", "Train") if train.is_sample else ("Train", "Eval")
    folder = getattr(config, own).dataset.data_dir
    message = (
        f"is still the built-in sample data set, while {own}.dataset.data_dir is {folder}: "
        "the network would be judged on other pictures than it is trained for. Name your own "
        f"images in {other}.dataset.data_dir and {other}.dataset.label_file_list too"
    )
    return [error(f"{other}.dataset.data_dir", message, f"{own}.dataset.data_dir")]

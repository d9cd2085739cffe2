"""From config models to objects: the only part that knows both."""

from ppocr_ft.build.objects import (
    data_set,
    eval_data,
    eval_image,
    evaluate,
    image_files,
    metric,
    network,
    operators,
    post_process,
    predict,
    starting_network,
)
from ppocr_ft.build.training import Training, device, resume_path, train_feed, training
from ppocr_ft.engine.stop import Stopped
from ppocr_ft.engine.trainer import Diverged

__all__ = [
    "Diverged",
    "Stopped",
    "Training",
    "data_set",
    "device",
    "eval_data",
    "eval_image",
    "evaluate",
    "image_files",
    "metric",
    "network",
    "operators",
    "post_process",
    "predict",
    "resume_path",
    "starting_network",
    "train_feed",
    "training",
]

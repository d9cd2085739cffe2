"""From config models to objects: the only part that knows both."""

from importlib.util import find_spec

if find_spec("paddle"):  # build.check works without
    from ppocr_ft.build.check import precheck
    from ppocr_ft.build.device import device
    from ppocr_ft.build.dry_run import DryRun, dry_run
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
    from ppocr_ft.build.training import Training, resume_path, train_feed, training
    from ppocr_ft.engine.meeting import PeerLost
    from ppocr_ft.engine.parallel import ALONE, PeerFailed, Team, join_team
    from ppocr_ft.engine.stop import Stopped, StoppedEarly
    from ppocr_ft.engine.trainer import Diverged

__all__ = [
    "ALONE",
    "Diverged",
    "DryRun",
    "PeerFailed",
    "PeerLost",
    "Stopped",
    "StoppedEarly",
    "Team",
    "Training",
    "data_set",
    "device",
    "dry_run",
    "eval_data",
    "eval_image",
    "evaluate",
    "image_files",
    "join_team",
    "metric",
    "network",
    "operators",
    "post_process",
    "precheck",
    "predict",
    "resume_path",
    "starting_network",
    "train_feed",
    "training",
]

"""A detector that a user names: a run, a released model, a config, or weights."""

from __future__ import annotations

import os
from pathlib import Path

from ppocr_ft.config import Config, load_config
from ppocr_ft.config.load import CONFIG_SUFFIXES, find_config, shipped_models
from ppocr_ft.config.schema import AVERAGED, START
from ppocr_ft.declaration import is_url
from ppocr_ft.errors import ConfigError
from ppocr_ft.messages import suggest
from ppocr_ft.runs.folder import config_of_run, delivered_weights


def model_config(model: str | Path, config: Config) -> Config:
    """Return the config of a run's folder, of a config or model by its name, or of a config file.

    Anything else is weights, as Global.checkpoints takes them: ``config`` with these.

    Raises:
        ConfigError: the config is wrong.
    """
    where = Path(model).expanduser()
    if own := config_of_run(where):
        return load_config(own, [f"Global.checkpoints={delivered_weights(where)}"])
    file = shipped_models().get(str(model)) or find_config(where)
    if file.suffix in CONFIG_SUFFIXES:
        return load_config(file)
    weights = config.Global.model_copy(update={"checkpoints": os.fspath(where)})
    return config.model_copy(update={"Global": weights})


def teacher_config(config: Config, name: str) -> Config:
    """Return the config with another detector's network, weights, resize and post-processing.

    Raises:
        ConfigError: there is no such detector.
    """
    where, models = Path(name).expanduser(), shipped_models()
    beside = any(where.parent.glob(f"{where.name}.*")) if where.name else False
    if not (name in models or find_config(where).exists() or beside or is_url(name)):
        known = suggest(name, [AVERAGED, START, *models])
        raise ConfigError(
            f"found {name!r}, which is neither a detector's name nor a file or folder{known}",
            key="Train.unlabelled.teacher",
        )
    own = model_config(name, config)
    weights = ("pretrained_model", "checkpoints", "model_name", "form", "min_weight_coverage")
    transforms = {"transforms": own.Eval.dataset.transforms}
    dataset = config.Eval.dataset.model_copy(update=transforms)
    return config.model_copy(
        update={
            "Global": config.Global.model_copy(
                update={key: getattr(own.Global, key) for key in weights}
            ),
            "Architecture": own.Architecture,
            "PostProcess": own.PostProcess,
            "Eval": config.Eval.model_copy(update={"dataset": dataset}),
        }
    )

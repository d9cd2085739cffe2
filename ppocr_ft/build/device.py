"""Which device a run is on, and in what precision."""

from __future__ import annotations

import paddle

from ppocr_ft.config import Config
from ppocr_ft.engine.parallel import ALONE, Team
from ppocr_ft.engine.train_step import Precision
from ppocr_ft.errors import ConfigError


def device(config: Config, team: Team = ALONE) -> str:
    """Choose the device; in a ``team`` the launcher has.

    Returns a line that says which, and what it makes of the config.

    Raises:
        ConfigError: the launcher started the processes for cards, Global.use_gpu is false.
    """
    section = config.Global
    each = f" for each of {team.size} processes" if team.size > 1 else ""
    if _has_card(team):
        if section.use_gpu:
            paddle.set_device("gpu")
            return f"device: {paddle.device.cuda.get_device_name()}{each}"
        if team.size > 1:
            raise ConfigError(
                "is false, but the processes were started for cards; start them with "
                "python -m paddle.distributed.launch --backend gloo, or set it to true",
                key="Global.use_gpu",
            )
    paddle.set_device("cpu")
    remarks = []
    if section.use_gpu:
        gloo = "the processes were started with gloo, which is for CPUs"
        why = gloo if team.size > 1 else "this Paddle sees no CUDA card"
        remarks.append(f"Global.use_gpu is true, but {why}")
    if section.use_amp:
        remarks.append("Global.use_amp has no effect: Paddle's mixed precision needs a card")
    return f"device: CPU{each}" + (f" ({'; '.join(remarks)})" if remarks else "")


def _has_card(team: Team) -> bool:
    if team.size > 1:
        return str(paddle.get_device()) != "cpu"
    return bool(paddle.is_compiled_with_cuda()) and paddle.device.cuda.device_count() > 0


def precision(config: Config) -> Precision:
    """Mixed precision where the chosen device has it; float16 scales its loss."""
    section = config.Global
    if not section.use_amp or paddle.get_device() == "cpu":
        return Precision()
    scaler = None
    if section.amp_dtype == "float16":
        scaler = paddle.amp.GradScaler(
            init_loss_scaling=section.scale_loss,
            use_dynamic_loss_scaling=section.use_dynamic_loss_scaling,
        )
    return Precision(True, section.amp_level, section.amp_dtype, scaler)

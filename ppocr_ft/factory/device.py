"""The device and the precision of a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import paddle

from ppocr_ft.config import Config
from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.engine.threaded_forward import ThreadedForward
from ppocr_ft.engine.train_step import Forward, Precision, plain_forward
from ppocr_ft.errors import ConfigError
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.utils.system import cores


def device(config: Config, group: ProcessGroup = SINGLE_PROCESS) -> str:
    """Choose the device; in a ``group`` the launcher's.

    Returns a line that names it and says how it changes the meaning of the config.

    Raises:
        ConfigError: the launcher started the processes for cards, Global.use_gpu is false.
    """
    section = config.Global
    per_process = f" for each of {group.size} processes" if group.size > 1 else ""
    if _has_card(group):
        if section.use_gpu:
            paddle.set_device("gpu")
            return f"device: {paddle.device.cuda.get_device_name()}{per_process}"
        if group.size > 1:
            raise ConfigError(
                "is false, but the processes were started for cards; start them with "
                "python -m paddle.distributed.launch --backend gloo, or set it to true",
                key="Global.use_gpu",
            )
    paddle.set_device("cpu")
    threads = cpu_threads(config)
    remarks = [f"{threads} threads"] if threads > 1 else []
    if section.use_gpu:
        gloo = "the processes were started with gloo, which is for CPUs"
        why = gloo if group.size > 1 else "this Paddle sees no CUDA card"
        remarks.append(f"Global.use_gpu is true, but {why}")
    if section.use_amp:
        remarks.append("Global.use_amp has no effect: Paddle's mixed precision needs a card")
    return f"device: CPU{per_process}" + (f" ({'; '.join(remarks)})" if remarks else "")


def _has_card(group: ProcessGroup) -> bool:
    if group.size > 1:
        return str(paddle.get_device()) != "cpu"
    return bool(paddle.is_compiled_with_cuda()) and paddle.device.cuda.device_count() > 0


def cpu_threads(config: Config) -> int:
    """Return the number of threads that take images through the network; 1 on a card."""
    if paddle.get_device() != "cpu":
        return 1
    return config.Global.cpu_threads or cores()


def passes(config: Config) -> Callable[[DetectionNetwork], Forward]:
    """Return how training takes images through a network: in one piece, or in several threads."""
    threads = min(cpu_threads(config), config.Train.loader.batch_size_per_card)
    return partial(ThreadedForward, threads=threads) if threads > 1 else plain_forward


def precision(config: Config) -> Precision:
    """Return mixed precision if the chosen device supports it; float16 scales its loss."""
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

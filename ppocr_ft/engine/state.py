"""What a run is at some moment: exactly what ``latest.pdstate`` holds."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.engine.train_step import Losses
from ppocr_ft.errors import WeightsError
from ppocr_ft.optim import Optimizer

Array = NDArray[Any]
FORMAT = 1
PROGRESS, WINDOW, NETWORK, OPTIMIZER = "progress", "window", "network/", "optimizer/"


@dataclass
class Progress:
    """How far a run has come.

    Data order, learning rate, shrink ratio and random numbers are functions of ``seed`` and
    ``step`` alone, so that these two are all that there is to save of them.

    seed: of everything that is random. steps_per_epoch: batches an epoch. step: steps done.
    evaluated_step: the step after which the last evaluation was done, -1 for none. best, best_step:
    the best main indicator, and after which step. skipped_steps: those with a NaN or infinite
    number; skipped_in_row: the last of them without a good one after. textless_steps,
    textless_in_row: likewise those without a text in the batch.
    """

    seed: int
    steps_per_epoch: int
    step: int = 0
    evaluated_step: int = -1
    best: float | None = None
    best_step: int = -1
    skipped_steps: int = 0
    skipped_in_row: int = 0
    textless_steps: int = 0
    textless_in_row: int = 0

    @property
    def epochs_done(self) -> int:
        return self.step // self.steps_per_epoch

    @property
    def epoch(self) -> int:
        """The true epoch 1, 2, ... of the last step done; 1 before any."""
        return max(-(-self.step // self.steps_per_epoch), 1)

    @property
    def step_in_epoch(self) -> int:
        """How many steps of the epoch that comes or goes on are done."""
        return self.step % self.steps_per_epoch


@dataclass
class LossWindow:
    """The losses of the last ``length`` steps, on the device until they are asked for."""

    length: int
    names: tuple[str, ...] = ()
    _rows: deque[paddle.Tensor | Array] = field(default_factory=deque)

    def add(self, losses: Losses) -> None:
        self.names = tuple(losses)
        self._rows.append(paddle.stack([losses[name] for name in self.names]))
        while len(self._rows) > self.length:
            self._rows.popleft()

    def means(self) -> dict[str, float]:
        rows = self.array()
        return dict(zip(self.names, rows.mean(axis=0).tolist(), strict=True)) if len(rows) else {}

    def array(self) -> Array:
        """(steps, names) float32; waits for the device."""
        self._rows = deque(np.asarray(row, np.float32) for row in self._rows)
        return np.stack(self._rows) if self._rows else np.empty((0, len(self.names)), np.float32)

    def restore(self, names: tuple[str, ...], rows: Array) -> None:
        self.names, self._rows = names, deque(rows)


@dataclass
class TrainState:
    """A run's progress, weights and optimizer; ``scaler`` is float16's."""

    progress: Progress
    network: paddle.nn.Layer
    optimizer: Optimizer
    window: LossWindow
    scaler: Any = None

    def arrays(self) -> dict[str, Array]:
        """All of it as arrays; the progress is JSON in bytes."""
        about = {
            "format": FORMAT,
            "losses": list(self.window.names),
            "progress": asdict(self.progress),
            "scaler": {} if self.scaler is None else _plain(self.scaler.state_dict()),
        }
        return {
            PROGRESS: np.frombuffer(json.dumps(about).encode(), np.uint8),
            WINDOW: self.window.array(),
            **_over(NETWORK, self.network.state_dict()),
            **_over(OPTIMIZER, self.optimizer.state_dict()),
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Become what ``arrays()`` was taken from.

        Raises WeightsError where that was another network, optimizer or data set.
        """
        about = _about(arrays)
        progress = _progress(about["progress"])
        _check_same("seed", progress.seed, self.progress.seed)
        _check_same("steps per epoch", progress.steps_per_epoch, self.progress.steps_per_epoch)
        self._restore_network(_under(NETWORK, arrays))
        moments = _under(OPTIMIZER, arrays)
        self.optimizer.set_state_dict({k: paddle.to_tensor(v) for k, v in moments.items()})
        self.progress = progress
        self.window.restore(tuple(about["losses"]), arrays[WINDOW])
        if self.scaler is not None and about["scaler"]:
            self.scaler.load_state_dict(about["scaler"])

    def _restore_network(self, saved: Mapping[str, Array]) -> None:
        own = self.network.state_dict()
        differing = sorted(
            key
            for key in saved.keys() | own.keys()
            if key not in saved or key not in own or saved[key].shape != tuple(own[key].shape)
        )
        if differing:
            raise WeightsError(
                f"is of another network: {len(differing)} tensors differ, such as {differing[0]}"
            )
        for key, value in saved.items():
            own[key].set_value(value)


def _about(arrays: Mapping[str, Array]) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads(bytes(arrays[PROGRESS]))
    except (KeyError, ValueError):
        raise WeightsError("is no state of a run; latest.pdstate would be") from None
    if about.get("format") != FORMAT:
        raise WeightsError(f"has format {about.get('format')}; this version reads {FORMAT}")
    return about


def _progress(values: Mapping[str, Any]) -> Progress:
    known = {each.name for each in fields(Progress)}
    return Progress(**{key: value for key, value in values.items() if key in known})


def _check_same(what: str, saved: int, ours: int) -> None:
    if saved != ours:
        raise WeightsError(
            f"is of a run with {saved} as {what}, this one has {ours}; resume with the config "
            "and data that the run began with (config.resolved.yml beside it)"
        )


def _over(prefix: str, tensors: Mapping[str, paddle.Tensor]) -> dict[str, Array]:
    return {prefix + key: tensor.numpy() for key, tensor in tensors.items()}


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {key[len(prefix) :]: value for key, value in arrays.items() if key.startswith(prefix)}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: np.asarray(value).tolist() for key, value in values.items()}

"""The state of a run at one moment: exactly the content of ``latest.pdstate``.

Progress, weights and optimizer, and the moving average (EMA) of the weights.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.engine.eval_result import TIE_BREAKER, EvalResult, rank, replaces_best
from ppocr_ft.engine.train_step import Losses
from ppocr_ft.errors import WeightsError
from ppocr_ft.optim.optimizers import Optimizer
from ppocr_ft.optim.rates import Evaluated

Array = NDArray[Any]
FORMAT = 1
PROGRESS, WINDOW = "progress", "window"
NETWORK, OPTIMIZER, EMA = "network/", "optimizer/", "ema/"
"""The keys of ``TrainState.arrays``, and what those of tensors begin with."""


@dataclass
class Progress:
    """How far a run has come.

    Data order, learning rate, shrink ratio and random numbers are functions of ``seed`` and
    ``step`` alone, so only these two need to be saved for them; a ReduceLROnPlateau's
    rate is one of ``evaluations`` too, one after `FreshFirst` one of ``fresh_steps``.

    seed: of everything that is random. steps_per_epoch: updates per epoch. step: updates done.
    evaluated_step: the step after which the last evaluation was done, -1 for none. best,
    best_hmean_70, best_step: main indicator, hmean at IoU 0.7 and step of the best evaluation;
    improved_step: the first step whose evaluation ranks as high, -1 in the state of an older
    version. skipped_steps: those with a NaN or infinite number; skipped_in_row: the last of them
    without a good one after. textless_steps, textless_in_row: the same for steps without a text in
    the batch. evaluations: step and main indicator of each. fresh_steps: the number of first steps
    in which fresh parameters learned alone, None while they do; fresh_losses: those of these steps
    until then. best_file: the checksum of best_accuracy.pdparams; metrics: that of the rows of
    metrics.csv, without what a clock wrote. Both are empty in the state of an older version.
    """

    seed: int
    steps_per_epoch: int
    step: int = 0
    evaluated_step: int = -1
    best: float | None = None
    best_hmean_70: float | None = None
    best_step: int = -1
    improved_step: int = -1
    skipped_steps: int = 0
    skipped_in_row: int = 0
    textless_steps: int = 0
    textless_in_row: int = 0
    evaluations: list[Evaluated] = field(default_factory=list)
    fresh_steps: int | None = None
    fresh_losses: list[float] = field(default_factory=list)
    best_file: str = ""
    metrics: str = ""

    def __post_init__(self) -> None:
        self.evaluations = [(int(step), float(value)) for step, value in self.evaluations]

    def is_sound(self) -> bool:
        """Return whether the values are of their kinds and within their limits, as a run's are."""
        skipped = (self.skipped_steps, self.skipped_in_row)
        textless = (self.textless_steps, self.textless_in_row)
        counts = (self.step, *skipped, *textless, self.seed, self.steps_per_epoch - 1)
        places = (self.evaluated_step, self.best_step, self.improved_step)
        rates = [rate for rate in (self.best, self.best_hmean_70) if rate is not None]
        return (
            all(type(count) is int and count >= 0 for count in counts)
            and all(type(step) is int and step >= -1 for step in places)
            and all(isinstance(value, (int, float)) for value in [*rates, *self.fresh_losses])
            and (self.fresh_steps is None or type(self.fresh_steps) is int)
            and isinstance(self.best_file, str)
            and isinstance(self.metrics, str)
        )

    def evaluated(self, result: EvalResult, indicator: str) -> bool:
        """Record an evaluation after the last step done; return whether it is the best so far."""
        later, highest = result.rank(indicator), rank(self.best, self.best_hmean_70)
        is_best = replaces_best(later, highest)
        if is_best:
            self.best, self.best_step = result.value(indicator), self.step
            self.best_hmean_70 = result.value(TIE_BREAKER)
        if later > highest:
            self.improved_step = self.step
        self.evaluations.append((self.step, result.value(indicator)))
        self.evaluated_step = self.step
        return is_best

    @property
    def last_gain_step(self) -> int:
        """The step of the first evaluation that ranks as high as the best one."""
        return self.improved_step if self.improved_step >= 0 else self.best_step

    @property
    def evaluations_without_gain(self) -> int:
        """The number of evaluations after that."""
        return sum(step > self.last_gain_step for step, _ in self.evaluations)

    @property
    def epochs_done(self) -> int:
        return self.step // self.steps_per_epoch

    @property
    def epoch(self) -> int:
        """The true epoch 1, 2, ... of the last step done; 1 before any."""
        return max(-(-self.step // self.steps_per_epoch), 1)

    @property
    def step_in_epoch(self) -> int:
        """The number of done steps of the current epoch."""
        return self.step % self.steps_per_epoch


@dataclass
class LossWindow:
    """The losses of the last ``length`` steps, on the device until they are needed."""

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
        """Return (steps, names) float32; waits for the device."""
        self._rows = deque(np.asarray(row, np.float32) for row in self._rows)
        return np.stack(self._rows) if self._rows else np.empty((0, len(self.names)), np.float32)

    def restore(self, names: tuple[str, ...], rows: Array) -> None:
        self.names, self._rows = names, deque(rows)


def ema_decay(decay: float, updates: int) -> float:
    """Return the share that update 0, 1, ... keeps: ``min(decay, (1 + updates) / (10 + updates))``.

    The rise to 0.98 takes 440 updates. Source: PaddleDetection's ``ModelEMA`` with
    ``ema_decay_type: threshold``, ppdet/optimizer/ema.py.
    """
    return min(decay, (1 + updates) / (10 + updates))


class Ema:
    """The average of every floating point tensor of a network's state dict.

    It starts from the network's current weights, unlike PaddleDetection's, which starts at zero.
    Batch norm statistics are averaged like the weights; tensors that don't change stay equal, bit
    for bit.

    Args:
        decay: share that an update keeps of the average, 0 to 1, after the rise of `ema_decay`.
    """

    def __init__(self, network: paddle.nn.Layer, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        tensors = network.state_dict().items()
        self._weights = {key: tensor for key, tensor in tensors if tensor.is_floating_point()}
        self._averages = _copies(self._weights)

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def update(self) -> None:
        """Add the current weights; to be called after each step that changed them."""
        share = paddle.full([], 1 - ema_decay(self.decay, self.updates))
        for key, average in self._averages.items():
            average.lerp_(self._weights[key], share)
        self.updates += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network the averages inside this context, then its own weights again."""
        weights = _copies(self._weights)
        _copy(self._averages, self._weights)
        try:
            yield
        finally:
            _copy(weights, self._weights)

    def describe(self) -> str:
        """Return a line for the log."""
        return f"an average of the weights (EMA, decay {self.decay:g}) is judged and saved"

    def state_dict(self) -> dict[str, paddle.Tensor]:
        """Return the averages by the network's keys."""
        return dict(self._averages)

    def restore(self, averages: Mapping[str, paddle.Tensor | Array], updates: int) -> None:
        """Restore the average from ``state_dict`` and ``updates``."""
        _copy(averages, self._averages)
        self.updates = updates


def _copies(tensors: Mapping[str, paddle.Tensor]) -> dict[str, paddle.Tensor]:
    return {key: tensor.detach().clone() for key, tensor in tensors.items()}


def _copy(source: Mapping[str, paddle.Tensor | Array], target: Mapping[str, paddle.Tensor]) -> None:
    for key, tensor in target.items():
        tensor.set_value(source[key])


@dataclass
class TrainState:
    """A run's progress, weights, their average and optimizer; ``scaler`` is float16's."""

    progress: Progress
    network: paddle.nn.Layer
    optimizer: Optimizer
    window: LossWindow
    scaler: Any = None
    ema: Ema | None = None

    def eval_weights(self) -> AbstractContextManager[None]:
        """Give the network the weights to evaluate inside this context: the average, if any."""
        return nullcontext() if self.ema is None else self.ema.applied()

    def arrays(self) -> dict[str, Array]:
        """Return all of it as arrays; the progress is JSON in bytes."""
        scaler = {} if self.scaler is None else self.scaler.state_dict()
        about = {
            "format": FORMAT,
            "losses": list(self.window.names),
            "progress": asdict(self.progress),
            "scaler": {key: np.asarray(value).tolist() for key, value in scaler.items()},
            "ema_updates": None if self.ema is None else self.ema.updates,
        }
        return {
            PROGRESS: np.frombuffer(json.dumps(about).encode(), np.uint8),
            WINDOW: self.window.array(),
            **_over(NETWORK, self.network.state_dict()),
            **_over(OPTIMIZER, self.optimizer.state_dict()),
            **_over(EMA, {} if self.ema is None else self.ema.state_dict()),
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Restore the state from which ``arrays()`` was taken.

        Raises:
            WeightsError: it belongs to another network, optimizer or data set, or only one of the
                two has an average.
        """
        about = _about(arrays)
        progress = saved_progress(arrays)
        window, names = arrays.get(WINDOW), about.get("losses")
        if window is None or not isinstance(names, list) or window.shape[1:] != (len(names),):
            raise WeightsError("is no state of a run: its losses are damaged")
        for key in ("seed", "steps_per_epoch"):
            saved, ours = getattr(progress, key), getattr(self.progress, key)
            if saved != ours:
                raise WeightsError(
                    f"is of a run with {saved} as {key.replace('_', ' ')}, this one has {ours}; "
                    "resume with the config and data that the run began with (config.resolved.yml "
                    "beside it)"
                )
        for key, array in arrays.items():
            if array.dtype in (np.uint32, np.uint64):
                raise WeightsError(f"is no state of a run: {key} is of {array.dtype}")
        _check_average(about.get("ema_updates"), self.ema)
        weights, moments = _under(NETWORK, arrays), _under(OPTIMIZER, arrays)
        _check_fits(weights, self.network.state_dict())
        _copy(weights, self.network.state_dict())
        self.optimizer.set_state_dict({k: paddle.to_tensor(v) for k, v in moments.items()})
        if self.ema is not None:
            averages = _under(EMA, arrays)
            _check_fits(averages, self.ema.state_dict())
            self.ema.restore(averages, about["ema_updates"])
        self.progress = progress
        self.window.restore(tuple(names), window)
        if self.scaler is not None and about.get("scaler"):
            self.scaler.load_state_dict(about["scaler"])


def _about(arrays: Mapping[str, Array]) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads(bytes(arrays[PROGRESS]))
    except (KeyError, ValueError):
        raise WeightsError("is no state of a run; latest.pdstate would be") from None
    if not isinstance(about, dict):
        raise WeightsError("is no state of a run; latest.pdstate would be")
    if about.get("format") != FORMAT:
        raise WeightsError(f"has format {about.get('format')}; this version reads {FORMAT}")
    return about


def saved_progress(arrays: Mapping[str, Array]) -> Progress:
    """Return how far the run had come whose state this is.

    Raises:
        WeightsError: it is no state of a run.
    """
    names = {field.name for field in fields(Progress)}
    try:
        values = _about(arrays)["progress"]
        progress = Progress(**{key: value for key, value in values.items() if key in names})
        sound = progress.is_sound()
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        sound = False
    if not sound:
        raise WeightsError("is no state of a run: how far it has come is damaged")
    return progress


def _check_fits(saved: Mapping[str, Array], current: Mapping[str, paddle.Tensor]) -> None:
    ours = {(key, tuple(tensor.shape)) for key, tensor in current.items()}
    theirs = {(key, array.shape) for key, array in saved.items()}
    differing = sorted({key for key, _ in ours ^ theirs})
    if differing:
        raise WeightsError(
            f"is of another network: {len(differing)} tensors differ, such as {differing[0]}"
        )


def _check_average(saved_updates: int | None, ours: Ema | None) -> None:
    if saved_updates is None and ours is not None:
        raise WeightsError(
            "is of a run without an average of the weights; resume with Global.use_ema=false, or "
            "start anew from its weights by Global.pretrained_model"
        )
    if saved_updates is not None and ours is None:
        raise WeightsError("holds an average of the weights; resume with Global.use_ema=true")


def _over(prefix: str, tensors: Mapping[str, paddle.Tensor]) -> dict[str, Array]:
    return {prefix + key: tensor.numpy() for key, tensor in tensors.items()}


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {key[len(prefix) :]: value for key, value in arrays.items() if key.startswith(prefix)}

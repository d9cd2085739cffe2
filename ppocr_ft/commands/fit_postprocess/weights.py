"""The weights that a run may deliver: its start, trained ones, and those between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ppocr_ft.config import Config
from ppocr_ft.engine.checkpoints import AVERAGED, BEST, LATEST
from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.errors import WeightsError
from ppocr_ft.factory.objects import starting_network
from ppocr_ft.messages import counted
from ppocr_ft.models.configs import Form
from ppocr_ft.models.reparameterize import detect_form
from ppocr_ft.runs.metadata import DIGEST, WEIGHTS
from ppocr_ft.runs.weights_origin import kept_checkpoints, weights_origin
from ppocr_ft.weights.arrays import State
from ppocr_ft.weights.coverage import THRESHOLD_BRANCH
from ppocr_ft.weights.interpolate import distance, interpolated, mean_of
from ppocr_ft.weights.matching import state_of

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""0: the start, 1: trained weights."""
KEY = "Global.interpolate"


@dataclass(frozen=True)
class Trained:
    """Weights of a run: those after ``step``, or the mean of the ``averaged`` checkpoints to it."""

    step: int
    state: State = field(repr=False, compare=False)
    averaged: int = 1


@dataclass(frozen=True)
class Candidate:
    """Weights at ``alpha`` of the way from the start to trained ones."""

    trained: Trained
    alpha: float

    @property
    def delivered(self) -> Delivered:
        return Delivered(self.alpha, self.trained.step, self.trained.averaged)


@dataclass(frozen=True)
class RunWeights:
    """What a run started from and what it has trained; ``start`` lacks what was not filled."""

    start: State = field(repr=False)
    lines: tuple[Trained, ...]
    mean: Trained | None

    def state(self, candidate: Candidate) -> State:
        """Return the weights; what the start lacks is as it was trained."""
        return interpolated(self.start, candidate.trained.state, candidate.alpha)

    def distance(self, candidate: Candidate) -> float:
        return candidate.alpha * distance(self.start, candidate.trained.state)

    def first(self) -> list[Candidate]:
        """Return what is judged in any case, the start first."""
        best, *last = self.lines
        between = [Candidate(best, alpha) for alpha in (0.0, 0.5, 1.0)]
        whole = [Candidate(trained, 1.0) for trained in (*last, self.mean) if trained is not None]
        return [*between, *whole]

    def neighbours(self, best: Candidate) -> Iterator[Candidate]:
        """Yield the candidates beside one on its line; beside the start on all lines."""
        at = ALPHAS.index(best.alpha)
        for trained in self.lines:
            if trained == best.trained or at == 0:
                for alpha in ALPHAS[max(at - 1, 1) : at + 2]:
                    yield Candidate(trained, alpha)


def run_weights(config: Config, folder: Path) -> RunWeights:
    """Read the start, the best and the last weights of the run in ``folder``, and their mean.

    Raises:
        WeightsError: there is nothing between start and trained weights; it says why.
    """
    start, form = starting_state(config, folder)
    read = _RunReader(config, folder, form)
    last = LATEST + AVERAGED * config.Global.use_ema
    lines = {trained.step: trained for trained in _both(read, last) if trained.step}
    if not lines:
        raise WeightsError("the run has trained no step", key=KEY)
    kept = kept_checkpoints(folder, averaged=config.Global.use_ema)
    mean = mean_of(read.state(name) for name in kept) if len(kept) > 1 else None
    return RunWeights(
        start,
        tuple(lines.values()),
        None if mean is None else Trained(read.step(kept[-1]), mean, len(kept)),
    )


def _both(read: _RunReader, last: str) -> Iterator[Trained]:
    """Yield the best weights, and the last ones unless they have diverged."""
    yield read.trained(BEST)
    with suppress(WeightsError):
        yield read.trained(last)


@dataclass(frozen=True)
class _RunReader:
    """Reads a run's weights in one form."""

    config: Config
    folder: Path
    form: Form

    def _config(self, name: str) -> Config:
        update = {"checkpoints": str(self.folder / name), "form": self.form}
        return self.config.model_copy(
            update={"Global": self.config.Global.model_copy(update=update)}
        )

    def state(self, name: str) -> State:
        return state_of(starting_network(self._config(name))[0])

    def step(self, name: str) -> int:
        return weights_origin(self._config(name)).step or 0

    def trained(self, name: str) -> Trained:
        return Trained(self.step(name), self.state(name))


def starting_state(config: Config, folder: Path) -> tuple[State, Form]:
    """Return the tensors that the run was given at its start, and the network's form.

    Raises:
        WeightsError: there are none, too few to run the network, or other ones than then.
    """
    detector, report = starting_network(config)
    if report is None:
        raise WeightsError("the run started from random weights", key=KEY)
    state = state_of(detector)
    lacking = [key for key in state if key not in report.filled]
    lacking = [key for key in lacking if not key.startswith(THRESHOLD_BRANCH)]
    if lacking:
        raise WeightsError(
            f"{report.source} lacks {counted(len(lacking), 'tensor')} that the network needs, such "
            f"as {lacking[0]}: the start is no detector",
            key=KEY,
        )
    try:
        began = json.loads((folder / WEIGHTS).read_text(encoding="utf-8"))[DIGEST]
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(
            f"{folder / WEIGHTS} does not say which weights the run started from", key=KEY
        ) from None
    if began != report.digest:
        raise WeightsError(
            f"{report.source} holds other weights than those that the run started from", key=KEY
        )
    return {key: state[key] for key in report.filled}, detect_form(state) or "branches"

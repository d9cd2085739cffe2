"""What the arms did, and its JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

Rates = dict[float, tuple[float, float]]
"""hmean at IoU 0.5 and 0.7 by unclip ratio."""
SHIPPED_UNCLIP = 1.5
WINDOW = 10
"""Steps over which losses are averaged."""


@dataclass
class ArmRun:
    """What an arm did.

    shrink_ratios: one an epoch. losses: one a step. twins: the losses that other maps of the same
    crops would have had with the same weights, by arm. rates: by step. seen: digests of the
    starting weights, then of each batch's images.
    """

    name: str
    shrink_ratios: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    twins: dict[str, list[float]] = field(default_factory=dict)
    rates: dict[int, Rates] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    @property
    def first_loss(self) -> float:
        return sum(self.losses[:WINDOW]) / WINDOW

    @property
    def last_loss(self) -> float:
        return sum(self.losses[-WINDOW:]) / WINDOW

    @property
    def start(self) -> Rates:
        return self.rates[0]

    @property
    def end(self) -> Rates:
        return self.rates[max(self.rates)]

    def twin_gap(self, arm: str) -> float:
        """Return the largest relative difference that the arm's maps make to the loss of a step."""
        return _largest_gap(self.losses, self.twins[arm])

    def gap(self, other: ArmRun) -> float:
        """Return the largest relative difference between the losses of two runs."""
        return _largest_gap(self.losses, other.losses)


def _largest_gap(losses: list[float], others: list[float]) -> float:
    return max(abs(a - b) / a for a, b in zip(losses, others, strict=True))


@dataclass
class Result:
    """All arms on one data set, by name."""

    data_set: str
    title: str
    train_images: int
    val_images: int
    runs: dict[str, ArmRun]

    def about(self) -> str:
        steps = max(max(run.rates) for run in self.runs.values())
        return (
            f"{self.title}: {steps} steps, {self.train_images} training images, hmean of "
            f"{self.val_images} others"
        )

    def to_json(self) -> str:
        """One line a run; losses with nine digits, which give float32 back."""
        about = {key: value for key, value in asdict(self).items() if key != "runs"}
        lines = [f'"{key}": {json.dumps(value)}' for key, value in about.items()]
        runs = [json.dumps(_shortened(asdict(run))) for run in self.runs.values()]
        return "{" + ",\n".join([*lines, '"runs": [\n' + ",\n".join(runs) + "]"]) + "}\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        values = json.loads(text)
        runs = [ArmRun(**{**run, "rates": _rates(run["rates"])}) for run in values.pop("runs")]
        return cls(**values, runs={run.name: run for run in runs})


def _shortened(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, (list, tuple)) else value


def _rates(steps: dict[str, dict[str, list[float]]]) -> dict[int, Rates]:
    return {
        int(step): {float(ratio): (at_50, at_70) for ratio, (at_50, at_70) in rates.items()}
        for step, rates in steps.items()
    }

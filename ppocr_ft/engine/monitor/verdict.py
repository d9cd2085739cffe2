"""What a rule says of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ppocr_ft.engine.monitor.series import Kind, Series

Name = Literal[
    "targets-wrong",
    "loss-not-falling",
    "overfitting",
    "below-start",
    "lr-zero",
    "warming-up",
    "grad-exploding",
    "nan",
    "loader-bound",
    "memory-growing",
]
"""All verdicts there are; docs/monitor.md explains each."""


@dataclass(frozen=True)
class NamedVerdict:
    """One sentence on what goes wrong, and one on what helps."""

    name: Name
    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.sentence} {self.remedy}"


@dataclass(frozen=True)
class Rule:
    """``judge`` is asked after each training row or after each evaluation, whichever ``at`` says.

    It is a pure function of what is recorded by then. A verdict that it has given counts as gone
    after ``patience`` such moments without it; only then is it said again. It is kept back while
    the verdict ``unless``, which explains it, holds.
    """

    name: Name
    at: Kind
    judge: Callable[[Series], NamedVerdict | None]
    patience: int
    unless: Name | None = None

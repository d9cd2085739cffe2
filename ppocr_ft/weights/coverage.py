"""The part of a network that its weights have filled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ppocr_ft.models.configs import CLASSIFIER_LAYERS, TRAINING_BRANCHES, Form
from ppocr_ft.utils.console import aligned, wrapped

PARTS = ("backbone", "neck", "head")
Status = Literal["matched", "missing", "wrong shape", "unexpected", "not in this source"]
_FAULTS: tuple[Status, ...] = ("missing", "wrong shape", "unexpected", "not in this source")
_KEYS_SHOWN = 4


@dataclass(frozen=True)
class TensorMatch:
    """One state dict key. ``unexpected``: only the file has it; else it is the network's.

    ``not in this source``: missing, as in every source of this kind. ``shape`` is the
    network's (unexpected: the file's), ``found_shape`` the file's if the two differ.
    """

    key: str
    status: Status
    shape: tuple[int, ...]
    found_shape: tuple[int, ...] | None = None

    @property
    def part(self) -> str:
        return self.key.split(".", 1)[0]

    @property
    def parameters(self) -> int:
        return math.prod(self.shape)

    def __str__(self) -> str:
        if self.found_shape is None:
            return self.key
        return f"{self.key} {list(self.found_shape)} instead of {list(self.shape)}"


@dataclass(frozen=True)
class CoverageReport:
    """The tensors that a network got, and their source; ``str()`` is a table for people.

    Keys are those of ``form``, the form that the weights came in (None: no PPLCNetV3).
    ``counted`` are the parts that ``coverage`` is about. ``filled`` are the keys that were set,
    in the network's own form, ``digest`` tells their values from all others.
    """

    source: str
    tensors: tuple[TensorMatch, ...]
    counted: tuple[str, ...]
    form: Form | None = None
    warnings: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    digest: str = ""

    def keys(self, status: Status, part: str | None = None) -> list[str]:
        return [match.key for match in self.select(status, [part] if part else None)]

    def select(
        self, status: Status | None = None, parts: Sequence[str] | None = None
    ) -> list[TensorMatch]:
        return [
            match
            for match in self.tensors
            if status in (None, match.status) and (parts is None or match.part in parts)
        ]

    @property
    def coverage(self) -> float:
        """Matched parameters / all but those not in this source, over the counted parts."""
        matched, in_network = map(_parameters, self._counts(self.counted))
        possible = in_network - _parameters(self.select("not in this source", self.counted))
        return matched / possible if possible else 0.0

    def share(self, parts: Sequence[str]) -> float:
        """Return matched / all parameters of the network in ``parts``; 0 if it has none."""
        matched, in_network = map(_parameters, self._counts(parts))
        return matched / in_network if in_network else 0.0

    def _counts(self, parts: Sequence[str]) -> tuple[list[TensorMatch], list[TensorMatch]]:
        matched = self.select("matched", parts)
        in_network = [match for match in self.select(None, parts) if match.status != "unexpected"]
        return matched, in_network

    def summary(self) -> str:
        """Return one line if all that the weights can fill is filled, else the table."""
        if self.warnings or any(self.keys(status) for status in _FAULTS[:3]):
            return str(self)
        form = f", {self.form} form" if self.form else ""
        absent = self.select("not in this source")
        new = [match for match in absent if not match.key.startswith(CLASSIFIER_LAYERS)]
        parts = " and the ".join(sorted({match.part for match in new}))
        begun = f"; parts of the {parts} begin at random" if new else ""
        if new and all(match.key.startswith(TRAINING_BRANCHES) for match in new):
            begun = "; the threshold branch, which only training needs, begins at random"
            if any(not match.key.startswith(TRAINING_BRANCHES[0]) for match in new):
                begun = "; threshold and auxiliary branches, only for training, begin at random"
        return f"weights: {self.source}{form}, {self.coverage:.0%} filled{begun}"

    def __str__(self) -> str:
        form = f", {self.form} form" if self.form else ""
        others = sorted({match.part for match in self.tensors} - {*PARTS})
        rows = [
            ["part", "tensors", "parameters", "share"],
            *[self._row(part, [part]) for part in PARTS],
            *([self._row("elsewhere", others)] if others else []),
        ]
        lines = [f"weights: {self.source}{form}", *aligned(rows)]
        for status in filter(self.keys, _FAULTS):
            lines += wrapped(f"{len(self.keys(status))} {status}: {self._examples(status)}")
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _row(self, name: str, parts: Sequence[str]) -> list[str]:
        matched, in_network = self._counts(parts)
        return [
            name,
            f"{len(matched)} of {len(in_network)}",
            f"{_parameters(matched):,} of {_parameters(in_network):,}",
            f"{self.share(parts):.1%}",
        ]

    def _examples(self, status: Status) -> str:
        matches = self.select(status)
        examples = ", ".join(str(match) for match in matches[:_KEYS_SHOWN])
        more = len(matches) - _KEYS_SHOWN
        return f"{examples} and {more} more" if more > 0 else examples


def _parameters(matches: Sequence[TensorMatch]) -> int:
    return sum(match.parameters for match in matches)

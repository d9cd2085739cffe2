"""Rows in, verdicts out: the monitor's memory, which is a function of the rows alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ppocr_ft.engine.monitor.rules import RULES
from ppocr_ft.engine.monitor.series import EVAL, TRAIN, Facts, Row, Series, TrainRow, evaluation
from ppocr_ft.engine.monitor.series import moments as moments_of
from ppocr_ft.engine.monitor.verdict import NamedVerdict, Rule


@dataclass(frozen=True)
class Said:
    """A verdict and the step after which it was given."""

    step: int
    verdict: NamedVerdict


class History:
    """Judges each moment of a run once, in the order of ``metrics.csv``.

    A verdict is given once, and again only where it had gone in between. Rows that were read
    again after a kill lead to the same verdicts as when they were written.
    """

    def __init__(self, facts: Facts, rules: Sequence[Rule] = RULES) -> None:
        self.series = Series(facts)
        self._rules = tuple(rules)
        self._rows: list[Row] = []
        self._silent: dict[str, int] = {}

    def take(self, row: Row) -> None:
        """The file's next row, to be judged by the next `settle`."""
        self._rows.append(row)

    def settle(self) -> list[Said]:
        """What is new since the last time. An evaluation's rows must all have come."""
        said = [each for moment in moments_of(self._rows) for each in self._judge(moment)]
        self._rows.clear()
        return said

    @property
    def present(self) -> set[str]:
        """The names of the verdicts that hold at the last moment that asked for them."""
        return {name for name, moments in self._silent.items() if moments == 0}

    def _judge(self, moment: TrainRow | list[Row]) -> Iterator[Said]:
        at = TRAIN if isinstance(moment, TrainRow) else EVAL
        if not isinstance(moment, TrainRow):
            judged = evaluation(moment, self.series.facts.main_indicator)
            if judged is None:
                return
            self.series.add(judged)
        else:
            self.series.add(moment)
        for rule in self._rules:
            if rule.at == at:
                yield from self._ask(rule)

    def _ask(self, rule: Rule) -> Iterator[Said]:
        verdict = None if rule.unless in self.present else rule.judge(self.series)
        if verdict is None:
            if rule.name in self._silent:
                self._silent[rule.name] += 1
            return
        known = self._silent.get(rule.name)
        self._silent[rule.name] = 0
        if known is None or known >= rule.patience:
            yield Said(self.series.step, verdict)

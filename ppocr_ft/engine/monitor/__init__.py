"""Named verdicts on a run that goes wrong: pure rules over what it has recorded."""

from ppocr_ft.engine.monitor.history import History, Said
from ppocr_ft.engine.monitor.rules import RULES
from ppocr_ft.engine.monitor.series import Facts, Series
from ppocr_ft.engine.monitor.verdict import NamedVerdict, Rule

__all__ = ["RULES", "Facts", "History", "NamedVerdict", "Rule", "Said", "Series"]

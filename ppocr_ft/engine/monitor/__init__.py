"""Named verdicts on a run that goes wrong: pure rules over what it has recorded."""

from ppocr_ft.engine.monitor.history import (
    RULES,
    VERDICT_NAMES,
    History,
    NamedVerdict,
    Rule,
    Said,
    nan_verdict,
)
from ppocr_ft.engine.monitor.series import Diagnosis, Facts, Series

__all__ = [
    "RULES",
    "VERDICT_NAMES",
    "Diagnosis",
    "Facts",
    "History",
    "NamedVerdict",
    "Rule",
    "Said",
    "Series",
    "nan_verdict",
]

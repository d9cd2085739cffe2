"""Named verdicts on a run that goes wrong: pure rules over what it has recorded."""

from ppocr_ft.engine.monitor.history import (
    RULES,
    VERDICT_NAMES,
    Alert,
    History,
    NamedVerdict,
    Rule,
    nan_verdict,
)
from ppocr_ft.engine.monitor.series import Diagnosis, RunInfo, Series

__all__ = [
    "RULES",
    "VERDICT_NAMES",
    "Alert",
    "Diagnosis",
    "History",
    "NamedVerdict",
    "Rule",
    "RunInfo",
    "Series",
    "nan_verdict",
]

"""DESIGN's table: what each part of the package may import of the rest of it."""

from __future__ import annotations

ANYWHERE = {"errors", "version"}
_TARGETS = {"ops", "data", "geometry"}
_ENGINE = _TARGETS | {"nets", "weights", "losses", "postprocess", "metrics", "optim"}

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "version": set(),
    "geometry": set(),
    "config": set(),
    "ops": {"geometry"},
    "data": {"ops", "geometry"},
    "nets": set(),
    "weights": {"nets"},
    "losses": {"geometry"},
    "postprocess": {"geometry"},
    "metrics": {"geometry"},
    "optim": set(),
    "engine": _ENGINE,
    "export": _ENGINE | {"engine"},
    "report": _ENGINE | {"engine"},
    "upstream": {"ops"},
    "build": _ENGINE | {"engine", "export", "report", "upstream", "config"},
    "cli": {"config", "build", "report"},
    "__init__": {"ops", "geometry"},
}

NO_PADDLE = {"errors", "version", "geometry", "config", "ops", "data", "__init__"}
"""Parts that must work without paddle installed."""

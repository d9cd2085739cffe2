"""DESIGN's table: what each part of the package may import of the rest of it."""

from __future__ import annotations

ANYWHERE = {"errors", "machine", "version"}
_TARGETS = {"ops", "data", "geometry"}
_ENGINE = _TARGETS | {"nets", "weights", "losses", "postprocess", "metrics", "optim"}

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "machine": set(),
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

_DRAWING = {"numpy", "cv2"}

LIBRARIES: dict[str, set[str]] = {
    "errors": set(),
    "machine": set(),
    "version": set(),
    "geometry": {"numpy", "pyclipper", "shapely"},
    "config": {"pydantic", "pydantic_core", "annotated_types", "yaml"},
    "ops": _DRAWING | {"numba"},
    "data": _DRAWING | {"PIL", "matplotlib", "tqdm"},
    "nets": {"paddle", "numpy"},
    "weights": {"paddle", "numpy", "safetensors", "tqdm"},
    "losses": {"paddle", "numpy"},
    "postprocess": _DRAWING | {"shapely"},
    "metrics": {"numpy", "shapely"},
    "optim": {"paddle", "numpy"},
    "upstream": set(),
}
"""Which libraries a part may import besides the standard one; parts not named here: any."""

NO_PADDLE = {"errors", "machine", "version", "geometry", "config", "ops", "data", "__init__"}
"""Parts that must work without paddle installed."""

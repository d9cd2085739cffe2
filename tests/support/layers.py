"""The table of rooms: what each part of the package may import of the rest of it."""

from __future__ import annotations

ANYWHERE = {"declaration", "errors", "key_table", "messages", "version", "utils"}
_TARGETS = {"transforms", "data", "geometry"}
_ENGINE = _TARGETS | {"models", "weights", "losses", "postprocess", "metrics", "optim"}
_FACTORY = _ENGINE | {"engine", "config", "export", "report", "upstream"}

ALLOWED: dict[str, set[str]] = {
    "declaration": set(),
    "errors": set(),
    "key_table": set(),
    "messages": set(),
    "utils": set(),
    "version": set(),
    "geometry": set(),
    "config": {"engine", "losses", "metrics", "models", "optim", "postprocess", "transforms"},
    "transforms": {"geometry"},
    "data": {"transforms", "geometry"},
    "models": set(),
    "weights": {"models"},
    "losses": {"geometry"},
    "postprocess": {"geometry"},
    "metrics": {"geometry"},
    "optim": set(),
    "engine": _ENGINE,
    "export": _ENGINE | {"engine"},
    "report": _ENGINE | {"engine"},
    "upstream": {"transforms"},
    "factory": _FACTORY,
    "runs": _FACTORY | {"factory"},
    "commands": _FACTORY | {"factory", "runs"},
    "__init__": {"transforms", "geometry"},
}

_DRAWING = {"numpy", "cv2"}
_PYDANTIC = {"pydantic", "pydantic_core", "annotated_types"}

LIBRARIES: dict[str, set[str]] = {
    "declaration": _PYDANTIC,
    "errors": set(),
    "key_table": _PYDANTIC,
    "messages": _PYDANTIC,
    "utils": _DRAWING | {"tqdm"},
    "version": set(),
    "geometry": {"numpy", "pyclipper", "shapely"},
    "config": _PYDANTIC | {"yaml"},
    "transforms": _DRAWING | _PYDANTIC | {"numba"},
    "data": _DRAWING,
    "models": _PYDANTIC | {"paddle", "numpy"},
    "weights": {"paddle", "numpy", "safetensors", "pooch", "requests", "google"},
    "losses": _PYDANTIC | {"paddle", "numpy"},
    "postprocess": _DRAWING | {"shapely"},
    "metrics": {"numpy", "shapely"},
    "optim": _PYDANTIC | {"paddle", "numpy"},
    "upstream": set(),
}
"""Which libraries a part may import besides the standard one; parts not named here: any."""

NO_PADDLE = {
    "declaration",
    "key_table",
    "messages",
    "errors",
    "utils",
    "version",
    "geometry",
    "config",
    "transforms",
    "data",
    "__init__",
}
"""Parts that must work without paddle installed."""

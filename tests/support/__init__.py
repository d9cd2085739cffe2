"""What tests of several rooms share: samples, small runs, references, processes."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""
REFERENCE = Path(__file__).parent / "reference"
"""Numbers and files that other programs made."""

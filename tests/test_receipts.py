"""`make receipts`: its sequence of commands, and what it calls equal; no network is run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "docs" / "scripts"))
import receipts

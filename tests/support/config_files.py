"""Where the tests' configs lie, and small changes to them."""

from __future__ import annotations

from pathlib import Path

CONFIGS = Path(__file__).parent / "configs"
SMALL = CONFIGS / "small.yml"
SHIPPED = Path(__file__).parents[2] / "configs"


def changed(tmp_path: Path, *swaps: tuple[str, str]) -> Path:
    """small.yml as ``c.yml`` with each swap's first text, which occurs once, made its second."""
    text = SMALL.read_text(encoding="utf-8")
    for old, new in swaps:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in small.yml"
        text = text.replace(old, new)
    return written(tmp_path, text)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.yml"
    path.write_text(text, encoding="utf-8")
    return path

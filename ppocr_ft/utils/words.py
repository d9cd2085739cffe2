"""Numbers with their nouns."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return ``1 step``, ``2 steps``, ``1,200 steps``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

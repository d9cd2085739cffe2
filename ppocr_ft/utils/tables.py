"""Tables as text that people can read as it is, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def aligned(rows: Rows) -> list[str]:
    """Return a line per row, two spaces between columns of equal width."""
    widths = _widths(rows)
    return ["  ".join(_padded(cells, widths)).rstrip() for cells in rows]


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """Return a Markdown table whose columns are as wide as their widest cell."""
    widths = _widths([header, *rows], at_least=3)
    rule = [f"{'-' * (width - 1)}{':' if i else '-'}" for i, width in enumerate(widths)]
    lines = [header, rule, *rows]
    return "\n".join(f"| {' | '.join(_padded(cells, widths))} |" for cells in lines)


def _widths(rows: Rows, at_least: int = 0) -> list[int]:
    return [max(at_least, *map(len, column)) for column in zip(*rows, strict=True)]


def _padded(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Align the first cell to the left, the others to the right."""
    first, *others = zip(cells, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]

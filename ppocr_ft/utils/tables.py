"""Tables as text that is read as it is, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first one aligned left, the others right."""
    widths = [max(3, *map(len, cells)) for cells in zip(header, *rows, strict=True)]
    rule = [f"{'-' * (width - 1)}{':' if i else '-'}" for i, width in enumerate(widths)]
    lines = [header, rule, *rows]
    return "\n".join(f"| {' | '.join(_padded(cells, widths))} |" for cells in lines)


def _padded(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(cells, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]

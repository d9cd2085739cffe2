"""Markdown tables that a command prints and that stand between markers in a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class MarkerMissingError(LookupError):
    """The document has no place for a table."""


@dataclass(frozen=True)
class Table:
    """A table; ``below``: the text that follows it."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    below: str = ""

    def markdown(self) -> str:
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return f"{table}\n\n{self.below}" if self.below else table


def replaced(document: str, table: Table) -> str:
    """Return the document with the table's text between its markers.

    Raises:
        MarkerMissingError: the document doesn't have its two markers.
    """
    begin, end = (f"<!-- {edge} table: {table.name} -->" for edge in ("begin", "end"))
    place = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    if not place.search(document):
        raise MarkerMissingError(f"no {begin!r} ... {end!r} in the document")
    return place.sub(lambda found: f"{found[1]}\n{table.markdown()}\n\n{found[2]}", document)


def stale(document: str, tables: Iterable[Table]) -> list[str]:
    """Names of the tables whose text in the document isn't what they are now."""
    return [table.name for table in tables if replaced(document, table) != document]

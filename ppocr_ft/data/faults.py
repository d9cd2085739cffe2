"""Bad samples: counted once each, listed with file and line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from ppocr_ft.errors import DataError
from ppocr_ft.messages import counted

LISTED = 20
"""The number of faults that are written out; the others are only counted."""


def describe_faults(faults: Sequence[DataError], listed: int = LISTED) -> str:
    """Return one line per fault, in their order, for the first ``listed`` of them."""
    lines = [str(fault) for fault in faults[:listed]]
    if len(faults) > listed:
        lines.append(f"... and {len(faults) - listed} more")
    return "\n".join(lines)


@contextmanager
def noting(faults: list[DataError]) -> Iterator[None]:
    """Add a DataError that is raised inside this context to ``faults``."""
    try:
        yield
    except DataError as fault:
        faults.append(fault)


def refuse_all(faults: Sequence[DataError]) -> None:
    """Raise the faults of several data sets, if there are any, as one DataError."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise DataError("\n".join(dict.fromkeys(map(str, faults))))


def left_out(mode: str, faults: Sequence[DataError]) -> str:
    """Say without which label lines of ``mode`` a run goes on."""
    places = [f"{fault.path}:{fault.line}" for fault in faults]
    more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
    return (
        f"goes on without {counted(len(places), 'label line')} of {mode} that can't "
        f"be used: {', '.join(places[:LISTED])}{more} (ppocr-ft check says why)"
    )


class FaultLog:
    """The different faults among all those that items bring; the same line counts once."""

    def __init__(self, faults: Iterable[DataError] = ()) -> None:
        self._faults: dict[tuple[str | None, int | None, str], DataError] = {}
        self.add(faults)

    def add(self, faults: Iterable[DataError]) -> None:
        for fault in faults:
            message = "" if fault.line is not None else fault.message
            self._faults.setdefault((fault.path, fault.line, message), fault)

    def __len__(self) -> int:
        return len(self._faults)

    @property
    def faults(self) -> list[DataError]:
        """The faults in the order of file and line."""
        return sorted(self._faults.values(), key=lambda f: (f.path or "", f.line or 0))

    def report(self, listed: int = LISTED) -> str:
        """Return a headline and one line per fault; an empty text if nothing was bad."""
        if not self._faults:
            return ""
        count = len(self._faults)
        return f"{counted(count, 'bad sample')}:\n{describe_faults(self.faults, listed)}"

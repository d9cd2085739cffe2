"""The bars at the bottom of the terminal, drawn by rich; imported when the first one is shown."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO, cast

from rich.console import Console, Group
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ppocr_ft.utils.progress import Bar

BAR_WIDTH, LEFT_WIDTH, SPEED_WIDTH, GAP = 20, len("1h30m left"), len("84.6 images/s"), 2
"""Of the bar, of the two columns behind it, and between columns."""
REFRESH_S = 0.1
"""The bars are drawn again after so long."""


class _Terminal(Console):
    """A console that never hides the cursor, so that no end of the process can leave it hidden."""

    def show_cursor(self, show: bool = True) -> bool:
        return False


class _Above(FileProxy):
    """A terminal's stream that prints above the bars; before rich 15 it wouldn't say what it is."""

    def isatty(self) -> bool:
        return True


class Bars:
    """Bars, and above them what Python prints on the terminal meanwhile.

    It writes to a copy of the stream: what C libraries write can be caught all the same. There is
    no thread that refreshes it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._shown: list[Bar] = []
        self._shown_at = -REFRESH_S
        self._copy = _copy_of(stream)
        self._console = _Terminal(file=self._copy or stream, soft_wrap=True, highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._drawn,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._replaced: dict[str, tuple[TextIO, TextIO]] = {}

    def add(self, bar: Bar) -> None:
        """Show one more."""
        if not self._shown:
            self._redirect()
        self._shown.append(bar)
        self._live.start()
        self._live.refresh()

    def refresh(self) -> None:
        """Draw the bars again, if they were not just drawn."""
        now = time.monotonic()
        if self._shown and now >= self._shown_at + REFRESH_S:
            self._shown_at = now
            self._live.refresh()

    def remove(self, bar: Bar) -> bool:
        """Take one away; return whether it was the last one, which is drawn until `stop`."""
        if bar not in self._shown:
            return False
        if self._shown == [bar]:
            return True
        self._shown.remove(bar)
        self._live.refresh()
        return False

    def stop(self) -> None:
        """Take all away, and give stdout and stderr back."""
        for name, (stream, proxy) in self._replaced.items():
            proxy.flush()
            if getattr(sys, name) is proxy:
                setattr(sys, name, stream)
        self._replaced = {}
        self._live.stop()
        self._shown = []
        if self._copy is not None:
            self._copy.close()

    def _redirect(self) -> None:
        """Have what is printed on the terminal appear above the bars."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream.isatty():
                proxy = cast(TextIO, _Above(self._console, stream))
                self._replaced[name] = stream, proxy
                setattr(sys, name, proxy)

    def _drawn(self) -> Group:
        bars = self._shown
        counts = [f"{bar.done:.0f}/{bar.total:.0f}" for bar in bars]
        widest = [
            max(map(len, texts), default=0) for texts in ([bar.title for bar in bars], counts)
        ]
        used = sum(widest) + BAR_WIDTH + LEFT_WIDTH + SPEED_WIDTH + 4 * GAP
        has_speed = used <= self._console.width
        table = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
        table.add_column()
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, min_width=LEFT_WIDTH)
        for bar, count in zip(bars, counts, strict=True):
            title = Text(bar.title, no_wrap=True, overflow="ellipsis")
            line = ProgressBar(bar.total, min(bar.done, bar.total), width=BAR_WIDTH)
            left, speed = bar.times()
            table.add_row(title, line, count, left, *([speed] if has_speed else []))
        figures = [self._figures(bar.figures) for bar in bars if bar.figures]
        return Group(table, *figures)

    def _figures(self, figures: Mapping[str, str]) -> Table:
        """Return them with their names above them, those that the width has room for."""
        table, width = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False), -GAP
        shown = []
        for name, figure in figures.items():
            width += max(len(name), len(figure)) + GAP
            if width <= self._console.width:
                table.add_column(justify="right", no_wrap=True)
                shown.append(name)
        table.add_row(*shown, style="dim")
        table.add_row(*(figures[name] for name in shown))
        return table


def _copy_of(stream: TextIO) -> TextIO | None:
    """Return another stream to the same terminal; None for what is no file."""
    with contextlib.suppress(OSError, io.UnsupportedOperation):
        copy = os.dup(stream.fileno())
        return os.fdopen(copy, "w", encoding=stream.encoding, errors="replace")
    return None

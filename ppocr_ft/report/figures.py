"""Pictures by matplotlib, drawn without a screen, with letters that the machine has a font for."""

from __future__ import annotations

import io
from contextlib import suppress
from functools import cache

from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

DPI = 110
PREFERRED_FONTS = (
    "Noto Sans CJK", "Source Han Sans", "Microsoft YaHei", "PingFang", "WenQuanYi", "Noto Sans",
)  # fmt: skip
"""What the names of the first fonts to look into begin with."""
NO_LETTERS = ("Last Resort", "LastResort", "Adobe Blank", "Color Emoji")
"""In names of fonts that have a box, nothing, or a bitmap for every letter."""
REPLACEMENT = "?"
"""For a letter that no font has."""


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Return an empty figure that arranges its parts by itself."""
    figure = Figure(figsize=(width_inches, height_inches), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def as_png(figure: Figure) -> bytes:
    """Return the figure as a PNG.

    Letters that matplotlib's own font lacks are drawn with installed fonts that have them, and as
    "?" where there is none.
    """
    _make_drawable([text for text in figure.findobj(Text) if isinstance(text, Text)])
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _make_drawable(texts: list[Text]) -> None:
    lacking = {text: letters for text in texts if (letters := _lacking(text))}
    if not lacking:
        return
    fonts, without_font = _fonts_with(frozenset().union(*lacking.values()))
    replace = str.maketrans(dict.fromkeys(without_font, REPLACEMENT))
    for text in lacking:
        text.set_fontfamily([*text.get_fontfamily(), *fonts])
        text.set_text(text.get_text().translate(replace))


def _lacking(text: Text) -> frozenset[str]:
    """Return the letters of a text that its font lacks."""
    letters = frozenset(text.get_text()) - {"\n"}
    if not text.get_visible() or all(
        letter.isascii() and letter.isprintable() for letter in letters
    ):
        return frozenset()
    return letters - _of_font(font_manager.findfont(text.get_fontproperties()), letters)


@cache
def _fonts_with(letters: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """Return the names of installed fonts that have the letters together, and those none has."""
    _add_new_fonts()
    fonts: list[str] = []
    known = font_manager.fontManager.ttflist
    usable = [entry for entry in known if not any(name in entry.name for name in NO_LETTERS)]
    for entry in sorted(usable, key=_rank):
        covered = frozenset[str]()
        with suppress(OSError, RuntimeError):  # it was removed, or is broken
            covered = _of_font(entry.fname, letters)
        if covered:
            fonts.append(entry.name)
            letters -= covered
        if not letters:
            break
    return fonts, letters


def _rank(entry: font_manager.FontEntry) -> tuple[object, ...]:
    """Return a sort key that is low for a preferred, upright, regular font."""
    places = [i for i, name in enumerate(PREFERRED_FONTS) if entry.name.startswith(name)]
    regular = (entry.style, str(entry.weight)) in (("normal", "400"), ("normal", "normal"))
    return min(places, default=len(PREFERRED_FONTS)), not regular, entry.name


def _of_font(path: str, letters: frozenset[str]) -> frozenset[str]:
    font = font_manager.get_font(path)
    return frozenset(letter for letter in letters if font.get_char_index(ord(letter)))


def _add_new_fonts() -> None:
    """Make fonts known that were installed after matplotlib listed them."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in set(font_manager.findSystemFonts()) - known:
        with suppress(OSError, RuntimeError, ValueError, KeyError):  # no font that it can use
            font_manager.fontManager.addfont(path)

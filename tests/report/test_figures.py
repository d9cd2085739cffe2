"""Letters in matplotlib's pictures: the machine's fonts are looked into, and no box is drawn."""

# ruff: noqa: RUF001  letters of several scripts

from __future__ import annotations

from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from ppocr_ft.report import figures
from ppocr_ft.report.figures import as_png, new_figure

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> font_manager.FontManager:
    """Matplotlib's own fonts, and none of the system's."""
    manager = font_manager.fontManager
    own = str(Path(font_manager.__file__).parent)
    monkeypatch.setattr(manager, "ttflist", [e for e in manager.ttflist if e.fname.startswith(own)])
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    figures._fonts_with.cache_clear()
    manager._findfont_cached.cache_clear()
    yield manager
    figures._fonts_with.cache_clear()
    manager._findfont_cached.cache_clear()


def font_with(path: Path, letters: str) -> Path:
    """Write a font in which each letter is a black square."""
    pen = TTGlyphPen(None)
    for place, corner in enumerate([(100, 0), (100, 700), (900, 700), (900, 0)]):
        (pen.lineTo if place else pen.moveTo)(corner)
    pen.closePath()
    names = [".notdef", *(f"u{ord(letter):X}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap(dict(zip(map(ord, letters), names[1:], strict=True)))
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def drawn(title: str) -> tuple[str, list[str]]:
    """The title of a figure and the families of its fonts, after it was drawn."""
    figure = new_figure(3, 1)
    text = figure.suptitle(title)
    assert as_png(figure).startswith(b"\x89PNG")
    return text.get_text(), list(text.get_fontfamily())


@pytest.mark.parametrize("title", ["输出 1", "出力-東京", "ทดสอบ", "실험 🦄"])
def test_letters_without_a_font_are_question_marks(
    bare_machine: font_manager.FontManager, title: str
) -> None:
    shown, _ = drawn(title)
    assert shown == "".join(letter if letter.isascii() else "?" for letter in title)


def test_a_font_that_was_installed_since_is_taken(
    bare_machine: font_manager.FontManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = [str(font_with(tmp_path / "squares.ttf", "输出")), str(tmp_path / "gone.ttf")]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: paths)
    assert drawn("输出 1") == ("输出 1", ["sans-serif", "Squares"])
    assert drawn("输入 1") == ("输? 1", ["sans-serif", "Squares"])


@pytest.mark.parametrize("title", ["run 1", "größer, é", "опыт\nσ", "a $b$ c"])
def test_letters_of_the_usual_font_are_left_alone(title: str) -> None:
    assert drawn(title) == (title, ["sans-serif"])

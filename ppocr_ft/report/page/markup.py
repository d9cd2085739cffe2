"""HTML in two languages: every text stands twice, and the page shows one of them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

LANGUAGES = ("en", "zh")


class Words(NamedTuple):
    """A text in English and in Chinese, without markup."""

    en: str
    zh: str

    def __str__(self) -> str:
        return f'<span lang="en">{escape(self.en)}</span><span lang="zh">{escape(self.zh)}</span>'

    def attribute(self, name: str) -> str:
        """``name`` with the English text, and both for the switch, which sets it anew."""
        en, zh = escape(self.en), escape(self.zh)
        return f'{name}="{en}" data-words="{name}" data-en="{en}" data-zh="{zh}"'


Cell = Words | str | float | int | None


def plain(value: Cell) -> str:
    """A table's cell: texts escaped, nothing for None."""
    if value is None:
        return ""
    return str(value) if isinstance(value, Words) else escape(str(value))


def table(header: Sequence[Cell], rows: Sequence[Sequence[Cell]], *, kind: str = "") -> str:
    """The first column names the rows. It scrolls by itself where it is too wide."""
    head = "".join(f'<th scope="col">{plain(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{plain(first)}</th>'
        + "".join(f"<td>{plain(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    made = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="table {kind}" tabindex="0">{made}</div>'


def section(name: str, title: Words, *content: str) -> str:
    inner = "\n".join(part for part in content if part)
    return f'<section id="{name}">\n<h2>{title}</h2>\n{inner}\n</section>'


def paragraph(words: Words | str, kind: str = "") -> str:
    return f"<p{_class(kind)}>{words}</p>"


def details(summary: Words, content: str) -> str:
    return f"<details><summary>{summary}</summary>{content}</details>"


def image(jpeg: bytes, alt: Words, size_px: tuple[int, int]) -> str:
    width, height = size_px
    data = base64.b64encode(jpeg).decode()
    return (
        f'<img {alt.attribute("alt")} width="{width}" height="{height}" '
        f'src="data:image/jpeg;base64,{data}">'
    )


def figure(content: str, caption: Words | str, kind: str = "") -> str:
    return f"<figure{_class(kind)}>{content}<figcaption>{caption}</figcaption></figure>"


def div(kind: str, *content: str) -> str:
    return f"<div{_class(kind)}>{''.join(content)}</div>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""

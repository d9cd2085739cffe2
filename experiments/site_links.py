"""The hook of mkdocs.yml: on the site, links to files outside docs/ become the files' names."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
ADDRESS = re.compile(r"[a-z]+:|[#/]")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the page's text as the site shows it; mkdocs calls this for each page."""
    return without_outside_links(markdown, page.file.src_uri)


def without_outside_links(markdown: str, page: str) -> str:
    """Return the text without links that lead out of docs/; ``page`` is its path there."""

    def shown(link: re.Match[str]) -> str:
        text, target = link.groups()
        if ADDRESS.match(target):
            return link[0]
        path = os.path.normpath(Path("docs", page).parent / target.partition("#")[0])
        name = PurePosixPath(path).as_posix()
        if name.startswith("docs/"):
            return link[0]
        return f"`{name}`" if text.strip("`") in name else f"{text} (`{name}`)"

    return LINK.sub(shown, markdown)

"""The site of docs/: its pages, start pages, reference and links. `make site` builds it, in CI."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import ppocr_ft
from experiments.site_links import on_page_markdown, without_outside_links
from tests.support import ROOT
from tests.test_readme import code_lines, code_spans, fault_of, heading_levels, links, read, tables

FOLDER = ROOT / "docs"
PAGES = [path.relative_to(FOLDER).as_posix() for path in sorted(FOLDER.rglob("*.md"))]
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
ENGLISH, CHINESE = read(FOLDER / "index.md"), read(FOLDER / "index.zh.md")


def pages_of(nav: Any) -> Iterator[str]:
    """The pages of a part of the navigation, in their order."""
    if isinstance(nav, str):
        yield nav
        return
    for part in nav.values() if isinstance(nav, dict) else nav:
        yield from pages_of(part)


def test_the_navigation_has_every_page_once() -> None:
    assert sorted(pages_of(SITE["nav"])) == PAGES


def test_the_navigation_is_by_task() -> None:
    parts = {name: list(pages_of(part)) for each in SITE["nav"] for name, part in each.items()}
    assert list(parts) == ["Start", "Tasks", "Reference", "Proofs"]
    tasks = {page for page in PAGES if page.startswith("tasks/")}
    assert tasks == {f"tasks/{name}.md" for name in (
        "own_data", "small_set", "words_or_lines", "large_pages", "cpu_deployment", "from_paddleocr"
    )}  # fmt: skip
    assert tasks <= set(parts["Tasks"])
    for language in SITE["extra"]["alternate"]:
        assert language["link"].replace(".html", ".md") in parts["Start"]


def test_nothing_is_fetched_from_the_network() -> None:
    plugins = [
        name for each in SITE["plugins"] for name in ([each] if isinstance(each, str) else each)
    ]
    assert plugins == ["search", "mkdocstrings"], "no social cards"
    assert SITE["theme"]["font"] is False


def test_both_start_pages_say_the_same() -> None:
    assert heading_levels(CHINESE) == heading_levels(ENGLISH)
    assert code_lines(CHINESE) == code_lines(ENGLISH)
    assert code_spans(CHINESE) == code_spans(ENGLISH)
    assert [len(rows) for rows in tables(CHINESE)] == [len(rows) for rows in tables(ENGLISH)]
    own = {"index.zh.md": "index.md", "../README.md": "../README.zh-CN.md"}
    assert links(CHINESE) == [own.get(target, target) for target in links(ENGLISH)]


def test_the_reference_has_every_name_of_the_package() -> None:
    named = re.findall(r"^::: ppocr_ft\.(\w+)$", read(FOLDER / "api.md"), re.MULTILINE)
    assert sorted(named) == sorted(set(ppocr_ft.__all__) - {"__version__"})


@pytest.mark.parametrize("page", PAGES)
def test_on_the_site_every_link_stays_within_it(page: str) -> None:
    source = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    shown = on_page_markdown(read(FOLDER / page), page=source, config=None, files=None)
    found = (fault_of(target, FOLDER / page, FOLDER) for target in links(shown))
    assert [fault for fault in found if fault] == []


@pytest.mark.parametrize(
    ("written", "page", "shown"),
    [
        pytest.param("[a](b.md#c)", "a.md", "[a](b.md#c)", id="another page"),
        pytest.param("[a](../b.md)", "tasks/a.md", "[a](../b.md)", id="a page above"),
        pytest.param("[a](#c)", "a.md", "[a](#c)", id="the page itself"),
        pytest.param("[a](https://b.org/c)", "a.md", "[a](https://b.org/c)", id="an address"),
        pytest.param("![a](images/b.png)", "a.md", "![a](images/b.png)", id="a picture"),
        pytest.param("the [README](../README.md).", "a.md", "the `README.md`.", id="its name"),
        pytest.param("[`b.py`](../c/b.py)", "a.md", "`c/b.py`", id="its name as code"),
        pytest.param("[a\nb](../../c.yml#d)", "tasks/a.md", "a\nb (`c.yml`)", id="other words"),
    ],
)
def test_links_out_of_the_folder_become_names(written: str, page: str, shown: str) -> None:
    assert without_outside_links(written, page) == shown


def test_the_extras_that_pages_install_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    setuptools = pytest.importorskip("setuptools")
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
    runpy.run_path(str(ROOT / "setup.py"))
    text = "".join(read(Path(FOLDER, page)) for page in PAGES)
    named = {name for found in re.findall(r"'\.\[([\w,-]+)\]'", text) for name in found.split(",")}
    assert named
    assert named <= given["extras_require"].keys()


def test_ci_builds_it_strictly() -> None:
    assert {"run": "make site"} in WORKFLOW["jobs"]["site"]["steps"]
    assert re.search(r"^make .*\bsite\b", read(ROOT / ".ci/run"), re.MULTILINE)
    # with --quiet warnings would not count
    assert re.search(
        r"^site:.*\n\t.* mkdocs build --strict$", read(ROOT / "Makefile"), re.MULTILINE
    )

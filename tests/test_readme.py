"""The two READMEs say the same, and every link in them and in the documents leads somewhere."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from ppocr_ft.commands.main import main
from ppocr_ft.config import load_config
from ppocr_ft.config.load import find_config
from ppocr_ft.data.sample_set import copy_sample

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
READMES = [pytest.param(path, id=path.name) for path in (ENGLISH, CHINESE)]
FOLDER = ROOT / "docs"
DOCS = [*sorted(FOLDER.rglob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
TASKS = sorted((FOLDER / "tasks").glob("*.md"))
PAGES = [*READMES, *(pytest.param(path, id=path.name) for path in DOCS)]
SWITCHES = {ENGLISH.name, CHINESE.name}  # the links from one language to the other

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ {4}[^\n]*$", re.MULTILINE)
CODE_SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
FIGURE = re.compile(r"\d+(?:\.\d+)*")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """The text without its code blocks."""
    return INDENTED.sub("", FENCED.sub("", text))


def code_lines(text: str) -> list[str]:
    """Lines of all code blocks in their order, without comments."""
    blocks = re.findall(f"{FENCED.pattern}|{INDENTED.pattern}", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).splitlines()
    bare = (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in lines)
    return [line for line in bare if line]


def heading_levels(text: str) -> list[int]:
    return [len(marks) for marks, _ in HEADING.findall(prose(text))]


def tables(text: str) -> list[list[str]]:
    """The rows of each table, header and rule included."""
    found = re.findall(r"(?:^\|.*\|$\n?)+", prose(text), re.MULTILINE)
    return [block.splitlines() for block in found]


def figures(text: str) -> list[list[list[str]]]:
    """The numbers in each row of each table."""
    return [[FIGURE.findall(row) for row in table] for table in tables(text)]


def code_spans(text: str) -> Counter[str]:
    return Counter(" ".join(span.split()) for span in CODE_SPAN.findall(prose(text)))


def links(text: str) -> list[str]:
    """Targets of links and images in the prose."""
    return LINK.findall(CODE_SPAN.sub("", prose(text)))


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings: lower case, no punctuation, a number for a repeated one."""
    names: Counter[str] = Counter()
    found = set()
    for _, title in HEADING.findall(prose(text)):
        name = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
        found.add(f"{name}-{names[name]}" if names[name] else name)
        names[name] += 1
    return found


def fault_of(target: str, page: Path, root: Path = ROOT) -> str | None:
    """Why a relative link of `page` leads nowhere; None for a good one or an external address."""
    if re.match(r"[a-z]+:", target):
        return None
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(root) or not file.exists():
        return f"{target}: no such file in the repository"
    if anchor and anchor not in anchors(read(file)):
        return f"{target}: {file.name} has no such heading"
    return None


def test_same_headings() -> None:
    assert heading_levels(read(CHINESE)) == heading_levels(read(ENGLISH))


def test_same_code() -> None:
    assert code_lines(read(CHINESE)) == code_lines(read(ENGLISH))


def test_same_keys_files_and_commands_in_the_prose() -> None:
    assert code_spans(read(CHINESE)) == code_spans(read(ENGLISH))


def test_same_number_of_table_rows() -> None:
    rows_en, rows_zh = ([len(table) for table in tables(read(p))] for p in (ENGLISH, CHINESE))
    assert rows_zh == rows_en


def test_same_figures_in_the_tables() -> None:
    assert figures(read(CHINESE)) == figures(read(ENGLISH))


def test_same_links() -> None:
    targets_en, targets_zh = (sorted(set(links(read(p))) - SWITCHES) for p in (ENGLISH, CHINESE))
    assert targets_zh == targets_en


@pytest.mark.parametrize("page", READMES)
def test_each_language_links_to_the_other(page: Path) -> None:
    assert set(links(read(page))) & SWITCHES == SWITCHES - {page.name}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [fault for target in links(read(page)) if (fault := fault_of(target, page))] == []


def test_the_index_names_every_page() -> None:
    pages = {path.relative_to(FOLDER).as_posix() for path in DOCS if FOLDER in path.parents}
    named = {target.partition("#")[0] for target in links(read(FOLDER / "index.md"))}
    assert pages - named == {"index.md"}


def commands(text: str) -> list[list[str]]:
    """The words of each ``ppocr-ft NAME ...`` in the code blocks."""
    lines = "\n".join(code_lines(text)).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.strip().startswith("ppocr-ft ")]


COMMANDS = [
    pytest.param(words, id=f"{path.stem}: {' '.join(words[:3])}")
    for path in (ENGLISH, *TASKS)
    for words in commands(read(path))
]
NOT_THERE = {"output/latest/fitted.yml": "det_v4_ft.yml", "my.yml": "det_v4_ft.yml"}
"""Configs that a run writes or a reader has, and one with the same keys."""


def test_the_readme_walks_through_the_commands() -> None:
    named = {words[0] for words in commands(read(ENGLISH))}
    assert {"init", "train", "eval", "predict", "export"} <= named


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_of_readme_and_tasks_has_these_options(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["help", words[0]])
    known = capsys.readouterr().out
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    assert [option for option in options if option not in known] == []


@pytest.mark.parametrize("words", COMMANDS)
def test_the_configs_and_keys_of_readme_and_tasks_are_right(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = dict(pairwise(words))
    given = options.get("-c", options.get("--config", "det_v4_ft.yml"))
    name = NOT_THERE.get(given, given)
    assert find_config(name).is_file()
    arms = (rest for word, rest in pairwise(words) if word == "--arm")
    values = [*words, *(value for arm in arms for value in arm.partition(":")[2].split())]
    load_config(name, [value for value in values if re.match(r"[A-Z]\w+\.[\w.]+=", value)])


@pytest.mark.slow
def test_the_own_data_section_works_on_a_folder_of_ppocrlabel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """init, and train's dry run, as the README has them, in a folder with `photos/`."""
    made = copy_sample(tmp_path / "made", train=5, val=1)
    (made.data_dir / "images").rename(tmp_path / "photos")
    lines = made.train_label.read_text("utf-8") + made.val_label.read_text("utf-8")
    label_file = tmp_path / "photos" / "Label.txt"
    label_file.write_text(re.sub("^images/", "photos/", lines, flags=re.MULTILINE), "utf-8")
    monkeypatch.chdir(tmp_path)

    (init,) = [words for words in commands(read(ENGLISH)) if words[:2] == ["init", "photos"]]
    assert ["train"] in commands(read(ENGLISH))
    for words in (init, ["train", "--dry-run"]):
        assert main(words) == 0, capsys.readouterr().err
    assert (tmp_path / "output/run1/schedule.png").is_file()
    assert main(["convert", "photos/Label.txt", "--split", "0.8"]) == 0, capsys.readouterr().err
    assert {"train.txt", "val.txt"} <= {path.name for path in (tmp_path / "photos").iterdir()}


PAGE = """# A title, with `code`: 1.2

## Again
## Again
## 中文、 标题

![a
picture](there.md) and [text](there.md#again-1), `[no](link)`

| a | b |
|---|---|
| 1.5 | x |

    run --it "a#b"   # a comment

```python
# a comment alone, and no heading
[no](link)
```
"""


def test_the_reader_of_a_page() -> None:
    assert heading_levels(PAGE) == [1, 2, 2, 2]
    assert anchors(PAGE) == {"a-title-with-code-12", "again", "again-1", "中文-标题"}
    assert links(PAGE) == ["there.md", "there.md#again-1"]
    assert code_spans(PAGE) == {"code": 1, "[no](link)": 1}
    assert figures(PAGE) == [[[], [], ["1.5"]]]
    assert code_lines(PAGE) == ['    run --it "a#b"', "```python", "[no](link)", "```"]


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        pytest.param("there.md", None, id="a file"),
        pytest.param("there.md#again-1", None, id="its second heading of that name"),
        pytest.param("#again", None, id="the page's own heading"),
        pytest.param("https://example.org/x#y", None, id="an address"),
        pytest.param("gone.md", "no such file", id="a file that isn't there"),
        pytest.param("../outside.md", "no such file", id="a file outside the repository"),
        pytest.param("there.md#again-2", "no such heading", id="a heading that isn't there"),
        pytest.param("#gone", "no such heading", id="an own heading that isn't there"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(target: str, fault: str | None, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    (tmp_path / "outside.md").write_text(PAGE, encoding="utf-8")
    for name in ("there.md", "page.md"):
        (repository / name).write_text(PAGE, encoding="utf-8")
    found = fault_of(target, repository / "page.md", repository)
    assert found is None if fault is None else fault in str(found)

"""`init`: the configs of the package in a folder, never over a file that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.commands.init import main
from ppocr_ft.config import load_config
from tests.support import ROOT

SHIPPED = sorted(path.name for path in (ROOT / "configs").glob("*.yml"))


def test_the_configs_are_copied_and_the_next_commands_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    assert sorted(path.name for path in (tmp_path / "configs").iterdir()) == SHIPPED
    for name in SHIPPED:
        load_config(tmp_path / "configs" / name)
    said = capsys.readouterr().out
    assert "ppocr-ft check -c configs/det_v4_ft.yml" in said
    assert "ppocr-ft train -c configs/det_v4_ft.yml" in said


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "det_v4_ft.yml"
    mine.write_text("mine: 1\n", encoding="utf-8")
    assert main([str(tmp_path)]) == 0
    assert mine.read_text(encoding="utf-8") == "mine: 1\n"
    assert f"{mine} (there already, with changes; left as it is)" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == SHIPPED


def test_the_name_of_a_config_makes_no_folder_of_that_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "det_v4_ft.yml")])
    assert ended.value.code == 2
    assert "name a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "notes"
    file.write_text("a file", encoding="utf-8")
    assert main([str(file)]) == 2
    err = capsys.readouterr().err
    assert f"{file}" in err
    assert "can't be written" in err
    assert len(err.splitlines()) == 1

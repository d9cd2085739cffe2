"""Two processes and one folder: the second is refused, a dead one is not waited for."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from ppocr_ft.errors import ConfigError
from ppocr_ft.utils.files import (
    LOCK_FILE,
    exchange,
    folder_lock,
    in_use,
    is_abandoned,
    link_newest,
    numbered_folder,
)
from tests.support.processes import holder


def test_the_second_process_is_told_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    with holder(folder) as first:
        before = list(folder.iterdir())
        assert in_use(folder)
        words = f"key: {folder} is in use: process {first.pid} on host {socket.gethostname()}"
        with pytest.raises(ConfigError, match=words), folder_lock(folder, "key"):
            pass
        assert list(folder.iterdir()) == before
        assert first.stdin is not None
        first.stdin.close()
        first.wait()
        assert not list(tmp_path.iterdir()), "nothing is left of a lock, nor an empty folder"
    with folder_lock(folder, "key"):
        pass


def test_a_killed_process_leaves_the_folder_free(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert (tmp_path / LOCK_FILE).exists()
    assert not in_use(tmp_path)
    with folder_lock(tmp_path, "key"):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
    assert not list(tmp_path.iterdir())


def no_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize(
    ("owner", "free"),
    [
        ({"pid": os.getpid(), "host": socket.gethostname()}, False),
        ({"pid": 2**22 + 1, "host": socket.gethostname()}, True),  # above Linux' highest
        ({"pid": 1, "host": "elsewhere"}, False),
        ({}, True),
    ],
)
def test_without_locks_of_the_file_system_the_named_process_decides(
    owner: dict[str, object], free: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", no_locks)
    (tmp_path / LOCK_FILE).write_text(json.dumps(owner))
    if free:
        with folder_lock(tmp_path, "key"):
            pass
        return
    with (
        pytest.raises(ConfigError, match=f"process {owner['pid']} on host"),
        folder_lock(tmp_path, "key"),
    ):
        pass
    assert json.loads((tmp_path / LOCK_FILE).read_text()) == owner


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match=r"key: .*file/run can't be written to"),
        folder_lock(tmp_path / "file" / "run", "key"),
    ):
        pass


def test_numbered_folders_count_on_from_the_highest(tmp_path: Path) -> None:
    pattern = f"{tmp_path}/out/run{{n}}-words"
    assert numbered_folder(pattern, "c.yml") == tmp_path / "out" / "run1-words"
    for name in ("run2-words", "run10-words", "run11", "run012-words", "run-words"):
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "c.yml").touch()
    (tmp_path / "out" / "run12-words").mkdir()  # no run: it lacks the file
    assert numbered_folder(pattern, "c.yml").name == "run11-words"
    assert numbered_folder(pattern, "c.yml", last=True).name == "run10-words"


@pytest.mark.parametrize("pattern", ["{n}/run", "run{n}_{n}", "a{n}/b{n}"])
def test_a_number_elsewhere_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="may stand once, in the last part of the path"):
        numbered_folder(pattern, "c.yml")


def test_no_numbered_folder_can_be_the_last_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder yet whose run could go on"):
        numbered_folder(f"{tmp_path}/run{{n}}", "c.yml", last=True)


def test_latest_links_to_the_newest_folder_but_replaces_no_other(tmp_path: Path) -> None:
    for name in ("run1", "run2"):
        (tmp_path / name).mkdir()
        link_newest(tmp_path / name)
    assert (tmp_path / "latest").resolve() == (tmp_path / "run2").resolve()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "run1", "run2"]
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").mkdir()
    link_newest(tmp_path / "run1")
    assert not (tmp_path / "latest").is_symlink()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do that")
def test_two_folders_change_places_or_nothing_happens(tmp_path: Path) -> None:
    old, new = tmp_path / "model", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / f"{folder.name}.txt").touch()
    assert exchange(new, old)
    assert (old / "new.txt").exists()
    assert (new / "model.txt").exists()
    assert not exchange(tmp_path / "missing", old)
    assert (old / "new.txt").exists()


def test_only_what_no_process_writes_is_abandoned() -> None:
    assert not is_abandoned(Path(f".model.{os.getpid()}.part"))
    assert is_abandoned(Path(f".model.{2**22 + 1}.part"))  # higher than any process's number
    assert not is_abandoned(Path(".model.of_the_user.part"))

"""Two processes and one folder: the second is refused, a dead one is not waited for."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from ppocr_ft.errors import ConfigError
from ppocr_ft.utils.files import LOCK_FILE, folder_lock
from tests.support.processes import holder


def test_the_second_process_is_told_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    with holder(folder) as first:
        before = list(folder.iterdir())
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

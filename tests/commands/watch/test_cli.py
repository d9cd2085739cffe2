"""The command ``watch``: which run it takes, what it says, how it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ppocr_ft.commands.watch.cli import main
from ppocr_ft.commands.watch.run import found_run
from ppocr_ft.commands.watch.server import WatchServer
from ppocr_ft.errors import DataError
from ppocr_ft.utils.files import folder_lock, link_newest


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_of(name: str, time_s: float) -> Path:
    """A run's folder whose last row was written at a time."""
    folder = Path("output") / name
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text("kind,step\n")
    os.utime(folder / "metrics.csv", (time_s, time_s))
    return folder


def test_the_latest_run_else_the_newest(here: Path) -> None:
    first, second, deep = run_of("run1", 200), run_of("run2", 100), run_of("set/run1", 300)
    assert found_run(None) == deep
    link_newest(second)
    assert found_run(None) == here / second
    assert found_run(first) == first
    (second / "metrics.csv").unlink()
    assert found_run(None) == deep, "latest has no figures"


def test_a_run_that_has_only_begun() -> None:
    folder = Path("output/begun")
    with folder_lock(folder, "key"):
        assert found_run(folder) == folder
    with pytest.raises(DataError):
        found_run(folder)


@pytest.mark.parametrize("name", [None, "nowhere", "empty", "file"])
def test_no_run_there(name: str | None, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty").mkdir()
    (here / "file").touch()
    assert main([] if name is None else [name]) == 2
    err = capsys.readouterr().err
    looked_for = "output/latest" if name is None else name
    assert looked_for in err
    assert "metrics.csv" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_no_such_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--port", port])
    assert caught.value.code == 2
    assert "must be 0 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_it_says_the_address_and_ends_by_ctrl_c(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, servers = run_of("run1", 100), []

    def interrupted(server: WatchServer) -> None:
        servers.append(server)
        raise KeyboardInterrupt

    monkeypatch.setattr(WatchServer, "serve_forever", interrupted)
    monkeypatch.setattr(os, "nice", lambda by: by)
    assert main([str(folder), "--port", "0", "--host", host]) == 0
    said = capsys.readouterr()
    (server,) = servers
    assert said.out.splitlines()[0] == f"{folder}: {server.url}"
    assert server.server_address[1] > 0
    assert ("not encrypted" in said.err) is ("token=" in said.out) is (host == "0.0.0.0")
    assert server.socket.fileno() == -1, "closed"

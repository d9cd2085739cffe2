"""Who may ask the server of a run's page, for what, and with which headers."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from ppocr_ft.commands.watch.live_page import LivePage
from ppocr_ft.commands.watch.server import WatchServer
from ppocr_ft.errors import UserInputError
from tests.support.report_run import run_folder

PICTURE = b"\xff\xd8picture"


@contextmanager
def served(folder: Path, host: str = "127.0.0.1", *, pauses: bool = True) -> Iterator[WatchServer]:
    """A server on a free port; its page is built after ``pauses``, or at once."""
    page = LivePage(folder) if pauses else LivePage(folder, least_pause_s=0, pauses=0)
    with WatchServer(host, 0, page) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = run_folder(tmp_path_factory.mktemp("watch") / "run", boxes=False)
    (folder / "val_best.jpg").write_bytes(PICTURE)
    return folder


@pytest.fixture(scope="module")
def local(folder: Path) -> Iterator[WatchServer]:
    with served(folder) as server:
        yield server


@pytest.fixture(scope="module")
def public(folder: Path) -> Iterator[WatchServer]:
    with served(folder, "0.0.0.0") as server:
        yield server


class Answer:
    """What a server says to one request; a header of None is left out."""

    def __init__(
        self, server: WatchServer, path: str, method: str = "GET", **headers: str | None
    ) -> None:
        port = server.server_address[1]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"Host": f"127.0.0.1:{port}", **headers}.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        self.status, self.headers, self.content = answer.status, answer.headers, answer.read()
        connection.close()


def test_the_page_its_state_and_its_pictures(local: WatchServer) -> None:
    assert local.url == f"http://127.0.0.1:{local.server_address[1]}/"
    page = Answer(local, "/")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"Better than the start" in page.content
    assert b'<a href="/val_best.jpg">' in page.content
    assert b"val_before.jpg" not in page.content, "it isn't there"
    version = json.loads(Answer(local, "/state").content)["version"]
    assert f'data-version="{version}"'.encode() in page.content
    assert Answer(local, "/val_best.jpg").content == PICTURE
    assert Answer(local, "/val_before.jpg").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/metrics.csv", "/report.html", "/../run/metrics.csv", "/val_best.jpg/../metrics.csv",
        "/%2e%2e/run/metrics.csv", "//val_best.jpg/", "/val_best.jpg%00", "?/", "val_best.jpg",
        "http://elsewhere/", "/\xff",
    ],
)  # fmt: skip
def test_any_other_path_is_unknown(path: str, local: WatchServer) -> None:
    with socket.create_connection(local.server_address[:2]) as connection:
        line = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sendall(line.encode("latin-1"))
        answer = connection.makefile("rb").read()
    assert answer.split()[1] in (b"404", b"400")
    assert b"kind,step" not in answer
    assert PICTURE not in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_nothing_but_get_and_head(method: str, local: WatchServer) -> None:
    answer = Answer(local, "/", method)
    assert answer.status == 501
    assert b"Better" not in answer.content


@pytest.mark.parametrize("path", ["/", "/state", "/val_best.jpg", "/nothing"])
def test_head_is_get_without_the_content(path: str, local: WatchServer) -> None:
    got, head = Answer(local, path), Answer(local, path, "HEAD")
    assert head.content == b""
    assert (head.status, head.headers["Content-Length"]) == (got.status, str(len(got.content)))


@pytest.mark.parametrize("path", ["/", "/state", "/val_best.jpg", "/nothing"])
def test_headers_of_every_answer(path: str, local: WatchServer) -> None:
    headers = Answer(local, path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    assert "Set-Cookie" not in headers


HOSTS = {
    "localhost": True,
    "LocalHost:9000": True,
    "127.0.0.1": True,
    "[::1]:8080": True,
    "rebound.example": False,
    "127.0.0.1.rebound.example:8080": False,
    "localhost.rebound.example": False,
    "0.0.0.0": False,
    "": False,
}


@pytest.mark.parametrize("host", [*HOSTS, None])
def test_a_name_of_others_for_this_machine_is_refused(host: str | None, local: WatchServer) -> None:
    for path in ("/", "/state", "/val_best.jpg", "/nothing"):
        answer = Answer(local, path, "HEAD", Host=host)
        assert (answer.status != 403) is HOSTS.get(host or "", False)


def test_another_host_wants_the_token(public: WatchServer) -> None:
    assert public.token is not None
    assert len(public.token) > 40
    assert public.url.endswith(f":{public.server_address[1]}/?token={public.token}")
    for path in ("/", "/?token=", "/?token=wrong", "/state", f"/state?tok={public.token}"):
        answer = Answer(public, path, Cookie=f"{public.cookie}=wrong; other={public.token}")
        assert answer.status == 403, path
        assert "Set-Cookie" not in answer.headers
        assert public.token.encode() not in answer.content


def test_the_first_good_request_sets_a_cookie_for_the_others(public: WatchServer) -> None:
    page = Answer(public, f"/?token={public.token}", Host="server.example:80")
    assert page.status == 200
    assert b"Better than the start" in page.content
    assert str(public.token).encode() not in page.content
    pair, *attributes = page.headers["Set-Cookie"].split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    for path in ("/", "/state", "/val_best.jpg"):
        answer = Answer(public, path, Cookie=f"a=b; {pair}")
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers


def test_two_servers_have_two_tokens_and_two_cookies(public: WatchServer, folder: Path) -> None:
    with served(folder, "0.0.0.0") as other:
        assert other.token != public.token
        assert other.cookie != public.cookie
        assert Answer(other, f"/state?token={public.token}").status == 403


def test_requests_are_not_logged_and_a_failure_is_one_line(
    local: WatchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Answer(local, "/state")
    assert capsys.readouterr() == ("", "")

    def fail() -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(local.page, "current", fail)
    with pytest.raises(http.client.RemoteDisconnected):
        Answer(local, "/state")
    assert capsys.readouterr().err == "a request failed: RuntimeError('broken')\n"


def test_a_reader_that_has_gone_is_no_failure(
    local: WatchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise BrokenPipeError
    except BrokenPipeError:
        local.handle_error(None, None)
    assert capsys.readouterr() == ("", "")


def test_a_port_that_is_taken(local: WatchServer, folder: Path) -> None:
    port = local.server_address[1]
    with pytest.raises(UserInputError, match=f"--port {port}: .*; --port 0 takes a free one"):
        WatchServer("127.0.0.1", port, LivePage(folder))
    with pytest.raises(UserInputError, match=r"on --host 1\.2\.3\.4\.5 --port 0: "):
        WatchServer("1.2.3.4.5", 0, LivePage(folder))

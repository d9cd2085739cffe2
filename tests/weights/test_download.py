"""Weights from the web: complete in the cache or not there at all."""

from __future__ import annotations

import io
import resource
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights import cache_folder, open_source
from ppocr_ft.weights.download import HOME_VARIABLE, fetch
from tests.support.weights_reference import FOLDER, STATE, assert_same

CHECKPOINT = (FOLDER / "paddle-2.6.2-protocol4.pdparams").read_bytes()
PROGRAM = (FOLDER / "paddle-3.0.0" / "inference.json").read_bytes()
TENSORS = (FOLDER / "paddle-3.0.0" / "inference.pdiparams").read_bytes()
ANY_PATH = "*"


class Server(ThreadingHTTPServer):
    """Serves ``content``; ``cut`` bytes of it are promised and never sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes] = {}
        self.cut = 0
        self.says_length = True
        self.is_chunked = False
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.close_connection = True
        contents = self.server.content
        content = contents.get(self.path.split("?")[0], contents.get(ANY_PATH))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        if self.server.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif self.server.says_length:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        sent = content[: len(content) - self.server.cut]
        if self.server.is_chunked:
            end = b"" if self.server.cut else b"\r\n0\r\n\r\n"
            sent = f"{len(content):x}\r\n".encode() + sent + end
        self.wfile.write(sent)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def tar(*members: tuple[str | tarfile.TarInfo, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


INFER_TAR = tar(
    (special("det_infer", tarfile.DIRTYPE), b""),
    ("det_infer/inference.json", PROGRAM),
    ("det_infer/inference.pdiparams", TENSORS),
    ("det_infer/inference.pdiparams.info", b"a pickle nobody needs"),
    ("det_infer/._inference.json", b"macOS"),
)
TRAIN_TAR = tar(
    ("./det_train/best_accuracy.pdparams", CHECKPOINT),
    ("./det_train/best_accuracy.pdopt", b"a pickle nobody needs"),
    ("./det_train/student.pdparams", b"not taken"),
    ("./det_train/train.log", b"epoch: [1/500]"),
)


def test_a_file_is_fetched_once(server: Server, cache: Path) -> None:
    server.content["/det.pdparams"] = CHECKPOINT
    for _ in range(2):
        source = open_source(f"{server.address}/det.pdparams?version=1", cache=cache)
        assert_same(source.tensors, STATE)
    assert server.requests == ["/det.pdparams?version=1"]
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["det.pdparams"]
    assert source.path.is_relative_to(cache)


def test_files_of_the_same_name_are_kept_apart(server: Server, cache: Path) -> None:
    server.content = {"/a/x.pdparams": CHECKPOINT, "/b/x.pdparams": CHECKPOINT}
    paths = {open_source(f"{server.address}/{f}/x.pdparams", cache=cache).path for f in "ab"}
    assert len(paths) == 2


def test_an_inference_archive(server: Server, cache: Path) -> None:
    server.content["/det_infer.tar"] = INFER_TAR
    source = open_source(f"{server.address}/det_infer.tar", cache=cache)
    assert source.is_program
    assert len(source.tensors) == 10
    files = sorted(path.name for path in cache.rglob("*") if path.is_file())
    assert files == ["inference.json", "inference.pdiparams"]


def test_a_training_archive(server: Server, cache: Path) -> None:
    server.content["/det_train.tar"] = TRAIN_TAR
    source = open_source(f"{server.address}/det_train.tar", cache=cache)
    assert source.path.name == "best_accuracy.pdparams"
    assert_same(source.tensors, STATE)


def test_the_cache_is_where_the_user_wants_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content["/det.pdparams"] = CHECKPOINT
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    source = open_source(f"{server.address}/det.pdparams")
    assert source.path.is_relative_to(tmp_path / "home" / "weights")
    monkeypatch.delenv(HOME_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "ppocr_ft" / "weights"


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def refused(server: Server, cache: Path, name: str = "det.pdparams") -> str:
    """The message of a refused URL, which leaves nothing in the cache."""
    url = f"{server.address}/{name}"
    with pytest.raises(WeightsError) as caught:
        open_source(url, cache=cache)
    assert files_in(cache) == []
    assert caught.value.path == url
    return caught.value.message


def test_not_there(server: Server, cache: Path) -> None:
    assert refused(server, cache) == "the server answers 404 Not Found"


def test_no_server(cache: Path) -> None:
    with Server() as closed:
        address = closed.address
    with pytest.raises(
        WeightsError, match=r"can't be reached: Failed to est.*refused; download it"
    ):
        open_source(f"{address}/det.pdparams", cache=cache)
    assert files_in(cache) == []


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "in chunks"])
def test_broken_transfer(server: Server, cache: Path, is_chunked: bool) -> None:
    server.content["/det.pdparams"] = CHECKPOINT
    server.is_chunked, server.cut = is_chunked, 1
    assert refused(server, cache).startswith("the transfer broke off: ")
    server.cut = 0  # the next try has all of it
    assert_same(open_source(f"{server.address}/det.pdparams", cache=cache).tensors, STATE)


def test_a_server_that_does_not_say_the_length(server: Server, cache: Path) -> None:
    """The content tells whether it is whole."""
    server.content["/det.pdparams"] = CHECKPOINT
    server.says_length, server.cut = False, 1
    assert "det.pdparams is damaged or cut off" in refused(server, cache)
    server.cut = 0
    assert_same(open_source(f"{server.address}/det.pdparams", cache=cache).tensors, STATE)


def test_a_full_disk(server: Server, cache: Path) -> None:
    """A limit on the size of files stands for it."""
    server.content["/det.pdparams"] = CHECKPOINT
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(CHECKPOINT) // 2, most))
    try:
        message = refused(server, cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
    assert message == "can't be stored: File too large"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"<html>Log in", "det.pdparams is a web page", id="log-in page"),
        pytest.param(CHECKPOINT[:-9], "det.pdparams is damaged or cut off", id="cut off before"),
        pytest.param(b"", "det.pdparams is empty", id="empty"),
        pytest.param(tar(("a/notes.yml", b"x: 1")), "notes.yml is a text file", id="other archive"),
        pytest.param(tar(("notes.txt", b"")), "has no weights", id="archive without weights"),
        pytest.param(INFER_TAR[:4000], "unexpected end of data", id="archive cut off early"),
        pytest.param(
            INFER_TAR[: INFER_TAR.index(b"macOS") - 600],
            "unexpected end of data",
            id="cut off late",
        ),
        pytest.param(
            tar(("a/inference.json", PROGRAM)), "is a text file|program of an", id="half a model"
        ),
        pytest.param(
            tar(("a/one.pdparams", CHECKPOINT), ("a/two.pdparams", CHECKPOINT)),
            "has several weights files; name one: one.pdparams, two.pdparams",
            id="several files",
        ),
    ],
)
def test_what_is_fetched_must_be_weights(
    server: Server, cache: Path, content: bytes, message: str
) -> None:
    server.content["/det.pdparams"] = content
    found = refused(server, cache)
    assert any(part in found for part in message.split("|")), found
    assert str(cache) not in found


@pytest.mark.parametrize(
    ("member", "message"),
    [
        pytest.param(("../evil.pdparams", b"x"), "leads out of its folder", id="parent"),
        pytest.param(("a/../../evil.pdparams", b"x"), "leads out of its folder", id="parents"),
        pytest.param(("/tmp/evil.pdparams", b"x"), "leads out of its folder", id="absolute"),
        pytest.param(("..\\evil.pdparams", b"x"), "leads out of its folder", id="Windows"),
        pytest.param(("C:evil.pdparams", b"x"), "leads out of its folder", id="drive"),
        pytest.param(
            (special("a.pdparams", tarfile.SYMTYPE, "/etc/passwd"), b""),
            "is no plain file",
            id="symbolic link",
        ),
        pytest.param(
            (special("a.pdparams", tarfile.LNKTYPE, "../../x"), b""), "is no plain file", id="link"
        ),
        pytest.param(
            (special("a.pdparams", tarfile.CHRTYPE), b""), "is no plain file", id="device"
        ),
        pytest.param((special("a.pdparams", tarfile.FIFOTYPE), b""), "is no plain file", id="pipe"),
        pytest.param(("good.pdparams", CHECKPOINT), "can't be unpacked", id="the same name twice"),
    ],
)
def test_hostile_archives(
    server: Server, cache: Path, member: tuple[str | tarfile.TarInfo, bytes], message: str
) -> None:
    server.content["/det.tar"] = tar(("good.pdparams", CHECKPOINT), member)
    found = refused(server, cache, "det.tar")
    assert message in found
    assert not (cache.parent / "evil.pdparams").exists()


def test_compressed_archives_are_refused(server: Server, cache: Path) -> None:
    server.content["/det.tar"] = tar(("good.pdparams", CHECKPOINT), mode="w:gz")
    assert "is a gzip archive; unpack it first" in refused(server, cache, "det.tar")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="no name"),
        pytest.param("..", id="a folder's name"),
        pytest.param("%2e%2e%2f%2e%2e%2fevil.pdparams", id="a path in disguise"),
        pytest.param("..%5cevil.pdparams", id="a Windows path in disguise"),
    ],
)
def test_names_in_urls_lead_nowhere(server: Server, cache: Path, name: str) -> None:
    server.content[ANY_PATH] = CHECKPOINT
    source = open_source(f"{server.address}/{name}", cache=cache)
    assert source.path.parent.parent == cache


def test_many_fetch_at_the_same_time(server: Server, cache: Path) -> None:
    """As the processes of a distributed run do."""
    server.content["/det.pdparams"] = CHECKPOINT
    url = f"{server.address}/det.pdparams"
    found: list[Path] = []
    barrier = threading.Barrier(4)

    def both_check(folder: Path) -> None:
        barrier.wait(timeout=30)

    threads = [
        threading.Thread(target=lambda: found.append(fetch(url, both_check, cache=cache)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert [path.name for path in files_in(found[0])] == ["det.pdparams"]
    assert files_in(cache) == [found[0]]


def test_a_cache_that_can_not_be_written(server: Server, tmp_path: Path) -> None:
    server.content["/det.pdparams"] = CHECKPOINT
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match="no folder for downloads"):
        open_source(f"{server.address}/det.pdparams", cache=tmp_path / "file" / "cache")


def test_a_url_that_is_none(cache: Path) -> None:
    with pytest.raises(WeightsError, match="is no URL: Invalid IPv6 URL"):
        open_source("http://[x/det.pdparams", cache=cache)

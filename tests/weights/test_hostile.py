"""Hostile, damaged and foreign files: nothing in them runs, and the error says what they are."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights import read_weights, write_weights
from ppocr_ft.weights.inference import decode_tensors, parse_pdmodel, parse_pir
from tests.support.weights_reference import FOLDER, STATE
from tests.weights.test_inference import PROGRAM as PDMODEL

REFUSED = "which could run code; nothing of it was run"


class Call:
    """Pickled as a call of anything."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.reduced


def touch(path: Path) -> str:
    return f"__import__('pathlib').Path({str(path)!r}).touch()"


def objects(call: Call) -> np.ndarray:
    array = np.empty(1, object)
    array[0] = call
    return array


def set_state(path: Path) -> bytes:
    """An object that gets ``os.system`` for its ``__setstate__``, then a state."""
    command = f"touch {path}".encode()
    raw = b"\x80\x02cargparse\nNamespace\n)\x81}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb"
    return raw + b"X" + struct.pack("<I", len(command)) + command + b"b."


LIVE: dict[str, Callable[[Path], object]] = {
    "os.system": lambda path: {"w": Call(os.system, f"touch {path}")},
    "eval": lambda path: {"w": Call(builtins.eval, touch(path))},
    "exec": lambda path: {"w": Call(builtins.exec, touch(path))},
    "subprocess": lambda path: {"w": Call(subprocess.call, ["touch", str(path)])},
    "open": lambda path: {"w": Call(builtins.open, str(path), "w")},
    "the whole file": lambda path: Call(builtins.eval, touch(path)),
    "a key": lambda path: {Call(builtins.eval, touch(path)): np.zeros(1)},
    "in a tuple": lambda path: {"w": ("w", (np.zeros(1), [Call(builtins.eval, touch(path))]))},
    "in an array of objects": lambda path: {"w": objects(Call(builtins.eval, touch(path)))},
    "arrays of objects in each other": lambda path: {
        "w": objects(objects(Call(builtins.eval, touch(path))))  # type: ignore[arg-type]
    },
    "setting a state": set_state,
    "after good tensors": lambda path: {**STATE, "w": Call(builtins.eval, touch(path))},
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("how", LIVE)
def test_nothing_is_executed(tmp_path: Path, how: str, protocol: int) -> None:
    marker, path = tmp_path / "ran", tmp_path / "state.pdparams"
    content = LIVE[how](marker)
    data = content if isinstance(content, bytes) else pickle.dumps(content, protocol=protocol)
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=REFUSED) as caught:
        read_weights(path)
    assert not marker.exists()
    assert caught.value.path == str(path)
    with suppress(TypeError):  # what runs may return a wrong key
        pickle.loads(data)
    assert marker.exists(), "the file is not hostile: this test could not fail"


RAW = {
    "a class made by opcode": (b"\x80\x02(cos\nsystem\n(S'true'\nos.", "os.system"),
    "INST": (b"\x80\x02(S'true'\nios\nsystem\n.", "instruction STRING"),
    "NEWOBJ": (b"\x80\x02cos\nsystem\n)\x81.", "os.system"),
    "NEWOBJ of an allowed class": (b"\x80\x02cnumpy\nndarray\n)\x81.", "instruction NEWOBJ"),
    "persistent id": (b"\x80\x02K\x01Q.", "instruction BINPERSID"),
    "extension registry": (b"\x80\x02\x82\x01.", "instruction EXT1"),
    "dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x0bf2py.os.nic\x93.", "numpy.f2py.os.nic"),
    "ndarray called": (
        b"\x80\x02cnumpy\nndarray\nK\x08\x85\x85R.",
        "arguments that aren't its own",
    ),
    "dtype of objects": (b"\x80\x02cnumpy\ndtype\n]\x85R.", "arguments that aren't its own"),
    "attributes of a dict": (b"\x80\x02}}b.", "without its type, shape or elements"),
    "a number called": (b"\x80\x02K\x01)R.", "calls what can't be called"),
    "a name as a value": (b"\x80\x02}\x8c\x01wcnumpy\nndarray\ns.", "w: is a Symbol, not a tensor"),
    "PyTorch": (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n.", "PyTorch"),
    "takes more than it has": (b"\x80\x02s.", "takes more than it has"),
    "takes a mark": (b"\x80\x02}(s.", "takes more than it has"),
    "no mark": (b"\x80\x02}u.", "misses a mark"),
    "items of a number": (b"\x80\x02K\x01(u.", "no dict where its items follow"),
    "key without value": (b"\x80\x02}(\x8c\x01wu.", "a key without a value"),
    "recalls nothing": (b"\x80\x02h\x07.", "recalls what it never held"),
    "two values": (b"\x80\x02K\x01K\x01.", "leaves values behind"),
    "no value": (b"\x80\x02.", "takes more than it has"),
    "half a number": (b"\x80\x04\x8a\x08abc", "damaged or cut off"),
    "unknown instruction": (b"\x80\x04\xff.", "damaged or cut off"),
}


@pytest.mark.parametrize("how", RAW)
def test_instructions_that_weights_do_not_need(tmp_path: Path, how: str) -> None:
    data, message = RAW[how]
    path = tmp_path / "state.pdparams"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=message):
        read_weights(path)


def array_pickle(shape: bytes, data: bytes, count: int) -> bytes:
    """``count`` arrays that share their elements."""
    raw = b"\x80\x04}\x94(\x8c\x01dB" + struct.pack("<I", len(data)) + data + b"\x94"
    for index in range(count):
        raw += b"\x8c\x07w%06dcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00" % index
        raw += b"\x85C\x01b\x87R(K\x01" + shape + b"cnumpy\ndtype\n\x8c\x02f4\x89\x88\x87R"
        raw += b"(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89h\x01tb"
    return raw + b"u."


BOMBS = {
    "a memo of 64 GB": (b"\x80\x04Nr\xff\xff\xff\xff.", "holds a NoneType"),
    "a key that hashes for ever": (
        b"\x80\x04})" + b"q\x00h\x00\x86" * 60 + b"Ns.",
        "key of type tuple",
    ),
    "a key that overflows the stack": (
        b"\x80\x04})" + b"\x85" * 1_000_000 + b"Ns.",
        "key of type tuple",
    ),
    "2 GB of bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**31) + b"x.", "cut off"),
    "2**62 bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.", "cut off"),
    "2**62 bytes of bytearray": (b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"x.", "cut off"),
    "2 GB of text": (b"\x80\x04X" + struct.pack("<I", 2**31) + b"x.", "cut off"),
    "a frame of 2**62 bytes": (b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.", "NoneType"),
    "a list that holds itself": (b"\x80\x02]q\x00h\x00a.", "holds a list"),
    "more shape than elements": (
        array_pickle(b"J\xff\xff\xff\x7f\x85", b"abcd", 1),
        "needs 8589934588 bytes and has 4",
    ),
    "a shape of 2**64": (
        array_pickle(b"\x8a\x09" + b"\0" * 8 + b"\x01\x85", b"", 1),
        "shape is damaged",
    ),
    "many arrays of the same bytes": (
        array_pickle(b"M\x00\x10\x85", bytes(4 * 4096), 500),
        "unpacks to more than its own size",
    ),
}
DEFUSE = """
import resource, sys
from pathlib import Path
from ppocr_ft.errors import WeightsError
from ppocr_ft.weights import read_weights

resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
for path in sorted(Path(sys.argv[1]).iterdir()):
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read_weights(path)
    except WeightsError as error:
        used_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
        print(path.name, used_kb, error.message, sep="|", flush=True)
"""


@pytest.fixture(scope="module")
def defused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Bomb -> memory used in KB and message, found in a process that may break."""
    folder = tmp_path_factory.mktemp("bombs")
    for how, (data, _) in BOMBS.items():
        (folder / how).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", DEFUSE, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return {name: rest for name, *rest in (line.split("|") for line in done.stdout.splitlines())}


@pytest.mark.parametrize("how", BOMBS)
def test_bombs_do_not_go_off(defused: dict[str, list[str]], how: str) -> None:
    used_kb, message = defused[how]
    assert BOMBS[how][1] in message
    assert int(used_kb) < 200_000


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    return buffer.getvalue()


FOREIGN = {
    "empty": (b"", "is empty"),
    "PyTorch": (zip_file(), "is a zip archive, such as a PyTorch checkpoint"),
    "gzip": (b"\x1f\x8b\x08\0\0\0", "is a gzip archive; unpack it first"),
    "tar": (b"model/".ljust(257, b"\0") + b"ustar\x0000", "is a tar archive; unpack it"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
    "ONNX": (b"\x08\x07\x12\x07pytorch\x1a\x051.8.1\x80\xff", "is an ONNX model"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "is a picture"),
    "web page": (b"\n<!DOCTYPE html><html><title>404", "is a web page, so a download went wrong"),
    "error in XML": (b"<?xml version='1.0'?><Error>NoSuchKey", "is a web page"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256", "is a Git LFS pointer"),
    "text": (b"Global:\n  use_gpu: true\n", "is a text file that begins with 'Global: use_gpu"),
    "text in Chinese": (("x" + "权重" * 200).encode(), "is a text file that begins with 'x权重"),
    "noise": (bytes(range(255, 100, -1)), "is of no known format"),
    "zeros": (bytes(4096), "is of no known format"),
    "the oldest pickle": (pickle.dumps({"w": 1}, protocol=0), "is a text file"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_foreign_files_are_named(tmp_path: Path, what: str) -> None:
    data, message = FOREIGN[what]
    path = tmp_path / "state.pdparams"
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    assert message in str(caught.value)
    assert ".pdparams or .safetensors would be right" in str(caught.value)
    assert caught.value.path == str(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("nothing.pdparams", "nothing.pdparams: does not exist", id="missing"),
        pytest.param("folder", "folder: is a folder; a file is needed", id="folder"),
        pytest.param("pipe", "pipe: is a device or pipe; a file is needed", id="pipe"),
        pytest.param(
            "model.pdiparams",
            "the tensors of an inference model; name its folder",
            id="tensors of an inference model",
        ),
        pytest.param(
            "model.json",
            "the program of an inference model; name its folder",
            id="program of an inference model",
        ),
    ],
)
def test_what_is_no_weights_file(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for suffix in (".json", ".pdiparams"):
        data = (FOLDER / "paddle-3.0.0" / f"inference{suffix}").read_bytes()
        (tmp_path / f"model{suffix}").write_bytes(data)
    with pytest.raises(WeightsError, match=message):
        read_weights(tmp_path / name)


REAL = {
    "protocol 2": (FOLDER / "paddle-2.6.2-protocol2.pdparams").read_bytes(),
    "protocol 4": (FOLDER / "paddle-2.6.2-protocol4.pdparams").read_bytes(),
    "tensors": (FOLDER / "paddle-3.0.0" / "inference.pdiparams").read_bytes(),
    "program": (FOLDER / "paddle-3.0.0" / "inference.json").read_bytes(),
    "old program": PDMODEL,
}
READERS: dict[str, Callable[[bytes], object]] = {
    "tensors": decode_tensors,
    "program": parse_pir,
    "old program": parse_pdmodel,
}
QUIET = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def only_weights_error(read: Callable[[], object]) -> bool:
    """Whether ``read`` was refused; anything but WeightsError comes through."""
    try:
        read()
    except WeightsError:
        return True
    return False


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "state.pdparams"
    write_weights(path.with_suffix(".safetensors"), STATE)
    REAL["safetensors"] = path.with_suffix(".safetensors").read_bytes()
    return path


def read_as(kind: str, data: bytes, scratch: Path) -> object:
    if kind in READERS:
        return READERS[kind](data)
    scratch.write_bytes(data)
    return read_weights(scratch)


@QUIET
@given(
    kind=st.sampled_from(["weights", *READERS]),
    start=st.sampled_from([b"", b"\x80\x02", b"\x80\x04}", b"\x80\x04}(", b'\x20\0\0\0\0\0\0\0{"']),
    data=st.binary(max_size=400),
)
def test_random_bytes_are_refused(scratch: Path, kind: str, start: bytes, data: bytes) -> None:
    only_weights_error(lambda: read_as(kind, start + data, scratch))


@QUIET
@given(data=st.data(), kind=st.sampled_from([*REAL, "safetensors"]))
def test_cut_off_files_are_refused(scratch: Path, data: st.DataObject, kind: str) -> None:
    whole = REAL[kind]
    length = data.draw(st.integers(0, len(whole) - 1))
    refused = only_weights_error(lambda: read_as(kind, whole[:length], scratch))
    assert refused or (kind == "tensors" and length)  # it may end between two tensors


@QUIET
@given(data=st.data(), kind=st.sampled_from([*REAL, "safetensors"]))
def test_damaged_files_are_refused_or_read(scratch: Path, data: st.DataObject, kind: str) -> None:
    damaged = bytearray(REAL[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    only_weights_error(lambda: read_as(kind, bytes(damaged), scratch))

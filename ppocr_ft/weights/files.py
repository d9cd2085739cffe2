"""Weights files: recognised by content when read, by suffix when written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from ppocr_ft.errors import WeightsError, WriteError
from ppocr_ft.utils.files import write_whole
from ppocr_ft.weights.arrays import BFLOAT16, ELEMENT_TYPES, Array, State, at_path, decode
from ppocr_ft.weights.pdparams import MAGIC, decode_pdparams, encode_pdparams

SUFFIXES = (".pdparams", ".safetensors")
ONNX = ".onnx"
_ELEMENTS = {
    **{"BOOL": "b1", "I8": "i1", "U8": "u1", "I16": "i2", "U16": "u2", "I32": "i4", "U32": "u4"},
    **{"I64": "i8", "U64": "u8", "F16": "f2", "F32": "f4", "F64": "f8", "BF16": BFLOAT16},
}

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", "a zip archive, such as a PyTorch checkpoint"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it first"),
    (257, b"ustar", "a tar archive; unpack it and name what is in it"),
    (0, b"\x89HDF", "an HDF5 file (Keras, TensorFlow)"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"version https://git-lfs", "a Git LFS pointer to a file that was not fetched"),
)
_SHAPES: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (
        lambda data: data[:16] == bytes(16) and data[20:21] == b"\x08",
        "the tensors of an inference model; name its folder, which has the program too",
    ),
    (
        lambda data: data[:1] == b"\x0a" and b"\x08\x00\x10" in data[:8],
        "the program of an inference model; name its folder, which has the tensors too",
    ),
    (
        lambda data: data[:1] == b"\x08" and data[2:3] == b"\x12",
        "an ONNX model, whose name must end in .onnx",
    ),
)
_WEB_PAGES = ("<!doctype", "<html", "<?xml", "<head")
_TEXT_SHOWN = 60  # characters of a text file's beginning


def read_weights(path: str | Path) -> State:
    """Return key -> array of a ``.pdparams`` or ``.safetensors`` file; no code in it is run.

    Reads what ``paddle.save`` of Paddle 2.0 to 3.3 writes from a state dict, in pickle protocols
    2 to 5. bfloat16 becomes float32. Arrays may be read-only. Raises WeightsError, with path and
    key, for a file that is missing, empty, cut off, hostile or of another kind.
    """
    path = Path(path)
    data = read_bytes(path)
    with at_path(path):
        if data.startswith(MAGIC):
            return decode_pdparams(data)
        if looks_like_safetensors(data):
            return decode_safetensors(data)
        raise WeightsError(f"is {_describe(data)}; {' or '.join(SUFFIXES)} would be right")


def read_bytes(path: Path) -> bytes:
    """Return a file's content. Raises WeightsError if there is no readable file."""
    if path.is_dir():
        raise WeightsError("is a folder; a file is needed", path=path)
    if path.exists() and not path.is_file():
        raise WeightsError("is a device or pipe; a file is needed", path=path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise WeightsError("does not exist", path=path) from None
    except OSError as error:
        raise WeightsError(f"can't be read: {error.strerror}", path=path) from None


def write_weights(path: str | Path, state: Mapping[str, Array]) -> None:
    """Write a ``.pdparams`` file for Paddle and PaddleOCR, or a ``.safetensors`` file.

    A temporary file is written and renamed when it is complete; missing folders are made. Raises
    WeightsError for another suffix or an array that isn't numbers, WriteError if it can't be
    written.
    """
    path = Path(path)
    with at_path(path):
        if path.suffix not in SUFFIXES:
            raise WeightsError(f"must end in {' or '.join(SUFFIXES)}")
        is_pdparams = path.suffix == SUFFIXES[0]
        data = encode_pdparams(state) if is_pdparams else encode_safetensors(state)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        except OSError as error:
            raise WriteError(f"can't be written: {error.strerror}") from error


def looks_like_safetensors(data: bytes) -> bool:
    """Return whether the bytes begin with a length, then a JSON header."""
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") < 2**32


def decode_safetensors(data: bytes) -> State:
    """Return the tensors of a ``.safetensors`` file's bytes; bfloat16 becomes float32.

    Raises WeightsError, naming the key.
    """
    try:
        entries = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise WeightsError(f"is a damaged or cut off safetensors file: {error}") from None
    if not entries:
        raise WeightsError("holds no tensors")
    return {key: _decoded(key, entry) for key, entry in entries}


def _decoded(key: str, entry: dict[str, object]) -> Array:
    name, shape, data = str(entry["dtype"]), entry["shape"], entry["data"]
    assert isinstance(shape, list)
    assert isinstance(data, (bytes, bytearray))
    try:
        return decode(data, _ELEMENTS.get(name, name), shape)
    except WeightsError as error:
        raise WeightsError(error.message, key=key) from None


def encode_safetensors(state: Mapping[str, Array]) -> bytes:
    """Return the bytes of a ``.safetensors`` file."""
    arrays = {key: np.asarray(value, order="C") for key, value in state.items()}
    for key, array in arrays.items():
        if array.dtype.str[1:] not in ELEMENT_TYPES:
            raise WeightsError(f"has elements of type {array.dtype}, not numbers", key=key)
    return safetensors.numpy.save(arrays)


def _describe(data: bytes) -> str:
    """Return what a file that isn't weights is, told from its first bytes, to follow "is"."""
    if not data:
        return "empty"
    for offset, signature, meaning in _SIGNATURES:
        if data[offset : offset + len(signature)] == signature:
            return meaning
    text = _as_text(data[:512])
    if text is not None:
        return _describe_text(text)
    for looks_right, meaning in _SHAPES:
        if looks_right(data):
            return meaning
    return "of no known format"


def _as_text(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(data) - 4:  # else it is only cut inside a character
            return None
        text = data[: error.start].decode("utf-8")
    is_readable = all(character.isprintable() or character.isspace() for character in text)
    return text if is_readable else None


def _describe_text(text: str) -> str:
    begin = " ".join(text.split())[:_TEXT_SHOWN]
    if begin.lower().startswith(_WEB_PAGES):
        return "a web page, so a download went wrong"
    if begin.startswith('{"base_code"'):
        return "the program of an inference model; name its folder, which has the tensors too"
    return f"a text file that begins with {begin!r}"

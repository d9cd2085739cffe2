"""Weights files by their path: told apart by content when read, by suffix when written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.arrays import Array, State, at_path
from ppocr_ft.weights.foreign import describe
from ppocr_ft.weights.pdparams import MAGIC, decode_pdparams, encode_pdparams
from ppocr_ft.weights.safetensors_file import (
    decode_safetensors,
    encode_safetensors,
    looks_like_safetensors,
)

SUFFIXES = (".pdparams", ".safetensors")


def read_weights(path: str | Path) -> State:
    """Key -> array of a ``.pdparams`` or ``.safetensors`` file; no code in it is ever run.

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
        raise WeightsError(f"is {describe(data)}; {' or '.join(SUFFIXES)} would be right")


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises WeightsError where there is no readable file."""
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

    The file is written beside its place and moved there when it is whole; missing folders are
    made. Raises WeightsError for another suffix, an array that isn't numbers, or a full disk.
    """
    path = Path(path)
    with at_path(path):
        if path.suffix not in SUFFIXES:
            raise WeightsError(f"must end in {' or '.join(SUFFIXES)}")
        is_pdparams = path.suffix == SUFFIXES[0]
        _write_whole(path, encode_pdparams(state) if is_pdparams else [encode_safetensors(state)])


def _write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise WeightsError(f"can't be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)

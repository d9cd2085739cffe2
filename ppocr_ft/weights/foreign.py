"""What a file is that isn't weights, told from its first bytes."""

from __future__ import annotations

from collections.abc import Callable

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
    (lambda data: data[:1] == b"\x08" and data[2:3] == b"\x12", "an ONNX model"),
)
_WEB_PAGES = ("<!doctype", "<html", "<?xml", "<head")
_TEXT_SHOWN = 60  # characters of a text file's beginning


def describe(data: bytes) -> str:
    """What the bytes of a file look like, as the end of the sentence "it is ..."."""
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

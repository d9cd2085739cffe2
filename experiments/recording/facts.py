"""What is kept of a file or of a command's output: values that must stay, and text that may not.

Left out is what the clock, the load and the folders decide: times, memory, absolute paths. Pictures
and pages are kept by name only.
"""

from __future__ import annotations

import csv
import hashlib
import json
import pickle
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

CLOCK_COLUMNS = frozenset(
    {"images_per_second", "reader_share", "memory_mb", "minutes", "ms_per_image"}
)
"""Columns of CSV files that no two runs share."""
CLOCK_VERDICTS = frozenset({"loader-bound", "memory-growing"})
"""Verdicts of verdicts.jsonl that the load of the machine decides."""
TEXT_KEYS = frozenset(
    {"message", "remedy", "reason", "effect", "sentence", "note", "source", "by_status"}
)
"""Keys of JSON objects whose values are wording."""
CODE_KEYS = frozenset({"code"})
"""Keys whose values stand for the program's own files."""
ENVIRONMENT = "environment.json"
"""Says what the record's own head says; only the names in it are kept."""
_FINGERPRINT = re.compile(r"(?<=[-/])[0-9a-f]{12}(?=[./\s]|$)")
_CLOCK_TEXT = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r"\d+:\d\d:\d\d"), "DURATION"),
    (re.compile(r"\d+(\.\d+)? (s|ms|min|MiB|minutes|images/s)\b"), r"N \2"),
    (re.compile(r"\(\d+(\.\d+)?%\)|reader \d+%"), "SHARE"),
    (re.compile(r"\b\d\.\d(?= \|)"), "N"),
)


@dataclass
class Facts:
    """Facts of one part: ``exact`` must be equal in a comparison, ``text`` should."""

    exact: dict[str, Any] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, value: Any) -> None:
        """Add a value read from JSON; its wording goes to the text."""
        wording: dict[str, Any] = {}
        self.exact[name] = _without_wording(value, "", wording)
        if wording:
            self.text[name] = "\n".join(f"{key}: {value}" for key, value in wording.items())

    def add_folder(self, name: str, folder: Path, tidy: Callable[[str], str]) -> None:
        """Add the names of all files below ``folder``, and what is in those that can be read."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        names = {path: without_fingerprint(path.relative_to(folder).as_posix()) for path in files}
        self.exact[f"{name}: files"] = sorted(names.values())
        for path in files:
            label = f"{name}/{names[path]}"
            if path.name == ENVIRONMENT:
                self.text[label] = "\n".join(sorted(json.loads(path.read_text(encoding="utf-8"))))
            elif path.suffix in READERS:
                self.add(label, READERS[path.suffix](path))
            elif path.suffix in TEXTS:
                self.text[label] = tidy(path.read_text(encoding="utf-8"))


def without_fingerprint(text: str) -> str:
    """Return the text with the hashes of configs replaced; they depend on the program's files."""
    return _FINGERPRINT.sub("FINGERPRINT", text)


def without_times(text: str) -> str:
    """Return the text with times, rates and shares of time replaced."""
    for pattern, name in _CLOCK_TEXT:
        text = pattern.sub(name, text)
    return text


def split_json_lines(text: str) -> tuple[list[Any], str]:
    """Return the objects of the lines that are JSON objects, and the other lines."""
    objects: list[Any] = []
    others: list[str] = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if isinstance(value, dict):
            objects.append(value)
        else:
            others.append(line)
    return objects, "\n".join(others)


def _without_wording(value: Any, place: str, wording: dict[str, Any]) -> Any:
    """Return ``value`` without wording, which is put into ``wording`` by its place in it."""
    if isinstance(value, Mapping):
        kept = {}
        for key, item in value.items():
            if key in TEXT_KEYS:
                wording[f"{place}.{key}"] = item
            elif key not in CODE_KEYS:
                kept[_without_root(str(key))] = _without_wording(item, f"{place}.{key}", wording)
        return kept
    if isinstance(value, (list, tuple)):
        return [_without_wording(item, f"{place}[{i}]", wording) for i, item in enumerate(value)]
    return _without_folder(value) if isinstance(value, str) else value


def _without_folder(text: str) -> str:
    """Return the last part of an absolute path, and any other string without fingerprints."""
    return Path(text).name if text.startswith("/") else without_fingerprint(text)


def _without_root(key: str) -> str:
    """Return the last two parts of an absolute path, and any other key as it is."""
    return "/".join(Path(key).parts[-2:]) if key.startswith("/") else key


def _csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {key: cell for key, cell in row.items() if key not in CLOCK_COLUMNS}
            for row in csv.DictReader(file)
        ]


def _json_lines(path: Path) -> list[Any]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row.get("name") not in CLOCK_VERDICTS]


def _json(path: Path) -> Any:
    if path.name == "inference.json":  # a program
        return digest(path.read_bytes())
    value = json.loads(path.read_text(encoding="utf-8"))
    if path.name == "adapted.json":
        value["message"] = value.pop("lines")
    return value


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _label_lines(path: Path) -> list[str]:
    """Return the lines of a label file, with the image's name in place of an absolute path."""
    lines = path.read_bytes().decode("utf-8", "backslashreplace").splitlines()
    parts = (line.partition("\t") for line in lines)
    return [f"{_without_folder(image)}{tab}{label}" for image, tab, label in parts]


def _weights(path: Path) -> dict[str, str]:
    """Return a digest of each tensor of a ``.pdparams`` file, which a run of ours has just made."""
    with path.open("rb") as file:
        arrays = pickle.load(file, encoding="latin1")
    return {name: array_digest(array) for name, array in arrays.items()}


def _state(path: Path) -> dict[str, Any]:
    """Return a digest of each tensor of a ``.pdstate`` file, a safetensors file, and its JSON."""
    tensors = dict(_safetensors(path.read_bytes()))
    return {
        name: json.loads(array.tobytes()) if array.dtype == np.uint8 else array_digest(array)
        for name, array in tensors.items()
    }


def _safetensors(data: bytes) -> Iterator[tuple[str, NDArray[Any]]]:
    types = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
    (length,) = struct.unpack("<Q", data[:8])
    start = 8 + length
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, last = (start + offset for offset in entry["data_offsets"])
            array = np.frombuffer(data[first:last], types[entry["dtype"]])
            yield name, array.reshape(entry["shape"])


def array_digest(array: NDArray[Any]) -> str:
    """Return the array's hash with its type, shape and mean, which say how large a change is."""
    array = np.ascontiguousarray(array)
    mean = array.mean(dtype=float) if array.size else 0.0
    return f"{digest(array.tobytes())} {array.dtype}{list(array.shape)} mean {mean:.9g}"


def digest(data: bytes) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def _file_digest(path: Path) -> str:
    return digest(path.read_bytes())


READERS: Mapping[str, Callable[[Path], Any]] = {
    ".csv": _csv_rows,
    ".jsonl": _json_lines,
    ".json": _json,
    ".yml": _yaml,
    ".txt": _label_lines,
    ".pdparams": _weights,
    ".pdstate": _state,
    ".pdiparams": _file_digest,
    ".onnx": _file_digest,
}
"""By suffix: what is kept of a file, to be equal. Not of ``.pdmodel``: it names the line of source
that made each operator."""
TEXTS: Sequence[str] = (".log", ".md")
"""Suffixes of files that are text."""

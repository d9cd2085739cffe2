"""A data set with one fault of each kind, at lines drawn from a seed, and what is to be found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ppocr_ft.commands.check.data import Source

Texts = list[dict[str, Any]]
UNDECIDED = frozenset({"image-unreadable", "image-truncated"})
"""A cut JPEG is one or the other, as the version of OpenCV has it."""


@dataclass
class DataSet:
    """``train`` and ``eval`` label lines (image, texts or bytes) in ``folder``."""

    folder: Path
    rng: np.random.Generator
    train: list[Any]
    eval: list[Any]
    expected: set[tuple[str, str, int | None]] = field(default_factory=set)
    free: list[int] = field(default_factory=list)

    @classmethod
    def copied(cls, source: Path, names: tuple[str, str], folder: Path, seed: int) -> DataSet:
        """The source's lines and images, for change."""
        splits = [
            [_read(line) for line in (source / n).read_text("utf-8").splitlines()] for n in names
        ]
        (folder / "images").mkdir(parents=True)
        for image, _ in splits[0] + splits[1]:
            shutil.copy(source / image, folder / image)
        rng = np.random.default_rng(seed)
        free = rng.permutation(len(splits[0])).tolist()
        return cls(folder, rng, *splits, free=free)

    def expect(self, rule: str, line: int | None, file: str = "train.txt") -> None:
        self.expected.add((rule, file, line))

    def line(self) -> tuple[int, str, Texts]:
        """A training line that nothing was done to yet: its index, image and texts."""
        index = self.free.pop()
        return (index, *self.train[index])

    def size(self, image: str) -> tuple[int, int]:
        with Image.open(self.folder / image) as opened:
            return opened.size

    def write(self) -> tuple[list[Source], list[Source]]:
        for name, lines in (("train.txt", self.train), ("val.txt", self.eval)):
            content = b"".join(_line(line) + b"\n" for line in lines)
            bom = b"\xef\xbb\xbf" if ("label-bom", name, None) in self.expected else b""
            (self.folder / name).write_bytes(bom + content)
        (self.folder / "empty.txt").write_bytes(b"\n  \n")
        names = ["train.txt", *(["empty.txt"] if self.expects("label-empty") else [])]
        return [Source(self.folder / n, self.folder) for n in names], [
            Source(self.folder / "val.txt", self.folder)
        ]

    def expects(self, rule: str) -> bool:
        return any(found[0] == rule for found in self.expected)


def _read(line: str) -> tuple[str, Texts]:
    image, label = line.split("\t", 1)
    return image, json.loads(label)


def _line(line: bytes | tuple[str, Texts]) -> bytes:
    if isinstance(line, bytes):
        return line
    return f"{line[0]}\t{json.dumps(line[1], ensure_ascii=False)}".encode()


Change = Callable[[np.ndarray, tuple[int, int]], Any]


def _polygon_fault(rule: str, change: Change) -> Callable[[DataSet], None]:
    """A fault of one text's points."""

    def corrupt(data: DataSet) -> None:
        index, image, texts = data.line()
        wide = [t for t in texts if t["transcription"] != "###" and _extent(t).min() >= 6]
        text = wide[int(data.rng.integers(len(wide)))]
        changed = change(np.array(text["points"], float), data.size(image))
        text["points"] = changed.tolist() if isinstance(changed, np.ndarray) else changed
        data.expect(rule, index + 1)

    return corrupt


def _extent(text: dict[str, Any]) -> np.ndarray:
    return np.ptp(np.array(text["points"], float), axis=0)


def _spiked(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A curved outline whose lower edge pokes through the upper one, whatever the order."""
    (x, y), (w, h) = points.min(axis=0), np.ptp(points, axis=0)
    shape = [[0, 0], [1, 0], [1, 1], [0.6, 1], [0.6, 0], [0.5, -0.0], [0.5, 1], [0, 1]]
    shape[4][1], shape[5][1] = -0.0, -0.0
    outline = np.array(shape) * (w, h) + (x, y)
    outline[0:2, 1] += h / 3  # the upper edge is lower than the spike
    return outline


def _half_out(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    middle = points[:, 0].min() + np.ptp(points[:, 0]) / 2
    return points + np.array([size[0] - middle + 1, 0])


def _with_item(rule: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[DataSet], None]:
    """A fault of one text that is not in the values of its points."""

    def corrupt(data: DataSet) -> None:
        index, _, texts = data.line()
        place = int(data.rng.integers(len(texts)))
        texts[place] = change(texts[place])
        data.expect(rule, index + 1)

    return corrupt


def _raw(rule: str, change: Callable[[bytes], bytes]) -> Callable[[DataSet], None]:
    """A fault of the line as such."""

    def corrupt(data: DataSet) -> None:
        index, image, texts = data.line()
        data.train[index] = change(_line((image, texts)))
        data.expect(rule, index + 1)

    return corrupt


def _image(rule: str, change: Callable[[Path], None]) -> Callable[[DataSet], None]:
    """A fault of the image file; the labels stay."""

    def corrupt(data: DataSet) -> None:
        index, image, _ = data.line()
        change(data.folder / image)
        data.expect(rule, index + 1)

    return corrupt


def _turn_by_exif(path: Path) -> None:
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(path, exif=exif, quality=90)


def _tiny(data: DataSet) -> None:
    index, image, _ = data.line()
    noise = data.rng.integers(0, 255, (20, 300, 3)).astype(np.uint8)
    cv2.imwrite(str(data.folder / image), noise)
    data.train[index] = (image, [])
    data.expect("image-size", index + 1)


def _repeat_polygon(data: DataSet) -> None:
    index, _, texts = data.line()
    text = texts[int(data.rng.integers(len(texts)))]
    texts.append({**text, "points": text["points"][1:] + text["points"][:1]})
    data.expect("polygon-duplicate", index + 1)


def _repeat_line(data: DataSet) -> None:
    _, image, texts = data.line()
    data.train.append((f"./{image}", texts))
    data.expect("image-duplicate", len(data.train))


def _copy_image(data: DataSet) -> None:
    _, image, texts = data.line()
    shutil.copy(data.folder / image, data.folder / "images" / "copy.jpg")
    data.train.append(("images/copy.jpg", texts))
    data.expect("image-duplicate", len(data.train))


def _leak_same(data: DataSet) -> None:
    _, image, texts = data.line()
    data.eval.append((image, texts))
    data.expect("leak", len(data.eval), "val.txt")


def _leak_encoded(data: DataSet) -> None:
    _, image, texts = data.line()
    scale = float(data.rng.uniform(0.45, 0.9))
    pixels = cv2.imread(str(data.folder / image))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    target = str(data.folder / "images" / "encoded.jpg")
    cv2.imwrite(target, small, [cv2.IMWRITE_JPEG_QUALITY, int(data.rng.integers(40, 90))])
    last = np.array(small.shape[1::-1]) - 1
    scaled = [np.minimum(np.array(t["points"]) * scale, last).tolist() for t in texts]
    texts = [{**t, "points": points} for t, points in zip(texts, scaled, strict=True)]
    data.eval.append(("images/encoded.jpg", texts))
    data.expect("leak", len(data.eval), "val.txt")


CORRUPTIONS: dict[str, Callable[[DataSet], None]] = {
    "no image there": _raw("image-missing", lambda raw: raw.replace(b".jpg", b"_.jpg", 1)),
    "an empty image": _image("image-unreadable", lambda path: path.write_bytes(b"") and None),
    "a text named .jpg": _image("image-unreadable", lambda path: path.write_text("no") and None),
    "a cut JPEG": _image(
        "image-unreadable",
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5]) and None,
    ),
    "turned by EXIF": _image("image-exif", _turn_by_exif),
    "a tiny image": _tiny,
    "no JSON": _raw("label-json", lambda raw: raw[:-5]),
    "JSON, but no list": _raw("label-json", lambda raw: raw.split(b"\t")[0] + b'\t{"a": 1}'),
    "a blank for a delimiter": _raw("label-delimiter", lambda raw: raw.replace(b"\t", b" ", 1)),
    "GBK": _raw("label-encoding", lambda raw: raw.replace(b': "', b': "\xb5\xe7', 1)),
    "no path": _raw("label-path", lambda raw: raw[raw.index(b"\t") :]),
    "a BOM further down": _raw("label-bom", lambda raw: b"\xef\xbb\xbf" + raw),
    "a BOM": lambda data: data.expect("label-bom", None),
    "an empty label file": lambda data: data.expect("label-empty", None, "empty.txt"),
    "a text of 2 points": _polygon_fault("points-few", lambda p, _: p[:2]),
    "not a number": _polygon_fault("points-number", lambda p, _: np.where(p == p[0, 0], np.nan, p)),
    "far away": _polygon_fault("points-number", lambda p, _: p + 1e7),
    "words for numbers": _polygon_fault("points-format", lambda p, _: [["a", "b"]] * 4),
    "three numbers a point": _polygon_fault("points-format", lambda p, _: np.c_[p, p[:, 0]]),
    "anticlockwise": _polygon_fault("points-order", lambda p, _: p[::-1]),
    "bow tie": _polygon_fault("points-order", lambda p, _: p[[0, 2, 1, 3]]),
    "Z order": _polygon_fault("points-order", lambda p, _: p[[0, 1, 3, 2]]),
    "crossing": _polygon_fault("polygon-crossing", _spiked),
    "no area": _polygon_fault("polygon-empty", lambda p, _: p[[0, 1, 1, 0]]),
    "half outside": _polygon_fault("polygon-outside", _half_out),
    "outside": _polygon_fault("polygon-outside", lambda p, size: p - (0, size[1] + 50)),
    "the same polygon twice": _repeat_polygon,
    "no transcription": _with_item("text-key", lambda t: {"points": t["points"]}),
    "no points": _with_item("text-key", lambda t: {"transcription": t["transcription"]}),
    "null for a transcription": _with_item(
        "text-transcription", lambda t: {**t, "transcription": None}
    ),
    "a string for a text": _with_item("text-item", lambda t: t["transcription"]),
    "the same image twice": _repeat_line,
    "the same image, copied": _copy_image,
    "train image in the evaluation": _leak_same,
    "train image in the evaluation, re-encoded": _leak_encoded,
}
"""By name; each uses up at most one of the training lines."""


def corrupt_all(data: DataSet) -> None:
    """One fault of each kind, in an order of the seed."""
    names = list(CORRUPTIONS)
    for place in data.rng.permutation(len(names)):
        CORRUPTIONS[names[place]](data)

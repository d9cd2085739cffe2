"""Labels and images beyond all bounds: named, refused or left out, in little memory.

The commands run as processes of their own, whose peak of memory the system measures.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from ppocr_ft import limits
from ppocr_ft.data.labels import read_bytes, read_label_file
from ppocr_ft.errors import DataError
from ppocr_ft.transforms.image_ops import decode_color
from ppocr_ft.transforms.image_size import check_size, claimed_size
from ppocr_ft.transforms.labels import parse_texts
from tests.support import ROOT
from tests.support.pictures import text
from tests.support.processes import environment
from tests.support.small_run import small_config, starting_weights

PEAK_MIB = 1500
"""A process with Paddle takes half of it; decoded, the least of the bombs takes 3 GiB."""
PICTURE = np.full((64, 64, 3), 200, np.uint8)
FORMS = [".jpg", ".png", ".bmp", ".tiff", ".jp2", ".gif"]


def encoded(form: str, picture: np.ndarray = PICTURE) -> bytes:
    return cv2.imencode(form, picture)[1].tobytes()


def jpeg_of(width: int, height: int, *, progressive: bool = False) -> bytes:
    """A JPEG of 64 x 64 px whose header claims another size."""
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    data = bytearray(cv2.imencode(".jpg", PICTURE, options)[1].tobytes())
    at = data.find(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(side: int) -> bytes:
    """A grey PNG that is whole: a thousandth of the size of its pixels."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros, total = bytes(2**20), side * (side + 1)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(total % 2**20)) + packer.flush()
    sums = struct.pack(">HH", total % 65521, 1)  # Adler-32 of zeros
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = b"\x78\xda" + block * (total // 2**20) + rest + sums
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def tiff_of(side: int) -> bytes:
    tags = (256, 257, 258, 259, 262, 273, 277, 278, 279)
    values = (side, side, 8, 1, 1, 8, 1, side, 64)
    entries = (struct.pack("<HHII", tag, 4, 1, v) for tag, v in zip(tags, values, strict=True))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(entries) + bytes(68)


def gif_of(side: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", side, side) + encoded(".gif")[10:]


def webp_of(side: int) -> bytes:
    sides = 2 * (side - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sides + encoded(".webp")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


BOMBS: dict[str, Callable[[], bytes]] = {
    "largest.jpg": lambda: jpeg_of(65500, 65500),
    "progressive.jpg": lambda: jpeg_of(32767, 32767, progressive=True),
    "few_bytes.jpg": lambda: jpeg_of(16384, 16384, progressive=True),
    "zeros.png": lambda: png_of(32767),
    "picture.tiff": lambda: tiff_of(32767),
    "moving.gif": lambda: gif_of(32767),
    "canvas.webp": lambda: webp_of(32767),
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_image_that_claims_too_much_is_refused_by_its_header(name: str) -> None:
    with pytest.raises(DataError, match=rf"^{name}: can't be used: it claims \d\d,"):
        decode_color(BOMBS[name](), name)


@pytest.mark.parametrize("form", FORMS)
def test_sizes_are_read_of_headers(form: str) -> None:
    picture = np.zeros((37, 53, 3), np.uint8)
    content = encoded(form, picture)
    assert claimed_size(content) == (53, 37)
    for end in range(len(content)):
        claimed_size(content[:end])


def test_sizes_of_real_images(tmp_path: Path) -> None:
    from ppocr_ft.data.sample_set import SAMPLE

    for path in sorted((SAMPLE.data_dir / "images").iterdir()):
        content = path.read_bytes()
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        assert claimed_size(content) == picture.shape[1::-1]
        check_size(content, None)


def test_what_is_allowed_is_allowed() -> None:
    """A scan of 200 megapixels, plain white, at most 8 bytes a block."""
    check_size(jpeg_of(16384, 12208) + bytes(16384 * 12208 // 512), None)
    texts = parse_texts(json.dumps([text("a", 1, 2)] * limits.MOST_TEXTS))
    assert len(texts) == limits.MOST_TEXTS
    points = [[i, i % 7] for i in range(limits.MOST_POINTS)]
    assert len(parse_texts(json.dumps([{"transcription": "a", "points": points}]))) == 1


def test_a_png_that_can_not_hold_its_pixels_is_refused() -> None:
    white = encoded(".png", np.full((4000, 4000), 255, np.uint8))
    check_size(white, None)
    claims = white[:16] + struct.pack(">II", 16000, 16000) + white[24:200]
    with pytest.raises(DataError, match=r"claims 16,000 x 16,000 pixels, and has 200 bytes"):
        check_size(claims, None)
    long = white[:33] + struct.pack(">I", 2**31) + white[37:]
    with pytest.raises(DataError, match="it is a damaged PNG"):
        check_size(long, None)


def test_a_label_file_is_not_read_beyond_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "label.txt"
    with path.open("wb") as file:
        file.truncate(limits.MOST_LABEL_FILE_BYTES + 1)  # a hole: no disk is needed
    with pytest.raises(OSError, match="it has 1,073,741,825 bytes, and at most 1,073,741,824"):
        read_bytes(path)
    with pytest.raises(DataError, match="can't be read: it has 1,073,741,825 bytes"):
        read_label_file(path, tmp_path)


def test_the_page_has_the_limits() -> None:
    page = (ROOT / "docs" / "check_data.md").read_text(encoding="utf-8")
    section = page.partition("## Limits")[2]
    for name, value in vars(limits).items():
        if name.startswith("MOST_"):
            assert f"{value:,}" in section, name


class Ran(NamedTuple):
    code: int
    said: str
    peak_mib: float


MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=file)
sys.exit(code)
"""
"""The peak of a process begins with that of the one which starts it; this one is small."""


def ran(folder: Path, *arguments: str) -> Ran:
    """Run a command to its end, and measure it."""
    peak = folder / "peak.txt"
    command = [sys.executable, "-m", "ppocr_ft", *arguments]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, peak, *command],
        env=environment(),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return Ran(done.returncode, done.stdout, int(peak.read_text()) / 1024)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of which 3 images are good, with a config and weights."""
    folder = tmp_path_factory.mktemp("hostile")
    starting_weights(folder)
    small_config(folder, images=3)
    for name in ("more", "labelled"):
        (folder / name).mkdir()
    (folder / "more" / "good.png").write_bytes((folder / "1.png").read_bytes())
    good = [text("a", 20, 15)]
    lines: list[bytes] = (folder / "label.txt").read_bytes().splitlines()
    for name, make in BOMBS.items():
        (folder / "more" / name).write_bytes(make())
        (folder / "labelled" / name).hardlink_to(folder / "more" / name)
        lines.append(f"labelled/{name}\t{json.dumps(good)}".encode())
    lines += [
        b"1.png\t" + json.dumps([text("a", 1, 2)] * 100_000).encode(),
        b'1.png\t[{"transcription": "a", "points": [' + b"[1,2]," * 999_999 + b"[3,4]]}]",
        b'1.png\t[{"transcription": "' + b"a" * 100 * 2**20 + b'", "points": []}]',
    ]
    (folder / "label.txt").write_bytes(b"\n".join(lines))
    return folder


LINES = ("the line has 10", "has 1,000,000 points", "the line has 104,857")
OPTIONS = ("-o", "Global.pretrained_model=start.pdparams", "Global.epoch_num=1")
MORE = (*OPTIONS, "--images", "more", "--out", "found")
COMMANDS = {
    "check": (2, ["-c", "c.yml", "--no-weights"], [*BOMBS, *LINES]),
    "train": (0, ["-c", "c.yml", *OPTIONS], ["10 bad samples:", *BOMBS, *LINES]),
    "predict": (2, ["-c", "c.yml", *MORE], [*BOMBS]),
    "rank": (2, ["-c", "c.yml", *MORE], [*BOMBS]),
    "convert": (2, ["label.txt", "--images", ".", "--out", "labels"], [*LINES]),
    "init": (2, ["label.txt"], [*LINES]),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_memory_is_bounded_and_each_is_named(hostile: Path, command: str) -> None:
    code, arguments, said = COMMANDS[command]
    done = ran(hostile, command, *arguments)
    assert done.code == code, done.said
    assert "Traceback" not in done.said
    unwrapped = " ".join(done.said.split())
    for part in said:
        assert part in unwrapped, done.said[-3000:]
    assert done.peak_mib < PEAK_MIB

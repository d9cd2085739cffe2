"""``latest.pdstate``: a run's state in one file, read without running anything in it.

The format is safetensors; a temporary file is written and renamed, so that network, optimizer
and progress always belong to the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ppocr_ft.errors import WeightsError, WriteError
from ppocr_ft.utils.files import write_whole
from ppocr_ft.weights.safetensors_file import (
    decode_safetensors,
    encode_safetensors,
    looks_like_safetensors,
)

STATE_FILE = "latest.pdstate"
LATEST_NAMES = ("latest", "latest.pdparams")


def write_state(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the state.

    Raises:
        WriteError: it can't be written; an earlier file is then still there.
    """
    try:
        write_whole(path, encode_safetensors(arrays))
    except OSError as error:
        raise WriteError(f"can't be written: {error.strerror}", path=path) from error


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """Read the state.

    Raises:
        WeightsError: there is no readable state.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise WeightsError("does not exist, so there is nothing to resume", path=path) from None
    except OSError as error:
        raise WeightsError(f"can't be read: {error.strerror}", path=path) from None
    if not looks_like_safetensors(data):
        raise WeightsError("is no state of a run; latest.pdstate would be", path=path)
    try:
        return dict(decode_safetensors(data))
    except WeightsError as error:
        raise WeightsError(error.message, path=path, key=error.key) from None


def state_path(where: str | Path) -> Path:
    """Return the state file of a run's folder, of its checkpoint ``latest``, or the file itself.

    Raises:
        WeightsError: there is no such path, or it has no state to continue from.
    """
    path = Path(where)
    if path.is_dir() and not (path / STATE_FILE).exists():
        raise WeightsError(f"holds no {STATE_FILE}, so there is no run to go on with", path=path)
    if path.is_dir():
        return path / STATE_FILE
    if path.name in (STATE_FILE, *LATEST_NAMES):
        return path.with_name(STATE_FILE)
    if path.suffix == Path(STATE_FILE).suffix:
        return path
    if not path.exists() and not path.with_name(f"{path.name}.pdparams").exists():
        raise WeightsError("does not exist; give the folder of a run", path=path)
    raise WeightsError(
        f"holds weights only; resume from the run's folder or its {STATE_FILE}, or start anew "
        "from these weights by Global.pretrained_model",
        path=path,
    )

"""Tar archives as PaddleOCR publishes them, unpacked without trusting their names."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath

from ppocr_ft.errors import WeightsError

WANTED = (".pdparams", ".safetensors", ".pdmodel", ".pdiparams", ".json", ".yml")


def is_tar(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(257)
        return file.read(5) == b"ustar"


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an uncompressed tar's weights, programs and configs (``WANTED``) into ``folder``.

    Their folders inside the archive are kept. Raises WeightsError for a damaged archive, and for
    one with a link, a device, a sparse file, or a name that leads out of the folder.
    """
    try:
        with tarfile.open(archive, "r:") as tar:
            members = [member for member in tar if _is_wanted(member, archive)]
            for member in members:
                _copy(tar, member, folder / member.name)
    except WeightsError:
        raise
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise WeightsError(f"can't be unpacked: {error}", path=archive) from error


def _is_wanted(member: tarfile.TarInfo, archive: Path) -> bool:
    if member.isdir():
        return False
    name = PurePosixPath(member.name)
    if not member.isreg() or member.issparse():
        raise WeightsError(f"holds {member.name!r}, which is no plain file", path=archive)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or ":" in member.name:
        raise WeightsError(f"holds {member.name!r}, which leads out of its folder", path=archive)
    is_hidden = name.name.startswith(".")  # macOS adds such files
    return name.suffix in WANTED and not is_hidden


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("xb") as file:
        shutil.copyfileobj(source, file)

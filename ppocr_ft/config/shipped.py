"""The configs that come with the package, found by name."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
"""Where they are: in an installed package, and in a clone."""


def shipped_configs() -> dict[Path, str]:
    """Return the files, each with what it is for: its first line."""
    folder = next((folder for folder in FOLDERS if folder.is_dir()), FOLDERS[0])
    return {
        path: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        for path in sorted(folder.glob("*.yml"))
    }


def find_config(path: str | Path) -> Path:
    """Return the file of that path or, where there is none, the shipped config of that name.

    The name is ``det_v4_ft.yml`` or ``det_v4_ft``. Any other path is returned as it is.
    """
    given = Path(path)
    if given.exists() or given.name != str(path):
        return given
    named = [file for file in shipped_configs() if given.name in (file.name, file.stem)]
    return named[0] if named else given

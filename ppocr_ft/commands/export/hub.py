"""``export --hub-folder``: a folder that Hugging Face and ModelScope accept as it is.

Both read the YAML at the top of ``README.md``, each its own keys. Those of a PaddleOCR detector are
what the repositories of the organization PaddlePaddle have; ``tasks`` is ModelScope's word for it.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import yaml

from ppocr_ft.commands.export.run import (
    CARD_FILE,
    TENSORS_FILE,
    Exported,
    card_origin,
    inference_settings,
)
from ppocr_ft.config import Config, load_config
from ppocr_ft.errors import ConfigError, UserInputError
from ppocr_ft.export.card import model_card
from ppocr_ft.export.settings import SEAL_NAMES
from ppocr_ft.export.write import FILES, Formats, atomic_dir, check_replaceable
from ppocr_ft.report.evaluations import BEST
from ppocr_ft.report.page import CURVES
from ppocr_ft.runs.eval_files import PICTURE_BOTH, PICTURES
from ppocr_ft.runs.folder import RESOLVED_CONFIG
from ppocr_ft.weights.released import released_name
from ppocr_ft.weights.sources import RELEASED

KEY = "--hub-folder"
README, LICENCE = "README.md", "LICENSE"
IMAGE_FILES = (PICTURE_BOTH, PICTURES[BEST])
"""A run's pictures of validation images; the first one that is there is shown."""
UPLOAD_CACHE = ".ms_upload_cache"
"""ModelScope's client makes it in the folder that it uploads."""
HUB_FILES = (FILES - {CARD_FILE}) | {README, LICENCE, CURVES, *IMAGE_FILES, UPLOAD_CACHE}
MARK = "ppocr_ft"
"""The tag by which a card is known as this command's."""
ORGANIZATION = "PaddlePaddle"
"""Has a repository of each released detector's name, on both hubs."""
LICENCE_NAME, LICENCE_TEXT = "apache-2.0", Path(__file__).with_name("apache-2.0.txt")
"""Of PaddleOCR's released weights."""
CAPTIONS = {
    CURVES: ("Curves", "hmean, losses and learning rates of the run"),
    **dict.fromkeys(IMAGE_FILES, ("Pictures", "validation images with the boxes that were found")),
}
NO_LICENCE = (
    "these weights are not known to come from a released model, so the hub folder names no licence "
    f"and no base model: add `license:` to its {README}, and {LICENCE}"
)
NO_PICTURES = "--hub-pictures: no pictures of a run lie beside the weights"


def check_hub_folder(folder: Path, config: Config) -> None:
    """Check before the export that the folder may be written.

    Raises:
        ConfigError: it has files that this command didn't write, or shares its place with
            ``Global.save_inference_dir``.
    """
    folder = folder.expanduser().resolve()
    model = Path(config.Global.save_inference_dir or "").expanduser().resolve()
    if config.Global.save_inference_dir and (folder == model or _is_inside(folder, model)):
        raise ConfigError(
            f"{folder} and Global.save_inference_dir ({model}) must be two folders, neither of "
            "them in the other",
            key=KEY,
        )
    check_replaceable(folder, HUB_FILES, KEY)
    if folder.exists() and any(folder.iterdir()) and not _is_own(folder / README):
        raise ConfigError(f"{folder} was not written by {KEY}; name another folder", key=KEY)


def _is_inside(one: Path, other: Path) -> bool:
    return one in other.parents or other in one.parents


def _is_own(readme: Path) -> bool:
    """Return whether a card's YAML has the tag of this command."""
    try:
        _, front, _ = readme.read_text(encoding="utf-8").split("---\n", 2)
        return bool(MARK in yaml.safe_load(front)["tags"])
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        return False


def write_hub_folder(
    config: Config, exported: Exported, formats: Formats, folder: Path, *, images: bool = False
) -> list[str]:
    """Write the folder from a finished export; return notes on what it lacks.

    It has the exported files, ``README.md``, the licence of the weights and the run's curves; with
    ``images`` also a picture of the run's validation images. No text in it tells where files lie
    on this machine.

    Raises:
        ConfigError: the folder has other things, or can't be made.
        OSError: a file can't be written; an earlier folder is untouched.
    """
    run = _run_folder(config)
    name = base_model(config, run, exported.origin.step)
    shown = _shown_files(run if exported.origin.step else None, images=images)
    with atomic_dir(folder, HUB_FILES, KEY) as aside:
        for path in exported.folder.iterdir():
            if path.name in HUB_FILES:
                shutil.copyfile(path, aside / path.name)
        for path in shown:
            shutil.copyfile(path, aside / path.name)
        if name is not None:
            shutil.copyfile(LICENCE_TEXT, aside / LICENCE)
        text = _readme(config, exported, formats, name, [path.name for path in shown])
        (aside / README).write_text(text, encoding="utf-8")
    lacks_images = images and not any(path.name in IMAGE_FILES for path in shown)
    return [*[NO_LICENCE] * (name is None), *[NO_PICTURES] * lacks_images]


def _run_folder(config: Config) -> Path | None:
    """Return the folder of the run that the weights are of, if they lie in one."""
    where = Path(config.Global.checkpoints or "").expanduser()
    folder = where if where.is_dir() else where.parent
    known = config.Global.checkpoints and (folder / RESOLVED_CONFIG).is_file()
    return folder if known else None


def base_model(config: Config, run: Path | None, step: int | None) -> str | None:
    """Return the name of the released detector that the weights are or started from, if known.

    That is told by the run's own config, or by this one if it exports a start.
    """
    if step is None:
        return None
    began = config
    if config.Global.checkpoints:
        if run is None:
            return None
        try:
            began = load_config(run / RESOLVED_CONFIG)
        except UserInputError:
            return None
    if (began.Global.checkpoints or began.Global.pretrained_model) != RELEASED:
        return None
    return released_name(began.Global.model_name, began.Architecture)


def _shown_files(run: Path | None, *, images: bool) -> list[Path]:
    """Return the run's curves and, if asked for, one of its pictures of images."""
    if run is None:
        return []
    pictures = [run / name for name in IMAGE_FILES if (run / name).is_file()]
    return [*[run / CURVES] * (run / CURVES).is_file(), *pictures[: int(images)]]


def _readme(
    config: Config, exported: Exported, formats: Formats, base: str | None, shown: list[str]
) -> str:
    """Return the model card with the hubs' YAML before and the figures after it."""
    settings = inference_settings(config)
    tensors = exported.folder / TENSORS_FILE
    about = card_origin(config, exported.coverage, exported.origin, tensors, names_only=True)
    card = model_card(settings, about, exported.parity, formats)
    figures = [f"\n## {CAPTIONS[name][0]}\n\n![{CAPTIONS[name][1]}]({name})\n" for name in shown]
    front = yaml.safe_dump(front_matter(settings.model_name, base), sort_keys=False)
    return f"---\n{front}---\n\n{card}{''.join(figures)}"


def front_matter(model_name: str, base: str | None) -> dict[str, Any]:
    """Return what both hubs read of a detector; ``base`` is the released one that it began as."""
    kind = "seal_text_detection" if model_name in SEAL_NAMES else "textline_detection"
    known = {"license": LICENCE_NAME, "base_model": f"{ORGANIZATION}/{base}"} if base else {}
    return {
        **known,
        "library_name": "PaddleOCR",
        "pipeline_tag": "image-to-text",
        "tasks": ["ocr-detection"],
        "tags": ["OCR", "PaddlePaddle", "PaddleOCR", kind, MARK],
    }


def how_to_push(folder: Path) -> str:
    """Return the commands with which the user pushes the folder."""
    place = shlex.quote(str(folder))
    return (
        "to push it, read README.md, log in, and run one of\n"
        f"  hf upload YOUR_NAME/MODEL {place} .\n"
        f"  modelscope upload YOUR_NAME/MODEL {place}"
    )

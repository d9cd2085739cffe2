"""Print the shrink ratios of each epoch under an old PaddleOCR, as JSON; a program of its own.

Arguments: the folder that holds ``ppocr/``, a YAML, "ours" or "theirs", the number of epochs.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml


def main(folder: str, config_file: str, whose: str, epochs: int) -> None:
    sys.path.insert(0, folder)
    _leave_out_imgaug()
    import ppocr.data
    from ppocr.data import build_dataloader

    if whose == "ours":
        from ppocr_ft.upstream import install

        install()
        build_dataloader = ppocr.data.build_dataloader
    config = yaml.safe_load(Path(config_file).read_text(encoding="utf-8"))
    logger = logging.getLogger("old")
    loader = build_dataloader(config, "Train", "cpu", logger, 1024)
    print(json.dumps([_ratios(loader) for _ in range(epochs)]))


def _ratios(loader: Any) -> list[float]:
    """Iterate once; the ratios of the map operators in that epoch."""
    assert len(list(loader)) == len(loader)
    return [op.shrink_ratio for op in loader.dataset.ops if hasattr(op, "shrink_ratio")]


def _leave_out_imgaug() -> None:
    """Versions up to 2.8 need it for IaaAugment, which no YAML here uses; it wants numpy 1."""
    empty = ModuleType("imgaug")
    empty.augmenters = ModuleType("imgaug.augmenters")  # type: ignore[attr-defined]
    sys.modules |= {"imgaug": empty, "imgaug.augmenters": empty.augmenters}


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))

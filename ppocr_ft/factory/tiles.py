"""The rule by which large pages are cut into tiles, by the images of training."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ppocr_ft.config import Config
from ppocr_ft.data.faults import check_files
from ppocr_ft.data.labels import read_label_files
from ppocr_ft.errors import DataError
from ppocr_ft.factory.label_source import LabelSource, stamps_of
from ppocr_ft.transforms.image_ops import read_image
from ppocr_ft.transforms.resize import DetResizeForTest, Size
from ppocr_ft.transforms.tiles import AUTO_TILES, TileRule, factor_of
from ppocr_ft.utils.sampling import sample_evenly

MEASURED_IMAGES = 60
"""Those of Train whose sizes say at which scale training sees text."""


def tile_rule(config: Config) -> TileRule | None:
    """Return the rule of ``Eval.tiles``; None: no page is cut.

    Raises:
        DataError: it is auto, and no image of Train, whose scale it asks for, can be read.
    """
    tiles = config.Eval.tiles
    return training_tiles(config) if tiles == AUTO_TILES else TileRule.at(tiles)


def training_tiles(config: Config) -> TileRule | None:
    """Return the rule for pages on which text would be smaller than on the images of Train.

    It is by the factors that Eval's resize gives to these; None where it has none.

    Raises:
        DataError: none of them can be read.
    """
    resizers = [op for op in config.Eval.dataset.transforms if op.is_a(DetResizeForTest)]
    if not resizers:
        return None
    source, resizer = LabelSource.of(config, "Train"), resizers[-1].build()
    try:
        sizes = _sizes(source, stamps_of(source))
    except DataError as fault:
        raise DataError(
            f"auto asks for the scale of Train's images: {fault}. Without them give a factor: 0.5 "
            "for pages that are to be looked at in half their size",
            key="Eval.tiles",
        ) from None
    return TileRule.of([factor_of(size, resizer.target_size(size)) for size in sizes])


@lru_cache(maxsize=4)
def _sizes(source: LabelSource, stamps: tuple[int, ...]) -> list[Size]:
    """Return the sizes of images, evenly spaced over all; ``stamps`` as those of held-out lines."""
    files = read_label_files(source.names, source.folder, source.delimiter)
    check_files(files)
    paths = [entry.images[0] for file in files for entry in file.entries]
    images = map(read_image, map(Path, sample_evenly(paths, MEASURED_IMAGES)))
    sizes: list[Size] = [image.shape[:2] for image in images if image is not None]
    if not sizes:
        raise DataError("none can be read")
    return sizes

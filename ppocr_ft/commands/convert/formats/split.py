"""Training and validation part of a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ppocr_ft.commands.convert.formats.reading import Entry
from ppocr_ft.errors import DataError


def split(
    entries: Sequence[Entry], ratio: float, seed: int
) -> tuple[Sequence[Entry], Sequence[Entry]]:
    """Two parts, whole images each, the first with ``ratio`` of them; both keep their order.

    Which image comes into which part follows from the names, the ratio and the seed alone, not
    from the order in which labels were read.

    Raises:
        DataError: one of the parts would be empty.
    """
    first = round(len(entries) * ratio)
    if not 0 < first < len(entries):
        raise DataError(
            f"--split {ratio:g} of {len(entries)} images leaves one part empty; "
            "give another ratio, or more images"
        )
    names = sorted(entry.name for entry in entries)
    drawn = np.random.default_rng(seed).permutation(len(names))[:first]
    chosen = {names[i] for i in drawn}
    train = [entry for entry in entries if entry.name in chosen]
    return train, [entry for entry in entries if entry.name not in chosen]

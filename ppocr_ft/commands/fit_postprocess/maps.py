"""Probability maps on the disk, until the search is over."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import DataError

FloatMap = NDArray[np.float32]
LEVELS = 65535
"""A probability is kept as the nearest 65535th: it differs by at most 7.7e-6."""
ZLIB_LEVEL = 1
"""Most pixels are 0: the fastest compression leaves a thirtieth."""


def quantised(prob_map: FloatMap) -> NDArray[np.uint16]:
    """Probabilities (h, w) as 65535ths. NaN, which no threshold is under, becomes 0."""
    levels = np.rint(np.clip(np.nan_to_num(prob_map), 0, 1) * LEVELS)
    return np.asarray(levels, dtype=np.uint16)


def restored(levels: NDArray[np.uint16]) -> FloatMap:
    """Probabilities (h, w) again."""
    return np.asarray(levels / np.float64(LEVELS), dtype=np.float32)


class MapStore:
    """Maps by the name of their resize, in order, in a temporary folder that goes with it.

    Raises:
        DataError: in ``add``, where the disk has no room; it says how to take another one.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="ppocr_ft_fit_")
        self._sizes: dict[str, list[tuple[int, int]]] = {}
        self.bytes_used = 0

    def __enter__(self) -> MapStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        return Path(self._folder.name)

    def add(self, resize: str, prob_map: FloatMap) -> None:
        """Keep the resize's next map (h, w)."""
        data = zlib.compress(quantised(prob_map).tobytes(), ZLIB_LEVEL)
        sizes = self._sizes.setdefault(resize, [])
        try:
            self._path(resize, len(sizes)).write_bytes(data)
        except OSError as error:
            raise DataError(
                f"{self.bytes_used / 2**20:.0f} MiB of probability maps fit, then: "
                f"{error.strerror}; the environment variable TMPDIR names a folder with more room",
                path=self.folder,
            ) from error
        sizes.append((prob_map.shape[0], prob_map.shape[1]))
        self.bytes_used += len(data)

    def maps(self, resize: str) -> Iterator[FloatMap]:
        """The resize's maps (h, w), one at a time."""
        for index, size in enumerate(self._sizes.get(resize, [])):
            data = zlib.decompress(self._path(resize, index).read_bytes())
            yield restored(np.frombuffer(data, dtype=np.uint16).reshape(size))

    def _path(self, resize: str, index: int) -> Path:
        return self.folder / f"{list(self._sizes).index(resize)}_{index}.map"

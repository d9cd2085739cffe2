"""What the functions of ``ppocr_ft.api`` return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import DataError, RunFailed

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Evaluation:
    """Rates on labelled images, 0 to 1, at IoU 0.5 and (``_70``) at 0.7.

    ``faults`` are the images and label lines that couldn't be used; ``also`` are the rates on the
    sets of ``Eval.also``, by their names. ``textless_boxes`` is the mean number of false boxes on
    an image without text; None if there is no such image, or nobody counted.
    """

    precision: float
    recall: float
    hmean: float
    precision_70: float
    recall_70: float
    hmean_70: float
    faults: tuple[DataError, ...] = ()
    also: Mapping[str, Evaluation] = field(default_factory=dict)
    textless_boxes: float | None = None


@dataclass(frozen=True)
class TrainResult:
    """A finished run.

    Attributes:
        folder: the run's folder, with report.html and all figures.
        weights: the final weights with Global.interpolate, else the best ones.
        config: a config to go on with, fitted.yml; None if the post-processing wasn't fitted.
        start: the rates before the first step, with the config's unclip ratio, as the others.
        best: the rates of the best weights.
        last: the rates at the end.
        best_step: the steps that the best weights were trained; 0: nothing was better than the
            start.
    """

    folder: Path
    weights: Path
    config: Path | None
    start: Evaluation
    best: Evaluation
    last: Evaluation
    best_step: int

    def plot(self, path: str | Path | None = None) -> Pixels:
        """Return the report's curves (h, w, 3) RGB: hmean, losses, learning rates over the steps.

        With a ``path`` they are written to that picture file too.

        Raises:
            UserInputError: the run's metrics.csv is gone, or the path's suffix is no picture's.
            RunFailed: the file can't be written.
        """
        from ppocr_ft.commands.report.run import read_run
        from ppocr_ft.report.page.figures import results_png
        from ppocr_ft.transforms.image_ops import decode_color

        return _shown(decode_color(results_png(read_run(self.folder))), path)


@dataclass(frozen=True)
class Prediction:
    """The text boxes of one image: ``boxes`` (k, 2) each, in pixels of the file, and scores.

    ``path`` is the image's file. An image that was given as an array has it in ``image``, and
    ``path`` names its place, ``images[0]``.
    """

    path: str
    boxes: tuple[NDArray[Any], ...]
    scores: tuple[float, ...]
    image: Pixels | None = field(default=None, repr=False, compare=False)

    def plot(self, path: str | Path | None = None, *, scores: bool = True) -> Pixels:
        """Return the image (h, w, 3) RGB with its boxes and, if asked for, their scores.

        With a ``path`` it is written to that picture file too.

        Raises:
            UserInputError: the image can't be read any more, or the path's suffix is no picture's.
            RunFailed: the file can't be written.
        """
        from ppocr_ft.transforms.image_ops import read_image
        from ppocr_ft.utils.draw import draw_polygons

        picture = read_image(self.path) if self.image is None else self.image
        if picture is None:
            raise DataError("can't be read any more", path=self.path)
        return _shown(
            draw_polygons(picture, self.boxes, scores=self.scores if scores else None), path
        )


@dataclass(frozen=True)
class Predictions:
    """The images with their boxes, in order; ``faults`` are images that couldn't be used.

    ``notes`` name the files of a folder that are no images.
    """

    images: list[Prediction]
    faults: list[DataError] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def _shown(picture: Pixels, path: str | Path | None) -> Pixels:
    from ppocr_ft.utils.draw import as_rgb

    try:
        return as_rgb(picture, path)
    except OSError as error:
        raise RunFailed(f"{path}: can't be written: {error.strerror}") from error

"""Labels beside the boxes of a detector: findings, worst first, and their pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.contradictions import (
    LEAST_AGREEMENT,
    MODEL_RULES,
    UNFOUND,
    Contradiction,
    Contradictions,
    SeenImage,
    contradictions,
)
from ppocr_ft.commands.check.data import DataReport
from ppocr_ft.commands.check.data.outlines import describe_text
from ppocr_ft.commands.check.data.parsed_labels import Scan
from ppocr_ft.config import Config
from ppocr_ft.errors import Finding
from ppocr_ft.factory import objects
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.report.drawing import FALSE, LABEL, LOOSE, Outline, captioned, crop
from ppocr_ft.runs.models import model_config
from ppocr_ft.transforms.image_ops import read_image
from ppocr_ft.utils.draw import Picture
from ppocr_ft.utils.progress import ProgressBar

Found = Mapping[str, ImageBoxes]
"""The boxes of each image, by its path."""
SHOWN = 40
"""So many are drawn."""
COLUMNS = 4
BLANK = 0.3
"""Share of the other labels' contrast below which there is nothing in a label."""


@dataclass(frozen=True)
class LabelledImage:
    """An image of a label line, and the line's texts: ``texts`` are their indices in ``scan``."""

    path: str
    scan: Scan
    line: int
    texts: range

    def seen(self, boxes: ImageBoxes) -> SeenImage:
        return SeenImage(
            [self.scan.polygons[i] for i in self.texts],
            self.scan.ignored[self.texts.start : self.texts.stop],
            list(boxes["points"]),
            boxes["scores"],
        )


@dataclass(frozen=True)
class ModelCheck:
    """What a model contradicts: ``found``, worst first, with ``images`` by its indices."""

    images: Sequence[LabelledImage]
    seen: Sequence[SeenImage]
    result: Contradictions

    def findings(self) -> Iterator[Finding]:
        for one in self.result.found:
            image, seen = self.images[one.image], self.seen[one.image]
            if one.label is None:
                x, y = np.asarray(seen.boxes[one.boxes[0]])[0].tolist()
                text = f"a text at ({x:g}, {y:g})"
            else:
                text = f"{describe_text(image.scan, image.texts[one.label])}:"
            message = f"{Path(image.path).name}: {text} {one.what}"
            remedy, path = MODEL_RULES[one.rule], image.scan.path
            yield Finding(one.rule, "warning", message, remedy, path, image.line)

    def note(self) -> str:
        share, images = self.result.agreement, len(self.images)
        found = f"the model finds {share:.0%} of the texts that are labelled on {images:,} images"
        if share >= LEAST_AGREEMENT:
            return found
        return (
            f"{found}: too few to tell the labels' faults from its own, so that it names none. Are "
            "words labelled where it finds lines? Else fine-tune it first"
        )

    def sheet_png(self) -> bytes:
        """Draw the worst contradictions: labels blue, the model's boxes orange or red."""
        shown = self.result.found[:SHOWN]
        sheet = captioned([self._tile(one) for one in shown], COLUMNS)
        return cv2.imencode(".png", sheet)[1].tobytes()

    def _tile(self, one: Contradiction) -> tuple[Picture, list[str]]:
        image, seen = self.images[one.image], self.seen[one.image]
        labels = [] if one.label is None else [np.asarray(seen.labels[one.label])]
        boxes = [np.asarray(seen.boxes[i], np.float64) for i in one.boxes]
        outlines = [Outline(label, LABEL) for label in labels]
        outlines += [Outline(box, LOOSE if labels else FALSE) for box in boxes]
        picture = read_image(image.path)
        assert picture is not None  # the model has seen it
        place = f"{Path(image.scan.path).name}:{image.line} {Path(image.path).name}"
        return crop(picture, [*labels, *boxes], outlines), [place, f"{one.rule}: {one.what}"]


def check_by_model(
    report: DataReport, config: Config, model: str | Path, bar: ProgressBar
) -> ModelCheck:
    """Compare the labels of Train and Eval with what ``model`` finds.

    ``model`` as `model_config` takes it.

    Raises:
        UserInputError: there is no such model, or its weights can't be used.
    """
    chosen = model_config(model, config)
    images = labelled_images(report)
    found = all_boxes(chosen, list(dict.fromkeys(image.path for image in images)), bar)
    return compare(images, found, chosen.PostProcess.box_thresh)


def all_boxes(config: Config, paths: Sequence[str], bar: ProgressBar) -> Found:
    """Return every box of each image that can be read, however low its score.

    A label without any box is another thing than one whose box has a low score.
    """
    every = config.PostProcess.model_copy(update={"box_thresh": 0.0})
    files = objects.image_files(config, list(paths))
    detector, _ = objects.network(config)
    samples = bar(files.samples(), len(files), "compare labels with the model")
    return dict(
        objects.predict(config.model_copy(update={"PostProcess": every}), detector, samples)
    )


def compare(images: Sequence[LabelledImage], found: Found, sure: float) -> ModelCheck:
    """Compare labels with boxes by their images' paths; those scored ``sure`` are believed."""
    usable = [image for image in images if image.path in found]
    seen = [image.seen(found[image.path]) for image in usable]
    result = contradictions(seen, sure)
    told = [
        one
        for one in result.found
        if one.rule != UNFOUND or is_blank(usable[one.image].path, seen[one.image], one)
    ]
    return ModelCheck(usable, seen, replace(result, found=told))


def is_blank(path: str, seen: SeenImage, unfound: Contradiction) -> bool:
    """Return whether there is hardly a contrast in a label on which nothing is found.

    Where there is one, the model is more likely to have missed the text. The contrast is the
    standard deviation of the grey levels, compared with that in the image's other labels.
    """
    picture = read_image(path)
    assert picture is not None  # the model has seen it
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    contrasts = [_contrast(grey, label) for label in seen.labels]
    own = contrasts.pop(unfound.label or 0)
    return bool(contrasts) and own < BLANK * float(np.median(contrasts))


def _contrast(grey: Picture, polygon: NDArray[Any]) -> float:
    left, top, width, height = cv2.boundingRect(np.asarray(polygon, np.float32))
    part = grey[max(top, 0) : top + height, max(left, 0) : left + width]
    return float(part.std()) if part.size else 0.0


def labelled_images(report: DataReport) -> list[LabelledImage]:
    """Return the images of the usable lines of Train and Eval, a file that is in both once."""
    scans = {part.scan.path: part.scan for part in (*report.train, *report.evaluation)}
    images = []
    for scan in scans.values():
        edges = np.searchsorted(scan.owners, np.arange(len(scan.lines) + 1)).tolist()
        for index, line in enumerate(scan.lines):
            if line.usable:
                texts = range(edges[index], edges[index + 1])
                images.append(LabelledImage(line.images[0], scan, line.number, texts))
    return images

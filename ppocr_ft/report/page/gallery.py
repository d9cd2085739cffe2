"""The pictures of the page: the images that changed most, the worst errors of each kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.geometry import areas
from ppocr_ft.metrics.errors import ANGLES, KINDS, DetError, Kind
from ppocr_ft.report.drawing import (
    FALSE,
    IOUS,
    LABEL,
    LOOSE,
    MISSED,
    Drawing,
    Outline,
    box_outlines,
    draw_crop,
    draw_whole,
    read_picture,
)
from ppocr_ft.report.page.matches import EvaluationMatches, ImageMatches, most_changed
from ppocr_ft.report.page.translation import Translated

MAX_IMAGES, MAX_ERRORS, MAX_ERRORS_PER_IMAGE = 6, 6, 2
LEAST_CHANGE = 5e-4
"""Changes below this are shown as 0."""


@dataclass(frozen=True)
class Panel:
    """One drawing of an image; ``hmeans`` are those of its boxes at both IoUs."""

    content: Translated
    drawing: Drawing
    hmeans: Sequence[float] = ()


@dataclass(frozen=True)
class ChangedImage:
    """An image that changed; ``change`` is that of hmean, the mean over both IoUs.

    It has no panels if the file is missing.
    """

    path: str
    change: float
    panels: Sequence[Panel]

    @property
    def file(self) -> str:
        return Path(self.path).name


@dataclass(frozen=True)
class ErrorCrop:
    """A drawn error; ``score`` is a false box's, ``iou`` is 0 if nothing overlaps."""

    file: str
    drawing: Drawing
    iou: float
    score: float | None


class ImageError(NamedTuple):
    """An error and its image."""

    error: DetError
    matches: ImageMatches

    @property
    def labels(self) -> list[NDArray[np.float64]]:
        return [self.matches.image.labels[i] for i in self.error.labels]

    @property
    def boxes(self) -> list[NDArray[np.float64]]:
        return [np.asarray(self.matches.boxes[i], np.float64) for i in self.error.boxes]


def changed_images(
    before: EvaluationMatches, after: EvaluationMatches, name: Translated
) -> list[ChangedImage]:
    """Return the images that changed most, up or down; ``name`` is that of ``after``.

    Each is drawn with its labels, with the boxes of the start, and with those after it.
    """
    images = []
    for path, change in most_changed(before, after, MAX_IMAGES):
        if abs(change) < LEAST_CHANGE:
            continue
        start, later = before.by_path[path], after.by_path[path]
        picture = read_picture(path, later.image.size_px)
        panels: list[Panel] = []
        if picture is not None:
            labels = draw_whole(picture, label_outlines(later))
            panels.append(Panel(Translated("pictures.labels"), labels))
            for model, matches in ((Translated("pictures.start"), start), (name, later)):
                outlines = box_outlines(matches.accepted_table, matches.boxes, matches.image.labels)
                hmeans = [matches.hmean(iou) for iou in IOUS]
                panels.append(Panel(model, draw_whole(picture, outlines), hmeans))
        images.append(ChangedImage(path, change, panels))
    return images


def label_outlines(matches: ImageMatches) -> list[Outline]:
    """Return the labels, ignored ones dashed."""
    pairs = zip(matches.image.labels, matches.image.ignored.tolist(), strict=True)
    return [Outline(label, LABEL, ignored) for label, ignored in pairs]


class ErrorCounts(NamedTuple):
    """The number of errors at one IoU; ``before`` is the start's, None if it isn't known."""

    before: int | None
    after: int

    @property
    def change(self) -> int:
        return 0 if self.before is None else self.after - self.before


ErrorTable = Mapping[Kind | Literal["total"], Sequence[ErrorCounts]]


def error_table(before: EvaluationMatches | None, after: EvaluationMatches) -> ErrorTable:
    """Return the counts at both IoUs by kind, and of all kinds under "total"."""
    pairs = [
        (None if before is None else before.error_counts(iou), after.error_counts(iou))
        for iou in IOUS
    ]
    table: dict[Kind | Literal["total"], list[ErrorCounts]] = {
        kind: [ErrorCounts(None if one is None else one[kind], two[kind]) for one, two in pairs]
        for kind in KINDS
    }
    table["total"] = [
        ErrorCounts(None if one is None else sum(one.values()), sum(two.values()))
        for one, two in pairs
    ]
    return table


def angle_table(
    before: EvaluationMatches | None, after: EvaluationMatches
) -> Mapping[Translated, Sequence[ErrorCounts]]:
    """Return labels without a match at both IoUs by their angle; none if all have the same."""
    texts = after.texts_by_angle
    if len(texts) < 2:
        return {}
    pairs = [
        (None if before is None else before.unmatched_by_angle(iou), after.unmatched_by_angle(iou))
        for iou in IOUS
    ]
    return {
        Translated("errors.of_angle", angle=Translated(f"angle.{angle}"), texts=texts[angle]): [
            ErrorCounts(None if one is None else one[angle], two[angle]) for one, two in pairs
        ]
        for angle in ANGLES
        if texts[angle]
    }


def textless(before: EvaluationMatches | None, after: EvaluationMatches) -> list[Translated]:
    """Say how many boxes an image without text has; nothing if there is no such image."""
    images, boxes = after.textless
    if not images:
        return []
    values = {"images": images, "each": boxes / images}
    if before is None or before.textless[0] != images:
        return [Translated("errors.textless_alone", **values)]
    return [Translated("errors.textless", before=before.textless[1] / images, **values)]


def errors_left(table: ErrorTable) -> list[Translated]:
    """Say how many errors are left at the lower IoU, which kind most are, and which grew most."""
    total, iou = table["total"][0], IOUS[0]
    if total.after == 0:
        return [Translated("errors.none", iou=iou)]
    most = max(KINDS, key=lambda kind: table[kind][0].after)
    values = {"iou": iou, "total": total.after, "kind": Translated(f"kind.{most}")}
    values["count"] = table[most][0].after
    if total.before is None:
        return [Translated("errors.left_alone", **values)]
    start = {"total_before": total.before, "count_before": table[most][0].before}
    sentences = [Translated("errors.left", **values, **start)]
    grown = max(KINDS, key=lambda kind: table[kind][0].change)
    if grown != most and table[grown][0].change > 0:
        counts = table[grown][0]._asdict()
        sentences.append(Translated("errors.grown", kind=Translated(f"kind.{grown}"), **counts))
    return sentences


def error_crops(best: EvaluationMatches) -> Iterator[tuple[Kind, list[ErrorCrop]]]:
    """Yield the kinds that occur, with the worst errors of each whose images exist."""
    for kind in KINDS:
        crops = [crop for error in worst_errors(kind, best) if (crop := _crop(error))]
        if crops:
            yield kind, crops


def worst_errors(kind: Kind, best: EvaluationMatches) -> list[ImageError]:
    """Return the first `MAX_ERRORS`, the worst first, only a few from one image."""
    errors = [ImageError(error, image) for image in best.images for error in image.errors(IOUS[1])]
    chosen: list[ImageError] = []
    for error in sorted((e for e in errors if e.error.kind == kind), key=_mildness):
        of_image = sum(other.matches is error.matches for other in chosen)
        if of_image < MAX_ERRORS_PER_IMAGE:
            chosen.append(error)
        if len(chosen) == MAX_ERRORS:
            break
    return chosen


def _mildness(error: ImageError) -> tuple[float, float]:
    """Return a sort key that is low for a bad error.

    Bad are many parts, a false box with a high score, a poor overlap and a large text.
    """
    what, scores = error.error, error.matches.scores
    size = -float(areas(error.labels or error.boxes).max())
    if what.kind in ("split", "merged"):
        return -float(len(what.boxes) + len(what.labels)), size
    if what.kind == "false":
        return -float(scores[list(what.boxes)].max()), size
    return what.iou, size


def _crop(error: ImageError) -> ErrorCrop | None:
    """Draw an error; None if the image is missing."""
    image = error.matches.image
    picture = read_picture(image.path, image.size_px)
    if picture is None:
        return None
    drawing = draw_crop(picture, [*error.labels, *error.boxes], error_outlines(error))
    is_false = error.error.kind == "false"
    score = float(error.matches.scores[error.error.boxes[0]]) if is_false else None
    return ErrorCrop(Path(image.path).name, drawing, error.error.iou, score)


def error_outlines(error: ImageError) -> list[Outline]:
    """Return labels and boxes; one without the other has a color of its own."""
    labels, boxes = error.labels, error.boxes
    outlines = [Outline(label, LABEL if boxes else MISSED, not boxes) for label in labels]
    return outlines + [Outline(box, LOOSE if labels else FALSE) for box in boxes]

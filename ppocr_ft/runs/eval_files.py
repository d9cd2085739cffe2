"""The files of the first and the best evaluations in a run's folder: pictures and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.evaluation import EvalRecord
from ppocr_ft.engine.outcome import caption
from ppocr_ft.metrics.errors import table_of
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.report.drawing import (
    Marked,
    as_jpeg,
    box_outlines,
    contact_sheet,
    side_by_side,
)
from ppocr_ft.report.evaluations import (
    BEFORE,
    BEST,
    EVALUATIONS,
    TRAINED,
    About,
    EvaluatedImage,
    evaluated_image,
    write_evaluation,
)
from ppocr_ft.transforms.image_ops import read_image
from ppocr_ft.utils.draw import Picture
from ppocr_ft.utils.files import write_whole

PICTURES = {BEFORE: "val_before.jpg", BEST: "val_best.jpg", TRAINED: "val_trained.jpg"}
"""By the file with the evaluation's boxes."""
PICTURE_BOTH = "before_after.jpg"
SHOWN_IMAGES = 4


@dataclass(frozen=True)
class Findings:
    """What is kept of an evaluation if it is the best so far.

    Attributes:
        images: the kernels and labels of every image, for the report.
        previews: a few images and the boxes to draw on them.
        post_process: the post-processing of the boxes.
    """

    images: Sequence[EvaluatedImage]
    previews: Sequence[Marked]
    post_process: DBPostProcess


def kernels_of(record: EvalRecord, post_process: DBPostProcess) -> EvaluatedImage:
    """Return what the report needs of an image."""
    lowest_score = About.of(0, post_process).lowest_score
    return evaluated_image(record.sample, record.candidates, lowest_score)


def preview_of(record: EvalRecord) -> Marked:
    """Return an image with the boxes found with the config's unclip ratio, and missed labels."""
    sample, boxes = record.sample, next(iter(record.boxes.values()))["points"]
    table = table_of(boxes, record.labels)
    outlines = box_outlines(table, boxes, sample.polygons)
    height, width = sample.image.shape[1:]
    factors = np.array([width, height]) / sample.shape[[1, 0]]
    scaled = [outline._replace(polygon=outline.polygon * factors) for outline in outlines]
    return Marked(picture_of(sample), scaled)


def picture_of(sample: EvalSample) -> Picture:
    """Return the network's input as a picture (h, w, 3), each channel stretched to 0..255.

    An image after KeepKeys knows neither its file nor its normalisation.
    """
    pixels = sample.image.transpose(1, 2, 0)
    low, high = pixels.min(axis=(0, 1)), pixels.max(axis=(0, 1))
    stretched = (pixels - low) * (255 / np.maximum(high - low, 1e-6))
    return np.ascontiguousarray(np.round(stretched).astype(np.uint8))


def save_findings(
    folder: Path, findings: Findings, step: int, hmean: float, *, is_best: bool = True
) -> None:
    """Write the pictures and boxes of an evaluation.

    It is the best so far or, if not ``is_best``, the best after a start that is better. That before
    training, at step 0, is kept beside the best.

    Raises:
        OSError: they can't be written.
    """
    save_boxes(folder / EVALUATIONS, findings, step, is_best=is_best)
    if not findings.previews:
        return
    ratio = findings.post_process.unclip_ratio
    title = f"{caption(step)}: hmean {hmean:.3f} at IoU 0.5, unclip_ratio {ratio:g}"
    sheet = as_jpeg(contact_sheet(findings.previews, title))
    for name in _names(step, is_best):
        write_whole(folder / PICTURES[name], sheet)
    if step == 0:
        (folder / PICTURES[TRAINED]).unlink(missing_ok=True)  # another run's
    _write_both(folder)


def save_boxes(folder: Path, findings: Findings, step: int, *, is_best: bool) -> None:
    """Write the boxes of an evaluation alone into a folder, see `save_findings`."""
    about = About.of(step, findings.post_process)
    for name in _names(step, is_best) if findings.images else ():
        write_evaluation(folder / name, about, findings.images)


def _names(step: int, is_best: bool) -> list[str]:
    return [BEFORE] * (step == 0) + [BEST if is_best else TRAINED]


def copy_start(source: Path, folder: Path) -> bool:
    """Copy the files before training of another run's folder into ``folder``, see `save_findings`.

    Returns False, and writes nothing, if it has no pictures.
    """
    if read_image(source / PICTURES[BEFORE]) is None:
        return False
    for name in (BEFORE, BEST):
        write_whole(folder / PICTURES[name], (source / PICTURES[BEFORE]).read_bytes())
    _write_both(folder)
    boxes = source / EVALUATIONS / BEFORE
    if boxes.is_file():
        (folder / EVALUATIONS).mkdir(exist_ok=True)
        for name in (BEFORE, BEST):
            write_whole(folder / EVALUATIONS / name, boxes.read_bytes())
    return True


def _write_both(folder: Path) -> None:
    """Write the start and, beside it, the best or, if that is the start, the best of training."""
    start, best, trained = (read_image(folder / name) for name in PICTURES.values())
    if start is not None and best is not None and np.array_equal(start, best):
        best = trained
    sheets = [sheet for sheet in (start, best) if sheet is not None]
    write_whole(folder / PICTURE_BOTH, as_jpeg(side_by_side(sheets)))

"""The boxes of an evaluation on each image, kept as JSON lines for the report.

The first line is about the evaluation, each other one about an image:

    {"step": 0, "unclip_ratio": 1.0, "box_thresh": 0.6, "lowest_score": 0.3, "box_type": "quad"}
    {"image": "a.jpg", "size": [w, h], "map_size": [w, h],
     "kernels": [{"points": [[x, y], ...], "score": 0.9}, ...],
     "labels": [{"points": [[x, y], ...], "ignored": false}, ...]}

Kernels are what post-processing finds on the map, in its pixels, before they are unclipped: boxes
with any unclip ratio and any box_thresh from ``lowest_score`` on follow from them, bit for bit.
Labels are in pixels of the image file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.data.images import EvalSample
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import BoxType, Candidates
from ppocr_ft.utils.files import write_whole

EVALUATIONS = "evaluations"
BEFORE, BEST, TRAINED = "before.jsonl", "best.jsonl", "trained.jsonl"
"""The start; the best weights; where these are the start, the best that training came to. A
``trained.jsonl`` whose step is another than `Outcome.trained`'s is out of date."""
LOWEST_SCORE = 0.3
"""Kernels that score less are left out, unless the config's box_thresh is lower."""
Polygon = NDArray[np.float64]


@dataclass(frozen=True)
class About:
    """The identity of an evaluation; ``unclip_ratio`` and ``box_thresh`` are the config's."""

    step: int
    unclip_ratio: float
    box_thresh: float
    lowest_score: float
    box_type: BoxType

    @classmethod
    def of(cls, step: int, made_by: DBPostProcess) -> About:
        thresh = float(made_by.box_thresh)
        lowest = min(LOWEST_SCORE, thresh)
        return cls(step, float(made_by.unclip_ratio), thresh, lowest, made_by.box_type)


@dataclass(frozen=True)
class EvaluatedImage:
    """The kernels and labels of an image.

    ``size_px`` is (width, height) of the file; ``labels`` are polygons (k, 2), px of it.
    """

    path: str
    size_px: tuple[int, int]
    kernels: Candidates
    labels: tuple[Polygon, ...]
    ignored: NDArray[np.bool_]


@dataclass(frozen=True)
class KeptEvaluation:
    """The file of an evaluation, read."""

    about: About
    images: tuple[EvaluatedImage, ...]


def evaluated_image(image: EvalSample, kernels: Candidates, lowest_score: float) -> EvaluatedImage:
    """Return an image's labels and its kernels with a score of ``lowest_score`` or more."""
    height, width = image.shape[:2].tolist()
    kept = np.flatnonzero(kernels.scores >= lowest_score)
    polygons = [kernels.polygons[i] for i in kept.tolist()]
    return EvaluatedImage(
        image.path,
        (round(width), round(height)),
        Candidates(polygons, kernels.scores[kept], kernels.map_size),
        tuple(np.asarray(points, np.float64) for points in image.polygons),
        np.asarray(image.ignored, dtype=bool),
    )


def write_evaluation(path: Path, about: About, images: Sequence[EvaluatedImage]) -> None:
    """Write the complete file, and make its folder if needed.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [asdict(about), *map(_as_json, images)]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_whole(path, text.encode())


def read_evaluation(path: Path) -> KeptEvaluation:
    """Read the file of an evaluation.

    Raises:
        OSError: it can't be read.
        ValueError, KeyError, TypeError: it isn't such a file.
    """
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    about = About(**json.loads(first))
    point = np.float32 if about.box_type == "quad" else np.int32
    return KeptEvaluation(about, tuple(_image(json.loads(line), point) for line in rest))


def _as_json(image: EvaluatedImage) -> dict[str, Any]:
    # whole numbers as they are; float32 with nine digits, which restore it exactly
    kernels = [
        {
            "points": [[float(f"{value:.9g}") for value in point] for point in points.tolist()],
            "score": float(score),
        }
        for points, score in zip(image.kernels.polygons, image.kernels.scores, strict=True)
    ]
    labels = [
        {"points": points.tolist(), "ignored": bool(ignored)}
        for points, ignored in zip(image.labels, image.ignored, strict=True)
    ]
    return {
        "image": image.path,
        "size": list(image.size_px),
        "map_size": list(image.kernels.map_size[::-1]),
        "kernels": kernels,
        "labels": labels,
    }


def _image(line: dict[str, Any], point: type[np.generic]) -> EvaluatedImage:
    kernels, labels = line["kernels"], line["labels"]
    (width, height), (map_width, map_height) = line["size"], line["map_size"]
    return EvaluatedImage(
        line["image"],
        (width, height),
        Candidates(
            [np.array(kernel["points"], point) for kernel in kernels],
            np.array([kernel["score"] for kernel in kernels], np.float64),
            (map_height, map_width),
        ),
        tuple(np.array(label["points"], np.float64) for label in labels),
        np.array([label["ignored"] for label in labels], dtype=bool),
    )

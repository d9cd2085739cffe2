"""The comparison of exported models with the trained network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from ppocr_ft.data.images import EvalSample
from ppocr_ft.export.runtime import RuntimeModel
from ppocr_ft.geometry import as_shapely
from ppocr_ft.messages import counted
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess

MAP_LIMIT = 1e-4
"""Most that a probability may differ by, but for ``ROUNDED_SHARE`` of them."""
ROUNDED_SHARE = 1e-4
"""Where the network's sigmoid is steepest its own float32 result is up to 8e-5 from float64's, and
ONNX Runtime's up to 1.1e-4, so that a few of a map's pixels can't be held to ``MAP_LIMIT``."""
ROUNDED_SHARES = {"OpenVINO": 0.05}
"""Of runtimes that may differ by more than ``MAP_LIMIT`` in more places. Squeeze-and-excite takes
means over whole maps. Paddle and ONNX Runtime sum them up one by one, by which 28,800 numbers lose
1e-5 of their mean, OpenVINO in groups, by which they lose 4e-7. So PP-OCRv6's maps at 960 px
differ by up to 4e-4."""
ROUNDED_LIMIT = 1e-3
"""Most that these may differ by."""
INPUT_LIMIT = 1e-4
"""Most that a normalised pixel may differ by."""
HMEAN_LIMIT = 0.002
SAME_BOX_PX = 2.0
"""Boxes are the same if no point of their outlines is further away, in px of the map."""
BOXES_PER_EXCEPTION = 100
"""A pixel at the threshold may fall to either side and change its box: allowed for one box,
or for one in this number."""
RATES = ("hmean", "hmean_70")

Points = NDArray[Any]
Map = NDArray[np.float32]
TrainedMap = tuple[EvalSample, Map]
"""An image as Eval prepared it, its file and labels, and the trained network's map (h, w)."""


@dataclass
class ParityResult:
    """How one exported model, with its own pre- and post-processing, differs from the network.

    The differences are the largest over all pixels; ``beyond_limit`` is the share of probabilities
    that differ by more than ``MAP_LIMIT``, on the worst image. ``other_sizes`` counts images that
    the model resizes to another size than ``Eval`` does, ``other_boxes`` boxes that only one of the
    two has.
    """

    input_difference: float = 0.0
    map_difference: float = 0.0
    beyond_limit: float = 0.0
    other_sizes: int = 0
    boxes: int = 0
    other_boxes: int = 0
    same_post_process: bool = True
    rates: dict[str, float] = field(default_factory=dict)

    def faults(
        self, trained: Mapping[str, float], boxes: int, rounded_share: float = ROUNDED_SHARE
    ) -> list[str]:
        """Return a text per limit that is exceeded; ``trained`` and ``boxes`` are the network's."""
        allowed = max(1, boxes // BOXES_PER_EXCEPTION)
        sized, boxed = counted(self.other_sizes, "image"), counted(self.other_boxes, "box", "boxes")
        exceeded = {
            f"{sized} of another size than in the evaluation": self.other_sizes,
            f"prepared pixels differ by {self.input_difference:.2g}; {INPUT_LIMIT:g} is the most": (
                not self.input_difference <= INPUT_LIMIT
            ),
            f"maps differ by {self.map_difference:.2g}; {ROUNDED_LIMIT:g} is the most": (
                not self.map_difference <= ROUNDED_LIMIT
            ),
            f"{self.beyond_limit:.2%} of a map differ by more than {MAP_LIMIT:g}; "
            f"{rounded_share:.2%} is the most": not self.beyond_limit <= rounded_share,
            "inference.yml has another post-processing than the config": not self.same_post_process,
            f"{boxed} not the same; {allowed} of {boxes} may be": self.other_boxes > allowed,
        }
        for name in RATES:
            rate, trained_rate = self.rates[name], trained[name]
            text = (
                f"{name} is {rate:.4f} and was {trained_rate:.4f}; {HMEAN_LIMIT} apart is the most"
            )
            exceeded[text] = abs(rate - trained_rate) > HMEAN_LIMIT
        return [text for text, holds in exceeded.items() if holds]


@dataclass(frozen=True)
class Parity:
    """The network's rates and number of boxes on ``images`` images, and each model's result."""

    images: int
    boxes: int
    rates: dict[str, float]
    trials: dict[str, ParityResult]

    def faults(self) -> list[str]:
        """Return the faults of all models; an empty list if every model is equal to the network."""
        return [
            f"{name}: {fault}"
            for name, result in self.trials.items()
            for fault in result.faults(
                self.rates, self.boxes, ROUNDED_SHARES.get(name, ROUNDED_SHARE)
            )
        ]

    def as_dict(self) -> dict[str, Any]:
        limits = {"maps": MAP_LIMIT, "hmean": HMEAN_LIMIT, "input": INPUT_LIMIT}
        return {"equal": not self.faults(), "limits": limits, **asdict(self)}

    def describe(self) -> str:
        """Return the rates and differences as a table."""
        lines = [
            f"{'':14}{'hmean':>9}{'hmean_70':>10}{'boxes':>8}{'others':>8}{'maps differ by':>16}",
            f"{'trained':14}{self.rates['hmean']:9.4f}{self.rates['hmean_70']:10.4f}{self.boxes:8}",
        ]
        lines += [
            f"{name:14}{result.rates['hmean']:9.4f}{result.rates['hmean_70']:10.4f}{result.boxes:8}"
            f"{result.other_boxes:8}{result.map_difference:16.1e}"
            for name, result in self.trials.items()
        ]
        return "\n".join([*lines, counted(self.images, "validation image")])


def compare(
    trained_maps: Iterable[TrainedMap],
    post_process: DBPostProcess,
    models: Mapping[str, RuntimeModel],
) -> Parity:
    """Run each model on the image files and compare it with the network.

    The network's maps go through ``post_process``; a model reads the file, prepares it and finds
    boxes by its own ``inference.yml``.

    Raises:
        ValueError: there is no image.
    """
    trained = _BoxTally()
    tallies = {name: _BoxTally() for name in models}
    results = {
        name: ParityResult(same_post_process=model.settings.post_process == post_process)
        for name, model in models.items()
    }
    for image, prob_map in trained_maps:
        boxes = _boxes(post_process, prob_map, image)
        trained.add(boxes, image)
        for name, model in models.items():
            model_boxes = _run_model(model, image, prob_map, boxes, results[name])
            tallies[name].add(model_boxes, image)
    if not trained.images:
        raise ValueError("no image to compare on")
    for name, tally in tallies.items():
        results[name].boxes, results[name].rates = tally.boxes, tally.rates()
    return Parity(trained.images, trained.boxes, trained.rates(), results)


class _BoxTally:
    """Boxes and rates over images."""

    def __init__(self) -> None:
        self.images = 0
        self.boxes = 0
        self._metric = DetMetric()

    def add(self, boxes: list[Points], image: EvalSample) -> None:
        self.images += 1
        self.boxes += len(boxes)
        self._metric.update(boxes, image.polygons, image.ignored)

    def rates(self) -> dict[str, float]:
        summary = self._metric.summary()
        return {name: float(summary[name]) for name in RATES}


def _boxes(post_process: DBPostProcess, prob_map: Map, image: EvalSample) -> list[Points]:
    height, width = image.shape[:2].tolist()
    return list(post_process.boxes_from_map(prob_map, (height, width))[0])


def _run_model(
    model: RuntimeModel, image: EvalSample, prob_map: Map, boxes: list[Points], result: ParityResult
) -> list[Points]:
    """Return the model's boxes on the image's file, and add the differences to ``result``."""
    prepared = model.read(image.path)
    model_map = model.run(prepared.image[np.newaxis])[0, 0]
    if model_map.shape == prob_map.shape and prepared.image.shape == image.image.shape:
        result.input_difference = max(
            result.input_difference, _largest(prepared.image, image.image)
        )
        result.map_difference = max(result.map_difference, _largest(model_map, prob_map))
        beyond = float((np.abs(model_map - prob_map) > MAP_LIMIT).mean())
        result.beyond_limit = max(result.beyond_limit, beyond)
    else:
        result.other_sizes += 1
        result.input_difference = result.map_difference = math.inf
        result.beyond_limit = 1.0
    model_boxes = _boxes(model.settings.post_process, model_map, prepared)
    px = SAME_BOX_PX * max(image.shape[:2] / prob_map.shape)
    result.other_boxes += _without_counterpart(boxes, model_boxes, px)
    return model_boxes


def _largest(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the largest difference; infinite if one is NaN."""
    largest = float(np.abs(a - b).max())
    return math.inf if math.isnan(largest) else largest


def _without_counterpart(some: list[Points], others: list[Points], limit_px: float) -> int:
    """Count the boxes of both lists without an outline in the other list within ``limit_px``."""
    if not some or not others:
        return len(some) + len(others)
    a, b = as_shapely(some), as_shapely(others)
    near = shapely.hausdorff_distance(a[:, np.newaxis], b) <= limit_px  # (some, others)
    return int((~near.any(axis=1)).sum() + (~near.any(axis=0)).sum())

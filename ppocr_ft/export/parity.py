"""Whether exported models do what the trained network does."""

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
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess

MAP_LIMIT = 1e-4
"""Most that a probability may differ by, but for ``ROUNDED_SHARE`` of them."""
ROUNDED_SHARE = 1e-4
"""Where the network's sigmoid is steepest its own float32 result is up to 8e-5 from float64's, and
ONNX Runtime's up to 1.1e-4, so that a few of a map's pixels can't be held to ``MAP_LIMIT``."""
ROUNDED_LIMIT = 1e-3
"""Most that these may differ by."""
INPUT_LIMIT = 1e-4
"""Most that a normalised pixel may differ by."""
HMEAN_LIMIT = 0.002
SAME_BOX_PX = 2.0
"""A box is the same where no point of its outline is further away, in px of the map."""
BOXES_PER_EXCEPTION = 100
"""A pixel that lies at the threshold may fall to either side and change its box: one box, or one in
so many."""
RATES = ("hmean", "hmean_70")

Points = NDArray[Any]
Map = NDArray[np.float32]
Judged = tuple[EvalSample, Map]
"""An image as Eval prepared it, its file and labels, and the trained network's map (h, w)."""


@dataclass
class Trial:
    """One exported model, through its own pre- and post-processing, against the network.

    The differences are the largest over all pixels; ``beyond_limit`` is the share of probabilities
    that differ by more than ``MAP_LIMIT``, on the worst image. ``other_sizes`` counts images that
    it brings to another size than ``Eval`` does, ``other_boxes`` boxes of either that the other
    lacks.
    """

    input_difference: float = 0.0
    map_difference: float = 0.0
    beyond_limit: float = 0.0
    other_sizes: int = 0
    boxes: int = 0
    other_boxes: int = 0
    same_post_process: bool = True
    rates: dict[str, float] = field(default_factory=dict)

    def faults(self, trained: Mapping[str, float], boxes: int) -> list[str]:
        """What is not as it must be; ``trained`` and ``boxes`` are the network's."""
        allowed = max(1, boxes // BOXES_PER_EXCEPTION)
        found = {
            f"{self.other_sizes} images get another size than in the evaluation": self.other_sizes,
            f"prepared pixels differ by {self.input_difference:.2g}; {INPUT_LIMIT:g} is the most": (
                not self.input_difference <= INPUT_LIMIT
            ),
            f"maps differ by {self.map_difference:.2g}; {ROUNDED_LIMIT:g} is the most": (
                not self.map_difference <= ROUNDED_LIMIT
            ),
            f"{self.beyond_limit:.2%} of a map differ by more than {MAP_LIMIT:g}; "
            f"{ROUNDED_SHARE:.2%} is the most": not self.beyond_limit <= ROUNDED_SHARE,
            "inference.yml has another post-processing than the config": not self.same_post_process,
            f"{self.other_boxes} boxes are not the same; {allowed} of {boxes} may be": (
                self.other_boxes > allowed
            ),
        }
        for name in RATES:
            own, wanted = self.rates[name], trained[name]
            text = f"{name} is {own:.4f} and was {wanted:.4f}; {HMEAN_LIMIT} apart is the most"
            found[text] = abs(own - wanted) > HMEAN_LIMIT
        return [text for text, holds in found.items() if holds]


@dataclass(frozen=True)
class Parity:
    """The network's rates and number of boxes on ``images`` images, and each model's trial."""

    images: int
    boxes: int
    rates: dict[str, float]
    trials: dict[str, Trial]

    def faults(self) -> list[str]:
        """Empty where every exported model is equal to the network."""
        return [
            f"{name}: {fault}"
            for name, trial in self.trials.items()
            for fault in trial.faults(self.rates, self.boxes)
        ]

    def as_dict(self) -> dict[str, Any]:
        limits = {"maps": MAP_LIMIT, "hmean": HMEAN_LIMIT, "input": INPUT_LIMIT}
        return {"equal": not self.faults(), "limits": limits, **asdict(self)}

    def describe(self) -> str:
        """As a table."""
        lines = [
            f"{'':14}{'hmean':>9}{'hmean_70':>10}{'boxes':>8}{'others':>8}{'maps differ by':>16}",
            f"{'trained':14}{self.rates['hmean']:9.4f}{self.rates['hmean_70']:10.4f}{self.boxes:8}",
        ]
        lines += [
            f"{name:14}{trial.rates['hmean']:9.4f}{trial.rates['hmean_70']:10.4f}{trial.boxes:8}"
            f"{trial.other_boxes:8}{trial.map_difference:16.1e}"
            for name, trial in self.trials.items()
        ]
        return "\n".join([*lines, f"{self.images} validation images"])


def compare(
    judged: Iterable[Judged], post_process: DBPostProcess, models: Mapping[str, RuntimeModel]
) -> Parity:
    """Run each model on the files of ``judged`` and hold it against the network.

    The network's maps go through ``post_process``; a model reads the file, prepares it and finds
    boxes by its own ``inference.yml``.

    Raises:
        ValueError: ``judged`` is empty.
    """
    trained = _Tally()
    tallies = {name: _Tally() for name in models}
    trials = {
        name: Trial(same_post_process=model.settings.post_process == post_process)
        for name, model in models.items()
    }
    for image, prob_map in judged:
        boxes = _boxes(post_process, prob_map, image)
        trained.add(boxes, image)
        for name, model in models.items():
            found = _try(model, image, prob_map, boxes, trials[name])
            tallies[name].add(found, image)
    if not trained.images:
        raise ValueError("no image to compare on")
    for name, tally in tallies.items():
        trials[name].boxes, trials[name].rates = tally.boxes, tally.rates()
    return Parity(trained.images, trained.boxes, trained.rates(), trials)


class _Tally:
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


def _try(
    model: RuntimeModel, image: EvalSample, prob_map: Map, boxes: list[Points], trial: Trial
) -> list[Points]:
    """The model's boxes on the image's file; what differs goes into ``trial``."""
    own = model.read(image.path)
    own_map = model.run(own.image[np.newaxis])[0, 0]
    if own_map.shape == prob_map.shape and own.image.shape == image.image.shape:
        trial.input_difference = max(trial.input_difference, _largest(own.image, image.image))
        trial.map_difference = max(trial.map_difference, _largest(own_map, prob_map))
        beyond = float((np.abs(own_map - prob_map) > MAP_LIMIT).mean())
        trial.beyond_limit = max(trial.beyond_limit, beyond)
    else:
        trial.other_sizes += 1
        trial.input_difference = trial.map_difference = math.inf
        trial.beyond_limit = 1.0
    found = _boxes(model.settings.post_process, own_map, own)
    px = SAME_BOX_PX * max(image.shape[:2] / prob_map.shape)
    trial.other_boxes += _without_counterpart(boxes, found, px)
    return found


def _largest(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The largest difference; infinite where one is NaN."""
    largest = float(np.abs(a - b).max())
    return math.inf if math.isnan(largest) else largest


def _without_counterpart(some: list[Points], others: list[Points], limit_px: float) -> int:
    """How many of either have no outline of the other within ``limit_px``."""
    if not some or not others:
        return len(some) + len(others)
    a, b = as_shapely(some), as_shapely(others)
    near = shapely.hausdorff_distance(a[:, np.newaxis], b) <= limit_px  # (some, others)
    return int((~near.any(axis=1)).sum() + (~near.any(axis=0)).sum())

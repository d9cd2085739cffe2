"""The tables of docs/shrink.md, each computed by running what it tells of."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.made_up_crop import Crop
from experiments.marked_tables import Table
from experiments.paddleocr_runs import RUN_EPOCHS, SEED, our_pair, paddleocr_pair, targets
from ppocr_ft import EpochClock, MakeBorderMap, MakeShrinkMap
from ppocr_ft.errors import ConfigError
from ppocr_ft.shrinking import iou_ceiling, unclip_ratio_for
from ppocr_ft.transforms.pipeline import Pipeline
from tests.support.paddleocr_wheels import border_class
from tests.support.reference_maps import reference, run_pair

RECEIPTS = Path(__file__).parents[2] / "shared" / "data" / "receipts" / "train.txt"
RECEIPT_LINES = 3000
UNCLIP_RATIOS = (1.0, 1.2, 1.5, 1.8, 2.2)
GOOD_IOU = 0.7
SIDE_PX = 100
MAP_TOLERANCE = 1e-6

Polygons = Sequence[NDArray[Any]]


def all_tables(crop: Crop) -> list[Table]:
    """Every table that can be computed here; that of the receipts needs their labels."""
    tables = [
        versions(),
        total_epochs(crop),
        ceiling("ceiling_made_up", crop.polygons),
        errors(),
        nan_pixels(crop),
        outside(),
    ]
    if RECEIPTS.is_file():
        tables.append(ceiling("ceiling_receipts", receipt_polygons()))
    return tables


def versions() -> Table:
    """Return the ratio in three epochs, by the operators of each version."""
    given = {
        "2.6.1.3": "knows neither `epoch` nor `total_epoch`",
        "2.7.0.3": f"the random seed, {SEED}",
        "2.8.1": f"the random seed, {SEED}",
        "2.10.0": "nothing: `total_epoch` has no effect",
    }
    rows = []
    for version, epoch in given.items():
        ratio = paddleocr_pair(version).ratio
        rows.append([f"PaddleOCR {version}", epoch, *[f"{ratio:.4f}"] * 3])
    ours = [our_pair(epoch).ratio for epoch in (1, 250, 500)]
    rows.append(["ppocr_ft", "the true epoch", *(f"**{ratio:.4f}**" for ratio in ours)])
    header = ["operators", "what they get as `epoch`", "epoch 1", "epoch 250", "epoch 500"]
    return Table("versions", header, rows)


def total_epochs(crop: Crop) -> Table:
    """Return how 2.7.0.3 reads a YAML's total_epoch, and how our operators read the same YAML."""
    rows = []
    for total_epoch in (500, 300, 150, 10000, None):
        drawn = targets(paddleocr_pair("2.7.0.3", total_epoch), crop)
        ours = [our_pair(epoch, total_epoch).ratio for epoch in (1, RUN_EPOCHS)]
        rows.append(
            [
                "deleted" if total_epoch is None else str(total_epoch),
                f"{drawn.ratio:.4f}",
                f"{drawn.masked_ratio:.0%}",
                f"{drawn.kernel_ratio:.0%}",
                f"`{drawn.crash}`" if drawn.crash else "runs",
                f"{ours[0]:.4f}, {ours[1]:.4f}",
            ]
        )
    header = [
        "`total_epoch`",
        "2.7.0.3: ratio",
        "2.7.0.3: texts masked out",
        "2.7.0.3: kernel pixels / text area",
        "2.7.0.3: MakeBorderMap",
        "ppocr_ft: ratio in epochs 1, 500",
    ]
    return Table("total_epochs", header, rows)


def ceiling(name: str, polygons: Polygons) -> Table:
    """Mean IoU of a perfect network / share of texts at or above GOOD_IOU."""
    rows = []
    for ratio in (0.4, 0.5, 0.6, paddleocr_pair("2.7.0.3").ratio):
        best = unclip_ratio_for(polygons, ratio)
        cells = [_mean_and_share(iou_ceiling(polygons, ratio, unclip)) for unclip in UNCLIP_RATIOS]
        at_best = _mean_and_share(iou_ceiling(polygons, ratio, best))
        rows.append([f"{ratio:g}", *cells, f"**{best:.2f}**: {at_best}"])
    unclips = [f"unclip {unclip}" for unclip in UNCLIP_RATIOS]
    return Table(name, ["shrink ratio", *unclips, "best unclip"], rows)


def _mean_and_share(ious: NDArray[np.float64]) -> str:
    return f"{ious.mean():.2f} / {np.mean(ious >= GOOD_IOU):.0%}"


def receipt_polygons() -> list[NDArray[np.float64]]:
    """Return the first lines of text of the receipts' training labels."""
    texts = []
    for line in RECEIPTS.read_text(encoding="utf-8").splitlines():
        texts += json.loads(line.split("\t", 1)[1])
    return [np.array(text["points"], dtype=np.float64) for text in texts[:RECEIPT_LINES]]


def errors() -> Table:
    """Return the operators' messages about keys that can't be right."""

    def unequal_pair() -> None:
        Pipeline([MakeBorderMap(shrink_ratio=0.4), MakeShrinkMap(shrink_ratio=0.5)])

    def ratio_without_epoch() -> None:
        _ = MakeShrinkMap(total_epoch=RUN_EPOCHS, clock=EpochClock()).shrink_ratio

    cases: list[tuple[str, Callable[[], object]]] = [
        ("`shrink_ratio: 1.2`", lambda: MakeShrinkMap(shrink_ratio=1.2)),
        (
            "`shrink_ratio: 0.85`, `total_epoch: 500`",
            lambda: MakeShrinkMap(shrink_ratio=0.85, total_epoch=RUN_EPOCHS),
        ),
        ("`shrink_ratio_end: 0.6` alone", lambda: MakeShrinkMap(shrink_ratio_end=0.6)),
        ("`total_epoch: 0`", lambda: MakeShrinkMap(total_epoch=0)),
        ("MakeBorderMap at 0.4, MakeShrinkMap at 0.5 in one pipeline", unequal_pair),
        (f"`total_epoch: {RUN_EPOCHS}`, and nobody calls `set_epoch`", ratio_without_epoch),
    ]
    rows = [[keys, *_complaint(case)] for keys, case in cases]
    return Table("errors", ["keys", "raised", "message"], rows)


def _complaint(case: Callable[[], object]) -> tuple[str, str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            case()
        except ConfigError as error:
            return "`ConfigError`", str(error)
    return "a warning, once", str(caught[0].message)


def nan_pixels(crop: Crop) -> Table:
    """How far our maps are from 2.6.1.3's on the crop."""
    rows = []
    for ratio in (0.4, 0.5, 0.6):
        theirs = reference("2.6.1.3", crop.sample(), shrink_ratio=ratio)
        pair = MakeBorderMap(shrink_ratio=ratio), MakeShrinkMap(shrink_ratio=ratio)
        ours = run_pair(*pair, crop.sample())
        lost = theirs.nan_pixels
        names = ("shrink_map", "shrink_mask", "threshold_mask")
        unequal = sum(int((ours[name] != theirs.maps[name]).sum()) for name in names)
        values = theirs.maps["threshold_map"], ours["threshold_map"]
        apart = np.abs(values[0] - values[1]) > MAP_TOLERANCE
        means = [f"{value[lost].mean():.2f}" for value in values]
        counts = [unequal, int(apart[~lost].sum()), int(lost.sum())]
        rows.append([f"{ratio:g}", *map(str, counts), " / ".join(means)])
    header = [
        "ratio",
        "unequal pixels in shrink_map, shrink_mask, threshold_mask",
        f"threshold_map: pixels more than {MAP_TOLERANCE:g} apart, NaN pixels aside",
        "NaN pixels of 2.6.1.3",
        "their mean threshold: 2.6.1.3 / ppocr_ft",
    ]
    return Table("nan_pixels", header, rows)


def outside() -> Table:
    """Return a text of 40 x 12 px outside an image of 100 x 100 px."""
    places = [
        ("60 px to the left of the image", (-100, 40)),
        ("20 px to the right of it", (120, 40)),
        ("60 px to the right of it", (160, 40)),
    ]
    rows = []
    for place, corner in places:
        box = (np.array([[0, 0], [40, 0], [40, 12], [0, 12]]) + corner).astype(np.float32)
        theirs = _painted(border_class("2.6.1.3")(), box)
        rows.append([place, theirs, _painted(MakeBorderMap(), box)])
    return Table("outside", ["text", "PaddleOCR 2.6.1.3 MakeBorderMap", "ppocr_ft"], rows)


def _painted(border: Callable[[dict[str, Any]], dict[str, Any]], box: NDArray[np.float32]) -> str:
    image = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    try:
        with np.errstate(all="ignore"):
            data = border({"image": image, "polys": [box], "ignore_tags": np.array([False])})
    except ValueError as error:
        return f"`{type(error).__name__}: {str(error).split(' from shape')[0]} ...`"
    strokes = int((data["threshold_map"] > 0.3 + MAP_TOLERANCE).sum())
    counted = data.get("unusable_texts")
    count = "" if counted is None else f", `unusable_texts` {counted}"
    return f"paints {strokes} px{count}"

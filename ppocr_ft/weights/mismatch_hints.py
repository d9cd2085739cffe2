"""Hints on weights that don't fit: what they are, and which network they fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, get_args

import paddle

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import Detector, build_detector
from ppocr_ft.models.configs import DETECTORS, Form
from ppocr_ft.models.reparameterize import detect_form
from ppocr_ft.weights.arrays import State
from ppocr_ft.weights.coverage import PARTS, CoverageReport
from ppocr_ft.weights.matching import (
    NamedWeights,
    chosen_member,
    compare,
    has_shapes,
    members_of,
    name_state,
    state_of,
)
from ppocr_ft.weights.sources import WeightsSource
from ppocr_ft.weights.tensor_order import tensor_order

_LEAST_SHARE = 0.5  # of a detector's backbone and neck, for it to be named at all

Shapes = dict[str, tuple[int, ...]]


class Fit(NamedTuple):
    """A known detector, and the share of its counted parts that a file fills."""

    name: str
    share: float
    form: Form | None
    shapes: Shapes


def too_little(
    report: CoverageReport, weights: NamedWeights, source: WeightsSource, min_coverage: float
) -> str:
    """Return the message for a file that fills too little of a network."""
    counts = ", ".join(
        f"{len(report.keys(status))} {status}"
        for status in ("matched", "missing", "wrong shape", "unexpected")
    )
    return (
        f"fills {report.coverage:.1%} of the network's {' and '.join(report.counted)} "
        f"({counts} tensors); at least {min_coverage:.0%} are needed. "
        + (_other_member(report, weights, source) or _other_detector(weights))
    )


def _other_member(
    report: CoverageReport, weights: NamedWeights, source: WeightsSource
) -> str | None:
    """Say whether another network of a distilled checkpoint fills more."""
    chosen = chosen_member(source)
    for member, state in members_of(source.tensors).items():
        with suppress(WeightsError):
            share = compare(name_state(state, weights.own)).coverage
            if member != chosen and share > report.coverage:
                return f"Its {member} fills {share:.1%}: write #{member} after the path"
    return None


def _other_detector(weights: NamedWeights) -> str:
    best = max(_state_fits(weights), key=lambda fit: fit.share)
    if best.share < _LEAST_SHARE:
        return "It fits none of the known detectors"
    if best.shapes == {key: value.shape for key, value in weights.own.items()}:
        return f"It is a {best.name}, as the network is, but incomplete"
    return f"It fits {best.name} ({best.share:.1%}): take that Architecture, or other weights"


def _state_fits(weights: NamedWeights) -> Iterator[Fit]:
    state, form = weights.state, detect_form(weights.state)
    if not any(key.split(".")[0] in PARTS for key in state):
        state = {f"backbone.{key}": value for key, value in state.items()}
    is_backbone = all(key.startswith("backbone.") for key in state)
    counted = PARTS[:1] if is_backbone else PARTS[:2]
    for names in _names():
        with paddle.LazyGuard():  # shapes only: no initial values, no random numbers
            tensors = _build(names, form or "branches").state_dict()
        shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
        sizes = {key: t.size for key, t in tensors.items() if key.split(".")[0] in counted}
        matched = [
            size for key, size in sizes.items() if key in state and state[key].shape == shapes[key]
        ]
        yield Fit(names, sum(matched) / sum(sizes.values()), form, shapes)


def other_program(source: WeightsSource, network: Detector) -> str:
    """Return the message for an inference model of another network."""
    tensors, needed = len(source.tensors), len(tensor_order(network))
    difference = (
        f"it has {tensors} tensors and the network reads {needed}"
        if tensors != needed
        else f"its {tensors} tensors have other shapes than those that the network reads"
    )
    fit = next(_program_fits(source.tensors), None)
    form = f" with form: {fit.form}" if fit and fit.form else ""
    advice = (
        f"It is a {fit.name}{form}: take that Architecture, or other weights"
        if fit
        else "It is none of the known detectors"
    )
    return f"is the inference model of another network: {difference}. {advice}"


def _program_fits(tensors: State) -> Iterator[Fit]:
    for names in _names():
        for form in get_args(Form):
            network = _build(names, form)
            network_state = state_of(network)
            if has_shapes(tensors, [network_state[key] for key in tensor_order(network)]):
                shapes = {key: value.shape for key, value in network_state.items()}
                yield Fit(names, 1.0, detect_form(network_state), shapes)


def _names() -> list[str]:
    """Return each distinct network once, with all its names."""
    groups: dict[int, list[str]] = {}
    for name in sorted(DETECTORS):
        groups.setdefault(id(DETECTORS[name]), []).append(name)
    return [" or ".join(names) for names in groups.values()]


def _build(names: str, form: Form) -> Detector:
    return build_detector(names.split(" or ", 1)[0], form)

"""Loading weights into a network, hints on those that don't fit, networks for PaddleOCR."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import paddle

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import DetectionNetwork, build_architecture, build_detector
from ppocr_ft.models.configs import DETECTORS, TRAINING_BRANCHES, ArchitectureConfig, Form
from ppocr_ft.models.reparameterize import detect_form, to_branches
from ppocr_ft.weights.arrays import Array, State, at_path, digest
from ppocr_ft.weights.coverage import PARTS, CoverageReport
from ppocr_ft.weights.files import write_weights
from ppocr_ft.weights.graph import GraphsPart
from ppocr_ft.weights.matching import (
    NamedWeights,
    chosen_member,
    chosen_state,
    compare,
    members_of,
    name_state,
    name_weights,
    state_of,
)
from ppocr_ft.weights.sources import WeightsSource, open_source
from ppocr_ft.weights.trace import rep_layers

MIN_COVERAGE = 0.9
"""Share of backbone and neck, by parameters, under which loading stops."""
_UNKNOWN = "It is none of the known detectors"
_LEAST_SHARE = 0.5  # of a detector's backbone and neck, for it to be named at all

_NO_STATISTICS = (
    "hold no statistics of the data, which is right as long as they are kept and wrong once they "
    "are gathered anew; train with Global.freeze_bn_stats: true"
)
UNFOLDED_WARNING = (
    f"the weights are folded and the network has branches: their batch norms {_NO_STATISTICS}, "
    "or Global.form: auto"
)
FOLDED_NORMS_WARNING = (
    "batch norms of the network are folded into the convolutions of the weights, so that they "
    f"{_NO_STATISTICS}"
)
BACKBONE_ONLY_WARNING = (
    "the file has a backbone only: neck and head start from random values and need a full "
    "training, not a fine-tune"
)


def choose_form(source: WeightsSource, form: Form | Literal["auto"] = "auto") -> Form:
    """Return the form for ``Global.form``: ``auto`` is the form of the weights.

    An inference model is folded. Weights without re-parameterised layers fit either form:
    ``branches``. Raises WeightsError if the source lacks the member that it asks for.
    """
    if form != "auto":
        return form
    if source.is_program:
        return "folded"
    return detect_form(chosen_state(source)) or "branches"


def load_into(
    network: DetectionNetwork,
    source: WeightsSource | str | Path,
    *,
    min_coverage: float = MIN_COVERAGE,
) -> CoverageReport:
    """Lay weights on the network's tensors of the same key and shape, converting the form.

    ``source`` is what ``open_source`` gives or takes. The rest of the network stays unchanged.
    Raises WeightsError, and changes nothing, if less than ``min_coverage`` of the parameters
    of backbone and neck (backbone, if the file has no more) would be filled, if the tensors
    of an inference model are another network's, and if a tensor holds NaN or infinity.
    """
    if not isinstance(source, WeightsSource):
        source = open_source(source)
    with at_path(source.path):
        try:
            weights = name_weights(source, network)
        except GraphsPart as error:
            raise WeightsError(
                f"is the inference model of another network: {error.message}. "
                f"{_program_advice(source)}"
            ) from None
        report = compare(weights, _label(source), _warnings(weights, network))
        if report.coverage < min_coverage:
            raise WeightsError(_too_little(report, weights, source, min_coverage))
        matched = {key: weights.state[key] for key in report.keys("matched")}
        for key, value in matched.items():
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise WeightsError("holds NaN or infinity", key=key)
        filled = _in_form(matched, weights, network)
        tensors = network.state_dict()
        for key, value in filled.items():
            dtype = str(tensors[key].dtype).removeprefix("paddle.")
            tensors[key].set_value(value.astype(dtype))
    return replace(report, filled=tuple(filled), digest=digest(filled))


def _label(source: WeightsSource) -> str:
    """Return what the user wrote, the file that it means, and the member of it."""
    parts = [source.where]
    if str(source.path) not in source.where:
        parts.append(str(source.path))
    member = chosen_member(source)
    if member is not None and source.member is None:
        parts.append(f"the {member} in it")
    return ", ".join(parts)


def _warnings(weights: NamedWeights, network: DetectionNetwork) -> tuple[str, ...]:
    network_form = detect_form(network.state_dict())
    causes = {
        UNFOLDED_WARNING: (weights.form, network_form) == ("folded", "branches"),
        FOLDED_NORMS_WARNING: weights.without_statistics and weights.form == network_form,
        BACKBONE_ONLY_WARNING: weights.counted == PARTS[:1],
    }
    return tuple(warning for warning, holds in causes.items() if holds)


def _in_form(matched: State, weights: NamedWeights, network: DetectionNetwork) -> State:
    """Return the matched tensors under the network's own keys."""
    network_state = state_of(network)
    if network_state.keys() == weights.own.keys():
        return matched
    shapes = {key: value.shape for key, value in network_state.items()}
    branches = to_branches({**weights.own, **matched}, shapes)
    layers = tuple(f"{layer}." for layer in rep_layers(matched))
    return {
        key: value
        for key, value in branches.items()
        if key in matched or (key not in weights.own and key.startswith(layers))
    }


def to_paddleocr(
    state: Mapping[str, Array], architecture: ArchitectureConfig | Mapping[str, object]
) -> State:
    """Return a detector's state dict as PaddleOCR's training code has it: PPLCNetV3 in branches.

    ``architecture`` is the YAML section that the network was built from. A state without folded
    layers is returned unchanged. Raises WeightsError for a state of another network.
    """
    if detect_form(state) != "folded":
        return dict(state)
    if isinstance(architecture, ArchitectureConfig):
        architecture = architecture.arguments()
    return to_branches(state, _branch_shapes(json.dumps(architecture)))


@cache
def _branch_shapes(architecture: str) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes of the branches form of a section, given as JSON."""
    with paddle.LazyGuard():  # shapes only: no initial values, no random numbers
        branches = build_architecture(json.loads(architecture), form="branches").state_dict()
    return {key: tuple(value.shape) for key, value in branches.items()}


def save_trained(
    network: DetectionNetwork,
    path: str | Path,
    architecture: ArchitectureConfig | Mapping[str, object],
) -> None:
    """Write a trained network for PaddleOCR: ``to_paddleocr`` of its state dict.

    Raises WriteError if the file can't be written.
    """
    write_weights(path, to_paddleocr(state_of(network), architecture))


def _too_little(
    report: CoverageReport, weights: NamedWeights, source: WeightsSource, min_coverage: float
) -> str:
    """Return the message for a file that fills too little of a network."""
    counts = ", ".join(
        f"{len(report.keys(status))} {status}"
        for status in ("matched", "missing", "wrong shape", "unexpected")
    )
    advice = _other_member(report, weights, source) or _other_detector(weights)
    return (
        f"fills {report.coverage:.1%} of the network's {' and '.join(report.counted)} "
        f"({counts} tensors); at least {min_coverage:.0%} are needed. {advice}"
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
    """Name the known detector of whose backbone and neck the file fills most."""
    state, form = weights.state, detect_form(weights.state)
    if not any(key.split(".")[0] in PARTS for key in state):
        state = {f"backbone.{key}": value for key, value in state.items()}
    is_backbone = all(key.startswith("backbone.") for key in state)
    counted = PARTS[:1] if is_backbone else PARTS[:2]
    best_share, best_names, best_shapes = -1.0, "", {}
    for names in _detectors():
        with paddle.LazyGuard():  # shapes only: no initial values, no random numbers
            tensors = _build(names, form or "branches").state_dict()
        shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
        sizes = {key: t.size for key, t in tensors.items() if key.split(".")[0] in counted}
        matched = [
            size for key, size in sizes.items() if key in state and state[key].shape == shapes[key]
        ]
        share = sum(matched) / sum(sizes.values())
        if share > best_share:
            best_share, best_names, best_shapes = share, names, shapes
    if best_share < _LEAST_SHARE:
        return "It fits none of the known detectors"
    if best_shapes == {key: value.shape for key, value in weights.own.items()}:
        return f"It is a {best_names}, as the network is, but incomplete"
    return f"It fits {best_names} ({best_share:.1%}): take that Architecture, or other weights"


def _program_advice(source: WeightsSource) -> str:
    """Name the known detector, and its form, of an inference model.

    Only a network with the model's kernels is built; the shapes of the others take no time.
    """
    graph = source.graph
    assert graph is not None
    kernels = Counter(
        graph.tensors[operator.name].shape
        for operator in graph.operators
        if operator.kind.endswith("convolution")
    )
    for names in _detectors():
        for form in get_args(Form):
            if _kernels(names, form) != kernels:
                continue
            network = _build(names, form)
            own_form = detect_form(network.state_dict())
            with suppress(GraphsPart):
                if name_weights(source, network).form == own_form:
                    with_form = f" with form: {own_form}" if own_form else ""
                    return f"It is a {names}{with_form}: take that Architecture, or other weights"
    return _UNKNOWN


def _kernels(names: str, form: Form) -> Counter[tuple[int, ...]]:
    """Return how many kernels of each shape a known detector has, those of training left out."""
    with paddle.LazyGuard():  # shapes only: no initial values, no random numbers
        tensors = _build(names, form).state_dict()
    return Counter(
        tuple(tensor.shape)
        for key, tensor in tensors.items()
        if tensor.ndim == 4 and not key.startswith(TRAINING_BRANCHES)
    )


def _detectors() -> list[str]:
    """Return each distinct network once, with all its names."""
    groups: dict[int, list[str]] = {}
    for name in sorted(DETECTORS):
        groups.setdefault(id(DETECTORS[name]), []).append(name)
    return [" or ".join(names) for names in groups.values()]


def _build(names: str, form: Form) -> DetectionNetwork:
    return build_detector(names.split(" or ", 1)[0], form)

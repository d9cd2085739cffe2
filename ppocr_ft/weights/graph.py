"""Graphs of layers, and the transfer of tensors from one to another of the same function.

An inference model, read from Paddle's program or from ONNX, and a network that has run once are
both a list of operators that read tensors. A *layer* is a
convolution and what follows it channel by channel: bias, batch norm, learned scale and offset.
Exporters fold some of these into the convolution. So layers are matched by their kernels and by
what they work on; the rest of a layer goes over as it is or, where it has another form, by what it
does to a channel.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.reparameterize import BN_EPSILON
from ppocr_ft.weights.arrays import Array, State

Kind = Literal["convolution", "transposed convolution", "batch norm", "scale", "offset", "other"]

_OUTPUT_AXIS: dict[Kind, int] = {"convolution": 0, "transposed convolution": 1}
"""A kernel's axis of the output channels."""
_PER_CHANNEL: tuple[Kind, ...] = ("batch norm", "scale", "offset")


class Operator(NamedTuple):
    """An operator that reads tensors: their names, and the values that it takes and gives.

    A batch norm's tensors are bias, mean, scale and variance; scale and offset have one tensor,
    of shape (channels,) or (1,). ``after``: the names of the operators whose results it works on,
    be it through others that read no tensors.
    """

    kind: Kind
    tensors: tuple[str, ...]
    takes: Hashable = None
    gives: Hashable = None
    after: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The name of its first tensor."""
        return self.tensors[0]


class Graph(NamedTuple):
    """Operators in the order in which they run, and their tensors by name, in that order too."""

    tensors: State
    operators: tuple[Operator, ...]


class Transfer(NamedTuple):
    """Tensors by the receiving graph's names.

    ``without_statistics``: some of its batch norms got mean 0 and a variance that is none, since
    those of the giving graph are in the kernels.
    """

    state: State
    without_statistics: bool


class GraphsPart(WeightsError):  # noqa: N818  an outcome
    """Two graphs aren't of the same function; ``layers`` are alike, counted from the first."""

    layers: int = 0


def layers(operators: Sequence[Operator]) -> list[list[Operator]]:
    """Join each operator that works channel by channel to the layer whose result it takes."""
    joined: list[list[Operator]] = []
    ends: dict[Hashable, list[Operator]] = {}
    for operator in operators:
        layer = ends.pop(operator.takes, None) if operator.kind in _PER_CHANNEL else None
        if layer is None:
            layer = []
            joined.append(layer)
        layer.append(operator)
        if operator.gives is not None and operator.kind != "other":
            ends[operator.gives] = layer
    return joined


def transfer(source: Graph, target: Graph) -> Transfer:
    """Return the tensors of ``target`` that make it the function of ``source``.

    A layer's counterpart has the same kernel and works on the results of counterparts, so that the
    order of layers side by side doesn't matter.

    Raises:
        GraphsPart: naming the first layer without a counterpart, in both graphs.
    """
    state: State = {}
    without_statistics = False
    places: dict[object, int] = {}
    waiting = dict(enumerate(layers(source.operators)))
    by_place: dict[int, list[int]] = {}
    for index, place in enumerate(_places_in(source, places)):
        by_place.setdefault(place, []).append(index)
    ours_all = layers(target.operators)
    for count, (ours, place) in enumerate(zip(ours_all, _places_in(target, places), strict=True)):
        candidates = by_place.get(place)
        theirs = waiting.pop(candidates.pop(0)) if candidates else None
        moved = _move(theirs, source, ours, target) if theirs else None
        if moved is None:
            raise _part(count, theirs or next(iter(waiting.values()), None), source, ours, target)
        state |= moved.state
        without_statistics |= moved.without_statistics
    if waiting:
        raise _part(len(ours_all), next(iter(waiting.values())), source, None, target)
    return Transfer(state, without_statistics)


def _places_in(graph: Graph, places: dict[object, int]) -> list[int]:
    """Return a number for each layer's place: its kernel, and the places that it works on.

    ``places`` has those of both graphs, so that equal numbers are equal places.
    """
    numbers: list[int] = []
    of_operators: dict[str, int] = {}
    for layer in layers(graph.operators):
        first = layer[0]
        kernel = () if first.kind in _PER_CHANNEL else _form(first, graph)
        before = {of_operators[name] for name in first.after if name in of_operators}
        place = places.setdefault((kernel, frozenset(before)), len(places))
        of_operators.update({operator.name: place for operator in layer})
        numbers.append(place)
    return numbers


def _move(
    theirs: Sequence[Operator], source: Graph, ours: Sequence[Operator], target: Graph
) -> Transfer | None:
    """Transfer a layer: its equal end as it is, what is before that by its effect."""
    alike = 0
    for one, other in zip(reversed(theirs), reversed(ours), strict=False):
        if _form(one, source) != _form(other, target):
            break
        alike += 1
    for end in range(alike, -1, -1):
        copied = {
            name: source.tensors[given]
            for one, other in zip(theirs[len(theirs) - end :], ours[len(ours) - end :], strict=True)
            for name, given in zip(other.tensors, one.tensors, strict=True)
        }
        rest, place = theirs[: len(theirs) - end], ours[: len(ours) - end]
        if not rest and not place:
            return Transfer(copied, without_statistics=False)
        folded = _fold(rest, source, place, target)
        if folded is not None:
            has_norms = any(operator.kind == "batch norm" for operator in place)
            return Transfer(folded | copied, has_norms)
    return None


def _form(operator: Operator, graph: Graph) -> tuple[object, ...]:
    return operator.kind, *[graph.tensors[name].shape for name in operator.tensors]


def _fold(
    theirs: Sequence[Operator], source: Graph, ours: Sequence[Operator], target: Graph
) -> State | None:
    """Return tensors of ``ours`` that do to each channel what ``theirs`` do; None: they can't.

    What is not needed for it becomes the identity. Summed in float64, returned as float32.
    """
    kernels = [part[0] for part in (theirs, ours) if part and part[0].kind not in _PER_CHANNEL]
    if kernels and (len(kernels) < 2 or _form(kernels[0], source) != _form(kernels[1], target)):
        return None
    after = 1 if kernels else 0
    sizes = {source.tensors[name].size for operator in theirs[after:] for name in operator.tensors}
    if len(sizes - {1}) > 1:
        return None
    scale, offset = np.ones(1), np.zeros(1)
    for operator in theirs[after:]:
        factor, shift = _effect(operator, source)
        scale, offset = scale * factor, offset * factor + shift
    state: State = {}
    if kernels:
        given, kept = kernels
        state = {
            name: source.tensors[other].astype(np.float64)
            for name, other in zip(kept.tensors, given.tensors, strict=True)
        }
        scale = _put(scale, state, kept.tensors[0], _OUTPUT_AXIS.get(kept.kind))
    for operator in ours[after:]:
        state |= _identity(operator, target)
        scale_name, offset_name = _places(operator)
        scale = _put(scale, state, scale_name)
        if np.all(scale == 1) and offset_name and _fits(offset, state[offset_name].size):
            state[offset_name] = state[offset_name] + offset
            offset = np.zeros(1)
    if np.any(scale != 1) or np.any(offset != 0):
        return None
    if kernels:
        _unfold(state, ours)
    return {name: value.astype(np.float32) for name, value in state.items()}


def _unfold(state: State, layer: Sequence[Operator]) -> None:
    """Let a batch norm that became the identity divide its kernel's results by what it multiplies.

    A kernel into which a file's batch norm was folded may be of any size: that of PP-OCRv6's head
    is a hundredth of what it was in training, and steps of a usual rate would destroy it. It gets
    the size of He et al. 2015, "Delving Deep into Rectifiers": a root mean square of sqrt(2 /
    inputs) for each channel. The layer's function stays the same.
    """
    kernel, *following = layer
    axis = _OUTPUT_AXIS.get(kernel.kind)
    kinds = [operator.kind for operator in following]
    if axis is None or "batch norm" not in kinds:
        return
    before, norm = following[: kinds.index("batch norm")], following[kinds.index("batch norm")]
    weight = state[kernel.tensors[0]]
    offsets = [name for operator in before for name in operator.tensors]
    sizes = {state[name].shape for name in offsets}
    if set(kinds[: len(before)]) - {"offset"} or sizes - {(weight.shape[axis],)}:
        return
    others = tuple(index for index in range(weight.ndim) if index != axis)
    size = np.sqrt(np.square(weight).mean(axis=others))  # (channels,)
    usual = math.sqrt(2 * weight.shape[axis] / weight.size)
    factor = np.divide(usual, size, out=np.ones_like(size), where=size > 0)
    _put(factor, state, kernel.tensors[0], axis)
    for name in offsets:
        _put(factor, state, name)
    _, _, gain, variance = norm.tensors
    state[variance] = np.square(factor)
    state[gain] = state[gain] * np.sqrt((factor**2 + BN_EPSILON) / (1 + BN_EPSILON)) / factor


def _effect(operator: Operator, graph: Graph) -> tuple[Array, Array]:
    """Return factor and shift of each channel, (channels,) or (1,), float64."""
    values = [graph.tensors[name].astype(np.float64).ravel() for name in operator.tensors]
    if operator.kind == "scale":
        return values[0], np.zeros(1)
    if operator.kind == "offset":
        return np.ones(1), values[0]
    bias, mean, weight, variance = values
    factor = weight / np.sqrt(variance + BN_EPSILON)
    return factor, bias - mean * factor


def _identity(operator: Operator, graph: Graph) -> State:
    """Return float64 tensors with which an operator changes nothing."""
    neutral = {
        "scale": (1.0,),
        "offset": (0.0,),
        "batch norm": (0.0, 0.0, math.sqrt(1 + BN_EPSILON), 1.0),
    }[operator.kind]
    return {
        name: np.full(graph.tensors[name].shape, value)
        for name, value in zip(operator.tensors, neutral, strict=True)
    }


def _places(operator: Operator) -> tuple[str | None, str | None]:
    """Return the tensors of an operator that hold a factor and a shift of each channel."""
    if operator.kind == "batch norm":
        return operator.tensors[2], operator.tensors[0]
    name = operator.tensors[0]
    return (name, None) if operator.kind == "scale" else (None, name)


def _put(scale: Array, state: State, name: str | None, axis: int | None = 0) -> Array:
    """Multiply a tensor by a scale of its ``axis`` if it fits; return the scale that is left."""
    if name is None or axis is None or not _fits(scale, state[name].shape[axis]):
        return scale
    value = state[name]
    sizes = [-1 if index == axis else 1 for index in range(value.ndim)]
    state[name] = value * scale.reshape(sizes)
    return np.ones(1)


def _fits(values: Array, size: int) -> bool:
    return values.size in (1, size)


def _part(
    index: int,
    theirs: Sequence[Operator] | None,
    source: Graph,
    ours: Sequence[Operator] | None,
    target: Graph,
) -> GraphsPart:
    has = "nothing more" if theirs is None else _describe(theirs, source)
    needed = "nothing more" if ours is None else _describe(ours, target)
    begin = f"after {index} layers that are alike" if index else "at the first layer"
    error = GraphsPart(f"{begin} it has {has} where the network has {needed}")
    error.layers = index
    return error


def _describe(layer: Sequence[Operator], graph: Graph) -> str:
    """Return a layer's operators with their shapes, and the name of its first tensor."""
    shapes = (" x ".join(map(str, graph.tensors[o.tensors[0]].shape)) for o in layer)
    parts = " + ".join(f"{o.kind} {shape}" for o, shape in zip(layer, shapes, strict=True))
    return f"{parts} ({layer[0].tensors[0]})"

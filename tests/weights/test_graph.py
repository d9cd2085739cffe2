"""Layers of two graphs: what goes over, in which form, and where two graphs part."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ppocr_ft.models.reparameterize import BN_EPSILON
from ppocr_ft.weights.arrays import State
from ppocr_ft.weights.graph import Graph, GraphsPart, Kind, Operator, transfer
from tests.support.nets_reference import hashed_state

CHANNELS = 3
KINDS: dict[str, tuple[Kind, tuple[str, ...], tuple[int, ...]]] = {
    "conv": ("convolution", ("weight",), (CHANNELS, CHANNELS, 1, 1)),
    "up": ("transposed convolution", ("weight",), (2, CHANNELS, 1, 1)),
    "bias": ("offset", ("bias",), (CHANNELS,)),
    "norm": ("batch norm", ("bias", "_mean", "weight", "_variance"), (CHANNELS,)),
    "scale": ("scale", ("scale",), (1,)),
    "shift": ("offset", ("shift",), (1,)),
    "factor": ("scale", ("scale",), (CHANNELS,)),
}


def graph(layer: str, name: str = "a", after: tuple[str, ...] = ()) -> Graph:
    """A layer such as "conv bias norm", with values that depend on its name."""
    operators, shapes = [], {}
    for index, word in enumerate(layer.split()):
        kind, leaves, shape = KINDS[word]
        names = tuple(f"{name}.{index}.{leaf}" for leaf in leaves)
        shapes |= dict.fromkeys(names, shape)
        before = frozenset(operators[-1].tensors[:1] if operators else after)
        operators.append(Operator(kind, names, (name, index), (name, index + 1), before))
    return Graph(hashed_state(shapes), tuple(operators))


def together(*graphs: Graph) -> Graph:
    tensors: State = {}
    for part in graphs:
        tensors |= part.tensors
    return Graph(tensors, tuple(operator for part in graphs for operator in part.operators))


def run(part: Graph, tensors: State, x: np.ndarray) -> np.ndarray:
    """What a layer makes of one pixel's channels."""
    for kind, names, *_ in part.operators:
        values = [tensors[name].astype(np.float64) for name in names]
        if kind == "convolution":
            x = values[0][:, :, 0, 0] @ x
        elif kind == "transposed convolution":
            x = values[0][:, :, 0, 0].T @ x
        elif kind == "scale":
            x = x * values[0]
        elif kind == "offset":
            x = x + values[0]
        else:
            bias, mean, weight, variance = values
            x = (x - mean) / np.sqrt(variance + BN_EPSILON) * weight + bias
    return x


@pytest.mark.parametrize(
    ("theirs", "ours", "without_statistics"),
    [
        pytest.param("conv norm", "conv norm", False, id="the same"),
        pytest.param("conv bias scale shift", "conv bias scale shift", False, id="the same, LAB"),
        pytest.param("conv bias", "conv norm", True, id="folded batch norm"),
        pytest.param("conv norm", "conv bias", False, id="batch norm for a folded network"),
        pytest.param("conv bias norm", "conv bias", False, id="bias and batch norm in one bias"),
        pytest.param("conv norm", "conv bias norm", False, id="a bias that isn't there"),
        pytest.param("conv factor bias", "conv norm", True, id="Mul and Add of each channel"),
        pytest.param("conv factor", "conv bias", False, id="Mul alone"),
        pytest.param("conv bias", "conv bias scale shift", False, id="LAB in the kernel"),
        pytest.param("conv bias scale shift", "conv norm scale shift", True, id="LAB kept"),
        pytest.param("up norm", "up bias", False, id="transposed"),
        pytest.param("up bias", "up bias norm", True, id="transposed, folded batch norm"),
        pytest.param("scale shift", "scale shift", False, id="LAB alone"),
        pytest.param("scale", "scale shift", False, id="LAB without its bias"),
        pytest.param("factor bias", "norm", True, id="batch norm alone"),
    ],
)
def test_a_layer_in_another_form(theirs: str, ours: str, without_statistics: bool) -> None:
    source, target = graph(theirs, "file"), graph(ours, "network")
    moved = transfer(source, target)
    assert moved.without_statistics == without_statistics
    assert {k: v.shape for k, v in moved.state.items()} == {
        k: v.shape for k, v in target.tensors.items()
    }
    x = np.random.default_rng(0).normal(size=2 if theirs.startswith("up") else CHANNELS)
    expected = run(source, source.tensors, x)
    np.testing.assert_allclose(run(target, moved.state, x), expected, rtol=1e-5, atol=1e-6)
    if theirs == ours:
        for given, kept in zip(source.tensors.values(), moved.state.values(), strict=True):
            np.testing.assert_array_equal(kept, given)


@pytest.mark.parametrize("layer", ["conv", "conv bias", "up", "up bias"])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_a_kernel_that_took_in_a_batch_norm_has_a_usual_size_again(layer: str, size: float) -> None:
    source, target = graph(layer, "file"), graph(f"{layer} norm", "network")
    kernel = "network.0.weight"
    source.tensors["file.0.weight"] *= np.float32(size)
    source.tensors["file.0.weight"][:1, :1] = 0  # sizes of channels differ
    state = transfer(source, target).state
    inputs, axis = (2, 0) if layer.startswith("up") else (CHANNELS, 1)
    found = np.sqrt(np.square(state[kernel]).mean(axis=(axis, 2, 3)))
    np.testing.assert_allclose(found, np.sqrt(2 / inputs), rtol=1e-5)
    x = np.random.default_rng(0).normal(size=inputs)
    expected = run(source, source.tensors, x)
    np.testing.assert_allclose(run(target, state, x), expected, rtol=1e-5, atol=1e-6 * size)


def test_a_kernel_of_zeros_and_a_shift_of_all_channels_stay() -> None:
    source, target = graph("conv", "file"), graph("conv norm", "network")
    source.tensors["file.0.weight"][1] = 0
    state = transfer(source, target).state
    assert np.isfinite(np.concatenate([value.ravel() for value in state.values()])).all()
    assert not state["network.0.weight"][1].any()
    source, target = graph("conv shift", "file"), graph("conv shift norm", "network")
    state = transfer(source, target).state
    np.testing.assert_array_equal(state["network.0.weight"], source.tensors["file.0.weight"])


@pytest.mark.parametrize(
    ("theirs", "ours", "message"),
    [
        (
            "conv norm",
            "up norm",
            "at the first layer it has convolution 3 x 3 x 1 x 1 + batch norm 3 (file.0.weight) "
            "where the network has transposed convolution 2 x 3 x 1 x 1 + batch norm 3 "
            "(network.0.weight)",
        ),
        ("conv bias", "conv scale shift", "offset 3 (file.0.weight) where"),
        ("conv bias", "conv", "where the network has convolution 3 x 3 x 1 x 1 (network.0.weight)"),
        ("factor bias", "scale shift", "at the first layer it has scale 3 + offset 3"),
    ],
)
def test_where_two_layers_part(theirs: str, ours: str, message: str) -> None:
    with pytest.raises(GraphsPart) as caught:
        transfer(graph(theirs, "file"), graph(ours, "network"))
    assert message in caught.value.message


def chain(names: str, prefix: str, *, missing: str = "") -> Graph:
    parts = [graph("conv norm", prefix + name) for name in names if name != missing]
    linked = [parts[0]]
    for before, part in pairwise(parts):
        first = part.operators[0]._replace(after=frozenset([before.operators[-1].name]))
        linked.append(Graph(part.tensors, (first, *part.operators[1:])))
    return together(*linked)


def test_a_layer_more_or_less() -> None:
    with pytest.raises(GraphsPart, match="after 2 layers that are alike it has nothing more where"):
        transfer(chain("abc", "file.", missing="c"), chain("abc", "network."))
    with pytest.raises(GraphsPart, match="where the network has nothing more") as caught:
        transfer(chain("abc", "file."), chain("abc", "network.", missing="c"))
    assert caught.value.layers == 2


def test_layers_side_by_side_may_stand_in_any_order() -> None:
    """Two layers of one shape, each on the result of another one, listed the other way round."""

    def two_ways(prefix: str, order: str) -> Graph:
        first = {
            "left": graph("up norm", f"{prefix}.left"),
            "right": graph("conv norm", f"{prefix}.right"),
        }
        second = {
            side: graph("conv norm", f"{prefix}.{side}2", after=(f"{prefix}.{side}.1.bias",))
            for side in first
        }
        sides = order.split()
        return together(*[first[side] for side in sides], *[second[side] for side in sides])

    moved = transfer(two_ways("file", "right left"), two_ways("network", "left right")).state
    source = two_ways("file", "right left").tensors
    for name, value in moved.items():
        np.testing.assert_array_equal(value, source[name.replace("network", "file")])


def test_channels_that_do_not_agree() -> None:
    """Tensors of a damaged file, which no arithmetic takes."""
    source = graph("conv bias norm", "file")
    source.tensors["file.1.bias"] = np.ones(5, np.float32)
    with pytest.raises(GraphsPart):
        transfer(source, graph("conv norm", "network"))

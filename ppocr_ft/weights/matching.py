"""A source's tensors by the state dict keys of a network, compared with its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import nn

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import Detector
from ppocr_ft.models.configs import Form
from ppocr_ft.models.reparameterize import detect_form, reparameterize
from ppocr_ft.weights.arrays import State
from ppocr_ft.weights.coverage import PARTS, CoverageReport, TensorMatch
from ppocr_ft.weights.graph import Graph, GraphsPart, Kind, Operator, transfer
from ppocr_ft.weights.sources import MEMBERS, WeightsSource

_BATCH_NORM_ORDER = ("bias", "_mean", "weight", "_variance")  # as an Operator has them
_SMALLEST_INPUT = (1, 3, 32, 32)
_OUTPUTS = "backbone.layer_list."
_KERNEL, _BIAS = ".reparam_conv.weight", ".reparam_conv.bias"


@dataclass(frozen=True, eq=False)
class NamedWeights:
    """Tensors by state dict keys, and the network's tensors to compare them with.

    ``own``: the network's present values in the same form. ``absent``: those of its keys that a
    source of this kind never has. ``counted``: the parts that the source is there to fill.
    ``without_statistics``: batch norms of the network are folded in the source.
    """

    state: State
    own: State
    form: Form | None
    absent: frozenset[str] = frozenset()
    counted: tuple[str, ...] = PARTS[:2]
    without_statistics: bool = False


def state_of(network: Detector) -> State:
    """Return a network's state dict as numpy arrays."""
    return {key: tensor.numpy() for key, tensor in network.state_dict().items()}


def members_of(tensors: State) -> dict[str, State]:
    """Return the networks of a distilled checkpoint by their prefix; none in a plain one."""
    members = {
        member: {
            key.removeprefix(f"{member}."): value
            for key, value in tensors.items()
            if key.startswith(f"{member}.")
        }
        for member in MEMBERS
    }
    return {member: state for member, state in members.items() if state}


def chosen_member(source: WeightsSource) -> str | None:
    """Return the network of a distilled checkpoint that the source asks for, else its first."""
    if source.is_program:
        return None
    members = members_of(source.tensors)
    if source.member is not None and source.member not in members:
        has = f"has {', '.join(members)}" if members else "is no distilled checkpoint"
        raise WeightsError(f"has no {source.member}: it {has}", path=source.path)
    return source.member or next(iter(members), None)


def chosen_state(source: WeightsSource) -> State:
    """Return a checkpoint's tensors, of its chosen member, without its prefix."""
    member = chosen_member(source)
    return source.tensors if member is None else members_of(source.tensors)[member]


def name_weights(source: WeightsSource, network: Detector) -> NamedWeights:
    """Return the source's tensors under the network's keys.

    A checkpoint has its keys; a backbone's alone get the prefix ``backbone.``. An inference model
    is matched layer by layer, in the order in which they run. Where only the network's form
    differs, a file in branches is folded, and for a folded file the network's own values are, to
    compare. Raises GraphsPart if an inference model is another network's, WeightsError if branches
    are incomplete.
    """
    if source.graph is not None:
        return _name_program(source.graph, network)
    return name_state(chosen_state(source), state_of(network))


def name_state(state: State, network_state: State) -> NamedWeights:
    """Return a checkpoint's tensors and those of a network in the same form."""
    is_backbone_only = not any(key.split(".")[0] in PARTS for key in state) and any(
        f"backbone.{key}" in network_state for key in state
    )
    if is_backbone_only:
        state = {f"backbone.{key}": value for key, value in state.items()}
    form, own_form = detect_form(state), detect_form(network_state)
    if (form, own_form) == ("branches", "folded"):
        try:
            state = reparameterize(state)
        except WeightsError as error:
            raise WeightsError(
                f"{error.message}, so the branches can't be folded; form: branches takes what is "
                "there",
                key=error.key,
            ) from None
    elif (form, own_form) == ("folded", "branches"):
        network_state = reparameterize(network_state)
    if not all(key.startswith("backbone.") for key in state):
        return NamedWeights(state, network_state, form)
    has_outputs = any(key.startswith(_OUTPUTS) for key in state)
    absent = frozenset(  # from a classifier: neck, head, PPLCNetV3's outputs to the neck
        key
        for key in network_state
        if not key.startswith("backbone.") or (key.startswith(_OUTPUTS) and not has_outputs)
    )
    return NamedWeights(state, network_state, form, absent, PARTS[:1])


def _name_program(model: Graph, network: Detector) -> NamedWeights:
    own = state_of(network)
    layouts = [Graph(own, tuple(operators_of(network)))]
    if detect_form(own) == "branches":
        folded = reparameterize(own)
        layouts.insert(0, Graph(folded, tuple(folded_operators(layouts[0].operators, folded))))
    parts = []
    for layout in layouts:
        try:
            state, without_statistics = transfer(model, layout)
        except GraphsPart as error:
            parts.append(error)
            continue
        absent = frozenset(layout.tensors) - set(state)
        form = detect_form(state)
        return NamedWeights(
            state, layout.tensors, form, absent, without_statistics=without_statistics
        )
    raise max(parts, key=lambda error: error.layers)


def compare(
    weights: NamedWeights, source: str = "", warnings: tuple[str, ...] = ()
) -> CoverageReport:
    """Report what of the network the weights fill; ``source`` and ``warnings`` are passed on."""
    matches = []
    for key, own in weights.own.items():
        value = weights.state.get(key)
        if value is None:
            absent = key in weights.absent
            matches.append(
                TensorMatch(key, "not in this source" if absent else "missing", own.shape)
            )
        elif value.shape != own.shape:
            matches.append(TensorMatch(key, "wrong shape", own.shape, value.shape))
        else:
            matches.append(TensorMatch(key, "matched", own.shape))
    matches += [
        TensorMatch(key, "unexpected", value.shape)
        for key, value in weights.state.items()
        if key not in weights.own
    ]
    return CoverageReport(source, tuple(matches), weights.counted, weights.form, warnings)


def tensor_order(network: Detector) -> list[str]:
    """Return state dict keys in the order in which an inference program's operators read them."""
    return [key for operator in operators_of(network) for key in operator.tensors]


def operators_of(network: Detector) -> list[Operator]:
    """Return the operators that read a network's tensors, by their state dict keys.

    An exported program lists its operators as they ran, so the network runs once, on zeros, and
    notes each layer that owns tensors. What eval mode doesn't run, the threshold head, is not
    in it. For the folded PP-OCRv4 mobile detector these read the 234 tensors of the released
    model. The network is left as it was.
    """
    found: list[Operator] = []
    alive: list[object] = []  # so that no two tensors have one id

    def noting(name: str, layer: nn.Layer) -> Callable[..., None]:
        def note(_: nn.Layer, inputs: tuple[Any, ...], output: Any) -> None:
            alive.extend((inputs, output))
            found.extend(_operators(name, layer, id(inputs[0]), id(output)))

        return note

    modes = [(layer, layer.training) for layer in network.sublayers(include_self=True)]
    handles = [
        layer.register_forward_post_hook(noting(name, layer))
        for name, layer in network.named_sublayers()
        if layer.parameters(include_sublayers=False)
    ]
    try:
        network.eval()
        with paddle.no_grad():
            network(paddle.zeros(_SMALLEST_INPUT))
    finally:
        for handle in handles:
            handle.remove()
        for layer, training in modes:
            layer.training = training
    return found


def _operators(name: str, layer: nn.Layer, takes: Hashable, gives: Hashable) -> Iterator[Operator]:
    """Yield the operators of a layer, one for each tensor of its own but for a batch norm."""
    if isinstance(layer, nn.BatchNorm2D):
        keys = tuple(f"{name}.{leaf}" for leaf in _BATCH_NORM_ORDER)
        yield Operator("batch norm", keys, takes, gives)
        return
    own = layer.state_dict(include_sublayers=False)
    for index, (leaf, tensor) in enumerate(own.items(), start=1):
        result = gives if index == len(own) else (gives, index)
        yield Operator(_kind(layer, leaf, tensor.ndim), (f"{name}.{leaf}",), takes, result)
        takes = result


def _kind(layer: nn.Layer, leaf: str, dimensions: int) -> Kind:
    if dimensions == 4:
        is_transposed = isinstance(layer, nn.Conv2DTranspose)
        return "transposed convolution" if is_transposed else "convolution"
    return "offset" if leaf == "bias" else "scale"


def rep_layers(keys: Iterable[str]) -> list[str]:
    """Return the re-parameterised layers whose folded kernel and bias are both among the keys."""
    names = set(keys)
    layers = [key.removesuffix(_KERNEL) for key in names if key.endswith(_KERNEL)]
    return [layer for layer in layers if layer + _BIAS in names]


def folded_operators(operators: Iterable[Operator], folded: Iterable[str]) -> list[Operator]:
    """Turn the operators of a network in branches into those of the same network folded."""
    names = set(folded)
    layers = tuple(f"{layer}." for layer in rep_layers(names))
    found: list[Operator] = []
    sum_of: str | None = None  # the layer whose sum of branches nobody has read yet
    for operator in operators:
        key = operator.tensors[0]
        if key in names:
            takes = sum_of if sum_of and operator.kind == "scale" else operator.takes
            found.append(operator._replace(takes=takes))
            sum_of = None
            continue
        inside = (layer for layer in layers if key.startswith(layer))
        layer = max(inside, key=len).removesuffix(".")
        if layer != sum_of:
            sum_of = layer
            found.append(Operator("convolution", (layer + _KERNEL,), operator.takes, (layer, 1)))
            found.append(Operator("offset", (layer + _BIAS,), (layer, 1), layer))
    return found

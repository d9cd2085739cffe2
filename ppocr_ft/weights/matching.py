"""A source's tensors by the state dict keys of a network, compared with its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import nn

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import Detector
from ppocr_ft.models.configs import Form
from ppocr_ft.models.reparameterize import detect_form, reparameterize
from ppocr_ft.weights.arrays import Array, State
from ppocr_ft.weights.coverage import PARTS, CoverageReport, TensorMatch
from ppocr_ft.weights.sources import MEMBERS, WeightsSource

_BATCH_NORM_ORDER = ("bias", "_mean", "weight", "_variance")  # the operator's inputs, by name
_SMALLEST_INPUT = (1, 3, 32, 32)
_OUTPUTS = "backbone.layer_list."
_KERNEL, _BIAS = ".reparam_conv.weight", ".reparam_conv.bias"


@dataclass(frozen=True, eq=False)
class NamedWeights:
    """Tensors by state dict keys, and the network's tensors to compare them with.

    ``own``: the network's present values in the same form. ``absent``: those of its keys that a
    source of this kind never has. ``counted``: the parts that the source is there to fill.
    """

    state: State
    own: State
    form: Form | None
    absent: frozenset[str] = frozenset()
    counted: tuple[str, ...] = PARTS[:2]


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


def name_weights(source: WeightsSource, network: Detector) -> NamedWeights | None:
    """Return the source's tensors under the network's keys.

    A checkpoint has its keys; a backbone's alone get the prefix ``backbone.``. The tensors of an
    inference model are the network's in the order in which it reads them: None if their number
    or shapes differ. Where only the network's form differs, a file in branches is folded, and for
    a folded file the network's own values are, to compare. Raises WeightsError if branches are
    incomplete.
    """
    network_state = state_of(network)
    if source.is_program:
        return _name_program(source.tensors, network, network_state)
    return name_state(chosen_state(source), network_state)


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


def _name_program(tensors: State, network: Detector, network_state: State) -> NamedWeights | None:
    order = tensor_order(network)
    layouts: list[tuple[list[str], State]] = [(order, network_state)]
    if detect_form(network_state) == "branches":
        folded = reparameterize(network_state)
        layouts.insert(0, (folded_order(order, folded), folded))
    for keys, layout in layouts:
        if has_shapes(tensors, [layout[key] for key in keys]):
            state = dict(zip(keys, tensors.values(), strict=True))
            return NamedWeights(state, layout, detect_form(keys), frozenset(layout) - set(keys))
    return None


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


def has_shapes(tensors: Mapping[str, Array], others: Iterable[Array]) -> bool:
    """Return whether tensors have the shapes of the others, in their order."""
    return [np.shape(tensor) for tensor in tensors.values()] == [np.shape(t) for t in others]


def tensor_order(network: Detector) -> list[str]:
    """Return state dict keys in the order in which an inference program's operators read them.

    An exported program lists its operators as they ran, so the network runs once, on zeros, and
    notes each layer that owns tensors. What eval mode doesn't run, the threshold head, is not
    in it. For the folded PP-OCRv4 mobile detector these are the 234 tensors of the released
    model. The network is left as it was.
    """
    order: list[str] = []

    def noting(name: str, layer: nn.Layer) -> Callable[..., None]:
        own = list(layer.state_dict(include_sublayers=False))
        leaves = _BATCH_NORM_ORDER if isinstance(layer, nn.BatchNorm2D) else own
        return lambda *_: order.extend(f"{name}.{leaf}" for leaf in leaves)

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
    return order


def rep_layers(keys: Iterable[str]) -> list[str]:
    """Return the re-parameterised layers whose folded kernel and bias are both among the keys."""
    names = set(keys)
    layers = [key.removesuffix(_KERNEL) for key in names if key.endswith(_KERNEL)]
    return [layer for layer in layers if layer + _BIAS in names]


def folded_order(order: Iterable[str], folded: Iterable[str]) -> list[str]:
    """Turn the order of a branches network's keys into that of the same network folded."""
    names = set(folded)
    layers = tuple(f"{layer}." for layer in rep_layers(names))
    keys: list[str] = []
    for key in order:
        if key in names:
            keys.append(key)
        else:
            inside = (layer for layer in layers if key.startswith(layer))
            layer = max(inside, key=len).removesuffix(".")
            keys += [layer + _KERNEL, layer + _BIAS]
    return list(dict.fromkeys(keys))

"""A source's tensors by the state dict keys of a network, compared with its own."""

from __future__ import annotations

from dataclasses import dataclass

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.models.configs import Form
from ppocr_ft.models.reparameterize import detect_form, reparameterize
from ppocr_ft.weights.arrays import State
from ppocr_ft.weights.coverage import PARTS, CoverageReport, TensorMatch
from ppocr_ft.weights.graph import Graph, GraphsPart, transfer
from ppocr_ft.weights.sources import MEMBERS, WeightsSource
from ppocr_ft.weights.trace import folded_operators, operators_of

_OUTPUTS = "backbone.layer_list."


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


def state_of(network: DetectionNetwork) -> State:
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


def name_weights(source: WeightsSource, network: DetectionNetwork) -> NamedWeights:
    """Return the source's tensors under the network's keys.

    A checkpoint has its keys; a backbone's alone get the prefix ``backbone.``. An inference model
    is matched layer by layer, in the order in which they run. Where only the network's form
    differs, a file in branches is folded, and for a folded file the network's own values are, to
    compare. Raises GraphsPart if an inference model is another network's, WeightsError if branches
    are incomplete.
    """
    if source.graph is not None:
        return _name_program(source.graph, network)
    return name_state(chosen_state(source), state_of(network), source.lacks)


def name_state(state: State, network_state: State, lacks: tuple[str, ...] = ()) -> NamedWeights:
    """Return a checkpoint's tensors and those of a network in the same form.

    ``lacks`` is how the keys begin that a checkpoint of its kind never has.
    """
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
        absent = frozenset(key for key in network_state if lacks and key.startswith(lacks))
        return NamedWeights(state, network_state, form, absent)
    has_outputs = any(key.startswith(_OUTPUTS) for key in state)
    absent = frozenset(  # from a classifier: neck, head, PPLCNetV3's outputs to the neck
        key
        for key in network_state
        if not key.startswith("backbone.") or (key.startswith(_OUTPUTS) and not has_outputs)
    )
    return NamedWeights(state, network_state, form, absent, PARTS[:1])


def _name_program(model: Graph, network: DetectionNetwork) -> NamedWeights:
    state_here = state_of(network)
    layouts = [Graph(state_here, tuple(operators_of(network)))]
    if detect_form(state_here) == "branches":
        folded = reparameterize(state_here)
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
    for key, tensor in weights.own.items():
        value = weights.state.get(key)
        if value is None:
            absent = key in weights.absent
            matches.append(
                TensorMatch(key, "not in this source" if absent else "missing", tensor.shape)
            )
        elif value.shape != tensor.shape:
            matches.append(TensorMatch(key, "wrong shape", tensor.shape, value.shape))
        else:
            matches.append(TensorMatch(key, "matched", tensor.shape))
    matches += [
        TensorMatch(key, "unexpected", value.shape)
        for key, value in weights.state.items()
        if key not in weights.own
    ]
    return CoverageReport(source, tuple(matches), weights.counted, weights.form, warnings)

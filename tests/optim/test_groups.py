"""Parameter groups: first match wins, nothing is left over, equal groups merge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
import pytest
from paddle import nn

from ppocr_ft.errors import ConfigError
from ppocr_ft.models.architecture import build_detector
from ppocr_ft.optim.group_rules import (
    GroupRule,
    HeadFirstKeys,
    LayerDecayKeys,
    NewLayers,
    NoDecay,
    head_first,
    layer_decay,
)
from ppocr_ft.optim.groups import GroupSettings, ParamGroups, Penalty, build_groups
from tests.support.nets_reference import entries

DETECTOR = "PP-OCRv4_mobile_det"


class Tiny(nn.Layer):
    """Two parts; the head's bias has a factor and a regularizer of its own."""

    def __init__(self) -> None:
        super().__init__()
        own = paddle.ParamAttr(learning_rate=0.1, regularizer=paddle.regularizer.L2Decay(0.5))
        self.body = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1D(3))
        self.head = nn.Linear(3, 1, bias_attr=own)


def settings_of(groups: ParamGroups) -> dict[str, tuple[object, ...]]:
    """lr_mult, weight_decay, own_penalty and freeze of each parameter."""
    return {name: tuple(group.settings[:4]) for group in groups.groups for name in group.names}


def test_no_rules_keep_what_the_network_set() -> None:
    groups = build_groups(Tiny(), weight_decay=0.01)
    usual = (1.0, 0.01, None, False)
    assert settings_of(groups) == {
        "body.0.weight": usual,
        "body.0.bias": usual,
        "body.1.weight": usual,
        "body.1.bias": usual,
        "head.weight": usual,
        "head.bias": (0.1, 0.01, Penalty("L2", 0.5), False),
    }
    assert [len(group.names) for group in groups.groups] == [5, 1]


def test_the_first_match_wins_and_factors_multiply() -> None:
    rules = [GroupRule("weight$", 2.0, 0.3), GroupRule("^head", 4.0), GroupRule("", freeze=True)]
    assert settings_of(build_groups(Tiny(), rules, weight_decay=0.01)) == {
        "body.0.weight": (2.0, 0.3, None, False),
        "body.0.bias": (1.0, 0.01, None, True),
        "body.1.weight": (2.0, 0.3, None, False),
        "body.1.bias": (1.0, 0.01, None, True),
        "head.weight": (2.0, 0.3, None, False),
        "head.bias": (0.4, 0.01, Penalty("L2", 0.5), False),
    }


def test_equal_groups_of_two_rules_merge() -> None:
    groups = build_groups(
        Tiny(), [GroupRule("^body", 0.5), GroupRule("^head.weight", 0.5), GroupRule("")]
    )
    assert [group.matches for group in groups.groups] == [("^body", "^head.weight"), ("all",)]
    assert len({group.label for group in groups.groups}) == 2


def test_parameters_without_weights_multiply_their_own_factor_in() -> None:
    """Whatever rule they fall under, and beside the network's own 0.1 for head.bias."""
    rules = [GroupRule("^head", 0.5), GroupRule("")]
    groups = build_groups(Tiny(), rules, fresh=NewLayers(("head.", "body.1"), 6.0))
    found = {name: settings[0] for name, settings in settings_of(groups).items()}
    assert found == pytest.approx(
        {
            "body.0.weight": 1,
            "body.0.bias": 1,
            "body.1.weight": 6,
            "body.1.bias": 6,
            "head.weight": 0.5 * 6,
            "head.bias": 0.5 * 6 * 0.1,
        }
    )


def test_biases_are_apart_only_where_they_are_asked_for() -> None:
    found = [(group.names, group.settings.biases) for group in build_groups(Tiny()).groups]
    assert [len(names) for names, _ in found] == [5, 1]
    apart = build_groups(Tiny(), split_biases=True).groups
    assert {group.settings.biases: set(group.names) for group in apart[:2]} == {
        False: {"body.0.weight", "body.1.weight", "head.weight"},
        True: {"body.0.bias", "body.1.bias"},
    }
    assert len({group.label for group in apart}) == len(apart) == 3


def test_matches_are_counted() -> None:
    groups = build_groups(Tiny(), [GroupRule("^body"), GroupRule("")])
    assert [tuple(matches)[1:] for matches in groups.matched] == [(4, 15), (2, 4)]
    assert groups.describe()[0] == "^body: 4 parameters, 15 values"
    assert groups.describe()[-1].endswith("own L2 0.5: 1 parameter, 1 value")
    assert groups.summary() == "19 values in 2 parameter groups, learning rate x 0.1 to 1"


def test_batch_norm_statistics_are_in_no_group() -> None:
    assert not [name for name in settings_of(build_groups(Tiny())) if "_mean" in name]


def test_a_group_is_frozen_for_its_epochs_and_learns_then() -> None:
    network = Tiny()
    rules = [GroupRule("^body.0", freeze_epochs=2), GroupRule("^body", freeze=True), GroupRule("")]
    groups = build_groups(network, rules)
    learning = []
    for epochs_done in range(4):
        groups.freeze(epochs_done)
        learning.append({n for n, p in network.named_parameters() if not p.stop_gradient})
    head, body = {"head.weight", "head.bias"}, {"body.0.weight", "body.0.bias"}
    assert learning == [head, head, head | body, head | body]
    assert "frozen for 2 epochs" in groups.groups[0].label


def test_freezing_stops_the_gradient_of_its_groups_only() -> None:
    network = Tiny()
    build_groups(network, [GroupRule("^body", freeze=True), GroupRule("")]).freeze()
    stopped = [name for name, p in network.named_parameters() if p.stop_gradient]
    assert {name.split(".")[0] for name in stopped} == {"body"}
    assert len(stopped) == 6  # 4 and the two statistics


@pytest.mark.parametrize(
    ("exempt", "decayed"),
    [
        (None, {"body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "head.weight"}),
        (NoDecay(), {"body.0.weight", "head.weight"}),
        (
            NoDecay(one_dim=False, name_parts=("body.1", "head.b")),
            {"body.0.weight", "body.0.bias", "head.weight"},
        ),
        (NoDecay(name_parts=("head",)), {"body.0.weight"}),
    ],
    ids=["all decay", "one-dimensional don't", "by name", "both"],
)
def test_no_decay(exempt: NoDecay | None, decayed: set[str]) -> None:
    groups = build_groups(Tiny(), weight_decay=0.01, no_decay=exempt)
    found = {name for name, (_, decay, _, _) in settings_of(groups).items() if decay}
    assert found - {"head.bias"} == decayed


def test_no_decay_goes_before_a_rules_own() -> None:
    groups = build_groups(Tiny(), [GroupRule("", weight_decay=0.3)], no_decay=NoDecay())
    assert settings_of(groups)["body.0.bias"][1] == 0
    assert settings_of(groups)["body.0.weight"][1] == 0.3


@pytest.fixture(scope="module")
def detector() -> nn.Layer:
    return build_detector(DETECTOR)


def test_the_detectors_own_factors_and_decay(detector: nn.Layer) -> None:
    wanted = {
        name: (entry["lr_mult"], entry["own_l2"])
        for name, entry in entries(DETECTOR).items()
        if not name.endswith(("_mean", "_variance"))
    }
    found = settings_of(build_groups(detector))
    assert {n: (s[0], s[2].factor if s[2] else None) for n, s in found.items()} == wanted
    assert len(build_groups(detector).groups) == 3


def test_head_first(detector: nn.Layer) -> None:
    found = settings_of(build_groups(detector, head_first(HeadFirstKeys())))
    assert found["backbone.conv1.conv.weight"][0] == 0.1
    assert found["backbone.blocks2.0.dw_conv.lab.scale"][0] == pytest.approx(0.01)
    assert found["neck.ins_conv.0.in_conv.weight"][0] == 0.5
    assert found["head.binarize.conv1.weight"][0] == 1.0


def test_layer_decay(detector: nn.Layer) -> None:
    found = settings_of(build_groups(detector, layer_decay(detector, LayerDecayKeys(decay=0.5))))
    stages = ["conv1.conv.weight", "blocks2.0.dw_conv.conv_1x1.conv.weight", "layer_list.0.weight"]
    factors = [found[f"backbone.{name}"][0] for name in stages]
    assert factors == [0.5**7, 0.5**6, 0.5]  # conv1, blocks2 to blocks6, layer_list
    assert found["neck.ins_conv.0.in_conv.weight"][0] == found["head.thresh.conv1.weight"][0] == 1


def test_a_preset_may_leave_a_part_to_rules_before_it(detector: nn.Layer) -> None:
    groups = build_groups(
        detector, [GroupRule("^head", 5.0), *head_first(HeadFirstKeys(), key="x.preset")]
    )
    assert settings_of(groups)["head.thresh.conv1.weight"][0] == 5
    assert [rule.shown for rule, count, _ in groups.matched if not count] == ["head"]


def test_layer_decay_counts_a_list_of_stages_one_by_one() -> None:
    rules = layer_decay(build_detector("PP-OCRv4_server_det"), LayerDecayKeys(decay=0.5))
    assert [(rule.match, rule.lr_mult) for rule in rules] == [
        (r"^backbone\.stem\.", 0.5**5),
        *[(rf"^backbone\.stages\.{i}\.", 0.5 ** (4 - i)) for i in range(4)],
        (r"^(?!backbone\.)", 1.0),
    ]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("^head.bias", "5 parameters: body.0.weight, body.0.bias, body.1.weight, body.1.bias, "
         "head.weight; add a last group"),
        ("^tail", "6 parameters: body.0.weight, body.0.bias, body.1.weight, body.1.bias, "
         "head.weight and 1 more; add a last group"),
    ],
)  # fmt: skip
def test_five_parameters_that_no_rule_matches_are_named(pattern: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"no group matches {said}"):
        build_groups(Tiny(), [GroupRule(pattern)])


def test_a_summary_of_frozen_groups() -> None:
    """The body's first layer has 9 values, its second 6, the head 4."""
    rules = [GroupRule("^body.0", 2.0, freeze=True), GroupRule("^body", 0.5), GroupRule("")]
    found = build_groups(Tiny(), rules).summary()
    assert found == ("19 values in 4 parameter groups, learning rate x 0.1 to 2, 9 values frozen")


@pytest.mark.parametrize(
    ("settings", "epochs_done", "fresh_alone", "frozen"),
    [
        ({}, 0, False, False),
        ({"freeze": True}, 9, False, True),
        ({"freeze_epochs": 2}, 1, False, True),
        ({"freeze_epochs": 2}, 2, False, False),
        ({}, 0, True, True),
        ({"fresh": True}, 0, True, False),
        ({"fresh": True, "freeze_epochs": 1}, 0, True, True),
    ],
)
def test_when_a_group_is_frozen(
    settings: dict[str, Any], epochs_done: int, fresh_alone: bool, frozen: bool
) -> None:
    usual = {"lr_mult": 1.0, "weight_decay": 0.0, "own_penalty": None, "freeze": False}
    group = GroupSettings(**{**usual, **settings})
    assert group.is_frozen(epochs_done, fresh_alone=fresh_alone) == frozen


KEY = "Optimizer.param_groups"
WRONG: list[tuple[str, Callable[[], object], str, str]] = [
    (
        "uncovered",
        lambda: build_groups(Tiny(), [GroupRule("^body")]),
        KEY,
        "head.weight, head.bias",
    ),
    (
        "unused",
        lambda: build_groups(Tiny(), [GroupRule("nek"), GroupRule("")]),
        f"{KEY}[0].match",
        "'nek'",
    ),
    (
        "shadowed",
        lambda: build_groups(Tiny(), [GroupRule(""), GroupRule("^head")]),
        f"{KEY}[1].match",
        "all its 2",
    ),
    (
        "both named",
        lambda: build_groups(Tiny(), [GroupRule("nek"), GroupRule("hed"), GroupRule("")]),
        f"{KEY}[0].match",
        f"{KEY}[1]",
    ),
    (
        "statistics only",
        lambda: build_groups(Tiny(), [GroupRule("_mean"), GroupRule("")]),
        f"{KEY}[0].match",
        "nothing",
    ),
    (
        "all frozen",
        lambda: build_groups(Tiny(), [GroupRule("", freeze=True)]),
        KEY,
        "nothing is left",
    ),
    (
        "all frozen at first",
        lambda: build_groups(
            Tiny(), [GroupRule("^body", freeze=True), GroupRule("", freeze_epochs=1)]
        ),
        KEY,
        "nothing is left to train in the first epoch",
    ),
    (
        "a preset that gets nothing",
        lambda: build_groups(
            Tiny(), [GroupRule(""), *head_first(HeadFirstKeys(), key="x[1].preset")]
        ),
        "x[1].preset",
        "all its 2 parameters go to earlier groups",
    ),
    (
        "frozen twice",
        lambda: GroupRule("", freeze=True, freeze_epochs=2),
        "freeze_epochs",
        "keep one",
    ),
    ("negative epochs", lambda: GroupRule("", freeze_epochs=-1), "freeze_epochs", "-1"),
    (
        "name part",
        lambda: build_groups(Tiny(), no_decay=NoDecay(name_parts=("norm",))),
        "Optimizer.no_weight_decay_name",
        "'norm'",
    ),
    ("bad expression", lambda: GroupRule("(body"), "match", "'(body'"),
    ("negative factor", lambda: GroupRule("", -1.0), "lr_mult", "-1.0"),
    ("decay NaN", lambda: GroupRule("", 1.0, float("nan")), "weight_decay", "nan"),
    (
        "no backbone",
        lambda: layer_decay(Tiny(), LayerDecayKeys(decay=0.5)),
        "layer_decay",
        "backbone",
    ),
]


@pytest.mark.parametrize(("make", "key", "part"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_faults_are_named(make: Callable[[], object], key: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.key == key
    assert part in str(caught.value)

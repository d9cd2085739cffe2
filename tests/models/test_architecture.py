"""PaddleOCR's ``Architecture`` sections build; faulty ones are named."""

from __future__ import annotations

import copy
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
import pytest
import yaml

from ppocr_ft.commands.export.run import released_name
from ppocr_ft.config import load_config
from ppocr_ft.declaration import PositiveInt
from ppocr_ft.errors import ConfigError
from ppocr_ft.models.architecture import LAYERS, build_architecture, build_detector
from ppocr_ft.models.configs import BACKBONES, DETECTORS, HEADS, NECKS, Backbone, DBHeadConfig
from ppocr_ft.models.db import DBHead
from ppocr_ft.models.layers import round_channels
from tests.support.config_files import SMALL
from tests.support.nets_reference import FILES, run, shapes

pytestmark = pytest.mark.slow

MOBILE = """
model_type: det
algorithm: DB
Transform: null
Backbone: {name: PPLCNetV3, scale: 0.75, det: True}
Neck: {name: RSEFPN, out_channels: 96, shortcut: True}
Head: {name: DBHead, k: 50, fix_nan: True}
"""
SERVER = """
model_type: det
algorithm: DB
Transform:
Backbone: {name: PPHGNet_small, det: True}
Neck: {name: LKPAN, out_channels: 256, intracl: true}
Head: {name: PFHeadLocal, k: 50, mode: "large"}
"""
V3 = """
model_type: det
algorithm: DB
Transform:
Backbone: {name: MobileNetV3, scale: 0.5, model_name: large, disable_se: True}
Neck: {name: RSEFPN, out_channels: 96, shortcut: True}
Head: {name: DBHead, k: 50}
"""


V5_SERVER = """
model_type: det
algorithm: DB
Transform: null
Backbone: {name: PPHGNetV2_B4, det: True}
Neck: {name: LKPAN, out_channels: 256, intracl: true}
Head: {name: PFHeadLocal, k: 50, mode: "large"}
"""
V6_SMALL = """
model_type: det
algorithm: DB
Transform: null
Backbone: {name: PPLCNetV4, det: true, model_size: small}
Neck: {name: UniRepLKFPN, out_channels: 96, dilated_kernel_size: 7, shortcut: true}
Head: {name: DBHead, k: 50, fix_nan: true, aux_in_channels: 96}
"""
V6_TINY = """
model_type: det
algorithm: DB
Transform: null
Backbone: {name: PPLCNetV4, det: true, model_size: tiny}
Neck: {name: RepLKFPN, out_channels: 64, dilated_kernel_size: 5, shortcut: true}
Head: {name: DBHead, k: 50, fix_nan: true, aux_in_channels: 64}
"""
V6_MEDIUM = """
model_type: det
algorithm: DB
Transform: null
Backbone: {name: PPLCNetV4, det: true, model_size: medium}
Neck: {name: UniRepLKPAN, out_channels: 256, intracl: true}
Head: {name: DBHead, k: 50, fix_nan: true, aux_in_channels: 256}
"""


def shapes_of(network: paddle.nn.Layer) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("text", "detector"),
    [
        pytest.param(MOBILE, "PP-OCRv4_mobile_det", id="v4 mobile, v4 student, v5 mobile"),
        pytest.param(SERVER, "PP-OCRv4_server_det", id="v4 server, v4 teacher"),
        pytest.param(V3, "PP-OCRv3_mobile_det", id="v3 mobile"),
        pytest.param(V5_SERVER, "PP-OCRv5_server_det", id="v5 server"),
        pytest.param(V6_TINY, "PP-OCRv6_tiny_det", id="v6 tiny"),
        pytest.param(V6_SMALL, "PP-OCRv6_small_det", id="v6 small"),
        pytest.param(V6_MEDIUM, "PP-OCRv6_medium_det", id="v6 medium"),
    ],
)
def test_shipped_sections_give_the_reference_keys(text: str, detector: str) -> None:
    assert shapes_of(build_architecture(yaml.safe_load(text))) == shapes(detector)


def test_v3_server_has_paddleocrs_keys() -> None:
    """Those of a ResNet-50 with a pooled shortcut where a stage halves the size, and LKPAN."""
    section = """
    model_type: det
    algorithm: DB
    Backbone: {name: ResNet_vd, layers: 50}
    Neck: {name: LKPAN, out_channels: 256}
    Head: {name: DBHead, kernel_list: [7,2,2], k: 50}
    """
    network = shapes_of(build_architecture(yaml.safe_load(section)))
    assert network == shapes_of(build_detector("PP-OCRv3_server_det"))
    blocks = {key.split(".")[1] for key in network if key.startswith("backbone.bb_")}
    depths = [sum(name.startswith(f"bb_{stage}_") for name in blocks) for stage in range(4)]
    assert depths == [3, 4, 6, 3]
    assert network["backbone.conv1_1._conv.weight"] == (32, 3, 3, 3)
    assert network["backbone.bb_1_0.short._conv.weight"] == (512, 256, 1, 1)
    assert network["backbone.bb_3_2.conv1._batch_norm._variance"] == (512,)
    assert network["neck.ins_conv.3.weight"] == (256, 2048, 1, 1)
    assert network["head.binarize.conv1.weight"] == (64, 256, 7, 7)


def test_v5_mobile_is_the_v4_mobile_network() -> None:
    assert shapes_of(build_detector("PP-OCRv5_mobile_det")) == shapes("PP-OCRv4_mobile_det")
    assert DETECTORS.keys() == {*FILES, "PP-OCRv5_mobile_det", "PP-OCRv3_server_det"}


SMALL_PARTS: dict[str, dict[str, Any]] = {
    "PPLCNetV3": {"scale": 0.35},
    "PPHGNet_small": {},
    "MobileNetV3": {"scale": 0.35},
    "PPLCNetV4": {"model_size": "tiny"},
    "RepLKFPN": {"out_channels": 32, "dilated_kernel_size": 13},
    "RepLKPAN": {"out_channels": 32},
    "PPHGNetV2_B4": {},
    "ResNet_vd": {"layers": 18},
    "RSEFPN": {"out_channels": 32},
    "LKPAN": {"out_channels": 32},
    "DBHead": {},
    "PFHeadLocal": {},
}


ALIASES = {"UniRepLKFPN", "UniRepLKPAN"}
PARTS = {"Backbone": BACKBONES, "Neck": [n for n in NECKS if n not in ALIASES], "Head": HEADS}


@pytest.mark.parametrize("names", list(product(*PARTS.values())), ids=lambda names: "+".join(names))
def test_any_combination_of_parts(names: tuple[str, ...]) -> None:
    kinds = dict(zip(PARTS, names, strict=True))
    network = build_architecture({k: {"name": n, **SMALL_PARTS[n]} for k, n in kinds.items()})
    x = np.random.default_rng(0).normal(size=(1, 3, 64, 96)).astype(np.float32)
    assert run(network, x, training=False)["maps"].shape == (1, 1, 64, 96)
    trained = run(network, x, training=True)
    assert trained["maps"].shape == (1, 3, 64, 96)
    local = {"distance_maps", "cbn_maps"} if kinds["Head"] == "PFHeadLocal" else set()
    assert trained.keys() == {"maps"} | local


@pytest.mark.parametrize(
    ("kind", "section", "key", "shape"),
    [
        pytest.param(
            "Backbone",
            {"name": "MobileNetV3", "scale": 1.0, "model_name": "small"},
            "backbone.stage2.0.mid_se.conv1.weight",
            (24, 96, 1, 1),
            id="MobileNetV3 small with squeeze and excitation",
        ),
        pytest.param(
            "Backbone",
            {"name": "PPLCNetV3", "scale": 1, "conv_kxk_num": 1},
            "backbone.blocks6.0.pw_conv.conv_kxk.0.conv.weight",
            (512, 256, 1, 1),
            id="PPLCNetV3 at scale 1 (an integer in the YAML)",
        ),
        pytest.param(
            "Neck",
            {"name": "RSEFPN", "out_channels": 64, "intracl": True},
            "neck.incl4.v_layer_7x1.weight",
            (8, 8, 7, 1),
            id="RSEFPN intracl",
        ),
        pytest.param(
            "Neck",
            {"name": "LKPAN", "out_channels": 64, "mode": "lite"},
            "neck.inp_conv.0.conv_end.weight",
            (16, 64, 1, 1),
            id="LKPAN lite",
        ),
        pytest.param(
            "Head",
            {"name": "DBHead", "kernel_list": [7, 2, 2]},
            "head.thresh.conv1.weight",
            (24, 96, 7, 7),
            id="DBHead with PaddleOCR's teacher kernels",
        ),
        pytest.param(
            "Head",
            {"name": "PFHeadLocal", "mode": "small"},
            "head.cbn_layer.last_3.conv.weight",
            (12, 25, 3, 3),
            id="PFHeadLocal small",
        ),
    ],
)
def test_arguments_take_effect(
    kind: str, section: dict[str, Any], key: str, shape: tuple[int, ...]
) -> None:
    network = build_architecture({**yaml.safe_load(MOBILE), kind: section})
    assert shapes_of(network)[key] == shape


def test_learning_rate_factors_of_the_backbone() -> None:
    section = yaml.safe_load(MOBILE)
    section["Backbone"] |= {"lr_mult_list": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], "lab_lr": 0.5}
    for form, conv in (("branches", "conv_kxk.3.bn"), ("folded", "reparam_conv")):
        state = build_architecture(section, form).state_dict()
        factors = {
            key: state[key].optimize_attr["learning_rate"]
            for key in (
                "backbone.conv1.conv.weight",
                f"backbone.blocks2.0.dw_conv.{conv}.bias",
                "backbone.blocks6.1.se.conv2.bias",
                "backbone.blocks6.3.pw_conv.act.lab.scale",
                "backbone.layer_list.0.weight",
            )
        }
        assert list(factors.values()) == [0.0, 0.1, 0.5, 0.25, 1.0], form


BACKBONE, NECK, HEAD = "Architecture.Backbone", "Architecture.Neck", "Architecture.Head"
FAULTS = [
    ("an unknown section", "Bakbone", {}, "Architecture.Bakbone", "unknown key"),
    ("not a detector", "model_type", "rec", "Architecture.model_type", "found 'rec', expected det"),
    ("another algorithm", "algorithm", "EAST", "Architecture.algorithm", "expected DB"),
    ("a transform", "Transform", {"name": "TPS"}, "Architecture.Transform", "expected nothing"),
    ("no head", "Head", None, HEAD, "found null, expected keys, first of all name"),
    ("a part without a name", "Head.name", None, HEAD, "expected one of DBHead, PFHead"),
    ("an unknown part", "Neck.name", "RSEFNP", NECK, "did you mean 'RSEFPN'"),
    ("a list as a name", "Neck.name", [], NECK, "expected one of LKPAN, RSEFPN, RepLK"),
    ("an unknown argument", "Backbone.scal", 1, f"{BACKBONE}.scal", "unknown key"),
    ("text for a number", "Backbone.scale", "x", f"{BACKBONE}.scale", "expected a number"),
    ("a number for a flag", "Neck.shortcut", 1, f"{NECK}.shortcut", "true or false"),
    ("a flag for a number", "Head.k", True, f"{HEAD}.k", "found true, expected a whole number"),
    ("a missing argument", "Neck.out_channels", ..., f"{NECK}.out_channels", "missing"),
    ("odd channels", "Neck.out_channels", 90, f"{NECK}.out_channels", "a multiple of 4"),
    ("no channels", "Neck.out_channels", 12, f"{NECK}.out_channels", "16 or more"),
    ("recognition", "Backbone.det", False, f"{BACKBONE}.det", "found false, expected true"),
    ("no branch", "Backbone.conv_kxk_num", 0, f"{BACKBONE}.conv_kxk_num", "1 or more"),
    ("a vanishing scale", "Backbone.scale", 0.01, f"{BACKBONE}.scale", "0.0625 or more"),
    ("five factors", "Backbone.lr_mult_list", [1] * 5, f"{BACKBONE}.lr_mult_list.5", "6 values"),
    ("text in a list", "Backbone.lr_mult_list", [1, "a", 1, 1, 1, 1],
     f"{BACKBONE}.lr_mult_list.1", "found 'a', expected a number"),
    ("a number for a list", "Head.kernel_list", 3, f"{HEAD}.kernel_list", "expected a list"),
    ("wrong kernels", "Head.kernel_list", [3, 3, 2], f"{HEAD}.kernel_list", "[odd, 2, 2]"),
    ("a step that falls", "Head.k", 0, f"{HEAD}.k", "must be 1 or more"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "value", "key", "message"), [row[1:] for row in FAULTS], ids=[r[0] for r in FAULTS]
)
def test_faults_are_named(place: str, value: object, key: str, message: str) -> None:
    architecture = yaml.safe_load(MOBILE)
    *parents, leaf = place.split(".")
    section = architecture
    for parent in parents:
        section = section[parent]
    if value is ...:
        del section[leaf]
    else:
        section[leaf] = value
    given = copy.deepcopy(architecture)
    with pytest.raises(ConfigError) as caught:
        build_architecture(architecture)
    assert caught.value.key == key
    assert message in caught.value.message
    assert architecture == given


@pytest.mark.parametrize(
    ("section", "key", "message"),
    [
        (
            {"Backbone": {"name": "MobileNetV3", "model_name": "larg"}},
            "Architecture.Backbone.model_name",
            "did you mean 'large'",
        ),
        (
            {"Backbone": {"name": "MobileNetV3", "scale": 0.6}},
            "Architecture.Backbone.scale",
            "expected one of 0.35, 0.5",
        ),
        (
            {"Neck": {"name": "LKPAN", "out_channels": 96, "mode": "light"}},
            "Architecture.Neck.mode",
            "found 'light', expected one of large, lite",
        ),
        (
            {"Head": {"name": "DBHead", "aux_in_channels": 64}},
            "Architecture.Head.aux_in_channels",
            "found 64, expected 96, the neck's out_channels, or 0",
        ),
        (
            {"Neck": {"name": "RepLKFPN", "out_channels": 96, "dilated_kernel_size": 8}},
            "Architecture.Neck.dilated_kernel_size",
            "found 8, expected one of 5, 7, 9, 11, 13",
        ),
        (
            {"Backbone": {"name": "PPLCNetV4", "model_size": "smal"}},
            "Architecture.Backbone.model_size",
            "did you mean 'small'",
        ),
        (
            {"Backbone": {"name": "PPHGNet_small", "det": False}},
            "Architecture.Backbone.det",
            "expected true",
        ),
    ],
    ids=["variant", "scale", "kind of neck", "aux heads", "kernels", "size", "recognition"],
)
def test_faults_of_other_parts(section: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_architecture({**yaml.safe_load(MOBILE), **section})
    assert caught.value.key == key
    assert message in caught.value.message


def test_unknown_detector_and_form() -> None:
    with pytest.raises(ConfigError, match="did you mean 'PP-OCRv4_mobile_det'"):
        build_detector("PP-OCRv4_mobil_det")
    with pytest.raises(ConfigError, match="did you mean 'folded'"):
        build_detector("PP-OCRv4_mobile_det", form="foldet")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("channels", "divisor", "rounded"),
    [
        pytest.param(5.6, 8, 8, id="never under the divisor"),
        pytest.param(8.4, 8, 8, id="down to the nearest"),
        pytest.param(12.0, 8, 16, id="a half goes up"),
        pytest.param(11.5, 8, 16, id="up where the nearest would lose over 10 %"),
        pytest.param(48.0, 16, 48, id="a multiple stays"),
    ],
)
def test_round_channels(channels: float, divisor: int, rounded: int) -> None:
    assert round_channels(channels, divisor) == rounded


@pytest.mark.parametrize("fix_nan", [True, False])
def test_fix_nan_keeps_training_maps_finite(fix_nan: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddle.nn.functional.relu", lambda x: x)  # the CPU's turns NaN into 0
    head = DBHead(16, DBHeadConfig(fix_nan=fix_nan))
    x = np.full((1, 16, 4, 4), np.nan, np.float32)
    assert np.isfinite(run(head, x, training=True)["maps"]).all() == fix_nan
    assert np.isnan(run(head, x, training=False)["maps"]).all()


class TinyNetConfig(Backbone):
    """A backbone of one's own."""

    name: Literal["TinyNet"] = "TinyNet"
    width: PositiveInt = 8
    """Channels of all maps."""


class TinyNet(paddle.nn.Layer):  # type: ignore[misc]
    """(n, 3, h, w) -> features at 1/4, 1/8, 1/16 and 1/32."""

    def __init__(self, config: TinyNetConfig) -> None:
        super().__init__()
        self.out_channels = [config.width] * 4
        self.conv = paddle.nn.Conv2D(3, config.width, 1)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.conv(x)
        return [paddle.nn.functional.avg_pool2d(x, 2**level, 2**level) for level in (2, 3, 4, 5)]


def test_a_registered_backbone_is_one_of_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its declaration and its layer are all that it needs."""
    monkeypatch.setitem(BACKBONES, "TinyNet", TinyNetConfig)
    monkeypatch.setitem(LAYERS, TinyNetConfig, TinyNet)
    config = load_config(SMALL, ["Architecture.Backbone={name: TinyNet, width: 16}"])
    network = build_architecture(config.Architecture)
    assert shapes_of(network)["backbone.conv.weight"] == (16, 3, 1, 1)
    with pytest.raises(ConfigError, match="unknown key of TinyNet; did you mean 'width'"):
        load_config(SMALL, ["Architecture.Backbone={name: TinyNet, widht: 16}"])
    with pytest.raises(ConfigError, match="found 0, must be 1 or more"):
        load_config(SMALL, ["Architecture.Backbone={name: TinyNet, width: 0}"])
    with pytest.raises(ConfigError, match="no released detector has the backbone TinyNet"):
        released_name(config)

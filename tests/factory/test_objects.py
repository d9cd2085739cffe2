"""From the config to rates, parameter groups, pictures and the pair's ramp."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest

from ppocr_ft.config import load_config
from ppocr_ft.errors import ConfigError, DataError, WeightsError
from ppocr_ft.factory import objects
from ppocr_ft.factory.device import device
from ppocr_ft.factory.learning_rates import learning_rate
from ppocr_ft.factory.optimizers import fresh_layers
from ppocr_ft.factory.tiles import tile_rule
from ppocr_ft.runs import assemble
from ppocr_ft.transforms.tiles import TileRule
from ppocr_ft.utils.sampling import evenly_spaced
from ppocr_ft.weights import write_weights
from tests.support.config_files import SHIPPED
from tests.support.pictures import write_different
from tests.support.small_run import small_config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("checkpoints=./x/best", r"./x/best: does not exist, nor does its folder x"),
        ("checkpoints=out/latest.pdstate", "is that run's state; take latest.pdparams"),
        ("pretrained_model=my.txt", "my.txt: is a text file"),
        ("pretrained_model=other.pdparams", "other.pdparams: fills 0.0% of the network's"),
    ],
)
def test_an_error_about_weights_names_the_key(
    override: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(small_config(tmp_path), [f"Global.{override}"])
    monkeypatch.chdir(tmp_path)
    Path("my.txt").write_text("nothing", encoding="utf-8")
    write_weights("other.pdparams", {"backbone.a": np.zeros(3, np.float32)})
    for build in (objects.network, objects.starting_network):
        with pytest.raises(WeightsError) as caught:
            build(config)
        assert str(caught.value).startswith(f"Global.{override.split('=')[0]}: ")
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("lr", "wanted"),
    [
        ("{name: Const, learning_rate: 0.1}", {0: 0.1, 11: 0.1}),
        ("{name: Cosine, learning_rate: 0.1}", {0: 0.1, 6: 0.05, 12: 0.0}),
        ("{name: Cosine, learning_rate: 0.1, warmup_epoch: 1}", {0: 0.0, 2: 0.05, 4: 0.1}),
        ("{name: Cosine, learning_rate: 0.1, warmup_steps: 2}", {1: 0.05, 8: 0.05}),
        ("{name: Linear, learning_rate: 0.1, end_lr: 0.04}", {0: 0.1, 6: 0.07, 12: 0.04}),
        ("{name: Poly, learning_rate: 0.1, power: 2.0}", {0: 0.1, 6: 0.025}),
        ("{name: DecayLearningRate, learning_rate: 0.1, factor: 0.9}", {6: 0.1 * 0.5**0.9}),
        ("{name: Step, learning_rate: 0.1, step_size: 1, gamma: 0.5}", {3: 0.1, 4: 0.05, 8: 0.025}),
        (
            "{name: MultiStepDecay, learning_rate: 0.1, milestones: [2], gamma: 0.1}",
            {7: 0.1, 8: 0.01},
        ),
        ("{name: Piecewise, decay_epochs: [1], values: [0.3, 0.2]}", {3: 0.3, 4: 0.2}),
        (
            "{name: Piecewise, decay_epochs: [1], values: [0.3, 0.2], warmup_epoch: 1}",
            {2: 0.15, 7: 0.3, 8: 0.2},
        ),
        ("{name: Exponential, learning_rate: 0.1, gamma: 0.5}", {4: 0.05, 6: 0.1 * 0.5**1.5}),
        ("{name: OneCycle, max_lr: 0.1}", {0: 0.004, 11: 0.1 / 25e4}),
    ],
)
def test_learning_rate_of_a_run_of_3_epochs_of_4_steps(
    lr: str, wanted: dict[int, float], tmp_path: Path
) -> None:
    config = load_config(small_config(tmp_path), [f"Optimizer.lr={lr}"])
    rate = learning_rate(config, 4)
    assert {step: rate(step) for step in wanted} == pytest.approx(wanted)


def test_fresh_layers_are_the_shortest_beginnings(tmp_path: Path) -> None:
    network, _ = objects.starting_network(load_config(small_config(tmp_path)))
    keys = list(network.state_dict())
    assert fresh_layers(network, keys) == []
    assert fresh_layers(network, [k for k in keys if not k.startswith("head.thresh.")]) == [
        "head.thresh."
    ]
    assert fresh_layers(network, []) == ["backbone.", "neck.", "head."]
    bias = "head.binarize.conv3.bias"
    assert fresh_layers(network, [k for k in keys if k != bias]) == [bias]


def test_the_shipped_run_starts_its_threshold_head_faster_and_keeps_the_norms(
    tmp_path: Path,
) -> None:
    overrides = [f"Global.save_model_dir={tmp_path}", "Optimizer.fresh_lr_mult=7"]
    data = small_config(tmp_path).parent
    for split in ("Train", "Eval"):
        overrides.append(f"{split}.dataset.data_dir={data}")
        overrides.append(f"{split}.dataset.label_file_list=[{data}/label.txt]")
    run = assemble.training(load_config(SHIPPED / "det_v4_ft.yml", overrides))
    groups = run.trainer.state.optimizer.groups.groups
    fast = {name for group in groups if group.settings.lr_mult == 7 for name in group.names}
    assert {name.rpartition(".")[0].split(".")[1] for name in fast} == {"thresh"}
    norms = {
        name: layer._use_global_stats
        for name, layer in run.trainer.state.network.named_sublayers()
        if isinstance(layer, paddle.nn.BatchNorm2D)
    }
    assert run.frozen_norms == sum(bool(frozen) for frozen in norms.values()) > 0
    assert {name for name, frozen in norms.items() if not frozen} == {
        "head.thresh.conv_bn1", "head.thresh.conv_bn2",
    }  # fmt: skip


def test_mixed_precision_on_the_cpu_is_said_and_left_out(tmp_path: Path) -> None:
    config = load_config(small_config(tmp_path), ["Global.use_amp=true"])
    assert "Global.use_amp has no effect" in device(config)
    assert not assemble.training(config).trainer.precision.enabled


@pytest.mark.parametrize(
    ("count", "shown", "wanted"),
    [(0, 4, []), (2, 4, [0, 1]), (40, 4, [0, 10, 20, 30]), (5, 2, [0, 2])],
)
def test_spread(count: int, shown: int, wanted: list[int]) -> None:
    assert evenly_spaced(count, shown) == wanted


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("Global.freeze_bn_stats=1", "Global.freeze_bn_stats"),
        ("Optimizer.fresh_lr_mult=0", "Optimizer.fresh_lr_mult"),
        ("Train.dataset.transforms.ScaledCrop.size=[65,64]", "ScaledCrop.size"),
        ("Train.dataset.transforms.ScaledCrop.scale_range=[2,1]", "ScaledCrop.scale_range"),
        ("Train.dataset.transforms.ScaledCrop.text_p=1.5", "ScaledCrop.text_p"),
    ],
)
def test_wrong_values_of_this_projects_own_keys_are_named(
    override: str, key: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=re.escape(key)):
        load_config(small_config(tmp_path), [override])


def test_further_sets_have_images_of_their_own(tmp_path: Path) -> None:
    path = small_config(tmp_path)
    write_different(tmp_path, 7)
    config = load_config(
        path,
        [
            "Global.val_ratio=0.5",  # which divides Train alone
            "Eval.also.sample.data_dir=sample",
            "Eval.also.sample.label_file_list=[val.txt]",
            f"Eval.also.own.data_dir={tmp_path}",
            f"Eval.also.own.label_file_list=[{tmp_path / 'label.txt'}]",
        ],
    )
    sets = objects.also_data(config)
    assert {name: len(images) for name, images in sets.items()} == {"sample": 40, "own": 7}
    first = next(sets["sample"].samples())
    assert max(first.image.shape) == 96  # by Eval's DetResizeForTest
    assert len(first.polygons) > 0
    assert len(objects.eval_data(config)) < 7


def test_evals_own_images_are_no_further_set(tmp_path: Path) -> None:
    """Unless val_ratio gives Eval other ones."""
    own = [f"Eval.also.own.data_dir={tmp_path}"]
    own += [f"Eval.also.own.label_file_list=[{tmp_path / 'label.txt'}]"]
    config = load_config(small_config(tmp_path), own)
    assert objects.also_data(config) == {}
    assert "Eval.also.own has the images of Eval itself" in objects.eval_data(config).notes[-1]
    divided = load_config(small_config(tmp_path), [*own, "Global.val_ratio=0.5"])
    assert set(objects.also_data(divided)) == {"own"}


def test_every_faulty_further_set_is_named(tmp_path: Path) -> None:
    config, (ignored, good) = small_config(tmp_path), (tmp_path / "i.txt", tmp_path / "label.txt")
    lines = good.read_text(encoding="utf-8").replace(
        '"transcription": "a"', '"transcription": "###"'
    )
    ignored.write_text(lines.replace('"b"', '"###"'), encoding="utf-8")
    files = {"gone": tmp_path / "gone.txt", "good": good, "ignored": ignored}
    overrides = [
        override
        for name, file in files.items()
        for override in (
            f"Eval.also.{name}.data_dir={tmp_path}",
            f"Eval.also.{name}.label_file_list=[{file}]",
        )
    ]
    with pytest.raises(DataError) as caught:
        objects.also_data(load_config(config, overrides))
    gone, none = str(caught.value).splitlines()
    assert gone.startswith(f"Eval.also.gone: {tmp_path / 'gone.txt'}: the label file can't be read")
    assert none.startswith("Eval.also.ignored.label_file_list: no text of Eval.also.ignored counts")


def test_auto_tiles_go_by_the_sizes_of_the_training_images(tmp_path: Path) -> None:
    """Of 7 images of 120 x 90 px and the resize to 96 the longest; pages need 3 tiles then."""
    path = small_config(tmp_path)
    assert tile_rule(load_config(path)) is None
    auto = load_config(path, ["Eval.tiles=auto"])
    assert tile_rule(auto) == TileRule(0.8, 0.8)
    assert tile_rule(load_config(path, ["Eval.tiles=1"])) == TileRule(1.0, 1.0)
    assert load_config(path, ["Eval.tiles=1"]).Eval.tiles == 1.0
    page = np.full((2000, 120, 3), 250, np.uint8)
    cv2.imwrite(str(tmp_path / "page.png"), page)
    given = [str(tmp_path / "0.png"), str(tmp_path / "page.png")]
    plain, cut = objects.image_files(load_config(path), given), objects.image_files(auto, given)
    small, large = cut.samples()
    np.testing.assert_array_equal(small.image, next(plain.samples()).image)
    assert small.page is None
    assert large.page is not None
    assert large.page.size == (1600, 96)
    assert len(list(large.page.tiles())) == 3
    assert cut.threads == 0  # pages would wait in memory


def test_auto_tiles_without_training_images_say_what_to_do(tmp_path: Path) -> None:
    path = small_config(tmp_path)
    config = load_config(
        path, ["Eval.tiles=auto", f"Train.dataset.label_file_list=[{tmp_path}/gone.txt]"]
    )
    with pytest.raises(DataError, match=r"gone.txt.* give a factor: 0.5") as caught:
        objects.eval_data(config)
    assert caught.value.key == "Eval.tiles"


@pytest.mark.parametrize("value", ["all", "0", "-1", "true", "[640]"])
def test_other_values_of_tiles_are_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Eval.tiles.*expected auto or a factor on pages"):
        load_config(small_config(tmp_path), [f"Eval.tiles={value}"])

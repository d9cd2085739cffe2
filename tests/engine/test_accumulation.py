"""Gradient accumulation: several batches make one update, as one large batch would."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppocr_ft.commands.train.cli import main
from ppocr_ft.config import load_config
from ppocr_ft.config.run_rules import total_batch_size
from ppocr_ft.engine.train_loader import shares_of_steps
from ppocr_ft.engine.train_step import Losses, TrainBatch, train_step
from ppocr_ft.errors import ConfigError, DataError
from ppocr_ft.factory import objects
from ppocr_ft.losses.db import DBLoss, DBTargets
from ppocr_ft.optim.groups import build_groups
from ppocr_ft.optim.optimizers import Optimizer, build_optimizer
from ppocr_ft.runs.parts import train_loader
from tests.support.small_run import IMAGES, small_config

LR = 0.1
ACCUMULATED = "Optimizer.gradient_accumulation_steps=2"


class Line(paddle.nn.Layer):  # type: ignore[misc]
    """Each image's mean value times one weight, which begins at 1."""

    def __init__(self) -> None:
        super().__init__()
        one = paddle.nn.initializer.Constant(1.0)
        self.weight = self.create_parameter([1], default_initializer=one)

    def forward(self, images: paddle.Tensor) -> dict[str, paddle.Tensor]:
        return {"maps": images.mean([1, 2, 3]) * self.weight}  # (n,)


def squared_error(predictions: Mapping[str, paddle.Tensor], targets: DBTargets) -> Losses:
    """A mean over images; half of it is said again, to see that all losses are averaged."""
    loss = (predictions["maps"] - targets.shrink_map.mean([1, 2])).square().mean()
    return {"loss": loss, "half": loss / 2}


def momentum(network: paddle.nn.Layer) -> Optimizer:
    """Plain gradient descent."""
    groups = build_groups(network)
    return build_optimizer("Momentum", groups, {"momentum": 0.0}, learning_rate=LR)


def batch(values: Sequence[float], share: float = 1.0, has_text: bool = True) -> TrainBatch:
    """Images whose pixels all have one value, each to be mapped to 2."""
    images = np.repeat(np.float32(values), 3 * 4).reshape(-1, 3, 2, 2)
    twos = paddle.full([len(values), 2, 2], 2.0)
    targets = DBTargets(twos, twos, twos, twos)
    return TrainBatch(paddle.to_tensor(images), targets, has_text, share)


@pytest.mark.parametrize(
    "parts",
    [
        [batch([1, 2, 3, 4])],
        [batch([1, 2], 0.5), batch([3, 4], 0.5)],
        [batch([1, 2, 3], 0.75), batch([4], 0.25)],
        [batch([value], 0.25) for value in (1, 2, 3, 4)],
    ],
    ids=["one batch", "two halves", "a smaller last batch", "four of one image"],
)
def test_batches_of_a_step_are_one_batch(parts: list[TrainBatch]) -> None:
    """By hand: errors -1, 0, 1, 2; loss 6 / 4; gradient 2 * (-1 + 0 + 3 + 8) / 4 = 5."""
    network = Line()
    result = train_step(network, parts, squared_error, momentum(network))
    assert float(result.losses["loss"]) == 1.5
    assert float(result.losses["half"]) == 0.75
    assert float(result.grad_norm) == 5.0
    assert network.weight.item() == 1 - LR * 5
    assert result.applied
    assert result.images == 4


def test_the_next_step_begins_without_the_gradients_of_the_last() -> None:
    """By hand: with the weight 0.5 the errors are -1.5, -1, -0.5, 0 and the gradient -2.5."""
    network = Line()
    optimizer = momentum(network)
    for _ in range(2):
        result = train_step(
            network, [batch([1, 2], 0.5), batch([3, 4], 0.5)], squared_error, optimizer
        )
    assert float(result.losses["loss"]) == pytest.approx(3.5 / 4)
    assert network.weight.item() == pytest.approx(0.5 + LR * 2.5)


def test_text_in_one_batch_is_text_in_the_step() -> None:
    network = Line()
    optimizer = momentum(network)
    without, with_text = batch([1], 0.5, has_text=False), batch([1], 0.5)
    for parts in ([without, with_text], [with_text, without]):
        assert train_step(network, parts, squared_error, optimizer).has_text
    assert not train_step(network, [without, without], squared_error, optimizer).has_text


def test_a_nan_in_one_batch_leaves_the_whole_step_out() -> None:
    network = Line()
    optimizer = momentum(network)
    parts = [batch([1, 2], 0.5), batch([float("nan"), 4], 0.5)]
    assert not train_step(network, parts, squared_error, optimizer).applied
    assert network.weight.item() == 1
    assert train_step(network, parts[:1], squared_error, optimizer).applied


def test_a_step_that_can_not_be_read_to_its_end_changes_nothing(tmp_path: Path) -> None:
    """Not even statistics, which the batches before have moved."""
    network, _ = objects.starting_network(load_config(small_config(tmp_path)))
    optimizer = momentum(network)
    before = {key: value.numpy() for key, value in network.state_dict().items()}

    def broken() -> Iterator[TrainBatch]:
        flat = paddle.full([2, 64, 64], 1.0)
        images = paddle.rand([2, 3, 64, 64])
        yield TrainBatch(images, DBTargets(flat, flat, flat, flat), share=0.5)
        assert any(not np.array_equal(network.state_dict()[key], before[key]) for key in before)
        raise DataError("no more")

    with pytest.raises(DataError, match="no more"):
        train_step(network, broken(), DBLoss(), optimizer)
    for key, value in network.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key], err_msg=key)
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("sizes", "batches_per_step", "wanted"),
    [
        ([4, 4, 4], 1, [1, 1, 1]),
        ([4, 4, 4, 2], 2, [1 / 2, 1 / 2, 2 / 3, 1 / 3]),
        ([4, 4, 2], 2, [1 / 2, 1 / 2, 1]),
        ([3, 1], 5, [3 / 4, 1 / 4]),
        ([], 2, []),
    ],
    ids=["one a step", "a smaller last batch", "a last batch alone", "too few for a step", "none"],
)
def test_each_batch_counts_by_its_images(
    sizes: list[int], batches_per_step: int, wanted: list[float]
) -> None:
    assert shares_of_steps(sizes, batches_per_step) == wanted


def test_a_feed_reads_the_same_batches_and_counts_steps(tmp_path: Path) -> None:
    """7 images in batches of 2: 4 batches are 2 steps of 3 and 1."""
    path = small_config(tmp_path)
    plain = train_loader(load_config(path))
    loader = train_loader(load_config(path, ["Optimizer.gradient_accumulation_steps=3"]))
    assert (plain.steps_per_epoch, loader.steps_per_epoch) == (4, 2)
    wanted = [each.images.numpy() for each in plain.epoch(2)]
    read = list(loader.epoch(2))
    assert [each.share for each in read] == [1 / 3, 1 / 3, 1 / 3, 1]
    for found, images in zip(read, wanted, strict=True):
        np.testing.assert_array_equal(found.images.numpy(), images)
    (last,) = loader.epoch(2, first_step=1)
    np.testing.assert_array_equal(last.images.numpy(), wanted[3])
    assert loader.describe_step() == "6 images (batches of 2 x 3 accumulated)"
    assert plain.describe_step() == "2 images"


def test_the_total_batch(tmp_path: Path) -> None:
    path = small_config(tmp_path)
    assert total_batch_size(load_config(path), 1) == 2
    assert total_batch_size(load_config(path, [ACCUMULATED]), 3) == 12
    with pytest.raises(ConfigError, match="gradient_accumulation_steps"):
        load_config(path, ["Optimizer.gradient_accumulation_steps=0"])


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 epochs of 2 steps, of 2 batches each; the state is saved within the second epoch too."""
    folder = tmp_path_factory.mktemp("whole")
    path = str(small_config(folder))
    assert main(["-c", path, "-o", ACCUMULATED, "Global.eval_batch_step=[0,3]"]) == 0
    return folder / "run"


def test_schedule_log_and_evaluation_count_updates(whole_run: Path) -> None:
    trained = [row for row in rows(whole_run) if row["kind"] == "train"]
    assert [int(row["step"]) for row in trained] == [1, 2, 3, 4, 5, 6]
    assert [int(row["epoch"]) for row in trained] == [1, 1, 2, 2, 3, 3]
    judged = [int(row["step"]) for row in rows(whole_run) if row["kind"] == "eval"]
    assert list(dict.fromkeys(judged)) == [0, 3, 6]
    rates = [float(row["lr"]) for row in trained]
    assert rates[:3] == pytest.approx([0, 0.001, 0.002]), "a warm-up of two updates"
    assert rates[5] < rates[4] < rates[3] < rates[2]


def test_a_logged_loss_is_the_mean_over_the_steps_images(whole_run: Path) -> None:
    """The first epoch's last step: batches of 2 and of 1 image, before the rate has left 0."""
    config = load_config(whole_run / "config.resolved.yml")
    network, _ = objects.starting_network(config)
    network.train()
    batches = list(train_loader(config).epoch(1))
    assert [len(each.images) for each in batches] == [2, 2, 2, IMAGES - 6]
    losses = [float(DBLoss()(network(each.images), each.targets)["loss"]) for each in batches]
    first, second = (float(row["loss"]) for row in rows(whole_run) if row["step"] in ("1", "2"))
    assert first == pytest.approx(np.mean(losses[:2]), rel=1e-5)
    last = losses[2] * 2 / 3 + losses[3] / 3
    assert second == pytest.approx((first + last) / 2, rel=1e-5), "the log's window holds both"

"""The operators for a CPU are those of Paddle: maps, gradients and statistics."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from ppocr_ft.models import cpu_operators
from ppocr_ft.models.cpu_operators import (
    affine_hardswish,
    branch_moments,
    channel_moments,
    depthwise,
    is_fast,
)
from ppocr_ft.models.lcnetv3 import BranchesLayer, ConvSpec, LrFactors

Arrays = list[np.ndarray]


def drawn(*shape: int, seed: int = 0) -> paddle.Tensor:
    """A tensor that learns; its mean is not 0, as after an activation."""
    values = np.random.default_rng(seed).normal(0.7, 1, shape).astype("float32")
    return paddle.to_tensor(values, stop_gradient=False)


def gradients(outputs: list[paddle.Tensor], inputs: list[paddle.Tensor]) -> Arrays:
    """Of a sum in which each number of the outputs counts differently."""
    total = sum((y * drawn(*y.shape, seed=9).detach()).sum() for y in outputs)
    return [each.numpy() for each in paddle.grad(total, inputs)]


def check_same(ours: list[paddle.Tensor], theirs: list[paddle.Tensor], inputs: list[Any]) -> None:
    for mine, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), wanted.numpy(), rtol=1e-4, atol=1e-5)
    for mine, wanted in zip(gradients(ours, inputs), gradients(theirs, inputs), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


@pytest.fixture(params=[1, 3], ids=lambda count: f"{count} threads")
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    cpu_operators.use_threads(request.param)
    yield
    cpu_operators.use_threads(1)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize("shape", [(2, 4, 9, 12), (1, 5, 70, 33), (3, 1, 4, 4)])
def test_depthwise(shape: tuple[int, ...], size: int, stride: int) -> None:
    x, weight = drawn(*shape), drawn(shape[1], 1, size, size, seed=1)
    theirs = F.conv2d(x, weight, stride=stride, padding=size // 2, groups=shape[1])
    check_same([depthwise(x, weight, stride)], [theirs], [x, weight])


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
def test_moments_of_depthwise_branches(size: int, stride: int) -> None:
    x, weights = drawn(2, 4, 21, 14), drawn(4, 3, size, size, seed=1)
    means, variances = [], []
    for branch in range(3):
        kernel = weights[:, branch : branch + 1]
        y = F.conv2d(x, kernel, stride=stride, padding=size // 2, groups=4)
        means.append(y.mean([0, 2, 3]))
        variances.append(y.var([0, 2, 3], unbiased=False))
    theirs = [paddle.stack(means, 1), paddle.stack(variances, 1)]
    check_same(list(branch_moments(x, weights, stride)), theirs, [x, weights])


def test_moments_of_pointwise_branches() -> None:
    x, weight = drawn(3, 5, 6, 7), drawn(4, 5, 1, 1, seed=1)
    mean, covariance = channel_moments(x)
    kernel = weight.flatten(1)
    ours = [kernel @ mean, (kernel @ covariance * kernel).sum(1)]
    y = F.conv2d(x, weight)
    theirs = [y.mean([0, 2, 3]), y.var([0, 2, 3], unbiased=False)]
    check_same(ours, theirs, [x, weight])


@pytest.mark.usefixtures("threads")
def test_affine_hardswish() -> None:
    x, bias = drawn(2, 5, 8, 9) * 4, drawn(5, seed=1)
    scale, offset = drawn(1, seed=2), drawn(1, seed=3)
    theirs = scale * F.hardswish(x + bias.reshape([-1, 1, 1])) + offset
    check_same([affine_hardswish(x, bias, scale, offset)], [theirs], [x, bias, scale, offset])


def test_a_nan_is_not_lost() -> None:
    x = drawn(1, 2, 6, 6).detach()
    x[0, 1, 3, 3] = float("nan")
    one, weight = paddle.ones([1]), drawn(2, 1, 3, 3)
    for y in (depthwise(x, weight, 1), affine_hardswish(x, paddle.zeros([2]), one, one)):
        assert paddle.isnan(y)[0, 1].any()
        assert not paddle.isnan(y)[0, 0].any()
    assert paddle.isnan(branch_moments(x, weight, 1)[1]).flatten().tolist() == [False, True]


@pytest.mark.parametrize("frozen", [0, 1])
def test_what_is_frozen_gets_no_gradient(frozen: int) -> None:
    inputs = [drawn(1, 3, 6, 6), drawn(3, 1, 3, 3)]
    inputs[frozen].stop_gradient = True
    (depthwise(*inputs, 1).sum() + branch_moments(*inputs, 1)[0].sum()).backward()
    assert [each.grad is None for each in inputs] == [frozen == 0, frozen == 1]


def test_only_float32_in_the_cpus_memory() -> None:
    assert is_fast(drawn(1, 2))
    assert not is_fast(drawn(1, 2).astype("float64"))


def convolution(spec: ConvSpec, frozen: bool) -> BranchesLayer:
    """A layer with branches; weights and statistics at random."""
    layer, rng = BranchesLayer(spec, LrFactors(1, 1), conv_kxk_num=3), np.random.default_rng(4)
    for tensor in [*layer.parameters(), *layer.buffers()]:
        tensor.set_value(paddle.to_tensor(rng.uniform(0.3, 1.2, tensor.shape).astype("float32")))
    for norm in layer.sublayers():
        if isinstance(norm, nn.BatchNorm2D):
            norm._use_global_stats = frozen or None
    return layer


@pytest.mark.filterwarnings("ignore:When training, we now always track")
@pytest.mark.parametrize("frozen", [False, True], ids=["gathering", "frozen"])
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(ConvSpec(6, 6, 3, 1, 6), id="depthwise"),
        pytest.param(ConvSpec(6, 6, 5, 2, 6), id="depthwise, stride 2"),
        pytest.param(ConvSpec(6, 6, 1), id="pointwise"),
        pytest.param(ConvSpec(6, 9, 1), id="pointwise to more channels"),
    ],
)
def test_all_branches_are_one_convolution(
    spec: ConvSpec, frozen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside Paddle's convolutions and batch norms, one after the other, as in PaddleOCR."""
    layer = convolution(spec, frozen)
    twin = copy.deepcopy(layer)
    x = drawn(2, 6, 12, 15)
    y = layer(x)
    monkeypatch.setattr("ppocr_ft.models.lcnetv3.is_fast", lambda x: False)
    monkeypatch.setattr("ppocr_ft.models.layers.is_fast", lambda x: False)
    theirs = twin(x)
    np.testing.assert_allclose(y.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-4)
    used = [
        name
        for name, parameter in twin.named_parameters()
        if not parameter.stop_gradient and (layer._activates or "act." not in name)
    ]
    ours_by_name, theirs_by_name = dict(layer.named_parameters()), dict(twin.named_parameters())
    mine = gradients([y], [x, *(ours_by_name[name] for name in used)])
    wanted = gradients([theirs], [x, *(theirs_by_name[name] for name in used)])
    largest = max(np.abs(each).max() for each in wanted)
    for name, one, other in zip(["x", *used], mine, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-5 * largest, err_msg=name)
    for name, one in ours_by_name.items():  # running statistics are parameters, too
        other = theirs_by_name[name]
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, err_msg=name)

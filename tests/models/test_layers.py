"""Convolutions that train faster on a CPU equal Paddle's own."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from ppocr_ft.models.layers import Conv2D, Conv2DTranspose
from ppocr_ft.models.lcnetv3 import ConvSpec, FoldedLayer, LrFactors


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("ours", "theirs", "arguments"),
    [
        pytest.param(Conv2D, nn.Conv2D, {"kernel_size": 3, "padding": 1}, id="3 x 3"),
        pytest.param(
            Conv2D, nn.Conv2D, {"kernel_size": 5, "padding": 2, "groups": 8}, id="depthwise"
        ),
        pytest.param(
            Conv2D, nn.Conv2D, {"kernel_size": 4, "padding": 2, "groups": 8}, id="even depthwise"
        ),
        pytest.param(
            Conv2D,
            nn.Conv2D,
            {"kernel_size": 3, "padding": 1, "stride": 2, "groups": 8},
            id="depthwise with stride",
        ),
        pytest.param(Conv2D, nn.Conv2D, {"kernel_size": 3, "stride": 2}, id="stride"),
        pytest.param(Conv2D, nn.Conv2D, {"kernel_size": 3, "dilation": 2}, id="dilation"),
        pytest.param(Conv2D, nn.Conv2D, {"kernel_size": 1, "bias_attr": False}, id="no bias"),
        pytest.param(
            Conv2DTranspose, nn.Conv2DTranspose, {"kernel_size": 2, "stride": 2}, id="doubling"
        ),
        pytest.param(
            Conv2DTranspose, nn.Conv2DTranspose, {"kernel_size": 3, "groups": 4}, id="in groups"
        ),
    ],
)
def test_maps_and_gradients_are_paddles(
    ours: type[nn.Layer], theirs: type[nn.Layer], arguments: dict[str, object], training: bool
) -> None:
    layer, reference = ours(8, 8, **arguments), theirs(8, 8, **arguments)
    check_equal(layer, reference, training)


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("channels", [(8, 4), (8, 3), (8, 1)])
def test_fewer_channels(channels: tuple[int, int], kernel_size: int) -> None:
    layer, reference = (
        kind(*channels, kernel_size, padding=kernel_size // 2) for kind in (Conv2D, nn.Conv2D)
    )
    check_equal(layer, reference, training=True)


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("frozen", ["weights", "input", "both"])
def test_what_is_frozen_gets_no_gradient(frozen: str, groups: int) -> None:
    out = 8 if groups == 8 else 4
    layer, reference = (kind(8, out, 3, padding=1, groups=groups) for kind in (Conv2D, nn.Conv2D))
    for each in (layer, reference):
        each.weight.stop_gradient = frozen != "input"
    check_equal(layer, reference, training=True, input_learns=frozen == "weights")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_an_affine_block_within_the_weights(kernel_size: int, groups: int, stride: int) -> None:
    spec = ConvSpec(8, 8, kernel_size, stride, groups)
    layer, twin = FoldedLayer(spec, LrFactors(1, 1)), FoldedLayer(spec, LrFactors(1, 1))
    layer.lab.scale.set_value(paddle.to_tensor([1.7]))
    layer.lab.bias.set_value(paddle.to_tensor([-0.3]))
    twin.set_state_dict(layer.state_dict())
    twin.eval()
    check_equal(layer, twin, training=True, keep_modes=True)


def check_equal(
    layer: nn.Layer,
    reference: nn.Layer,
    training: bool,
    *,
    input_learns: bool = True,
    keep_modes: bool = False,
) -> None:
    """Check maps, and the gradients of the input and of each parameter."""
    reference.set_state_dict(layer.state_dict())
    images = np.random.default_rng(3).normal(size=(3, 8, 12, 10)).astype("float32")
    maps, gradients = [], []
    for each in (layer, reference):
        if not keep_modes:
            each.train() if training else each.eval()
        x = paddle.to_tensor(images, stop_gradient=not input_learns)
        maps.append(each(x))
        (maps[-1] ** 2).sum().backward()
        gradients.append([x.grad, *(p.grad for p in each.parameters())])
    mine, wanted = (each.numpy() for each in maps)
    np.testing.assert_allclose(mine, wanted, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-4)

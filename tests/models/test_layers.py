"""Convolutions with a bias that is quick to learn equal Paddle's own."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from ppocr_ft.models.layers import Conv2D, Conv2DTranspose


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("ours", "theirs", "arguments"),
    [
        pytest.param(Conv2D, nn.Conv2D, {"kernel_size": 3, "padding": 1}, id="3 x 3"),
        pytest.param(
            Conv2D, nn.Conv2D, {"kernel_size": 5, "padding": 2, "groups": 8}, id="depthwise"
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
    reference.set_state_dict(layer.state_dict())
    images = np.random.default_rng(3).normal(size=(3, 8, 12, 10)).astype("float32")
    maps, gradients = [], []
    for each in (layer, reference):
        each.train() if training else each.eval()
        x = paddle.to_tensor(images, stop_gradient=False)
        maps.append(each(x))
        (maps[-1] ** 2).sum().backward()
        gradients.append([x.grad, *(p.grad for p in each.parameters())])
    np.testing.assert_array_equal(*(each.numpy() for each in maps))
    for mine, wanted in zip(*gradients, strict=True):
        np.testing.assert_allclose(mine.numpy(), wanted.numpy(), rtol=1e-4, atol=1e-4)

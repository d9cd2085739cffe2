"""Operators that train several times faster on a CPU than Paddle's own.

All work on float32 tensors (n, c, h, w) in the CPU's memory, by the compiled loops of
``cpu_loops``. Depthwise kernels are square, of odd size k, with a padding of k // 2.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Gradients = tuple[paddle.Tensor | None, ...]


def is_fast(x: paddle.Tensor) -> bool:
    """Return whether the operators here can work on x."""
    return bool(x.place.is_cpu_place() and x.dtype == paddle.float32)


def depthwise(x: paddle.Tensor, weight: paddle.Tensor, stride: int) -> paddle.Tensor:
    """Return the convolution of x by ``weight`` (c, 1, k, k): (n, c, h / stride, w / stride)."""
    y: paddle.Tensor = _Depthwise.apply(x.contiguous(), weight, stride)
    return y


def branch_moments(
    x: paddle.Tensor, weights: paddle.Tensor, stride: int
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return mean and variance (c, b) of each channel of b depthwise convolutions of x.

    ``weights`` (c, b, k, k). The convolutions themselves are not kept.
    """
    mean, variance = _BranchMoments.apply(x.contiguous(), weights, stride)
    return mean, variance


def channel_moments(x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return the mean (c,) of each channel of x, and the covariance (c, c) of its channels.

    They decide mean and variance of every 1 x 1 convolution of x.
    """
    mean, covariance = _ChannelMoments.apply(x)
    return mean, covariance


def affine_hardswish(
    x: paddle.Tensor, bias: paddle.Tensor, scale: paddle.Tensor, offset: paddle.Tensor
) -> paddle.Tensor:
    """Return scale * hardswish(x + bias) + offset; ``bias`` (c,), ``scale`` and ``offset`` (1,)."""
    y: paddle.Tensor = _AffineHardswish.apply(x.contiguous(), bias, scale, offset)
    return y


def use_threads(count: int) -> None:
    """Let each operator share its channels among so many threads; at first it is one."""
    _Threads.count = count


class _Depthwise(paddle.autograd.PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, stride: int) -> paddle.Tensor:
        y = paddle.empty([*x.shape[:2], *_size(x, stride)])
        layout = _layout(x, weight, stride)
        _by_channels(_loops().convolve, _memory(x), _taps(weight)[:, 0], *layout, _memory(y))
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.learn = stride, _learning(x, weight)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Gradients:
        x, weight = ctx.saved_tensor()
        layout, given = _layout(x, weight, ctx.stride), _memory(gradient.contiguous())
        x_learns, weight_learns = ctx.learn
        of_x = of_weight = None
        if x_learns:
            of_x = paddle.empty(x.shape)
            taps = _taps(weight)[:, 0]
            _by_channels(_loops().input_gradient, given, taps, *layout, _memory(of_x))
        if weight_learns:
            sums = np.empty((x.shape[1], len(layout.shifts)))
            _by_channels(_loops().weight_gradient, _memory(x), given, *layout, sums)
            of_weight = _tensor(_kernels(sums, weight))
        return of_x, of_weight


class _BranchMoments(paddle.autograd.PyLayer):  # type: ignore[misc]
    """Mean and variance of convolutions z by kernels w, where tap t of the kernel reads x_t.

    The mean of z is the sum over t of w_t * mean(x_t), that of z^2 the sum of w_t * mean(z * x_t).
    """

    @staticmethod
    def forward(
        ctx: Any, x: paddle.Tensor, weights: paddle.Tensor, stride: int
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        layout, taps, size = _layout(x, weights, stride), _taps(weights), _size(x, stride)
        products, sums = np.empty(taps.shape), np.empty((len(taps), taps.shape[2]))
        _by_channels(_loops().moments, _memory(x), taps, *layout, products, sums, *size)
        places = len(x) * size[0] * size[1]
        products, sums = products / places, sums / places
        mean = (taps * sums[:, None]).sum(-1)
        variance = np.maximum((taps * products).sum(-1) - mean**2, 0)
        ctx.save_for_backward(x, weights)
        ctx.stride, ctx.places, ctx.moments = stride, places, (products, sums, mean)
        ctx.learn = _learning(x, weights)
        return _tensor(mean), _tensor(variance)

    @staticmethod
    def backward(ctx: Any, of_mean: paddle.Tensor, of_variance: paddle.Tensor) -> Gradients:
        x, weights = ctx.saved_tensor()
        products, sums, mean = ctx.moments
        factors = 2 * of_variance.numpy().astype(np.float64)  # of the variance by z: 2 (z - mean)
        offsets = of_mean.numpy() - factors * mean
        of_taps = offsets[..., None] * sums[:, None] + factors[..., None] * products
        of_x = None
        if ctx.learn[0]:
            of_x = paddle.empty(x.shape)
            by_z = (_contiguous(each / ctx.places) for each in (offsets, factors))
            layout, size = _layout(x, weights, ctx.stride), _size(x, ctx.stride)
            arguments = (_memory(x), _taps(weights), *layout, *by_z, _memory(of_x), *size)
            _by_channels(_loops().moments_gradient, *arguments)
        return of_x, _tensor(_kernels(of_taps, weights)) if ctx.learn[1] else None


class _ChannelMoments(paddle.autograd.PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        flat = x.flatten(2)  # (n, c, h * w)
        mean = flat.mean([0, 2])
        rest = flat - mean.unsqueeze(-1)
        with paddle.amp.auto_cast(enable=False):
            covariance = paddle.matmul(rest, rest, transpose_y=True).mean(0) / flat.shape[2]
        ctx.save_for_backward(x, mean)
        return mean, covariance

    @staticmethod
    def backward(ctx: Any, of_mean: paddle.Tensor, of_covariance: paddle.Tensor) -> paddle.Tensor:
        x, mean = ctx.saved_tensor()
        flat = x.flatten(2)
        places = flat.shape[0] * flat.shape[2]
        both = (of_covariance + of_covariance.T) / places
        of_x = paddle.matmul(both, flat) + (of_mean / places - both @ mean).unsqueeze(-1)
        return of_x.reshape(x.shape)


class _AffineHardswish(paddle.autograd.PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        bias: paddle.Tensor,
        scale: paddle.Tensor,
        offset: paddle.Tensor,
    ) -> paddle.Tensor:
        y = paddle.empty(x.shape)
        arguments = (_planes(x), _memory(bias), scale.item(), offset.item(), _planes(y))
        _by_channels(_loops().affine_hardswish, *arguments)
        ctx.save_for_backward(x, bias, scale)
        ctx.learn = _learning(x, bias, scale, offset)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Gradients:
        x, bias, scale = ctx.saved_tensor()
        of_x, sums = paddle.empty(x.shape), np.empty((x.shape[1], 3))
        given = _planes(gradient.contiguous())
        arguments = (_planes(x), given, _memory(bias), scale.item(), _planes(of_x), sums)
        _by_channels(_loops().affine_hardswish_gradient, *arguments)
        of_bias, of_scale, of_offset = sums.T
        rest = of_bias, of_scale.sum(keepdims=True), of_offset.sum(keepdims=True)
        gradients = of_x, *map(_tensor, rest)
        return tuple(
            gradient if learns else None
            for gradient, learns in zip(gradients, ctx.learn, strict=True)
        )


class _Threads:
    count = 1
    pool: ThreadPoolExecutor | None = None


def _by_channels(loop: Callable[..., None], *arguments: Any) -> None:
    """Call a loop for all channels, those of its first argument, in as many threads as are used."""
    channels, count = arguments[0].shape[1], _Threads.count
    if count == 1:
        loop(*arguments, 0, channels)
        return
    if _Threads.pool is None or _Threads.pool._max_workers != count:
        _Threads.pool = ThreadPoolExecutor(count, thread_name_prefix="channels")
    parts = pairwise(channels * i // count for i in range(count + 1))
    list(_Threads.pool.map(lambda part: loop(*arguments, *part), parts))


@lru_cache(maxsize=1)
def _loops() -> Any:
    """Return the compiled loops; loading them takes most of a second."""
    from ppocr_ft.models import cpu_loops

    return cpu_loops


@lru_cache(maxsize=256)
def _layout_of(height: int, width: int, kernel_size: int, stride: int) -> Any:
    return _loops().Layout.of(height, width, kernel_size, stride)


def _layout(x: paddle.Tensor, weight: paddle.Tensor, stride: int) -> Any:
    return _layout_of(*x.shape[2:], weight.shape[-1], stride)


def _size(x: paddle.Tensor, stride: int) -> tuple[int, int]:
    """Return the convolution's height and width."""
    return -(-x.shape[2] // stride), -(-x.shape[3] // stride)


def _learning(*tensors: paddle.Tensor) -> tuple[bool, ...]:
    """Return which of them get gradients; Paddle refuses those of the others."""
    return tuple(not tensor.stop_gradient for tensor in tensors)


def _memory(tensor: paddle.Tensor) -> Floats:
    """Return the tensor's own memory as an array, to be used as long as the tensor is there."""
    first = ctypes.cast(tensor.data_ptr(), ctypes.POINTER(ctypes.c_float))
    return np.ctypeslib.as_array(first, tuple(tensor.shape))


def _planes(tensor: paddle.Tensor) -> Floats:
    """Return the tensor's own memory as (n, c, places)."""
    return _memory(tensor).reshape([*tensor.shape[:2], -1])


def _taps(weight: paddle.Tensor) -> Floats:
    """Return kernels (c, b, k, k) as (c, b, taps), with zeros up to a multiple of three taps."""
    channels, branches, size, _ = weight.shape
    taps = np.zeros((channels, branches, -(-(size**2) // 3) * 3), np.float32)
    taps[..., : size**2] = weight.numpy().reshape([channels, branches, -1])
    return taps


def _kernels(taps: Doubles, like: paddle.Tensor) -> Doubles:
    """Return taps (..., taps) as kernels of the shape of ``like``."""
    shape: list[int] = like.shape
    return taps[..., : shape[-1] ** 2].reshape(shape)


def _contiguous(values: Doubles) -> Floats:
    return np.ascontiguousarray(values, np.float32)


def _tensor(values: Doubles) -> paddle.Tensor:
    return paddle.to_tensor(_contiguous(values), place=paddle.CPUPlace())

"""Compiled loops over float32 tensors (n, c, h, w), by which a CPU trains faster.

A plane, one channel of one image, is laid out as a *frame*: with zeros around it, and sorted by the
remainders of row and column by the stride. In a frame every tap of a kernel reads what stands a
fixed distance from the place of the output, so that a convolution is a sum of shifted frames, of
any kernel size and stride. Outputs have a frame's row length, too; what stands beyond their width
counts for nothing.

Kernels are (c, b, k, k), with b branches of the same size. Each call does the channels from
``first`` to ``last``, and lets other threads run.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.utils.compiled import compiled

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

FAST = ("reassoc", "contract", "nsz", "arcp")
"""Sums in any order, as a vector processor likes them; NaN stays NaN."""
CHUNK = 2048
"""Places done at a time, whole rows: they and what they read stay in the first cache."""
PLANES, LAYOUT = "float32[:, :, :, ::1]", "int64[::1], int64[::1]"
"""Types: of tensors (n, c, h, w), and of ``Layout.sizes`` and ``Layout.shifts``."""


class Layout(NamedTuple):
    """A frame, as the loops read it.

    ``sizes``: padding, stride, then rows and columns of each of its parts, one a remainder.
    ``shifts``: how far from the place of an output each tap reads; of some more taps, to a multiple
    of three, 0.
    """

    sizes: Integers
    shifts: Integers

    @classmethod
    def of(cls, height: int, width: int, kernel_size: int, stride: int) -> Layout:
        """Return that of planes of this size, whose padding is half the kernel's size."""
        pad, more = kernel_size // 2, (kernel_size - 1) // stride
        rows = max(-(-height // stride) + more + 1, (height + pad - 1) // stride + 1)
        columns = max(-(-width // stride) + more, (width + pad - 1) // stride + 1)
        v, u = np.divmod(np.arange(kernel_size**2), kernel_size)
        part = v % stride * stride + u % stride
        shifts = np.zeros(-(-len(v) // 3) * 3, np.int64)
        shifts[: len(v)] = part * rows * columns + v // stride * columns + u // stride
        return cls(np.array([pad, stride, rows, columns]), shifts)


@compiled("float32[::1](int64[::1])")
def _new_frame(sizes: Integers) -> Floats:
    return np.zeros(sizes[1] * sizes[1] * sizes[2] * sizes[3], np.float32)


@compiled("int64(int64)")
def _rows_at_once(columns: int) -> int:
    return max(1, CHUNK // columns)


@compiled("void(float32[::1], int64, float32[::1], int64)")
def _copy(source: Floats, step: int, target: Floats, target_step: int) -> None:
    """Copy every ``step``-th number to every ``target_step``-th place, until one of both ends."""
    count = min((len(source) - 1) // step, (len(target) - 1) // target_step) + 1
    if step == 1 and target_step == 1:
        for i in range(count):
            target[i] = source[i]
    elif step == 2 and target_step == 1:
        for i in range(count):
            target[i] = source[2 * i]
    else:
        for i in range(count):
            target[i * target_step] = source[i * step]


@compiled("void(float32[:, ::1], float32[::1], int64)")
def _copy_rows(plane: Floats, rows: Floats, columns: int) -> None:
    """Copy rows of a plane into rows of a frame's length; what stands beyond stays."""
    for i in range(len(plane)):
        _copy(plane[i], 1, rows[i * columns :], 1)


@compiled("void(float32[:, ::1], float32[::1], int64[::1])")
def _fill(plane: Floats, frame: Floats, sizes: Integers) -> None:
    """Copy a plane into a frame, whose zeros around it stay."""
    pad, stride, rows, columns = sizes
    height, width = plane.shape
    for i in range(height):
        top = i + pad
        for remainder in range(stride):
            j = (remainder - pad) % stride  # the first column with this remainder
            part = (top % stride * stride + remainder) * rows + top // stride
            _copy(plane[i, j:width], stride, frame[part * columns + (j + pad) // stride :], 1)


@compiled("void(float32[::1], float32[:, ::1], int64[::1])")
def _empty_into(frame: Floats, plane: Floats, sizes: Integers) -> None:
    """Copy a plane out of a frame: ``_fill`` the other way round."""
    pad, stride, rows, columns = sizes
    height, width = plane.shape
    for i in range(height):
        top = i + pad
        for remainder in range(stride):
            j = (remainder - pad) % stride
            part = (top % stride * stride + remainder) * rows + top // stride
            _copy(frame[part * columns + (j + pad) // stride :], 1, plane[i, j:width], stride)


@compiled("void(float32[::1], float32[::1], float32[::1], int64[::1])", fastmath=FAST)
def _correlate(out: Floats, frame: Floats, weights: Floats, shifts: Integers) -> None:
    """out[q] = sum over taps of weight * frame[q + shift]; the taps are a multiple of three."""
    count = len(out)
    for tap in range(0, len(weights), 3):
        u, v, w = weights[tap], weights[tap + 1], weights[tap + 2]
        a = frame[shifts[tap] :]
        b = frame[shifts[tap + 1] :]
        c = frame[shifts[tap + 2] :]
        if tap == 0:
            for q in range(count):
                out[q] = u * a[q] + v * b[q] + w * c[q]
        else:
            for q in range(count):
                out[q] += u * a[q] + v * b[q] + w * c[q]


@compiled("void(float32[::1], float32[::1], float64[::1], int64[::1])", fastmath=FAST)
def _dots(values: Floats, frame: Floats, sums: Doubles, shifts: Integers) -> None:
    """sums[tap] += sum over q of values[q] * frame[q + shift]."""
    count = len(values)
    for tap in range(0, len(sums), 3):
        a = frame[shifts[tap] :]
        b = frame[shifts[tap + 1] :]
        c = frame[shifts[tap + 2] :]
        u = v = w = np.float32(0)
        for q in range(count):
            value = values[q]
            u += value * a[q]
            v += value * b[q]
            w += value * c[q]
        sums[tap] += u
        sums[tap + 1] += v
        sums[tap + 2] += w


@compiled("void(float32[::1], float32[::1], float32[::1], int64[::1])", fastmath=FAST)
def _spread(values: Floats, frame: Floats, weights: Floats, shifts: Integers) -> None:
    """frame[q + shift] += weight * values[q] for each tap: ``_correlate`` the other way round."""
    count = len(values)
    for tap in range(len(weights)):
        weight = weights[tap]
        if weight != 0:
            a = frame[shifts[tap] :]
            for q in range(count):
                a[q] += weight * values[q]


@compiled("void(float32[::1], int64, int64)")
def _clear_beyond(rows: Floats, columns: int, width: int) -> None:
    """Set to 0 what stands beyond the output's width."""
    for start in range(0, len(rows), columns):
        rows[start + width : start + columns] = 0


@compiled(f"void({PLANES}, float32[:, ::1], {LAYOUT}, {PLANES}, int64, int64)")
def convolve(
    x: Floats,
    weights: Floats,
    sizes: Integers,
    shifts: Integers,
    out: Floats,
    first: int,
    last: int,
) -> None:
    """Convolve x (n, c, h, w), into ``out`` (n, c, h / stride, w / stride)."""
    columns, height = sizes[3], out.shape[2]
    step = _rows_at_once(columns)
    frame, rows = _new_frame(sizes), np.empty(step * columns, np.float32)
    for image in range(len(x)):
        for channel in range(first, last):
            _fill(x[image, channel], frame, sizes)
            for top in range(0, height, step):
                count = min(step, height - top)
                done = rows[: count * columns]
                _correlate(done, frame[top * columns :], weights[channel], shifts)
                for i in range(count):
                    _copy(done[i * columns :], 1, out[image, channel, top + i], 1)


@compiled(f"void({PLANES}, {PLANES}, {LAYOUT}, float64[:, ::1], int64, int64)")
def weight_gradient(
    x: Floats,
    gradient: Floats,
    sizes: Integers,
    shifts: Integers,
    sums: Doubles,
    first: int,
    last: int,
) -> None:
    """Put the gradient of the weights into ``sums`` (c, taps), by that of the convolution of x."""
    columns, height = sizes[3], gradient.shape[2]
    step = _rows_at_once(columns)
    frame, rows = _new_frame(sizes), np.zeros(step * columns, np.float32)
    sums[first:last] = 0
    for image in range(len(x)):
        for channel in range(first, last):
            _fill(x[image, channel], frame, sizes)
            for top in range(0, height, step):
                count = min(step, height - top)
                _copy_rows(gradient[image, channel, top : top + count], rows, columns)
                _dots(rows[: count * columns], frame[top * columns :], sums[channel], shifts)


@compiled(f"void({PLANES}, float32[:, ::1], {LAYOUT}, {PLANES}, int64, int64)")
def input_gradient(
    gradient: Floats,
    weights: Floats,
    sizes: Integers,
    shifts: Integers,
    out: Floats,
    first: int,
    last: int,
) -> None:
    """Put the gradient of x into ``out``, by that of its convolution."""
    columns, height = sizes[3], gradient.shape[2]
    step = _rows_at_once(columns)
    frame, rows = _new_frame(sizes), np.zeros(step * columns, np.float32)
    for image in range(len(out)):
        for channel in range(first, last):
            frame[:] = 0
            for top in range(0, height, step):
                count = min(step, height - top)
                _copy_rows(gradient[image, channel, top : top + count], rows, columns)
                _spread(rows[: count * columns], frame[top * columns :], weights[channel], shifts)
            _empty_into(frame, out[image, channel], sizes)


@compiled(
    f"void({PLANES}, float32[:, :, ::1], {LAYOUT}, float64[:, :, ::1], float64[:, ::1], "
    "int64, int64, int64, int64)"
)
def moments(
    x: Floats,
    weights: Floats,
    sizes: Integers,
    shifts: Integers,
    products: Doubles,
    sums: Doubles,
    height: int,
    width: int,
    first: int,
    last: int,
) -> None:
    """Sum up what decides mean and variance of each branch's convolution z of x.

    Summed over all places of the output, which has this height and width: ``products``
    (c, b, taps) of z with what each tap reads, ``sums`` (c, taps) of that alone.
    """
    columns, step = sizes[3], _rows_at_once(sizes[3])
    frame, rows = _new_frame(sizes), np.empty(step * columns, np.float32)
    ones = np.ones(step * columns, np.float32)
    _clear_beyond(ones, columns, width)
    products[first:last] = 0
    sums[first:last] = 0
    for image in range(len(x)):
        for channel in range(first, last):
            _fill(x[image, channel], frame, sizes)
            for top in range(0, height, step):
                z = rows[: min(step, height - top) * columns]
                read = frame[top * columns :]
                _dots(ones[: len(z)], read, sums[channel], shifts)
                for branch in range(weights.shape[1]):
                    _correlate(z, read, weights[channel, branch], shifts)
                    _clear_beyond(z, columns, width)
                    _dots(z, read, products[channel, branch], shifts)


@compiled(
    f"void({PLANES}, float32[:, :, ::1], {LAYOUT}, float32[:, ::1], float32[:, ::1], {PLANES}, "
    "int64, int64, int64, int64)"
)
def moments_gradient(
    x: Floats,
    weights: Floats,
    sizes: Integers,
    shifts: Integers,
    offsets: Floats,
    factors: Floats,
    out: Floats,
    height: int,
    width: int,
    first: int,
    last: int,
) -> None:
    """Put the gradient of x into ``out``, where that of each branch's z is offset + factor * z.

    ``offsets`` and ``factors`` (c, b).
    """
    columns, step = sizes[3], _rows_at_once(sizes[3])
    frame, spread = _new_frame(sizes), _new_frame(sizes)
    rows = np.empty(step * columns, np.float32)
    for image in range(len(x)):
        for channel in range(first, last):
            _fill(x[image, channel], frame, sizes)
            spread[:] = 0
            for top in range(0, height, step):
                z = rows[: min(step, height - top) * columns]
                for branch in range(weights.shape[1]):
                    kernel = weights[channel, branch]
                    _correlate(z, frame[top * columns :], kernel, shifts)
                    offset, factor = offsets[channel, branch], factors[channel, branch]
                    for q in range(len(z)):
                        z[q] = offset + factor * z[q]
                    _clear_beyond(z, columns, width)
                    _spread(z, spread[top * columns :], kernel, shifts)
            _empty_into(spread, out[image, channel], sizes)


@compiled(
    "void(float32[:, :, ::1], float32[::1], float32, float32, float32[:, :, ::1], int64, int64)",
    fastmath=FAST,
)
def affine_hardswish(
    x: Floats, bias: Floats, scale: float, offset: float, out: Floats, first: int, last: int
) -> None:
    """Put scale * hardswish(x + the channel's bias) + offset into ``out``; x (n, c, places)."""
    for image in range(len(x)):
        for channel in range(first, last):
            values, target, shift = x[image, channel], out[image, channel], bias[channel]
            sixth = scale / np.float32(6)
            for i in range(len(values)):
                t = values[i] + shift
                gate = min(max(t + np.float32(3), np.float32(0)), np.float32(6))
                target[i] = t * gate * sixth + offset


@compiled(
    "void(float32[:, :, ::1], float32[:, :, ::1], float32[::1], float32, float32[:, :, ::1], "
    "float64[:, ::1], int64, int64)",
    fastmath=FAST,
)
def affine_hardswish_gradient(
    x: Floats,
    gradient: Floats,
    bias: Floats,
    scale: float,
    of_x: Floats,
    sums: Doubles,
    first: int,
    last: int,
) -> None:
    """Put the gradient of x into ``of_x``, each channel's of bias, scale, offset into ``sums``."""
    sums[first:last] = 0
    sixth, three, six = np.float32(1 / 6), np.float32(3), np.float32(6)
    for image in range(len(x)):
        for channel in range(first, last):
            values, given, shift = x[image, channel], gradient[image, channel], bias[channel]
            target = of_x[image, channel]
            of_bias = of_scale = of_offset = np.float32(0)
            for i in range(len(values)):
                t, g = values[i] + shift, given[i]
                gate = t + three
                slope = (t + gate) * sixth
                if gate < 0:
                    slope = np.float32(0)
                elif gate > six:
                    slope = np.float32(1)
                d = g * slope * scale
                target[i] = d
                of_bias += d
                of_scale += g * t * min(max(gate, np.float32(0)), six)
                of_offset += g
            sums[channel, 0] += of_bias
            sums[channel, 1] += of_scale * sixth
            sums[channel, 2] += of_offset

"""Winograd's F(4x4, 3x3) for dilated 3x3 convolutions: the arithmetic (arXiv 1509.09308).

    y = A^T [(G w G^T) . (B^T x B)] A

of a 6x6 tile x, a 3x3 kernel w and 4x4 outputs y, where . is a product of matrices over the
channels at each of the 36 points: 36 multiplications where the definition has 144. A convolution of
dilation r is r x r interleaved ordinary ones, so that the pixels of a tile lie r apart. Gradients
are the same three linear maps transposed.

Arrays are flat float32, channels last: x (B, H, W, C), y (B, H, W, K). Points are numbered 6 i + j.
A block of up to `TILES` tiles is transformed, multiplied and transformed back while it is in cache:

    V (36, TILES, C)        input, transformed
    U (36, K / 16, C, 16)   weights, transformed, in panels of 16 outputs
    M (36, TILES, K)        products, or the gradient of the output, transformed

A plane of V or M is `GAP` floats longer than its content, lest all 36 fall on the same lines of the
cache. C and K are multiples of 16; `shape` is (H, W, C, dilation, whether padding is by reflection,
else zeros); `scratch` is V, M, the offsets of six rows and six columns, and 288 floats. Every sum
runs over channels or tiles in their order, whoever computes it.
"""

from collections.abc import Callable
from typing import Any

from numba import njit

from aotgan.winograd.transforms import (
    GAP,
    OPTIONS,
    TILES,
    F,
    part,
    put_six,
    scatter_input,
    six,
    transform_gradient,
    transform_input,
    transform_output,
)
from aotgan.winograd.vectors import fma, gather, load, scatter, splat, spread, store

# SHA-256 of vectors.py and transforms.py: with them changes this file, from whose time numba knows
# that what it compiled before is out of date.
SOURCES = "79e1906ddde76e8f1ce1a0a23080d734efcba9c922beac7238c9a11179246528"
PANEL = 16
POINTS = 36


def _entry(kernel: Callable) -> Any:
    """Compiles a kernel on first use, and keeps it on disk where that can be written."""
    try:
        return njit(cache=True, **OPTIONS)(kernel)
    except RuntimeError:  # neither the package's folder nor the user's
        return part(kernel)


@part
def _weight_line(w0, w1, w2):
    """G w: rows (1/4 0 0), (-1/6 -1/6 -1/6), (-1/6 1/6 -1/6), (1/24 1/12 1/6), ..., (0 0 1)."""
    sixth, outer = splat(F(-1 / 6)), w0 + w2
    near, far = splat(F(1 / 24)) * w0, splat(F(1 / 6)) * w2
    odd = splat(F(1 / 12)) * w1
    even = near + far
    return (
        splat(F(0.25)) * w0,
        sixth * (outer + w1),
        sixth * (outer - w1),
        even + odd,
        even - odd,
        w2,
    )


@part
def _weight_line_back(u0, u1, u2, u3, u4, u5):
    """G^T u."""
    sixth = splat(F(1 / 6))
    sum1, sum3 = u1 + u2, u3 + u4
    w0 = splat(F(0.25)) * u0 - sixth * sum1 + splat(F(1 / 24)) * sum3
    w1 = splat(F(1 / 12)) * (u3 - u4) - sixth * (u1 - u2)
    return w0, w1, sixth * (sum3 - sum1) + u5


@_entry
def transform_weights(w, strides, C, K, U, plane, base, depth, lines):
    """Puts G w G^T of weights w (K, C, 3, 3) into U, as panels of their outputs.

    `strides` say how far apart outputs, inputs and taps of w lie; with the first two exchanged, as
    with K and C, this is the transpose. Others may share U: `plane` are the floats of a point,
    `base` is where these weights begin in it, and `depth` the inputs of a panel.
    """
    step, tap = strides[0], strides[2]
    for k in range(0, K, 8):
        for c in range(C):
            for j in range(3):
                at = k * step + c * strides[1] + j * tap
                w0, w1 = gather(w, at, step), gather(w, at + 3 * tap, step)
                w2 = gather(w, at + 6 * tap, step)
                put_six(lines, 8 * j, 48, *_weight_line(w0, w1, w2))
            to = base + (k // PANEL * depth + c) * PANEL + k % PANEL
            for i in range(6):
                w0, w1 = load(lines, 48 * i), load(lines, 48 * i + 8)
                w2 = load(lines, 48 * i + 16)
                put_six(U, 6 * i * plane + to, plane, *_weight_line(w0, w1, w2))


@part
def _total(dU, parts, size, at):
    total = load(dU, at)
    for one in range(1, parts):
        total = total + load(dU, one * size + at)
    return total


@_entry
def gather_weights(dU, parts, size, width, first, C, K, dw, strides, lines):
    """Dw (K, C, 3, 3) = G^T dU G of the outputs from `first` on.

    Each of `parts` stretches of `size` floats begins with a dU (36, C, width); they are summed in
    their order. `strides` as in `transform_weights`.
    """
    plane = C * width + GAP
    step = 6 * plane
    for c in range(C):
        for k in range(0, K, 8):
            for j in range(6):
                at = j * plane + c * width + first + k
                u0 = _total(dU, parts, size, at)
                u1 = _total(dU, parts, size, at + step)
                u2 = _total(dU, parts, size, at + 2 * step)
                u3 = _total(dU, parts, size, at + 3 * step)
                u4 = _total(dU, parts, size, at + 4 * step)
                u5 = _total(dU, parts, size, at + 5 * step)
                w0, w1, w2 = _weight_line_back(u0, u1, u2, u3, u4, u5)
                store(lines, 8 * j, w0)
                store(lines, 8 * j + 48, w1)
                store(lines, 8 * j + 96, w2)
            for i in range(3):
                w0, w1, w2 = _weight_line_back(*six(lines, 48 * i, 8))
                to = k * strides[0] + c * strides[1] + 3 * i * strides[2]
                scatter(dw, to, strides[0], w0)
                scatter(dw, to + strides[2], strides[0], w1)
                scatter(dw, to + 2 * strides[2], strides[0], w2)


@part
def _product(V, v, depth, U, u, M, m, K):
    """Six tiles times a panel: 6 x 16 numbers in twelve registers, one sum over the depth each."""
    zero = splat(F(0))
    a0, b0, a1, b1, a2, b2 = zero, zero, zero, zero, zero, zero
    a3, b3, a4, b4, a5, b5 = zero, zero, zero, zero, zero, zero
    for c in range(depth):
        left, right = load(U, u + PANEL * c), load(U, u + PANEL * c + 8)
        x = spread(V, v + c)
        a0, b0 = fma(x, left, a0), fma(x, right, b0)
        x = spread(V, v + depth + c)
        a1, b1 = fma(x, left, a1), fma(x, right, b1)
        x = spread(V, v + 2 * depth + c)
        a2, b2 = fma(x, left, a2), fma(x, right, b2)
        x = spread(V, v + 3 * depth + c)
        a3, b3 = fma(x, left, a3), fma(x, right, b3)
        x = spread(V, v + 4 * depth + c)
        a4, b4 = fma(x, left, a4), fma(x, right, b4)
        x = spread(V, v + 5 * depth + c)
        a5, b5 = fma(x, left, a5), fma(x, right, b5)
    put_six(M, m, K, a0, a1, a2, a3, a4, a5)
    put_six(M, m + 8, K, b0, b1, b2, b3, b4, b5)


@part
def _products(V, depth, U, M, K, tiles):
    """M = V U at each point; `depth` channels become K."""
    for point in range(POINTS):
        v, m = point * (TILES * depth + GAP), point * (TILES * K + GAP)
        for k in range(0, K, PANEL):
            u = point * (K * depth + GAP) + k * depth
            for tile in range(0, tiles, 6):
                _product(V, v + tile * depth, depth, U, u, M, m + tile * K + k, K)


@part
def _before(dU, at, fresh):
    return splat(F(0)) if fresh else load(dU, at)


@part
def _outer(V, v, C, M, m, K, tiles, dU, u, fresh):
    """DU += V^T M for four channels and sixteen outputs, summed over the tiles."""
    a0, b0 = _before(dU, u, fresh), _before(dU, u + 8, fresh)
    a1, b1 = _before(dU, u + K, fresh), _before(dU, u + K + 8, fresh)
    a2, b2 = _before(dU, u + 2 * K, fresh), _before(dU, u + 2 * K + 8, fresh)
    a3, b3 = _before(dU, u + 3 * K, fresh), _before(dU, u + 3 * K + 8, fresh)
    for tile in range(tiles):
        left, right = load(M, m + tile * K), load(M, m + tile * K + 8)
        x = spread(V, v + tile * C)
        a0, b0 = fma(x, left, a0), fma(x, right, b0)
        x = spread(V, v + tile * C + 1)
        a1, b1 = fma(x, left, a1), fma(x, right, b1)
        x = spread(V, v + tile * C + 2)
        a2, b2 = fma(x, left, a2), fma(x, right, b2)
        x = spread(V, v + tile * C + 3)
        a3, b3 = fma(x, left, a3), fma(x, right, b3)
    store(dU, u, a0)
    store(dU, u + 8, b0)
    store(dU, u + K, a1)
    store(dU, u + K + 8, b1)
    store(dU, u + 2 * K, a2)
    store(dU, u + 2 * K + 8, b2)
    store(dU, u + 3 * K, a3)
    store(dU, u + 3 * K + 8, b3)


@part
def _outer_products(V, C, M, K, tiles, dU, fresh):
    """DU (36, C, K) += V^T M at each point; what it holds counts as 0 if `fresh` is set."""
    for point in range(POINTS):
        v, m = point * (TILES * C + GAP), point * (TILES * K + GAP)
        for k in range(0, K, PANEL):
            for c in range(0, C, 4):
                u = point * (C * K + GAP) + c * K + k
                _outer(V, v + c, C, M, m + k, K, tiles, dU, u, fresh)


@part
def _sum_gradient(M, K, tiles, dU, fresh):
    """Adds the gradient of the bias: the point (1, 1) of A g A^T is the sum of the tile."""
    m = 7 * (TILES * K + GAP)
    for k in range(0, K, 8):
        to = dU.size - K + k
        total = _before(dU, to, fresh)
        for tile in range(tiles):
            total = total + load(M, m + tile * K + k)
        store(dU, to, total)


@_entry
def forward(x, U, bias, to, to2, first, last, shape, scratch):
    """Convolves the tiles first to last of x with K outputs, which go to two destinations.

    A destination is a flat array (B, H, W, channels), its channels, the first of them to write, how
    many, and whether a ReLU follows. Outputs of the first destination come first.
    """
    C, n, n2 = shape[2], to[3], to2[3]
    V, M = scratch[0], scratch[1]
    for start in range(first, last, TILES):
        stop = min(start + TILES, last)
        transform_input(x, V, start, stop, shape, scratch)
        _products(V, C, U, M, n + n2, stop - start)
        if n > 0:
            transform_output(M, n + n2, 0, to, bias, start, stop, shape, scratch)
        if n2 > 0:
            transform_output(M, n + n2, n, to2, bias, start, stop, shape, scratch)


@_entry
def backward(x, U, dx, back, dU, learn, source, source2, first, last, shape, scratch):
    """Computes the gradients of the tiles first to last.

    That of the input is added to dx if `back` is set; U is then the weights' transpose. Those of
    the transformed weights (36, C, K) and, at the end, of K biases fill dU if `learn` is set. A
    source is a destination of `forward` that begins with its gradient and what was written.
    """
    C, n, n2 = shape[2], source[4], source2[4]
    V, M, K = scratch[0], scratch[1], n + n2
    for start in range(first, last, TILES):
        stop = min(start + TILES, last)
        tiles, fresh = stop - start, start == first
        if n > 0:
            transform_gradient(M, K, 0, source, start, stop, shape, scratch)
        if n2 > 0:
            transform_gradient(M, K, n, source2, start, stop, shape, scratch)
        if learn:
            transform_input(x, V, start, stop, shape, scratch)
            _outer_products(V, C, M, K, tiles, dU, fresh)
            _sum_gradient(M, K, tiles, dU, fresh)
        if back:
            _products(M, K, U, V, C, tiles)
            scatter_input(V, dx, start, stop, shape, scratch)

"""Tiles to points and back: the four linear maps of Winograd's F(4x4, 3x3).

Arrays, names, shapes and scratch are those of `aotgan.winograd.kernels`.
"""

from typing import Any

import numpy as np
from numba import njit

from aotgan.winograd.vectors import fma, load, splat, store, where_positive

TILES = 48  # a multiple of 6
GAP = 16
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
F = np.float32
part = njit(**OPTIONS)


@part
def place(tile, H, W, rate):
    """Image, row and column of a tile's first output; the tiles of an image are consecutive."""
    # a dilated convolution is rate * rate plain ones on interleaved grids (phases),
    # each covered by tiles of 4x4 outputs
    down = ((H + rate - 1) // rate + 3) // 4
    across = ((W + rate - 1) // rate + 3) // 4
    column, tile = tile % across, tile // across
    row, tile = tile % down, tile // down
    phase, tile = tile % rate, tile // rate
    return tile // rate, tile % rate + 4 * rate * row, phase + 4 * rate * column


@part
def _source(position, length, rate, reflect):
    """The row or column that padding shows at a position; -1 is zero."""
    if 0 <= position < length:
        return position
    # tiles overhang the image; what lies beyond the padding reaches no output that is kept
    if not reflect or position < -rate or position >= length + rate:
        return -1
    return -position if position < 0 else 2 * (length - 1) - position


@part
def _look(tile, H, W, C, rate, reflect, rows, columns):
    """Offsets of the six rows and columns that a tile sees; -1 is zero."""
    image, top, left = place(tile, H, W, rate)
    # 4x4 outputs of a 3x3 kernel see 6x6 inputs, from one dilation before the first
    for i in range(6):
        row = _source(top + (i - 1) * rate, H, rate, reflect)
        column = _source(left + (i - 1) * rate, W, rate, reflect)
        rows[i] = -1 if row < 0 else (image * H + row) * W * C
        columns[i] = -1 if column < 0 else column * C


@part
def _pixel(x, row, column, channel):
    return load(x, row + column + channel) if row >= 0 and column >= 0 else splat(F(0))


@part
def six(array, at, step):
    """Six vectors that lie `step` apart."""
    return (
        load(array, at),
        load(array, at + step),
        load(array, at + 2 * step),
        load(array, at + 3 * step),
        load(array, at + 4 * step),
        load(array, at + 5 * step),
    )


@part
def put_six(array, at, step, v0, v1, v2, v3, v4, v5):
    """Writes them."""
    store(array, at, v0)
    store(array, at + step, v1)
    store(array, at + 2 * step, v2)
    store(array, at + 3 * step, v3)
    store(array, at + 4 * step, v4)
    store(array, at + 5 * step, v5)


@part
def _input_line(d0, d1, d2, d3, d4, d5):
    """B^T d: rows (4 0 -5 0 1 0), (0 -4 -4 1 1 0), (0 4 -4 -1 1 0), (0 -2 -1 2 1 0), ..."""
    four, five = splat(F(-4)), splat(F(-5))
    even, odd = fma(four, d2, d4), fma(four, d1, d3)
    wide, twice = d4 - d2, splat(F(2)) * (d3 - d1)
    first = fma(five, d2, d4) - four * d0
    last = fma(five, d3, d5) - four * d1
    return first, even + odd, even - odd, wide + twice, wide - twice, last


@part
def _input_line_back(v0, v1, v2, v3, v4, v5):
    """B v."""
    two, four, five = splat(F(2)), splat(F(-4)), splat(F(-5))
    sum1, dif1, sum3, dif3 = v1 + v2, v1 - v2, v3 + v4, v3 - v4
    d1 = four * (dif1 - v5) - two * dif3
    d2 = fma(five, v0, four * sum1) - sum3
    d3 = fma(five, v5, fma(two, dif3, dif1))
    return splat(F(4)) * v0, d1, d2, d3, v0 + sum1 + sum3, v5


@part
def _output_line(p0, p1, p2, p3, p4, p5):
    """A^T p: rows (1 1 1 1 1 0), (0 1 -1 2 -2 0), (0 1 1 4 4 0), (0 1 -1 8 -8 1)."""
    sum1, dif1, sum3, dif3 = p1 + p2, p1 - p2, p3 + p4, p3 - p4
    y1, y2 = fma(splat(F(2)), dif3, dif1), fma(splat(F(4)), sum3, sum1)
    return p0 + sum1 + sum3, y1, y2, fma(splat(F(8)), dif3, dif1) + p5


@part
def _output_line_back(d0, d1, d2, d3):
    """A d."""
    two, four, eight = splat(F(2)), splat(F(4)), splat(F(8))
    even, odd = d0 + d2, d1 + d3
    wide, steep = fma(four, d2, d0), fma(eight, d3, two * d1)
    return d0, even + odd, even - odd, wide + steep, wide - steep, d3


@part
def _add(dx, row, at, value):
    if row >= 0:
        store(dx, row + at, load(dx, row + at) + value)


@part
def _show(y, to, inside, relu, value):
    if inside:
        store(y, to, where_positive(value, value) if relu else value)


@part
def transform_input(x, V, first, last, shape, scratch):
    """V = B^T x B."""
    H, W, C, rate, reflect = shape
    rows, columns, lines = scratch[2:]
    plane = TILES * C + GAP
    for tile in range(first, last):
        _look(tile, H, W, C, rate, reflect, rows, columns)
        r0, r1, r2, r3, r4, r5 = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
        for c in range(0, C, 8):
            # B^T x: columns first, eight channels to a vector
            for j in range(6):
                q = columns[j]
                d0, d1, d2 = _pixel(x, r0, q, c), _pixel(x, r1, q, c), _pixel(x, r2, q, c)
                d3, d4, d5 = _pixel(x, r3, q, c), _pixel(x, r4, q, c), _pixel(x, r5, q, c)
                put_six(lines, 8 * j, 48, *_input_line(d0, d1, d2, d3, d4, d5))
            at = (tile - first) * C + c
            # (B^T x) B: row i of the tile gives points 6 i to 6 i + 5, a plane each
            for i in range(6):
                put_six(V, 6 * i * plane + at, plane, *_input_line(*six(lines, 48 * i, 8)))


@part
def scatter_input(V, dx, first, last, shape, scratch):
    """dx += B V B^T, the transpose of `transform_input`."""
    H, W, C, rate, reflect = shape
    rows, columns, lines = scratch[2:]
    plane = TILES * C + GAP
    for tile in range(first, last):
        _look(tile, H, W, C, rate, reflect, rows, columns)
        for c in range(0, C, 8):
            at = (tile - first) * C + c
            # V B^T: the six points of a row
            for i in range(6):
                d = _input_line_back(*six(V, 6 * i * plane + at, plane))
                put_six(lines, 48 * i, 8, *d)
            # B (V B^T), added since tiles overlap; zero padding has no gradient to take
            for j in range(6):
                if columns[j] < 0:
                    continue
                d0, d1, d2, d3, d4, d5 = _input_line_back(*six(lines, 8 * j, 48))
                q = columns[j] + c
                _add(dx, rows[0], q, d0)
                _add(dx, rows[1], q, d1)
                _add(dx, rows[2], q, d2)
                _add(dx, rows[3], q, d3)
                _add(dx, rows[4], q, d4)
                _add(dx, rows[5], q, d5)


@part
def transform_output(M, K, k0, to, bias, first, last, shape, scratch):
    """Y = A^T M A + bias of the outputs from k0 on, into a destination."""
    y, channels, offset, n, relu = to
    H, W, _, rate, _ = shape
    lines = scratch[4]
    plane = TILES * K + GAP
    step = rate * channels
    for tile in range(first, last):
        image, top, left = place(tile, H, W, rate)
        for k in range(k0, k0 + n, 8):
            at = (tile - first) * K + k
            # A^T M: six points down to four outputs
            for j in range(6):
                y0, y1, y2, y3 = _output_line(*six(M, j * plane + at, 6 * plane))
                store(lines, 8 * j, y0)
                store(lines, 8 * j + 48, y1)
                store(lines, 8 * j + 96, y2)
                store(lines, 8 * j + 144, y3)
            shift = load(bias, k)
            # (A^T M) A; tiles overhang below and on the right, where nothing is written
            for i in range(4):
                if top + i * rate >= H:
                    break
                y0, y1, y2, y3 = _output_line(*six(lines, 48 * i, 8))
                to = ((image * H + top + i * rate) * W + left) * channels + offset + k - k0
                _show(y, to, left < W, relu, y0 + shift)
                _show(y, to + step, left + rate < W, relu, y1 + shift)
                _show(y, to + 2 * step, left + 2 * rate < W, relu, y2 + shift)
                _show(y, to + 3 * step, left + 3 * rate < W, relu, y3 + shift)


@part
def _gradient(g, y, at, inside, relu):
    """What arrives at an output: its gradient, 0 where ReLU cut it off."""
    if not inside:
        return splat(F(0))
    return where_positive(load(y, at), load(g, at)) if relu else load(g, at)


@part
def transform_gradient(M, K, k0, source, first, last, shape, scratch):
    """M = A g A^T of the outputs from k0 on, the transpose of `transform_output`."""
    g, y, channels, offset, n, relu = source
    H, W, _, rate, _ = shape
    lines = scratch[4]
    plane = TILES * K + GAP
    step = rate * channels
    for tile in range(first, last):
        image, top, left = place(tile, H, W, rate)
        for k in range(k0, k0 + n, 8):
            # g A^T; outputs that overhang the image have no gradient
            for i in range(4):
                row = top + i * rate
                in_image = row < H
                at = ((image * H + row) * W + left) * channels + offset + k - k0
                g0 = _gradient(g, y, at, in_image and left < W, relu)
                g1 = _gradient(g, y, at + step, in_image and left + rate < W, relu)
                g2 = _gradient(g, y, at + 2 * step, in_image and left + 2 * rate < W, relu)
                g3 = _gradient(g, y, at + 3 * step, in_image and left + 3 * rate < W, relu)
                put_six(lines, 48 * i, 8, *_output_line_back(g0, g1, g2, g3))
            at = (tile - first) * K + k
            # A (g A^T)
            for j in range(6):
                d0, d1 = load(lines, 8 * j), load(lines, 8 * j + 48)
                d2, d3 = load(lines, 8 * j + 96), load(lines, 8 * j + 144)
                put_six(M, j * plane + at, 6 * plane, *_output_line_back(d0, d1, d2, d3))

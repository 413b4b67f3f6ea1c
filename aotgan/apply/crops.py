"""Which parts of an image the network looks at, so that a large one costs what its holes cost.

An image is thought of as continued by symmetric reflection at its right and lower border, to sides
that the network takes. A tile is a rectangle of pixels to fill and the window around it that the
network sees. Windows begin and end at multiples of 4, or where the continued image does.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aotgan.apply.holes import bounding_box
from aotgan.models.generator import STRIDE

CELL = 32  # px; tiles are cut along a grid of such cells
Extent = tuple[int, int, int, int]  # top, left, bottom, right; the ends are exclusive


@dataclass(frozen=True)
class Tile:
    """A part of the work.

    Attributes:
        target: the pixels to be filled, inside the image.
        window: what the network sees, inside the continued image.
    """

    target: Extent
    window: Extent


def padded_size(size: tuple[int, int], min_side: int, multiple: int = STRIDE) -> tuple[int, int]:
    """(H, W) of the continued image: multiples, at least `min_side` (one, too) each."""
    height, width = (max(min_side, -(-side // multiple) * multiple) for side in size)
    return height, width


def reflected(first: int, last: int, length: int) -> NDArray[np.intp]:
    """Which of `length` pixels continue them at first <= i < last: 0 1 2 -> 0 1 2 2 1 0 0 1 ..."""
    turn = np.arange(first, last) % (2 * length)
    return np.minimum(turn, 2 * length - 1 - turn)


def plan_tiles(
    target: NDArray[np.bool_], context: int, min_side: int, max_pixels: int
) -> list[Tile]:
    """Covers the pixels to be filled with tiles whose windows have the least area, nearly.

    A rectangle around all of them is cut in two as long as that makes the sum of the windows
    smaller, or a window has more than `max_pixels`. Holes that are near thus share a window.

    Args:
        target: (H, W) bool, the pixels to be filled, at least one.
        context: px of the image that a window shows around its tile, as far as there are any.
        min_side: smallest side of a window.
        max_pixels: largest window, as far as the context allows: a target of one cell is not cut.

    Returns:
        The tiles, in a fixed order; their targets do not overlap.
    """
    size = padded_size((target.shape[0], target.shape[1]), min_side)

    def window(box: Extent) -> Extent:
        top, bottom = _span(box[0] - context, box[2] + context, size[0], min_side)
        left, right = _span(box[1] - context, box[3] + context, size[1], min_side)
        return top, left, bottom, right

    grid = _occupied(target)

    def area(cells: Extent) -> int:
        return box_area(window(_pixels(cells)))

    # cut where nothing is lost: each part is tightened to the hole that it has
    tiles = []
    for cells in _cut(grid, _tight(grid, (0, 0, *grid.shape)), area, max_pixels):
        box = _tight(target, _pixels(cells))
        tiles.append(Tile(box, window(box)))
    return tiles


def reduction(size: tuple[int, int], min_side: int, max_pixels: int) -> tuple[int, int]:
    """How many rows and columns become one, so that an image has no more than `max_pixels`, about.

    Args:
        size: (H, W) of the continued image in px.
        min_side: smallest side that may result; very long and narrow images stay larger for it.
        max_pixels: of the reduced image; (1, 1) for an image that has no more.
    """
    factor = math.ceil((size[0] * size[1] / max_pixels) ** 0.5)
    rows, columns = (max(1, min(factor, side // min_side)) for side in size)
    return rows, columns


def box_area(box: Extent) -> int:
    """Number of pixels of a box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def _span(first: int, last: int, length: int, least: int) -> tuple[int, int]:
    """The smallest stretch of [0, length) that holds [first, last), by multiples of 4."""
    start = max(0, first // STRIDE * STRIDE)
    end = min(length, max(-(-last // STRIDE) * STRIDE, start + least))
    # at the image's end it grows backwards
    return min(start, end - least), end


def _pixels(cells: Extent) -> Extent:
    top, left, bottom, right = (CELL * edge for edge in cells)
    return top, left, bottom, right


def _occupied(target: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which cells hold a pixel of the target."""
    rows = np.logical_or.reduceat(target, np.arange(0, target.shape[0], CELL), axis=0)
    return np.logical_or.reduceat(rows, np.arange(0, target.shape[1], CELL), axis=1)


def _tight(mask: NDArray[np.bool_], box: Extent) -> Extent:
    """The smallest box around what is True of a mask inside a box."""
    top, left, bottom, right = bounding_box(mask[box[0] : box[2], box[1] : box[3]])
    return box[0] + top, box[1] + left, box[0] + bottom, box[1] + right


def _cut(
    grid: NDArray[np.bool_], cells: Extent, area: Callable[[Extent], int], max_pixels: int
) -> list[Extent]:
    whole = area(cells)
    cuts = _cuts(grid, cells)
    sums = [area(first) + area(second) for first, second in cuts]
    if cuts and min(sums) < whole:
        halves = cuts[int(np.argmin(sums))]
    elif cuts and whole > max_pixels:
        # it has to be cut although that saves nothing: into parts that are about as large
        halves = min(cuts, key=lambda pair: max(area(half) for half in pair))
    else:
        return [cells]
    return [part for half in halves for part in _cut(grid, half, area, max_pixels)]


def _cuts(grid: NDArray[np.bool_], cells: Extent) -> list[tuple[Extent, Extent]]:
    """Every way to cut a box in two along the grid, both parts made tight."""
    top, left, bottom, right = cells
    pairs: list[tuple[Extent, Extent]] = [
        ((top, left, row, right), (row, left, bottom, right)) for row in range(top + 1, bottom)
    ]
    pairs += [
        ((top, left, bottom, column), (top, column, bottom, right))
        for column in range(left + 1, right)
    ]
    return [(_tight(grid, first), _tight(grid, second)) for first, second in pairs]

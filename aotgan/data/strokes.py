"""The brush of the free-form masks: random walks of stamps that end at an exact hole size."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

SPACING = 0.7  # between stamps, of the radius
LENGTHS = (0.04, 0.3, 0.8)  # typical stroke lengths, of the short side: specks, strokes, bands
WOBBLES = (0.05, 0.15, 0.4)  # turn at every stamp, radians: from straight bands to scribbles
CORNER = 2.0  # deviations of a normal draw that make a sharp corner: at 5 % of the stamps
POWERS = (2.0, 4.0, 8.0)  # brush shapes: disk, rounded square, nearly square


class Stroke(NamedTuple):
    """A path of brush stamps; positions and radii in px."""

    rows: list[int]
    columns: list[int]
    radii: list[int]
    power: float  # of the superellipse |x|^p + |y|^p


def cover(canvas: np.ndarray, wanted: int, rng: np.random.Generator) -> None:
    """Paints strokes into an empty canvas until exactly `wanted` pixels are hole.

    Args:
        canvas: (H, W) bool, changed in place.
        wanted: number of hole pixels, below H W.
        rng: the only source of randomness.
    """
    thickness = _thickness(canvas, wanted / canvas.size, rng)
    missing = wanted
    while missing:
        missing -= _paint(canvas, _random_stroke(canvas, thickness, rng), missing)


def _thickness(canvas: np.ndarray, fraction: float, rng: np.random.Generator) -> float:
    """The mask's typical brush radius in px: bigger holes are made of thicker strokes."""
    low, high = 0.012 + 0.02 * fraction, 0.024 + 0.085 * fraction
    return min(canvas.shape) * low * (high / low) ** rng.random()


def _random_stroke(canvas: np.ndarray, thickness: float, rng: np.random.Generator) -> Stroke:
    """A random walk that starts at a known pixel and ends where it leaves the canvas."""
    height, width = canvas.shape
    thick, long, direction, *choices = rng.random(6).tolist()
    length, wobble, power = map(_one_of, (LENGTHS, WOBBLES, POWERS), choices)
    radius = max(0.5, thickness * (0.6 + thick))
    step = max(1.0, SPACING * radius)
    stamps = 1 + int(length * (0.5 + long) * min(height, width) / step)
    row, column = _known_pixel(canvas, rng)
    heading, swelling = 2 * math.pi * direction, 0.0
    stroke = Stroke([], [], [], power)
    for turn, corner, change in rng.normal(size=(stamps, 3)).tolist():
        stroke.rows.append(round(row))
        stroke.columns.append(round(column))
        stroke.radii.append(round(radius * math.exp(swelling)))
        heading += wobble * turn + (corner if abs(corner) > CORNER else 0.0)
        swelling = 0.66 * swelling + 0.18 * change  # so that neighbours resemble each other
        row, column = row + step * math.sin(heading), column + step * math.cos(heading)
        if not (0 <= row <= height - 1 and 0 <= column <= width - 1):
            break
    return stroke


def _one_of(values: tuple[float, ...], choice: float) -> float:
    return values[int(choice * len(values))]


def _known_pixel(canvas: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    while True:
        row, column = int(rng.integers(canvas.shape[0])), int(rng.integers(canvas.shape[1]))
        if not canvas[row, column]:
            return row, column


@lru_cache(maxsize=4096)
def _brush(radius: int, power: float) -> np.ndarray:
    """(2r + 1, 2r + 1) bool stamp |x|^p + |y|^p <= (r + 1/2)^p."""
    reach = np.abs(np.arange(-radius, radius + 1)) / (radius + 0.5)
    return (reach[:, None] ** power + reach[None, :] ** power) <= 1


def _paint(canvas: np.ndarray, stroke: Stroke, missing: int) -> int:
    """Stamps along the stroke until `missing` pixels were added; returns how many were added."""
    added = 0
    previous = (stroke.rows[0], stroke.columns[0])
    for row, column, radius in zip(stroke.rows, stroke.columns, stroke.radii, strict=True):
        top, left = max(0, row - radius), max(0, column - radius)
        under = canvas[top : row + radius + 1, left : column + radius + 1]
        brush = _brush(radius, stroke.power)[top - row + radius :, left - column + radius :]
        fresh = np.greater(brush[: under.shape[0], : under.shape[1]], under)
        count = int(np.count_nonzero(fresh))
        if added + count >= missing:
            _add_nearest(under, fresh, (previous[0] - top, previous[1] - left), missing - added)
            return missing
        np.logical_or(under, fresh, out=under)
        added += count
        previous = (row, column)
    return added


def _add_nearest(under: np.ndarray, fresh: np.ndarray, centre: tuple[int, int], count: int) -> None:
    """Adds the `count` fresh pixels nearest to the stroke's previous stamp: a round end."""
    rows, columns = np.nonzero(fresh)
    distance = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    nearest = np.argsort(distance, kind="stable")[:count]
    under[rows[nearest], columns[nearest]] = True

"""The shapes of the thick masks: one large irregular blob of an exact hole size, deep inside.

A hole is what lies lowest in a random landscape: a bowl, stretched, under waves from twice its
radius down to a third. So any number of pixels can be asked for, and they form one ragged blob with
few islands. The pixels nearest to its centre are hole in any case, which bounds its depth below.
"""

import math

import numpy as np

CORE = 0.785  # share of the hole that lies nearest to its centre
STRETCH = 1.4  # largest ratio of the bowl's axes
WAVES = 8
WAVELENGTHS = (0.35, 2.5)  # of the radius
ROUGHNESS = 0.2  # height of the longest wave, of the bowl's at the radius; shorter ones are lower


def cover_deeply(canvas: np.ndarray, wanted: int, rng: np.random.Generator, whole: bool) -> None:
    """Makes exactly `wanted` pixels of an empty canvas hole, in one blob.

    Of the pixels, the deepest twentieth lies at least 0.66 R from every known pixel, where
    R = sqrt(wanted / pi) is the radius of a disk of that size: the `CORE` nearest to the centre
    fill a disk of radius r >= sqrt(CORE) R, and the twentieth nearest one of less than 0.26 r. At
    the canvas's border both grow, for there is nothing known outside of an image; where the canvas
    is a part of one, `whole` keeps the disk inside.

    Args:
        canvas: (H, W) bool, changed in place.
        wanted: number of hole pixels, at most H W.
        rng: the only source of randomness.
        whole: keep the core away from the canvas's border, as far as it fits.
    """
    radius = math.sqrt(wanted / math.pi)
    inset = math.sqrt(CORE) * radius if whole else 0.0
    lows = [min(inset, side / 2) for side in canvas.shape]
    row, column = (
        rng.uniform(low, side - low) for low, side in zip(lows, canvas.shape, strict=True)
    )
    y = (np.arange(canvas.shape[0]) + 0.5 - row) / radius  # (H,)
    x = (np.arange(canvas.shape[1]) + 0.5 - column) / radius  # (W,)
    height = (_bowl(y, x, rng) + _waves(y, x, rng)).ravel()  # (H W,)
    distance = (y[:, None] ** 2 + x**2).ravel()
    height[_lowest(distance, math.ceil(CORE * wanted))] = -math.inf
    canvas[np.unravel_index(_lowest(height, wanted), canvas.shape)] = True


def _lowest(values: np.ndarray, count: int) -> np.ndarray:
    """Where the `count` smallest values are."""
    return np.argpartition(values, count - 1)[:count]


def _bowl(y: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) distance from the centre, in a direction drawn at random less than across it."""
    turn, stretch = rng.uniform(0, math.pi), math.sqrt(STRETCH ** rng.random())
    cos, sin = math.cos(turn), math.sin(turn)
    along, across = cos * x + sin * y[:, None], cos * y[:, None] - sin * x
    return np.hypot(along / stretch, across * stretch)


def _waves(y: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) sum of plane waves of random directions and phases, as high as they are long."""
    shortest, longest = WAVELENGTHS
    length = longest * (shortest / longest) ** ((np.arange(WAVES) + rng.random(WAVES)) / WAVES)
    heading, phase = rng.uniform(0, 2 * math.pi, (2, WAVES))
    rows = np.outer(y, 2 * math.pi / length * np.sin(heading)) + phase  # (H, WAVES)
    columns = np.outer(x, 2 * math.pi / length * np.cos(heading))  # (W, WAVES)
    high = ROUGHNESS * length / longest
    # cos(a + b), so that no wave is computed pixel by pixel
    return (high * np.cos(rows)) @ np.cos(columns).T - (high * np.sin(rows)) @ np.sin(columns).T

"""Masks (section 4.1): irregular holes of a chosen size, centre squares and boxes.

A mask is bool, (H, W), True = hole. Free-form masks stand in for those of Liu et al. (image
inpainting for irregular holes using partial convolutions, 2018), which the paper trains and tests
on: irregular strokes and blobs of varying thickness, sorted into bins by hole fraction. In a small
image they are but a few pixels deep, so that the nearest known pixels say nearly all. Thick masks
are one deep blob instead: what is far away can matter.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from aotgan.data.blobs import cover_deeply
from aotgan.data.strokes import cover
from aotgan.errors import InputError

RATIO_BINS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
MARGIN = 50 / 512  # hole-free border of half of the masks of Liu et al., of the image's side
MIN_SIZE = 16
MAX_COVER = 0.95  # of the paintable area; beyond it strokes hardly find pixels left to cover
CENTRE_HOLE = 224 / 512  # the centre square of Table 2, of the image's side


def bin_label(ratio: tuple[float, float]) -> str:
    """(0.1, 0.2) -> "10-20%", the way the paper's tables name a bin."""
    return "-".join(f"{100 * edge:g}" for edge in ratio) + "%"


def free_form_mask(
    height: int,
    width: int,
    ratio: tuple[float, float],
    rng: np.random.Generator,
    border: bool = True,
) -> np.ndarray:
    """Draws an irregular mask whose hole fraction lies inside `ratio`, always.

    A hole size is drawn uniformly from `ratio`; brush strokes are added until it is reached, and
    the last stroke ends at exactly that many pixels.

    Args:
        height: of the mask, at least 16 px.
        width: of the mask, at least 16 px.
        ratio: (low, high), inclusive bounds of the hole fraction.
        rng: the only source of randomness.
        border: whether holes may touch the image's border. Without, a margin stays known: 50 px
            of 512 (Liu et al.), in proportion for other sizes.

    Returns:
        (height, width) bool, True = hole.

    Raises:
        InputError: the bounds are unusable or cannot be met at this size and margin.
    """
    return _cover(height, width, ratio, rng, border, cover)


def thick_mask(
    height: int,
    width: int,
    ratio: tuple[float, float],
    rng: np.random.Generator,
    border: bool = True,
) -> np.ndarray:
    """Draws a mask of one large irregular blob whose hole fraction lies inside `ratio`, always.

    The deepest twentieth of the hole's pixels lies at least 0.66 R from the nearest known pixel,
    R being the radius of a disk of the hole's size: at 128 px 30 px for holes of 40 % and more, 26
    from 30 %, 21 from 20 %, 15 from 10 % on. Without border this asks for a margin that leaves room
    for a disk of 0.89 R, as it does up to 60 % of a square.

    Arguments, result and errors as `free_form_mask`; with `border` a blob may lie anywhere, cut off
    by the image's border.
    """
    return _cover(height, width, ratio, rng, border, partial(cover_deeply, whole=not border))


def mixed_mask(
    height: int,
    width: int,
    ratio: tuple[float, float],
    rng: np.random.Generator,
    border: bool = True,
) -> np.ndarray:
    """Draws a free-form mask three times out of four, else a thick one; all as `thick_mask`."""
    draw = free_form_mask if rng.random() < 0.75 else thick_mask
    return draw(height, width, ratio, rng, border)


# kinds of irregular masks
DRAWN = {"free-form": free_form_mask, "thick": thick_mask, "mixed": mixed_mask}
MASK_KINDS = (*DRAWN, "boxes", "centre")  # anything else is a folder of mask files


def _cover(
    height: int,
    width: int,
    ratio: tuple[float, float],
    rng: np.random.Generator,
    border: bool,
    paint: Callable[[np.ndarray, int, np.random.Generator], None],
) -> np.ndarray:
    """A mask on which `paint` covers so many pixels of what may be hole."""
    low, high = hole_sizes(height, width, ratio)
    top = 0 if border else int(height * MARGIN)
    left = 0 if border else int(width * MARGIN)
    hole = np.zeros((height, width), dtype=bool)
    canvas = hole[top : height - top, left : width - left]
    if high > MAX_COVER * canvas.size:
        raise InputError(
            f"holes of {ratio[0]:g}-{ratio[1]:g} of {height} x {width} px were asked for, of which "
            f"{canvas.size} px may be hole; lower the bounds or pass border=True."
        )
    paint(canvas, int(rng.integers(low, high + 1)), rng)
    return hole


def hole_sizes(height: int, width: int, ratio: tuple[float, float]) -> tuple[int, int]:
    """The smallest and largest number of hole pixels inside the bounds."""
    if min(height, width) < MIN_SIZE:
        raise InputError(f"a mask of {height} x {width} px was asked for; give {MIN_SIZE} or more.")
    low, high = ratio
    if not 0 <= low <= high <= 1:
        raise InputError(f"ratio={ratio} was given; expected (low, high), 0 <= low <= high <= 1.")
    area = height * width
    # The slack lets a fraction that was computed as pixels / area name that count again.
    smallest, largest = max(1, math.ceil(low * area - 1e-6)), math.floor(high * area + 1e-6)
    if smallest > largest:
        raise InputError(
            f"no whole number of pixels of {height} x {width} lies inside {ratio}; widen it."
        )
    return smallest, largest


def centre_mask(height: int, width: int, hole: int | None = None) -> np.ndarray:
    """A centred square hole, 224 px of 512 by default (the setting of Table 2).

    Returns:
        (height, width) bool, True = hole.
    """
    side = round(CENTRE_HOLE * min(height, width)) if hole is None else hole
    if not 1 <= side <= min(height, width):
        raise InputError(f"a centre hole of {side} px does not fit {height} x {width} px.")
    left, top = (width - side) // 2, (height - side) // 2
    return box_mask(height, width, [(left, top, side, side)])


def box_mask(height: int, width: int, boxes: Sequence[tuple[int, int, int, int]]) -> np.ndarray:
    """Rectangular holes, as for the logos of Fig. 9.

    Args:
        height: of the mask in px.
        width: of the mask in px.
        boxes: (left, top, width, height) each in px; parts outside the image are cut off.

    Returns:
        (height, width) bool, True = hole.

    Raises:
        InputError: a box has no area or lies outside the image.
    """
    mask = np.zeros((height, width), dtype=bool)
    for x, y, w, h in boxes:
        if w < 1 or h < 1 or x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise InputError(
                f"box {(x, y, w, h)} has no area inside {width} x {height} px; expected "
                "(left, top, width, height) in pixels of the image."
            )
        mask[max(0, y) : y + h, max(0, x) : x + w] = True
    return mask


def random_box_mask(
    height: int, width: int, ratio: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """One rectangle of arbitrary size and place (training masks of section 4.8, logo removal).

    Arguments and errors as `draw_box`.

    Returns:
        (height, width) bool, True = hole.
    """
    return box_mask(height, width, [draw_box(height, width, ratio, rng)])


def draw_box(
    height: int, width: int, ratio: tuple[float, float], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draws a rectangle, its area uniform, its sides up to e : 1 either way.

    Args:
        height: of the image in px.
        width: of the image in px.
        ratio: bounds of its share of the image, kept up to the rounding of the sides to pixels.
        rng: the only source of randomness.

    Returns:
        (left, top, width, height) in px, as `box_mask` has them.
    """
    low, high = hole_sizes(height, width, ratio)
    area = rng.uniform(low, high)
    shape = math.exp(rng.uniform(-1, 1))  # height : width
    h = min(height, max(math.sqrt(area * shape), area / width))
    w = area / h
    rows, columns = max(1, round(h)), max(1, min(width, round(w)))
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    return int(left), int(top), columns, rows

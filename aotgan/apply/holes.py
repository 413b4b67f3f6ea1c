"""What is done to a hole before it is filled: growing, and feathering of its rim.

A mask is bool, (H, W), True = hole.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from aotgan.errors import InputError


def grow_mask(mask: NDArray[np.bool_], px: float) -> NDArray[np.bool_]:
    """Adds every pixel whose centre lies within `px` of a hole pixel's: dilation by a disc.

    Args:
        mask: (H, W) bool, True = hole.
        px: radius of the disc, 0 or more; 1 adds the four neighbours.

    Raises:
        InputError: a negative radius, or no known pixel would be left.
    """
    check_px("grow", px)
    if px == 0:
        return mask
    grown = _distance(mask, px) <= px
    if grown.all() and mask.any() and not mask.all():
        raise InputError(f"grow={px}: the hole would cover the whole image. Give less.")
    return grown


def feather_mask(mask: NDArray[np.bool_], px: float) -> NDArray[np.float32]:
    """Returns the weight of the fill: 1 in the hole, falling off around it.

    At distance d from the nearest hole pixel it is max(0, 1 - d / (px + 1)): the band of known
    pixels within `px` of the hole is blended with the network's prediction of them. Farther ones
    have weight 0 and stay as they are.

    Args:
        mask: (H, W) bool, True = hole.
        px: width of the band, 0 or more.

    Raises:
        InputError: a negative width.
    """
    check_px("feather", px)
    distance = _distance(mask, px)
    return np.where(distance <= px, 1 - distance / (px + 1), 0).astype(np.float32)


def check_px(option: str, px: float) -> None:
    """Raises InputError unless an option is a number of pixels, 0 or more."""
    if isinstance(px, bool) or not isinstance(px, int | float | np.number) or not 0 <= px < 1e6:
        raise InputError(f"{option}={px!r}: expected a number of pixels, 0 or more.")


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of the hole of a mask that has one; the ends are exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _distance(mask: NDArray[np.bool_], px: float) -> NDArray[np.float32]:
    """Distance of each pixel's centre to that of the nearest hole pixel; inf beyond `px`."""
    distance = np.full(mask.shape, np.inf, np.float32)
    if not mask.any():
        return distance
    top, left, bottom, right = bounding_box(mask)
    margin = math.ceil(px)  # farther pixels are beyond px whatever the hole's shape
    near = np.s_[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
    exact = distance_transform_edt(~mask[near])
    distance[near] = np.where(exact <= px, exact, np.inf)
    return distance

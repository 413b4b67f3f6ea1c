"""Holes as people bring them: mask files of any encoding, arrays, boxes; growing and feathering.

A mask is bool, (H, W), True = hole.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from aotgan.data.images import open_image
from aotgan.data.mask_files import binary, one_channel
from aotgan.data.masks import box_mask
from aotgan.errors import InputError

MOST_TRAINED = 0.6  # of the image: the largest holes that the networks are trained on (section 4.1)
MOST_GREY = 0.25  # of a mask's pixels may be neither black nor white: soft edges


def read_mask(mask: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Reads the hole of an image, whichever way it is written down.

    Understood are files, PIL images, arrays and tensors: bool, 0/1, 0/255, 16-bit, 1-bit, palettes,
    grey with soft edges (hole from half white on), floats in [0, 1], equal colour channels, and
    transparency: where it varies over the mask, its transparent part is the hole, so that an image
    with a hole cut out is its own mask. Files are turned as their EXIF orientation says. Boxes
    [(left, top, right, bottom), ...] are in px from the left upper corner; a pixel that a box
    touches is hole, right and bottom being the box's ends.

    Args:
        mask: any of these; (H, W), (H, W, C), or for tensors (H, W), (1, H, W) or (1, 1, H, W).
        size: (H, W) of the image as it is displayed, in px.

    Returns:
        (H, W) bool, True = hole; without a hole where the mask has none.

    Raises:
        InputError: another size, values that are no mask, boxes without area inside the image, or a
            mask that is all hole.

    Warns:
        UserWarning: more hole than the networks are trained on, as where a mask is inverted.
    """
    if isinstance(mask, list | tuple):
        hole = _from_boxes(mask, size)
    else:
        name = f"mask {mask}" if isinstance(mask, str | Path) else "the mask"
        values = one_channel(_samples(mask), name)
        _check_size(values, size, name)
        _check_two_levels(values, name)
        hole = binary(values, name)
    _check_share(hole)
    return hole


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


def _from_boxes(boxes: Sequence[Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    corners = []
    for box in boxes:
        numbers = list(box) if isinstance(box, list | tuple | np.ndarray) else []
        if len(numbers) != 4 or not all(isinstance(n, int | float | np.number) for n in numbers):
            raise InputError(
                f"box {box!r}: expected a list of boxes, each (left, top, right, bottom) in px."
            )
        left, top = math.floor(numbers[0]), math.floor(numbers[1])
        corners.append((left, top, math.ceil(numbers[2]) - left, math.ceil(numbers[3]) - top))
        if numbers[2] <= numbers[0] or numbers[3] <= numbers[1]:
            raise InputError(
                f"box {tuple(numbers)}: expected (left, top, right, bottom) with left < right and "
                "top < bottom; the last two are no width and height."
            )
        if not (numbers[0] < size[1] and numbers[1] < size[0] and min(numbers[2:]) > 0):
            raise InputError(
                f"box {tuple(numbers)}: it lies outside of the image of {size[1]} x {size[0]} px "
                "(width x height); expected (left, top, right, bottom) in its pixels."
            )
    return box_mask(size[0], size[1], corners)


def _samples(mask: Any) -> NDArray:
    """The mask's numbers, (H, W) or (H, W, C)."""
    if isinstance(mask, str | Path):
        with open_image(mask) as image:
            try:
                return _samples(ImageOps.exif_transpose(image))
            except Exception as error:  # decoders raise a dozen unrelated types on hostile bytes
                raise InputError(f"{mask}: the mask cannot be decoded ({error}).") from error
    if isinstance(mask, Image.Image):
        if mask.mode in ("P", "PA") or "transparency" in mask.info:
            mask = mask.convert("RGBA" if mask.has_transparency_data else "RGB")
        return np.array(mask)
    if isinstance(mask, Tensor):
        values = mask.detach().cpu()
        values = values.float() if values.is_floating_point() else values
        leading = values.shape[:-2]
        if values.ndim < 2 or any(length != 1 for length in leading):
            raise InputError(
                f"a mask tensor of shape {tuple(mask.shape)} was given; expected (H, W), (1, H, W) "
                "or (B, 1, H, W) with the batch of its image."
            )
        return values.reshape(values.shape[-2:]).numpy()
    if isinstance(mask, np.ndarray):
        return mask
    raise InputError(
        f"a mask of type {type(mask).__name__} was given; expected a PIL image, an array, a "
        "tensor, the path of a file, or boxes [(left, top, right, bottom), ...]."
    )


def _check_size(values: NDArray, size: tuple[int, int], name: str) -> None:
    if values.shape == tuple(size):
        return
    hint = "Give a mask of the image's size."
    if values.shape == (size[1], size[0]):
        hint = "It fits turned by 90 degrees: " + (
            "transpose it, or, if the image has an EXIF orientation, draw the mask on the image as "
            "it is displayed."
        )
    raise InputError(
        f"{name} has {values.shape[0]} x {values.shape[1]} px (height x width), its image "
        f"{size[0]} x {size[1]}. {hint}"
    )


def _check_two_levels(values: NDArray, name: str) -> None:
    """Refuses a photograph that was given for a mask."""
    if values.dtype == bool or values.size == 0 or not np.isfinite(values).all():
        return
    top = float(values.max())
    grey = np.count_nonzero((values > top / 8) & (values < top * 7 / 8)) / values.size
    if grey > MOST_GREY:
        raise InputError(
            f"{name}: {grey:.0%} of its pixels are neither black nor white, as in a photograph. "
            "Expected 0 outside and 255 (or 1, or True) inside the hole; if it is a mask, choose a "
            "threshold: values > 127."
        )


def _check_share(hole: NDArray[np.bool_]) -> None:
    share = hole.mean()
    inversion = "If white marks what to keep, invert the mask (255 - mask, or ~mask)."
    if share == 1:
        raise InputError(f"the mask is all hole: no pixel is left to fill it from. {inversion}")
    if share > MOST_TRAINED:
        warnings.warn(
            f"{share:.0%} of the image is hole, more than the networks are trained on "
            f"({MOST_TRAINED:.0%}). {inversion}",
            stacklevel=3,
        )

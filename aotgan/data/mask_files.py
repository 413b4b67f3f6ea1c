"""Masks as people bring them: files and arrays of any usual encoding, boxes; folders of masks.

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
from torch import Tensor

from aotgan.data.images import open_image, scan_images
from aotgan.data.masks import box_mask
from aotgan.errors import InputError, check_choice

POLARITIES = ("white", "black")
MOST_OF_SETS = 0.9  # of the image: larger holes of a set are taken for inverted masks
MOST_TRAINED = 0.6  # of the image: the largest holes that the networks are trained on (section 4.1)
MOST_GREY = 0.25  # of a mask's pixels may be neither black nor white: soft edges


def read_mask(
    mask: Any, size: tuple[int, int] | None = None, hole: str = "white", strict: bool = True
) -> NDArray[np.bool_]:
    """Reads a mask, whichever way it is written down.

    Understood are files, PIL images, arrays and tensors: bool, 0/1, 0/255, 16-bit, 1-bit, palettes,
    grey with soft edges (hole from half white on), floats in [0, 1], equal colour channels, and
    transparency: where it varies over the mask, its transparent part is the hole, so that an image
    with a hole cut out is its own mask. Files are turned as their EXIF orientation says. Boxes
    [(left, top, right, bottom), ...] are in px from the left upper corner; a pixel that a box
    touches is hole, right and bottom being the box's ends.

    Args:
        mask: any of these; (H, W), (H, W, C), or for tensors (H, W), (1, H, W) or (1, 1, H, W).
        size: (H, W) in px that the mask must have: those of its image as it is displayed.
        hole: "white" (also: transparent) is the hole, or "black" for the opposite polarity.
        strict: whether it is one of a set that is trained or measured on, where no hole, or more
            than nine tenths of the image, is a mistake. False: the hole of one picture to fill,
            which may be none and must leave a pixel to fill it from.

    Returns:
        (H, W) bool, True = hole.

    Raises:
        InputError: another size, coloured or ambiguous values, a photograph, boxes without area
            inside the image, or such a share of hole.

    Warns:
        UserWarning: unless `strict`, more hole than the networks are trained on, as where a mask is
            inverted.
    """
    check_choice("hole", hole, POLARITIES)
    name = f"mask {mask}" if isinstance(mask, str | Path) else "the mask"
    if isinstance(mask, list | tuple):
        marked = _from_boxes(mask, size)
    else:
        values = one_channel(_samples(mask), name)
        if size is not None:
            _check_size(values, size, name)
        _check_two_levels(values, name)
        marked = binary(values, name)
    holes = ~marked if hole == "black" else marked
    if strict:
        _check_of_set(holes, name, hole)
    else:
        _check_of_picture(holes)
    return holes


def _from_boxes(boxes: Sequence[Any], size: tuple[int, int] | None) -> NDArray[np.bool_]:
    if size is None:
        raise InputError("boxes are a mask of an image: give size=(height, width) of it, too.")
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
    # palettes number their colours; transparency can be a colour, too
    if isinstance(mask, Image.Image):
        if mask.mode in ("P", "PA") or "transparency" in mask.info:
            mask = mask.convert("RGBA" if mask.has_transparency_data else "RGB")
        return np.array(mask)
    # tensors have channels first, so theirs must be the one channel of a mask
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
    low, top = float(values.min()), float(values.max())
    edge = (top - low) / 8
    grey = np.count_nonzero((values > low + edge) & (values < top - edge)) / values.size
    if grey > MOST_GREY:
        raise InputError(
            f"{name}: {grey:.0%} of its pixels are neither black nor white, as in a photograph. "
            "Expected 0 outside and 255 (or 1, or True) inside the hole; if it is a mask, choose a "
            "threshold: values > 127."
        )


def one_channel(values: np.ndarray, name: str) -> np.ndarray:
    """Returns the channel of a mask's samples that says where the hole is, white = hole.

    Args:
        values: (H, W) or (H, W, C): grey, colours that are grey, or with transparency last.
        name: of the mask, for the message.

    Returns:
        (H, W) of the same dtype, or bool where transparency decides.

    Raises:
        InputError: another shape, colours, or hole by colour and by transparency at once.
    """
    if values.ndim == 2:
        return values
    if values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4):
        raise InputError(f"{name}: shape {values.shape} was given; expected (H, W) or (H, W, C).")
    if values.shape[2] in (2, 4):
        colour, alpha = values[..., :-1], values[..., -1]
        if alpha.size and alpha.min() != alpha.max():
            return _from_alpha(colour, alpha, name)
        values = colour
    spread = values.max(axis=2).astype(float) - values.min(axis=2)
    if spread.size and spread.max() > 0.25 * max(1.0, float(values.max())):
        raise InputError(f"{name}: coloured; expected a mask of black and white. Convert it.")
    return values[..., 0]


def _from_alpha(colour: np.ndarray, alpha: np.ndarray, name: str) -> np.ndarray:
    top = float(np.iinfo(alpha.dtype).max) if alpha.dtype.kind == "u" else 1.0
    opaque = alpha >= top / 2
    shown = np.unique(colour[opaque])
    if np.isin(shown, (0, top)).all() and top in shown:  # a drawing in white, not a photograph
        raise InputError(
            f"{name}: its colours mark white as the hole and its transparency marks what is "
            "transparent, so the hole is ambiguous. Put a black layer below what is drawn in white "
            "and save without transparency; or, if the transparent part is the hole, save that "
            "alone as a grey image."
        )
    return ~opaque


def binary(values: np.ndarray, name: str) -> np.ndarray:
    """Returns a mask's samples (H, W) as bool: those of half white or more.

    Raises:
        InputError: no samples, or values that are neither 0/1 nor 0/255 nor 0/65535.
    """
    if values.dtype == bool:
        return values.copy()
    if values.size == 0 or not np.isfinite(values).all() or values.min() < 0:
        raise InputError(f"{name}: empty array, negative or non-finite values; expected 0 and 1.")
    top = float(values.max())
    whole = values.dtype.kind in "ui" or bool((values == np.rint(values)).all())
    if top <= 1:
        return values >= 0.5
    for white in (255, 65535):
        if whole and white / 2 <= top <= white:
            return values >= white / 2
    raise InputError(
        f"{name}: values reach {top:g}, which is neither 0/1 nor 0/255. Save the mask as a black "
        "and white image, white = hole."
    )


def _check_of_set(mask: NDArray[np.bool_], name: str, hole: str) -> None:
    other = "black" if hole == "white" else "white"
    if not mask.any():
        raise InputError(f'{name}: no hole. Mark pixels to fill in {hole}, or pass hole="{other}".')
    if mask.mean() > MOST_OF_SETS:
        raise InputError(
            f"{name}: {mask.mean():.0%} of the pixels are hole. If {other} marks the hole, pass "
            f'hole="{other}".'
        )


def _check_of_picture(mask: NDArray[np.bool_]) -> None:
    share = mask.mean()
    inversion = "If white marks what to keep, invert the mask (255 - mask, or ~mask)."
    if share == 1:
        raise InputError(f"the mask is all hole: no pixel is left to fill it from. {inversion}")
    if share > MOST_TRAINED:
        warnings.warn(
            f"{share:.0%} of the image is hole, more than the networks are trained on "
            f"({MOST_TRAINED:.0%}). {inversion}",
            stacklevel=3,
        )


def masks_from_folder(folder: str | Path) -> list[Path]:
    """Lists a folder's mask files in a fixed order.

    Raises:
        InputError: no such folder, or a file in it that is no readable image: a mask set with
            a hole in it would change what every model sees.
    """
    files, skipped = scan_images(folder)
    if skipped:
        raise InputError(f"{folder}: {skipped[0].reason} Repair or remove the file.")
    return files


def fit_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes a mask to (height, width), nearest neighbour, so that it stays binary."""
    if mask.shape == (height, width):
        return mask
    resized = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
    return np.array(resized, dtype=bool)

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
from PIL import Image

from aotgan.data.images import load, open_image, scan_images
from aotgan.data.mask_layers import LAYERS, OPPOSITES, Shown, is_layer, layer_hole
from aotgan.data.masks import box_mask
from aotgan.data.orientation import upright
from aotgan.data.tensors import is_tensor, on_cpu
from aotgan.errors import InputError, check_choice

POLARITIES = tuple(OPPOSITES)
MOST_OF_SETS = 0.9  # of the image: larger holes of a set are taken for inverted masks
MOST_TRAINED = 0.6  # of the image: the largest holes that the networks are trained on (section 4.1)
MOST_GREY = 0.25  # of a mask's pixels may be neither black nor white: soft edges


def read_mask(
    mask: Any,
    size: tuple[int, int] | None = None,
    hole: str = "white",
    strict: bool = True,
    shown: Shown | None = None,
) -> NDArray[np.bool_]:
    """Reads a mask, whichever way it is written down.

    Understood are files, PIL images, arrays and tensors: bool, 0/1, 0/255, 16-bit, 1-bit, palettes,
    grey with soft edges (hole from half white on), floats in [0, 1], equal colour channels. Files
    and PIL images are turned as their EXIF orientation says. Boxes [(left, top, right, bottom),
    ...] are in px from the left upper corner; a pixel that a box touches is hole, right and bottom
    being the box's ends.

    A mask with transparency that varies is either cut out of the picture, its transparent part
    being the hole, or a layer that the hole is painted on. It is read where only one of them can be
    meant: see `aotgan.data.mask_layers.layer_hole`.

    Args:
        mask: any of these; (H, W), (H, W, C), or for tensors (H, W), (1, H, W) or (1, 1, H, W).
        size: (H, W) in px that the mask must have: those of its image as it is displayed.
        hole: "white" is the hole, or "black" for the opposite polarity; of masks with transparency
            "painted", what is at least half as opaque as the most opaque, or "transparent", the
            rest.
        strict: whether it is one of a set that is trained or measured on, where no hole, or more
            than nine tenths of the image, is a mistake. False: the hole of one picture to fill,
            which may be none and must leave a pixel to fill it from.
        shown: what the picture shows at given rows and columns, (N, 3) RGB in [0, 255], to tell
            what was cut out of it from what was painted; None where there is no picture.

    Returns:
        (H, W) bool, True = hole.

    Raises:
        InputError: another size, coloured or ambiguous values, no numbers, a photograph, boxes
            without area inside the image, or such a share of hole.

    Warns:
        UserWarning: unless `strict`, more hole than the networks are trained on, as where a mask is
            inverted.
    """
    check_choice("hole", hole, POLARITIES)
    name = f"mask {mask}" if isinstance(mask, str | Path) else "the mask"
    if isinstance(mask, list | tuple):
        values, marked = None, _from_boxes(mask, size)
    else:
        values = _samples(mask)
        _check_kind(values, name)
        if size is not None:
            _check_size(values, size, name)
    if values is not None and is_layer(values):
        holes, hole = layer_hole(values, name, hole, shown, strict)
    elif hole in LAYERS:
        raise InputError(f'hole="{hole}": {name} has no transparency. Give "white" or "black".')
    else:
        if values is not None:
            values = one_channel(values, name)
            _check_two_levels(values, name)
            marked = binary(values, name)
        holes = ~marked if hole == "black" else marked
    (_check_of_set if strict else _check_of_picture)(holes, name, hole)
    return holes


def _from_boxes(boxes: Sequence[Any], size: tuple[int, int] | None) -> NDArray[np.bool_]:
    if size is None:
        raise InputError("boxes are a mask of an image: give size=(height, width) of it, too.")
    corners = []
    for box in boxes:
        if isinstance(box, Image.Image | str | Path) or getattr(box, "ndim", 1) > 1:
            raise InputError(
                f"a list of masks ({type(box).__name__}) was given; expected one mask or, with a "
                "batch of images, one tensor (B, 1, H, W) of theirs."
            )
        numbers = list(box) if isinstance(box, list | tuple | np.ndarray) else []
        real = all(isinstance(n, int | float | np.integer | np.floating) for n in numbers)
        if len(numbers) != 4 or not real or not all(map(math.isfinite, numbers)):
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
                return _samples_of_image(upright(image))
            except Exception as error:  # decoders raise a dozen unrelated types on hostile bytes
                raise InputError(f"{mask}: the mask cannot be decoded ({error}).") from error
    if isinstance(mask, Image.Image):
        load(mask, "the mask")
        return _samples_of_image(upright(mask))
    # tensors have channels first, so theirs must be the one channel of a mask
    if is_tensor(mask):
        values = on_cpu(mask, "the mask").resolve_conj()
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


def _samples_of_image(mask: Image.Image) -> NDArray:
    """Grey, grey with transparency, RGB or RGBA."""
    # palettes number their colours, inks are no colours; transparency can be a colour, too
    plain = ("1", "L", "LA", "RGB", "RGBA", "F")
    if (mask.mode not in plain and not mask.mode.startswith("I")) or "transparency" in mask.info:
        transparent = mask.has_transparency_data
        try:
            mask = mask.convert("RGBA" if transparent else "RGB")
        except ValueError as error:
            raise InputError(
                f"a mask of mode {mask.mode!r} was given; expected black and white. Save it as a "
                "grey picture, white = hole."
            ) from error
    return np.array(mask)


def _check_kind(values: NDArray, name: str) -> None:
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 2, 3, 4)):
        raise InputError(f"{name}: shape {values.shape} was given; expected (H, W) or (H, W, C).")
    if values.dtype.kind not in "buif":
        raise InputError(
            f"{name}: an array of dtype {values.dtype} was given; expected numbers or bool. Make "
            "it 0 outside and 1 (or True) inside the hole."
        )


def _check_size(values: NDArray, size: tuple[int, int], name: str) -> None:
    if values.shape[:2] == tuple(size):
        return
    hint = "Give a mask of the image's size."
    if values.shape[:2] == (size[1], size[0]):
        hint = "It fits turned by 90 degrees: " + (
            "exchange its rows and columns, or, if the image has an EXIF orientation, draw the "
            "mask on the image as it is displayed."
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
            "Expected 0 outside and 255 (or 1, or True) inside the hole; if it is a mask, make "
            f"what is above {(low + top) / 2:g} white, the rest black."
        )


def one_channel(values: np.ndarray, name: str) -> np.ndarray:
    """Returns the channel of a mask's samples that says where the hole is, white = hole.

    Args:
        values: (H, W) or (H, W, C): grey or colours that are grey, perhaps with a transparency that
            is the same everywhere, last.
        name: of the mask, for the message.

    Returns:
        (H, W) of the same dtype.

    Raises:
        InputError: colours.
    """
    if values.ndim == 2:
        return values
    if values.shape[2] in (2, 4):
        values = values[..., :-1]
    spread = values.max(axis=2).astype(float) - values.min(axis=2)
    if spread.size and spread.max() > 0.25 * max(1.0, float(values.max())):
        raise InputError(
            f"{name}: coloured; expected black and white. Make what is to be filled white and all "
            "else black."
        )
    return values[..., 0]


def binary(values: np.ndarray, name: str) -> np.ndarray:
    """Returns a mask's samples (H, W) as bool: those of half white or more.

    Raises:
        InputError: no samples, values that are neither 0/1 nor 0/255 nor 0/65535, or two greys of
            which none is nearer to black.
    """
    if values.dtype == bool:
        return values.copy()
    if values.size == 0 or not np.isfinite(values).all() or values.min() < 0:
        raise InputError(f"{name}: empty array, negative or non-finite values; expected 0 and 1.")
    low, top = float(values.min()), float(values.max())
    whole = values.dtype.kind in "ui" or bool((values == np.rint(values)).all())
    fitting = (255, 65535) if whole else ()
    white = 1 if top <= 1 else next((n for n in fitting if n / 2 <= top <= n), None)
    if white is None:
        raise InputError(
            f"{name}: values reach {top:g}, which is neither 0/1 nor 0/255. Save the mask as a "
            "black and white image, white = hole."
        )
    # either polarity would make all of it one
    if low >= white / 2 and top - low > white / 8:
        raise InputError(
            f"{name}: values from {low:g} to {top:g}, of which none is nearer to black (0) than to "
            f"white ({white}). Make the darker part black."
        )
    return values >= white / 2


def _check_of_set(mask: NDArray[np.bool_], name: str, hole: str) -> None:
    _check_all(mask, name)
    if not mask.any():
        raise InputError(f"{name}: no hole. Make what is to be filled {hole}.")
    if mask.mean() > MOST_OF_SETS:
        raise InputError(
            f"{name}: {mask.mean():.0%} of the pixels are hole. If {OPPOSITES[hole]} marks the "
            f"hole, {_inverting(hole)}."
        )


def _check_of_picture(mask: NDArray[np.bool_], name: str, hole: str) -> None:
    _check_all(mask, name)
    share = mask.mean()
    kept = {"white": "white marks", "black": "black marks", "painted": "what is painted is"}
    keep = kept.get(hole, "the transparent part is")
    if share > MOST_TRAINED:
        # it is told of a picture that was filled, and so has a result
        warnings.warn(
            f"{share:.0%} of the image is hole, more than the networks are trained on "
            f"({MOST_TRAINED:.0%}). If {keep} what to keep, {_inverting(hole, ' --overwrite')}.",
            stacklevel=3,
        )


def _check_all(mask: NDArray[np.bool_], name: str) -> None:
    if mask.all():
        raise InputError(
            f"{name} is all hole: no pixel is left to fill it from. Leave what is to be kept out "
            "of it."
        )


def _inverting(hole: str, option: str = "") -> str:
    return f'give hole="{OPPOSITES[hole]}" (--hole {OPPOSITES[hole]}{option})'


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

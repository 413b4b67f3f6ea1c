"""Mask files and arrays of any usual encoding, as bool (H, W), True = hole."""

from pathlib import Path

import numpy as np
from PIL import Image

from aotgan.data.images import open_image, scan_images
from aotgan.errors import InputError


def read_mask(
    source: str | Path | np.ndarray,
    hole: str = "white",
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Reads a mask of any usual encoding.

    Understood are bool, 0/1, 0/255 (also 16-bit), 1-bit and palette files, grey levels (hole at
    half and above), floats in [0, 1], equal colour channels, and transparency: where alpha
    varies over an image, the transparent part is the hole.

    Args:
        source: a file, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
        hole: "white" (also: transparent) is the hole, or "black" for the opposite polarity.
        size: (height, width) that the mask must have: those of its image.

    Returns:
        (H, W) bool, True = hole.

    Raises:
        InputError: another size, coloured or ambiguous values, no hole at all, or more than nine
            tenths hole, which is taken for inverted polarity.
    """
    if hole not in ("white", "black"):
        raise InputError(f'hole="{hole}" was given; expected "white" or "black".')
    name = "mask" if isinstance(source, np.ndarray) else str(source)
    values = source if isinstance(source, np.ndarray) else _mask_file(Path(source))
    mask = binary(one_channel(values, name), name)
    mask = ~mask if hole == "black" else mask
    _check_mask(mask, name, hole, size)
    return mask


def _mask_file(path: Path) -> np.ndarray:
    """The file's samples: (H, W) or (H, W, C)."""
    with open_image(path) as image:
        try:
            if image.mode == "P" or "transparency" in image.info:
                return np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))
            return np.array(image)
        except Exception as error:  # decoders raise a dozen unrelated types on hostile bytes
            raise InputError(f"{path}: the mask cannot be decoded ({error}).") from error


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


def _check_mask(mask: np.ndarray, name: str, hole: str, size: tuple[int, int] | None) -> None:
    if size is not None and mask.shape != tuple(size):
        raise InputError(
            f"{name}: {mask.shape[0]} x {mask.shape[1]} px (height x width), but its image has "
            f"{size[0]} x {size[1]}. Give a mask of the image's size."
        )
    other = "black" if hole == "white" else "white"
    if not mask.any():
        raise InputError(f'{name}: no hole. Mark pixels to fill in {hole}, or pass hole="{other}".')
    if mask.mean() > 0.9:
        raise InputError(
            f"{name}: {mask.mean():.0%} of the pixels are hole. If {other} marks the hole, pass "
            f'hole="{other}".'
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

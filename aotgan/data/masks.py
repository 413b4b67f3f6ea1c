"""Masks (section 4.1): irregular holes of a chosen size, centre squares, boxes and mask files.

A mask is bool, (H, W), True = hole. Free-form masks stand in for those of Liu et al. (image
inpainting for irregular holes using partial convolutions, 2018), which the paper trains and tests
on: irregular strokes and blobs of varying thickness, sorted into bins by hole fraction. In a small
image they are but a few pixels deep, so that the nearest known pixels say nearly all. Thick masks
are one deep blob instead: what is far away can matter.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from aotgan.data.blobs import cover_deeply
from aotgan.data.images import open_image, scan_images
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

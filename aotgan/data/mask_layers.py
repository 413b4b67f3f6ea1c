"""Masks with transparency: cut out of the picture, or painted on a layer above it.

Both look alike to a program, and mean opposite holes: the transparent part, or what is painted.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from aotgan.errors import InputError

OPPOSITES = {
    "white": "black",
    "black": "white",
    "painted": "transparent",
    "transparent": "painted",
}
LAYERS = ("painted", "transparent")
# what a picture shows at some rows and columns, (N, 3) RGB in [0, 255]
Shown = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.floating]]
MOST_SAMPLES = 20_000  # pixels that are compared with the picture
MOST_DIFFERENCE = 8  # levels of 255, in the mean: what another encoder may change
ONE_COLOUR = 1 / 8  # of the range: a brush with its edges varies by less


def is_layer(values: NDArray) -> bool:
    """Whether a mask's samples (H, W) or (H, W, C) have a transparency that varies."""
    if values.ndim != 3 or values.shape[2] not in (2, 4):
        return False
    alpha = values[..., -1]
    return bool(alpha.size and alpha.min() != alpha.max())


def layer_hole(
    values: NDArray, name: str, hole: str, shown: Shown | None, strict: bool
) -> tuple[NDArray[np.bool_], str]:
    """Returns the hole of a mask with transparency, and which of `LAYERS` it is.

    One colour that is nowhere opaque is paint. Where the mask shows what the picture shows, it was
    cut out, and the transparent part is the hole; so it is taken of the photographs of a set, which
    are not at hand. All else is refused.

    Args:
        values: (H, W, C), transparency last.
        name: of the mask, for the message.
        hole: as of `aotgan.data.mask_files.read_mask`.
        shown: what the picture shows; None where it is not known.
        strict: whether the mask is one of a set.

    Raises:
        InputError: a mask that can be read in both ways.
    """
    colour, alpha = values[..., :-1], values[..., -1]
    top = white_of(values)
    painted = alpha >= max(float(alpha.max()), 1e-9) / 2
    # the caller knows: nothing has to be guessed
    if hole in LAYERS:
        return (painted if hole == "painted" else ~painted), hole
    # a brush has one colour and is nowhere opaque; a cut-out photograph is neither
    spread = np.ptp(colour[painted].astype(float), axis=0).max()
    plain = spread <= ONE_COLOUR * top
    if plain and alpha.max() < top * (1 - 1 / 255):
        return painted, "painted"
    cut_out = strict if shown is None else _shows(colour, alpha >= top, top, shown)
    # both readings are possible, and the wrong one would replace all but the hole
    if plain or not cut_out or _is_drawn(colour[painted], top):
        raise InputError(
            f"{name}: partly transparent, so that it can be read in two ways. Save it in black and "
            "white without transparency, white in the hole; or give "
            'hole="painted" (--hole painted) if what is painted is to be filled, '
            'hole="transparent" (--hole transparent) if the rest is.'
        )
    return ~painted, "transparent"


def white_of(values: NDArray) -> float:
    """Returns what stands for white among samples: 1, 255 or 65535."""
    top = float(values.max()) if values.size else 0.0
    return next((float(white) for white in (1, 255) if top <= white), 65535.0)


def _shows(colour: NDArray, opaque: NDArray[np.bool_], top: float, shown: Shown) -> bool:
    """Whether a mask's opaque part is that of the picture."""
    rows, columns = np.nonzero(opaque)
    step = 1 + len(rows) // MOST_SAMPLES
    rows, columns = rows[::step], columns[::step]
    if not len(rows):
        return False
    own = colour[rows, columns].astype(float) * (255 / top)  # (N, 1) or (N, 3)
    return bool(np.abs(own - shown(rows, columns)).mean() <= MOST_DIFFERENCE)


def _is_drawn(colours: NDArray, top: float) -> bool:
    """Whether what is visible is black and white alone, as a mask is and a photograph is not."""
    return bool(np.isin(colours, (0, top)).all())

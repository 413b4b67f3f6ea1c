"""Deep holes, from coarse to fine: halved pictures, and what their fills say of the larger ones.

`aotgan.models.coarse` on a picture of any size: only the part around the hole is halved, by strips.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from aotgan.apply.crops import Extent
from aotgan.apply.holes import bounding_box
from aotgan.apply.pictures import Picture
from aotgan.models.coarse import halve

# a hole whose pixels are all nearer to a known one is filled in one pass: `aotgan measure depths`
DEEP_PX = 32.0
STRIP = 256  # rows that are halved at a time


class DeepHole(UserWarning):
    """A hole is deeper than the network has learnt to fill."""


@dataclass(frozen=True)
class Guess:
    """What a hole may show.

    Attributes:
        top: row of the picture where it begins.
        left: column of the picture where it begins.
        values: (1, 3, h, w) in [-1, 1]; what it says of known pixels is of no use.
    """

    top: int
    left: int
    values: Tensor

    def at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Tensor:
        """Returns (1, 3, rows, columns); outside, where no hole is, the nearest that it has."""
        height, width = self.values.shape[2:]
        rows = (rows - self.top).clip(0, height - 1)
        columns = (columns - self.left).clip(0, width - 1)
        return self.values[..., torch.from_numpy(rows)[:, None], torch.from_numpy(columns)]


def depth_of(hole: NDArray[np.bool_]) -> float:
    """Returns how many px the pixel farthest from all known ones is from them; 0 for no hole.

    Also 0 where nothing is known.
    """
    if not hole.any() or hole.all():
        return 0.0
    top, left, bottom, right = bounding_box(hole)
    # one px around its box is enough; beyond the picture's border nothing is known, either
    around = np.pad(hole, 1, mode="edge")[top : bottom + 2, left : right + 2]
    return float(distance_transform_edt(around)[1:-1, 1:-1].max())


def remark_on(depth: float) -> str:
    """Returns what is to be said of a hole of this depth in px; "" where a network can fill it."""
    if depth <= DEEP_PX:
        return ""
    return (
        f"The hole is {depth:.0f} px deep, and networks have learnt to fill {DEEP_PX:.0f} px: "
        "the fill may blur. The models smooth and telea, which learn nothing, may do as well."
    )


def levels_of(depth: float) -> int:
    """Returns how often a picture is to be halved so that a hole is no deeper than `DEEP_PX`."""
    return max(0, math.ceil(math.log2(max(depth, 1) / DEEP_PX)))


def region(hole: NDArray[np.bool_], levels: int, context: int) -> Extent:
    """Returns the part of a picture that its coarse fills depend on.

    Args:
        hole: (H, W) bool.
        levels: how many times it will be halved.
        context: px of the picture, whatever its size, that the network sees around a hole.
    """
    top, left, bottom, right = bounding_box(hole)
    # the surface in a hole is decided by cells that are too large for it, as in `View._region`
    unit = 2 ** (levels + (max(bottom - top, right - left) >> levels).bit_length())
    # a px of the smallest picture is 2^levels px here
    margin = max(context << levels, unit)
    ends = (
        (max(0, (first - margin) // unit * unit), min(side, -(-(last + margin) // unit) * unit))
        for first, last, side in zip((top, left), (bottom, right), hole.shape, strict=True)
    )
    (y0, y1), (x0, x1) = ends
    return y0, x0, y1, x1


def halved(
    picture: Picture, hole: NDArray[np.bool_], box: Extent, dtype: torch.dtype
) -> tuple[Picture, NDArray[np.bool_]]:
    """Returns a part of a picture that begins at even px at half the size, and its hole there."""
    top, left, bottom, right = box
    columns = np.arange(left, right)
    images, holes = [], []
    # strips begin at even rows as well, so that none of them cuts a cell
    for first in range(top, bottom, STRIP):
        rows = np.arange(first, min(bottom, first + STRIP))
        mask = torch.from_numpy(hole[rows[:, None], columns])[None, None].to(dtype)
        image, mask = halve(picture.view(rows, columns).to(dtype), mask)
        images.append(image[0].movedim(0, -1).numpy())
        holes.append(mask[0, 0].numpy() > 0)
    return Picture(np.concatenate(images), -1.0, 1.0), np.concatenate(holes)


def enlarged(small: Picture, box: Extent) -> Guess:
    """Returns what the fill of a halved part says of the part."""
    values = torch.from_numpy(small.filled).movedim(-1, 0)[None]
    large = F.interpolate(values, scale_factor=2, mode="bilinear", align_corners=False)
    # an odd side was halved upwards
    return Guess(box[0], box[1], large[..., : box[2] - box[0], : box[3] - box[1]])

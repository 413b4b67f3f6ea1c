"""What the network sees of a picture with a hole, part by part, as if it had seen all of it."""

from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from aotgan.apply.crops import Box, padded_size, reflected
from aotgan.apply.pictures import Picture
from aotgan.models.generator import STRIDE, Generator
from aotgan.models.inpainter import SURFACE, erase
from aotgan.models.surface import LEVELS, SWEEPS, known_cells, pull, push, solved

STRIP = 256  # rows of a large image that are reduced at a time
FINE = 3  # levels of a surface that a window solves by itself; the others are solved for the image
CELL = 2**FINE  # px
MARGIN = CELL * (SWEEPS + 1)  # px; at its own levels a window depends on no more beyond it


class View:
    """A picture, continued by symmetric reflection to a size that the network takes.

    Args:
        picture: the picture.
        hole: (H, W) bool.
        generator: the network; its fill, and device and type of its weights.

    Attributes:
        size: (H, W) of the continued picture, in px.
    """

    def __init__(self, picture: Picture, hole: NDArray[np.bool_], generator: Generator):
        self.picture, self.hole = picture, hole
        self.fill = generator.fill
        self.kind = next(generator.parameters())
        self.size = padded_size(picture.size, generator.min_side)

    def masked(self, window: Box) -> tuple[Tensor, Tensor]:
        """Returns masked image (1, 3, h, w) and mask (1, 1, h, w) of a window at multiples of 4."""
        if self.fill == SURFACE:
            image, mask = self._surface(window)
        else:
            image, mask = self._known(window)
            image = erase(image, mask, self.fill)
        return image.contiguous(memory_format=torch.channels_last), mask

    def reduced(self, cell: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Returns the whole as `masked` has it, each cell the mean of its known pixels.

        A cell is hole if more than half of it is. Rows and columns beyond the last multiple of 4
        cells are left out.

        Args:
            cell: rows and columns of a cell.
        """
        rows, columns = (
            side // n // STRIDE * STRIDE * n for side, n in zip(self.size, cell, strict=True)
        )
        means, shares = [], []
        for top in range(0, rows, STRIP * cell[0]):
            window = (top, 0, min(rows, top + STRIP * cell[0]), columns)
            image, mask = self._known(window)
            shares.append(F.avg_pool2d(1 - mask, cell))
            means.append(F.avg_pool2d(image, cell))
        share = torch.cat(shares, dim=2)
        mean = torch.cat(means, dim=2) / share.clamp(min=0.5)
        mask = (share < 0.5).to(mean)
        return erase(mean, mask, self.fill), mask

    def _known(self, window: Box) -> tuple[Tensor, Tensor]:
        """A window, 0 in the hole, and its mask."""
        top, left, bottom, right = window
        height, width = self.picture.size
        rows, columns = reflected(top, bottom, height), reflected(left, right, width)
        image = self.picture.view(rows, columns).to(self.kind)
        hole = torch.from_numpy(self.hole[rows[:, None], columns]).to(self.kind.device)[None, None]
        # what a hole hides may be anything, NaN as well, which a product with 0 would keep
        return torch.where(hole, 0, image), hole.to(self.kind.dtype)

    def _surface(self, window: Box) -> tuple[Tensor, Tensor]:
        """A window whose hole has the surface of the whole, and its mask."""
        ends = zip(window[:2], window[2:], self.size, strict=True)
        (top, bottom), (left, right) = (_around(first, last, side) for first, last, side in ends)
        image, mask = self._known((top, left, bottom, right))
        above = self._coarse[
            ..., top // CELL : -(-bottom // CELL), left // CELL : -(-right // CELL)
        ]
        surface = push(above, pull(known_cells(image, mask), FINE)[:-1]).clamp(-1, 1)
        inside = np.s_[..., window[0] - top : window[2] - top, window[1] - left : window[3] - left]
        return torch.where(mask > 0, surface, image)[inside], mask[inside]

    @cached_property
    def _coarse(self) -> Tensor:
        """The surface of the whole in cells of `CELL` px."""
        height, width = self.size
        strips = [
            pull(known_cells(*self._known((top, 0, min(height, top + STRIP), width))), FINE)[-1]
            for top in range(0, height, STRIP)
        ]
        means, shares = zip(*strips, strict=True)
        return solved((torch.cat(means, dim=2), torch.cat(shares, dim=2)), LEVELS - FINE)


def _around(first: int, last: int, side: int) -> tuple[int, int]:
    """A stretch with its margin, at multiples of `CELL` or where the image ends."""
    start = max(0, first - MARGIN) // CELL * CELL
    return start, min(side, -(-(last + MARGIN) // CELL) * CELL)

"""What the network sees of a picture with a hole, part by part, as if it had seen all of it."""

from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from aotgan.apply.coarse import Guess
from aotgan.apply.crops import Extent, padded_size, reflected
from aotgan.apply.pictures import Picture
from aotgan.models.generator import STRIDE
from aotgan.models.inpainter import SURFACE, Inpainter, erase
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
        model: the network; its fill and sides, and device and type of its weights.
        guess: what the hole shows in place of the fill.

    Attributes:
        size: (H, W) of the continued picture, in px.
    """

    def __init__(
        self,
        picture: Picture,
        hole: NDArray[np.bool_],
        model: Inpainter,
        guess: Guess | None = None,
    ):
        self.picture, self.hole, self.guess = picture, hole, guess
        self.fill = model.fill
        self.kind = next(model.parameters(), torch.empty(0, device="cpu"))
        self.size = padded_size(picture.size, model.min_side, model.multiple)

    def masked(self, window: Extent) -> tuple[Tensor, Tensor]:
        """Returns masked image (1, 3, h, w) and mask (1, 1, h, w) of a window at multiples of 4."""
        if self.guess is not None:
            image, mask = self._guessed(window, self.guess)
        elif self.fill == SURFACE:
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
        # below a half a cell is hole, and its mean is erased
        mean = torch.cat(means, dim=2) / share.clamp(min=0.5)
        mask = (share < 0.5).to(mean)
        return erase(mean, mask, self.fill), mask

    def _known(self, window: Extent) -> tuple[Tensor, Tensor]:
        """A window, 0 in the hole, and its mask."""
        rows, columns = self._pixels(window)
        image = self.picture.view(rows, columns).to(self.kind)
        hole = torch.from_numpy(self.hole[rows[:, None], columns]).to(self.kind.device)[None, None]
        # what a hole hides may be anything, NaN as well, which a product with 0 would keep
        return torch.where(hole, 0, image), hole.to(self.kind.dtype)

    def _pixels(self, window: Extent) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The rows and columns of the picture that a window shows."""
        top, left, bottom, right = window
        height, width = self.picture.size
        return reflected(top, bottom, height), reflected(left, right, width)

    def _guessed(self, window: Extent, guess: Guess) -> tuple[Tensor, Tensor]:
        """A window whose hole has the guess, and its mask."""
        image, mask = self._known(window)
        return torch.where(mask > 0, guess.at(*self._pixels(window)).to(image), image), mask

    def _surface(self, window: Extent) -> tuple[Tensor, Tensor]:
        """A window whose hole has the surface of the whole, and its mask."""
        image, mask = self._known(window)
        top, left, bottom, right = self._region
        # the part of the window that has holes, and what decides their surface
        y0, y1 = max(window[0], top), min(window[2], bottom)
        x0, x1 = max(window[1], left), min(window[3], right)
        if y0 < y1 and x0 < x1:
            part = np.s_[..., y0 - window[0] : y1 - window[0], x0 - window[1] : x1 - window[1]]
            image[part] = torch.where(mask[part] > 0, self._fine((y0, x0, y1, x1)), image[part])
        return image, mask

    def _fine(self, box: Extent) -> Tensor:
        """The surface of the whole in a box inside the region."""
        top, left, bottom, right = self._region
        y0, y1 = _around(box[0], box[2], top, bottom)
        x0, x1 = _around(box[1], box[3], left, right)
        rows, columns = (
            np.s_[(first - start) // CELL : -(-(last - start) // CELL)]
            for first, last, start in ((y0, y1, top), (x0, x1, left))
        )
        known = pull(known_cells(*self._known((y0, x0, y1, x1))), FINE)
        surface = push(self._coarse[..., rows, columns], known[:-1]).clamp(-1, 1)
        return surface[..., box[0] - y0 : box[2] - y0, box[1] - x0 : box[3] - x0]

    @cached_property
    def _coarse(self) -> Tensor:
        """The surface of the region in cells of `CELL` px."""
        top, left, bottom, right = self._region
        strips = [
            pull(known_cells(*self._known((y, left, min(bottom, y + STRIP), right))), FINE)[-1]
            for y in range(top, bottom, STRIP)
        ]
        means, shares = zip(*strips, strict=True)
        return solved((torch.cat(means, dim=2), torch.cat(shares, dim=2)), LEVELS - FINE)

    @cached_property
    def _region(self) -> Extent:
        """What the surface in the holes depends on: cells too large for a hole, and one around.

        A cell that has a known pixel is decided by its own, and larger ones no longer matter.
        """
        occupied = (np.logical_or.reduce(self.hole, axis=axis) for axis in (1, 0))
        stretches = [
            np.flatnonzero(places[reflected(0, side, len(places))])
            for places, side in zip(occupied, self.size, strict=True)
        ]
        longest = max(places[-1] + 1 - places[0] for places in stretches)
        cell = 2 ** min(max(int(longest).bit_length(), FINE), LEVELS)
        (top, bottom), (left, right) = (
            _aligned(int(places[0]) - cell, int(places[-1]) + 1 + cell, 0, side, cell)
            for places, side in zip(stretches, self.size, strict=True)
        )
        return top, left, bottom, right


def _around(first: int, last: int, low: int, high: int) -> tuple[int, int]:
    """A stretch with its margin, at multiples of `CELL` or at the ends."""
    return _aligned(first - MARGIN, last + MARGIN, low, high, CELL)


def _aligned(first: int, last: int, low: int, high: int, cell: int) -> tuple[int, int]:
    """The cells that a stretch touches, as far as they lie between two ends."""
    return max(low, first // cell * cell), min(high, -(-last // cell) * cell)

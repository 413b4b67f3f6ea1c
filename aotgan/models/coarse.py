"""Coarse to fine: a hole too deep for the network is filled in a smaller image first.

That fill, enlarged, is what the network sees in the hole of the next size and corrects there, in
place of a smooth surface. A training shows it some of these (`TrainConfig.refine`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from aotgan.errors import InputError
from aotgan.models.inpainter import Inpainter, composite, erase
from aotgan.models.surface import known_cells, pull


def most_levels(network: Inpainter, height: int, width: int) -> int:
    """Returns how many times an image can be halved and still be one that the network takes."""
    levels, sides = 0, (height // 2, width // 2)
    # each must be an exact half of the one before: pixels are put back where they were
    while min(sides) >= network.min_side and not any(
        2 ** (levels + 1) * side != whole or side % network.multiple
        for side, whole in zip(sides, (height, width), strict=True)
    ):
        levels, sides = levels + 1, (sides[0] // 2, sides[1] // 2)
    return levels


def halve(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Makes 2 x 2 pixels one, the mean of the known ones; hole where none is known.

    Args:
        image: (B, 3, H, W) in [-1, 1], of even sides.
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.

    Returns:
        (B, 3, H / 2, W / 2), 0 in the hole, and (B, 1, H / 2, W / 2).
    """
    sums, share = pull(known_cells(image, mask), 1)[1]
    # where nothing is known sums are 0, and any divisor will do
    return sums / torch.where(share > 0, share, 1), (share == 0).to(mask.dtype)


def erase_from_coarse(network: Inpainter, image: Tensor, mask: Tensor, levels: int) -> Tensor:
    """Returns the image as the network is to see it, its own fills of smaller ones in the hole.

    Args:
        network: as trained.
        image: (B, 3, H, W) in [-1, 1].
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.
        levels: how many times the image is halved; 0 erases the hole as `Inpainter.complete` does.

    Raises:
        InputError: more levels than `most_levels`.
    """
    most = most_levels(network, *image.shape[2:])
    if not 0 <= levels <= most:
        raise InputError(
            f"levels={levels} for {image.shape[2]}x{image.shape[3]} px: expected 0 to {most}."
        )
    if levels == 0:
        return erase(image, mask, network.fill)
    small, hole = halve(image, mask)
    masked = erase_from_coarse(network, small, hole, levels - 1)
    filled = composite(small, network(masked, hole).clamp(-1, 1), hole)
    large = F.interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.where(mask > 0, large, image)


def complete_from_coarse(network: Inpainter, image: Tensor, mask: Tensor, levels: int) -> Tensor:
    """Returns z of Eq. 2, as `Inpainter.complete` but from coarse to fine; see there.

    Arguments and errors as `erase_from_coarse`.
    """
    network.check(image, mask)
    prediction = network(erase_from_coarse(network, image, mask, levels), mask)
    return composite(image, prediction.clamp(-1, 1), mask)

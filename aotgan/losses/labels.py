"""Masks at the size of the discriminator's map: what Section 3.2 labels a composite with.

One cell of the map sees 70 x 70 pixels: convolutions of kernel 4 and padding 1 with strides
2, 2, 2, 1, 1 put cell j over pixels 8 j - 23 ... 8 j + 46, centred at 8 j + 11.5. A Gaussian of 70
taps is therefore centred exactly, which no kernel of even length is at a pixel.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from aotgan.errors import InputError
from aotgan.losses.checks import full_precision

STRIDE_PX = 8  # between neighbouring cells of D's map
FIRST_CENTRE_PX = 11.5  # of cell 0, where pixel 0 has its centre at 0
FIRST_PIXEL = 8  # of the central 8 x 8 pixels of cell 0

RELEASED_TAPS, RELEASED_SIGMA_PX = 71, 10.0


def soft_mask(mask: Tensor, size: tuple[int, int], kernel: int = 70, sigma: float = 10.0) -> Tensor:
    """Down-sampling after Gaussian filtering, the sigma of Eq. 3, at the cells of D's map.

    The Gaussian is separable, and only the cells' centres are needed: the result is A_h mask A_w^T,
    where row j of A holds the weights of the pixels that cell j sees. Weights are renormalised
    inside the image, so a constant mask stays constant up to the border, where padding with
    zeros would label known pixels as half synthetic.

    Args:
        mask: (B, 1, H, W) in [0, 1]; pass 1 - m for the label of Eq. 3.
        size: Height and width of D's map, H // 8 - 2 and W // 8 - 2.
        kernel: Length of the Gaussian in pixels, even; 70 is the receptive field of a cell.
        sigma: Standard deviation of the Gaussian in pixels; the paper gives none, the released
            code 10.

    Returns:
        (B, 1, h, w) in [0, 1].

    Raises:
        InputError: `size` does not belong to the mask, or the kernel is odd or sigma not positive.
    """
    check_mask(mask, size)
    if kernel < 2 or kernel % 2 or sigma <= 0:
        raise InputError(
            f"kernel {kernel} and sigma {sigma} given, expected an even kernel (cells are centred "
            "between two pixels) and a positive sigma"
        )
    return smooth(mask, cell_rows, size, kernel, float(sigma))


def smooth(
    mask: Tensor, matrix: Callable[..., Tensor], size: tuple[int, int], *args: float
) -> Tensor:
    """Apply one smoothing matrix down the columns and one along the rows of a mask.

    Args:
        mask: (B, 1, H, W).
        matrix: `cell_rows` or `pixel_rows`.
        size: Height h and width w of the result.
        args: What `matrix` takes after the number of outputs and of pixels.

    Returns:
        A_h mask A_w^T, (B, 1, h, w), in float32 or better.
    """
    mask = full_precision(mask)
    rows, columns = (
        matrix(outputs, pixels, *args, mask.device, mask.dtype)
        for outputs, pixels in zip(size, mask.shape[2:], strict=True)
    )
    # autocast would round the labels to half precision
    with torch.autocast(mask.device.type, enabled=False):
        return rows @ mask @ columns.T  # (h, H) (B, 1, H, W) (W, w) -> (B, 1, h, w)


@lru_cache(maxsize=64)
def cell_rows(
    cells: int, pixels: int, kernel: int, sigma: float, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Matrix A of `soft_mask` for one axis, (cells, pixels); every row sums to one."""
    centres = STRIDE_PX * torch.arange(cells, device="cpu", dtype=torch.float64) + FIRST_CENTRE_PX
    weight = gaussian(centres, pixels, kernel, sigma)
    return (weight / weight.sum(1, keepdim=True)).to(device, dtype)


@lru_cache(maxsize=64)
def pixel_rows(outputs: int, pixels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Matrix of `released_blur` for one axis, (pixels, pixels); rows sum to less at the border."""
    centres = torch.arange(outputs, device="cpu", dtype=torch.float64)
    weight = gaussian(centres, pixels, RELEASED_TAPS, RELEASED_SIGMA_PX)
    middle = torch.tensor([RELEASED_TAPS // 2], device="cpu", dtype=torch.float64)
    uncut = gaussian(middle, RELEASED_TAPS, RELEASED_TAPS, RELEASED_SIGMA_PX)
    return (weight / uncut.sum()).to(device, dtype)


def gaussian(centres: Tensor, pixels: int, kernel: int, sigma: float) -> Tensor:
    """Unnormalised weights of the `kernel` pixels around each centre, (centres, pixels)."""
    distance = torch.arange(pixels, device="cpu", dtype=torch.float64) - centres[:, None]
    return torch.exp(-(distance**2) / (2 * sigma**2)) * (distance.abs() < kernel / 2)


def patch_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Share of hole in the central 8 x 8 pixels of each cell: the m of Eq. 4 at patch level.

    The central squares tile the image except for its outermost 8 pixels, which no cell is centred
    on; a hole that lies there entirely has weight zero.

    Args:
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.
        size: Height and width of D's map, H // 8 - 2 and W // 8 - 2.

    Returns:
        (B, 1, h, w) in [0, 1].

    Raises:
        InputError: `size` does not belong to the mask.
    """
    check_mask(mask, size)
    (h, w), first = size, FIRST_PIXEL
    tiles = mask[..., first : first + STRIDE_PX * h, first : first + STRIDE_PX * w]
    return F.avg_pool2d(full_precision(tiles), STRIDE_PX)


def hard_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """HM-PatchGAN's binary mask: 1 in cells whose central 8 x 8 pixels are at least half hole.

    Arguments, result and errors are those of `patch_mask`; values are in {0, 1}.
    """
    share = patch_mask(mask, size)
    return (share >= 0.5).to(share.dtype)


def released_blur(mask: Tensor) -> Tensor:
    """Blur of the released code: 71 taps, sigma 10 px, zeros beyond the border.

    Separable, and equal to the released dense 71 x 71 kernel. Zero padding labels a hole that
    touches the border 0.52 along an edge and 0.27 in a corner.

    Args:
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.

    Returns:
        (B, 1, H, W) in [0, 1].
    """
    return smooth(mask, pixel_rows, map_size(mask))


def map_size(logits: Tensor) -> tuple[int, int]:
    """Height and width of a map, (B, 1, h, w)."""
    return logits.shape[2], logits.shape[3]


def check_mask(mask: Tensor, size: tuple[int, int]) -> None:
    """Raise InputError unless the mask is (B, 1, H, W) and D would map it to `size`."""
    if mask.dim() != 4 or mask.shape[1] != 1 or not mask.is_floating_point():
        raise InputError(
            f"mask has shape {tuple(mask.shape)} and type {mask.dtype}, expected floats of shape "
            "(B, 1, H, W) with 1 = hole"
        )
    expected = tuple(side // STRIDE_PX - 2 for side in mask.shape[2:])
    if tuple(size) != expected or min(expected) < 1:
        raise InputError(
            f"D's map of size {tuple(size)} does not belong to a mask of size "
            f"{tuple(mask.shape[2:])}, which gives {expected}; use images of at least 24 x 24 and "
            "the discriminator of aotgan.models"
        )

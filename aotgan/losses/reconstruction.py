"""Reconstruction loss of Section 3.3, and the two checks that all losses share.

Paper: Aggregated Contextual Transformations for High-Resolution Image Inpainting, arXiv 2104.01431.
"""

import torch
from torch import Tensor

from aotgan.errors import InputError


def full_precision(x: Tensor) -> Tensor:
    """Return `x` as float32 if it is half or bfloat16, else unchanged (float64 stays float64)."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def check_same_shape(first: Tensor, second: Tensor, names: str) -> None:
    """Refuse two tensors that PyTorch would silently broadcast against each other.

    Args:
        first: Any tensor.
        second: The tensor compared with it.
        names: What the two are, for the message.

    Raises:
        InputError: The shapes differ.
    """
    if first.shape != second.shape:
        raise InputError(
            f"{names} have shapes {tuple(first.shape)} and {tuple(second.shape)}, "
            "expected equal shapes; pair every image with its own counterpart"
        )


def l1_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Eq. 5: mean absolute difference over the whole image, known pixels included.

    The paper writes a norm; a mean is what its weight of 1 and the released code imply.

    Args:
        prediction: Raw output of the generator, (B, 3, H, W) in [-1, 1].
        target: Original images, (B, 3, H, W) in [-1, 1].
        weight: Factor on the difference of each pixel, (B, 1, H, W); the mean is that of the
            products, not divided by the weights' own. None, as in the paper, is 1 everywhere.

    Returns:
        Scalar, in units of the [-1, 1] range.

    Raises:
        InputError: The shapes differ.
    """
    check_same_shape(prediction, target, "prediction and target")
    difference = (full_precision(prediction) - full_precision(target)).abs()
    return (difference if weight is None else weight * difference).mean()

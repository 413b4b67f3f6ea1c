"""What all losses see to: numbers precise enough to add up, and tensors that belong together."""

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

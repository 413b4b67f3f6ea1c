"""Tensors as people give them; asks for them without loading PyTorch, which takes seconds."""

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

from aotgan.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def is_tensor(value: Any) -> "TypeGuard[Tensor]":
    """Is it a tensor? Where nobody has loaded PyTorch there is none."""
    return isinstance(value, getattr(sys.modules.get("torch"), "Tensor", ()))


def on_cpu(tensor: "Tensor", name: str) -> "Tensor":
    """Returns a tensor's numbers on the CPU, without its gradient.

    Args:
        tensor: of any shape and device.
        name: of it, for the message.

    Raises:
        InputError: it has no numbers (device meta), or not one for each pixel (sparse, nested).
    """
    import torch

    if tensor.is_meta:
        raise InputError(f"{name} is a tensor without numbers (device meta). Give one that has.")
    if tensor.is_nested:
        raise InputError(f"{name} is a nested tensor. Give torch.stack(tensor.unbind()).")
    if tensor.layout != torch.strided:
        raise InputError(f"{name} is a tensor of {tensor.layout}. Give tensor.to_dense().")
    return tensor.detach().cpu()

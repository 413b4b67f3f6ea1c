"""Asks whether something is a tensor without loading PyTorch, which takes seconds."""

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from torch import Tensor


def is_tensor(value: Any) -> "TypeGuard[Tensor]":
    """Is it a tensor? Where nobody has loaded PyTorch there is none."""
    return isinstance(value, getattr(sys.modules.get("torch"), "Tensor", ()))

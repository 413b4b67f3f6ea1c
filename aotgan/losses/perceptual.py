"""Perceptual and style losses of Section 3.3, on the activations of a feature network.

Both take the dictionaries that a `FeatureNetwork` returns, so that one forward serves the two.
Compute the dictionary of the real images under `torch.no_grad()`: nothing differentiates it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from aotgan.errors import InputError
from aotgan.losses.checks import check_same_shape, full_precision
from aotgan.losses.features import PERCEPTUAL_LAYERS, STYLE_LAYERS

Features = Mapping[str, Tensor]


def perceptual_loss(
    real: Features, fake: Features, layers: Sequence[str] = PERCEPTUAL_LAYERS
) -> Tensor:
    """Eq. 6: sum over layers of the mean absolute difference of activations.

    The paper feeds the composite z, the released trainer the raw prediction; the caller chooses.

    Args:
        real: Activations of the original images, (B, C_i, H_i, W_i) under each layer's name.
        fake: Activations of the inpainted images, same keys and shapes.
        layers: The network's `perceptual_layers`; by default relu{1..5}_1 of VGG-19.

    Returns:
        Scalar.

    Raises:
        InputError: A layer is missing or shapes differ.
    """
    check_features(real, fake, layers)
    distances = [
        mean_distance(full_precision(fake[layer]), full_precision(real[layer]))  # |.|_1 / N_i
        for layer in layers
    ]
    return torch.stack(distances).sum()


def style_loss(real: Features, fake: Features, layers: Sequence[str] = STYLE_LAYERS) -> Tensor:
    """Eq. 7: distance of Gram matrices.

    The paper writes an expectation over the layers and a plain product of features; the released
    code (src/loss/loss.py:32-56) sums relu2_2, relu3_4, relu4_4 and relu5_2, each the mean absolute
    difference of Gram / (C H W), and only with that scale does the paper's weight of 250 make
    sense. The sum is what is computed here.

    Args:
        real: Activations of the original images, (B, C_i, H_i, W_i) under each layer's name.
        fake: Activations of the inpainted images, same keys and shapes.
        layers: The network's `style_layers`; by default the four of VGG-19.

    Returns:
        Scalar.

    Raises:
        InputError: A layer is missing or shapes differ.
    """
    check_features(real, fake, layers)
    distances = [mean_distance(gram(fake[layer]), gram(real[layer])) for layer in layers]
    return torch.stack(distances).sum()


def gram(features: Tensor) -> Tensor:
    """Gram matrix F F^T / (C H W) of Eq. 7, in float32 or better.

    Args:
        features: Activations, (B, C, H, W).

    Returns:
        (B, C, C).
    """
    channels, height, width = features.shape[1:]
    # autocast would multiply in half precision, whose sums over H W terms overflow or lose digits
    with torch.autocast(features.device.type, enabled=False):
        flat = full_precision(features).flatten(2)  # (B, C, H W)
        return _Products.apply(flat) / (channels * height * width)  # (B, C, C)


def mean_distance(x: Tensor, target: Tensor) -> Tensor:
    """Mean of |x - target|, a scalar whose gradient reaches x alone; both of one shape."""
    return _MeanDistance.apply(x, target)


# The activations are the largest tensors of a training step. What autograd makes of the two
# formulas reads and writes them more often than their gradients need.
class _MeanDistance(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, target: Tensor) -> Tensor:
        difference = x - target
        ctx.save_for_backward(difference)
        return difference.abs().mean()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (difference,) = ctx.saved_tensors
        return difference.sgn().mul_(grad / difference.numel()), None


class _Products(Function):
    """F F^T: one product serves both factors, whose gradients are (dS + dS^T) F together."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        return flat @ flat.transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        symmetric = grad + grad.transpose(1, 2)
        if flat.is_contiguous():
            return symmetric @ flat
        return (flat.transpose(1, 2) @ symmetric).transpose(1, 2)  # channels last, as F is


def check_features(real: Features, fake: Features, layers: Sequence[str]) -> None:
    """Raise InputError unless both dictionaries hold every layer in equal shapes."""
    for layer in layers:
        if layer not in real or layer not in fake:
            raise InputError(
                f"layer {layer} is missing: real has {sorted(real)}, fake has {sorted(fake)}; "
                "pass the dictionaries that the feature network returns"
            )
        check_same_shape(real[layer], fake[layer], f"real and fake activations of {layer}")

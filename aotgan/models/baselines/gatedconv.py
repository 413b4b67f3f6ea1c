"""GatedConv ("DeepFill v2"): CA's layout, with a learned gate in every hidden layer.

Free-Form Image Inpainting with Gated Convolution (Yu et al., 2019); layers as released
(JiahuiYu/generative_inpainting v2.0.0, inpaint_model.py).
"""

import torch
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.models.baselines.two_stage import Layer, TwoStageInpainter, same_padding
from aotgan.winograd.convolution import Conv2d


class GatedLayer(nn.Module):
    """Activation of one half of a convolution's channels, times the sigmoid of the other half.

    Args:
        in_channels: C.
        channels: of the convolution, twice the number of features C'.
        layer: kernel, stride and dilation.
        activation: of the features.
    """

    def __init__(self, in_channels: int, channels: int, layer: Layer, activation: nn.Module):
        super().__init__()
        self.conv = Conv2d(
            in_channels, channels, layer.kernel, layer.stride, same_padding(layer), layer.rate
        )
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, C', H / stride, W / stride)."""
        features, gate = self.conv(x).chunk(2, dim=1)
        return self.activation(features) * torch.sigmoid(gate)


class GatedConv(TwoStageInpainter):
    """Two stages of gated convolutions; predictions end with tanh.

    The second stage sees the filled picture alone, neither ones nor mask, as released.

    Simplified: see `simplified`.

    Args:
        width: channels of the first convolutions, 48 as published, half of which are gates; a
            multiple of 4.

    Raises:
        InputError: a width that 4 does not divide, or below 4.
    """

    simplified = ("Strided convolutions are padded evenly on all sides, unlike in TensorFlow.",)
    published_width = 48
    width_step = 4
    refinement_sees_mask = False

    def __init__(self, width: int = 48):
        if width < 4 or width % 4:
            raise InputError(f"width={width}: GatedConv needs a multiple of 4, at least 4.")
        super().__init__(width)
        self.config = {"model": "gatedconv", "width": width}

    def convolution(
        self, in_channels: int, channels: int, layer: Layer, activation: nn.Module
    ) -> tuple[nn.Module, int]:
        """Makes a gated convolution; see `TwoStageInpainter`."""
        return GatedLayer(in_channels, channels, layer, activation), channels // 2

    def end(self, picture: Tensor) -> Tensor:
        """Maps to [-1, 1] by tanh."""
        return torch.tanh(picture)

"""PConv: partial convolutions for irregular holes (Liu et al., 2018).

Image Inpainting for Irregular Holes Using Partial Convolutions, https://arxiv.org/abs/1804.07723.
The layer is that of the authors (github.com/NVIDIA/partialconv, multi-channel masks), the U-Net
that of the port github.com/naoto0804/pytorch-inpainting-with-partial-conv with the paper's eighth
level.

Features travel with a map of valid positions, (B, 1, H, W), 1 = valid, which is the opposite of the
project's mask. All channels that one layer makes share it; the two halves of a skip concatenation
have one each.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.losses.checks import full_precision
from aotgan.models.inpainter import Inpainter
from aotgan.winograd.convolution import Conv2d

KERNELS = (7, 5, 5)  # of the first layers; the others have 3
WIDEST = 8  # channels of the deep layers, in multiples of the first layer's
FEWEST_LEVELS = 2

Masked = tuple[Tensor, Tensor]  # features (B, C, H, W), valid positions (B, 1, H, W)


class PartialConv2d(nn.Module):
    """A convolution that sees valid positions alone (Liu et al., Eq. 1 and 2).

    out = W (x v) K / S + b where S > 0, else 0; K is the number of weights of a filter, S how many
    of them lie over valid values. Padding is not valid. Next layer, a position is valid where
    S > 0. S counts channels, so halves of the input with unequal maps weigh in by their channels,
    as they do in a mask with as many channels as the features.

    Args:
        in_channels: of all parts of the input together.
        out_channels: of the result.
        kernel: odd; the padding is half of it.
        stride: 1 or 2.
        bias: whether there is b.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, bias: bool = False
    ):
        super().__init__()
        self.conv = Conv2d(
            in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False
        )
        nn.init.kaiming_normal_(self.conv.weight)
        self.bias = nn.Parameter(torch.zeros(out_channels, 1, 1)) if bias else None

    def forward(self, *parts: Masked) -> Masked:
        """Convolves what is concatenated of the parts; values at invalid positions do not matter.

        Args:
            parts: features (B, C_i, H, W), finite, and where they are valid, (B, 1, H, W) in
                {0, 1}; in float32 or better, because 16 bits cannot count S.

        Returns:
            Features (B, C', H / stride, W / stride) and where they are valid.
        """
        with torch.no_grad():
            counts = [x.shape[1] * self._count(valid) for x, valid in parts]
            total = torch.stack(counts).sum(0)  # S
            valid_now = (total > 0).to(total.dtype)  # (B, 1, H / stride, W / stride)
            # where S > 0 it is at least 1, so the released S + 1e-8 is S in float32
            scale = valid_now * self.conv.weight[0].numel() / total.clamp(min=1)
        out = self.conv(torch.cat([x * valid for x, valid in parts], dim=1)) * scale
        if self.bias is not None:
            out = out + self.bias * valid_now
        return out, valid_now

    def _count(self, valid: Tensor) -> Tensor:
        """Number of valid positions under each window."""
        kernel, stride = self.conv.kernel_size, self.conv.stride
        padding = (kernel[0] // 2, kernel[1] // 2)
        return F.avg_pool2d(valid, kernel, stride, padding, divisor_override=1)


class PartialLayer(nn.Module):
    """Partial convolution, normalisation and activation.

    Args:
        conv: the convolution.
        norm: batch normalisation, or nothing.
        activation: ReLU in the encoder, leaky in the decoder.
    """

    def __init__(self, conv: PartialConv2d, norm: nn.Module, activation: nn.Module):
        super().__init__()
        self.conv, self.norm, self.activation = conv, norm, activation

    def forward(self, *parts: Masked) -> Masked:
        """As `PartialConv2d.forward`."""
        x, valid = self.conv(*parts)
        return self.activation(self.norm(x)), valid


class PConv(Inpainter):
    """U-Net of partial convolutions; the map of valid positions passes its skips, too.

    Args:
        width: channels of the first layer, 64 as published.
        levels: halvings of the size, 8 as published for 512 x 512, 7 in the port for 256 x 256.
            Sides must be multiples of 2^levels.

    Weights are drawn as by He et al., which suits every width; biases, of which only the last
    convolution has any, are 0.

    Simplified: see `simplified`.

    Raises:
        InputError: fewer channels or levels than possible.
    """

    simplified: tuple[str, ...] = (
        # as in OpenMMLab's port
        "Images are in [-1, 1], not normalised by ImageNet's mean and deviation.",
        # as in naoto0804's port
        "Each phase of training is half of the steps.",
    )
    fill = 0.0  # the result does not depend on it

    @classmethod
    def scaled(cls, share: float, size_px: int) -> dict[str, Any]:
        """Levels for images of this side: as at 512 px, the deepest map has two cells a side."""
        return super().scaled(share, size_px) | {"levels": size_px.bit_length() - 2}

    def __init__(self, width: int = 64, levels: int = 8):
        super().__init__()
        if width < 1 or levels < FEWEST_LEVELS:
            raise InputError(
                f"width={width}, levels={levels}: needs at least 1 channel and {FEWEST_LEVELS} "
                "levels."
            )
        self.config = {"model": "pconv", "width": width, "levels": levels}
        self.multiple = 2**levels
        # channels of the image and after each halving: 3, w, 2w, 4w, 8w, 8w, ...
        channels = [3, *(width * min(2**level, WIDEST) for level in range(levels))]
        kernels = [*KERNELS, *[3] * levels]
        self.encoder = nn.ModuleList(
            _encoder_layer(channels[i], channels[i + 1], kernels[i], normalised=i > 0)
            for i in range(levels)
        )
        self.decoder = nn.ModuleList(
            _decoder_layer(channels[i + 1] + channels[i], channels[i], last=i == 0)
            for i in reversed(range(levels))
        )

    def forward(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Returns the prediction, (B, 3, H, W).

        The last layer has no activation. In training the losses see it as it is; in evaluation
        mode it is clamped to [-1, 1].

        Args:
            masked_image: (B, 3, H, W) in [-1, 1]; the hole may hold any finite values.
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.

        Raises:
            InputError: see `check`.
        """
        self.check(masked_image, mask)
        skips: list[Masked] = [(masked_image, 1 - full_precision(mask))]
        for layer in self.encoder:
            skips.append(layer(skips[-1]))  # (B, C, H / 2^i, W / 2^i)
        x = skips.pop()
        for layer in self.decoder:
            x = layer(_doubled(x), skips.pop())
        return x[0] if self.training else x[0].clamp(-1, 1)

    def freeze_encoder(self, frozen: bool) -> None:
        """Makes the encoder normalise by its moving statistics, or by those of the batch again.

        Holes bias a batch's statistics. Statistics alone are meant: scales and shifts go on
        learning, and so does the decoder in full. `train` and `eval` undo it.
        """
        for layer in self.encoder:
            layer.get_submodule("norm").train(not frozen)


def _encoder_layer(inputs: int, outputs: int, kernel: int, normalised: bool) -> PartialLayer:
    norm = nn.BatchNorm2d(outputs) if normalised else nn.Identity()
    return PartialLayer(PartialConv2d(inputs, outputs, kernel, stride=2), norm, nn.ReLU())


def _decoder_layer(inputs: int, outputs: int, last: bool) -> PartialLayer:
    if last:
        return PartialLayer(
            PartialConv2d(inputs, outputs, 3, bias=True), nn.Identity(), nn.Identity()
        )
    return PartialLayer(
        PartialConv2d(inputs, outputs, 3), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)
    )


def _doubled(masked: Masked) -> Masked:
    """Repeats every value and its validity in 2 x 2 positions."""
    x, valid = (F.interpolate(part, scale_factor=2, mode="nearest") for part in masked)
    return x, valid

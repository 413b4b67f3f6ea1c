"""The AOT block and the residual connections that the paper compares (section 3.1, Fig. 3).

Aggregated Contextual Transformations for High-Resolution Image Inpainting,
https://arxiv.org/abs/2104.01431.

A block splits a 3x3 convolution of C channels into one sub-kernel per dilation rate, transforms
the same input with each, concatenates, fuses with a 3x3 convolution, and merges the result x2 with
its input x1. Table 4 varies the rates, Table 6 the merging.

Axes: B batch, C channels, H and W the size of the features (a quarter of the image).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aotgan.errors import InputError, check_choice
from aotgan.winograd.convolution import Conv2d, split

RESIDUALS = (
    "identity",
    "gated",
    "gatedconv",
    "gatedconv-only",
    "concat1x1",
    "concat1x1-added",
)
GATES = ("sigmoid", "normalised")


def branch_widths(channels: int, branches: int) -> list[int]:
    """Splits the channels evenly over the branches, the remainder going to the first ones.

    The released code fixes C // 4 (model/aotgan.py:58), which cannot run the rows of Table 4 that
    have one, two or three rates.
    """
    if not 1 <= branches <= channels:
        raise InputError(
            f"{branches} dilation rates for {channels} channels: give between 1 and {channels}."
        )
    base, remainder = divmod(channels, branches)
    return [base + (i < remainder) for i in range(branches)]


def conv3x3(in_channels: int, out_channels: int, rate: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size by reflection padding (released: aotgan.py:56-62)."""
    return Conv2d(in_channels, out_channels, 3, padding=rate, dilation=rate, padding_mode="reflect")


def normalised_gate(logits: Tensor, statistics: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """The released code's gate, which the paper does not mention (model/aotgan.py:68, 73-78).

    Standardises each channel of each sample over space, z, and returns sigmoid(5 (2 z - 1)): open
    where z > 0.5, which for Gaussian z is 31 % of the positions. The statistics are computed in
    float32 or better, also under autocast.

    Args:
        logits: output of the gate's convolution, (B, C, H, W).
        statistics: deviation and mean to standardise by, (B, C, 1, 1) each; the logits' own by
            default. A part of an image is gated as in the whole one by the statistics of that.

    Returns:
        Gate values in (0, 1), same shape and dtype.
    """
    wide = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    # unbiased, (B, C, 1, 1)
    std, mean = statistics or torch.std_mean(wide, dim=(2, 3), keepdim=True)
    z = (wide - mean) / (std + 1e-9)
    return torch.sigmoid(5 * (2 * z - 1)).to(logits.dtype)


class IdentityResidual(nn.Module):
    """x1 + x2: the connection of ResNet, first row of Table 6."""

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Merges input x1 and learned residual x2, both (B, C, H, W)."""
        return x1 + x2


class GatedResidual(nn.Module):
    """Eq. 1: x3 = x1 g + x2 (1 - g), with g computed from x1 by a 3x3 convolution.

    Args:
        channels: C.
        gate: "sigmoid" is Eq. 1 as written. "normalised" is the released code: the standardised
            gate of `normalised_gate` in the opposite direction, x1 (1 - g) + x2 g
            (model/aotgan.py:70).
    """

    def __init__(self, channels: int, gate: str = "sigmoid"):
        super().__init__()
        self.gate = gate
        self.conv = conv3x3(channels, channels)

    def gate_map(self, x1: Tensor, logits: Tensor | None = None) -> Tensor:
        """Returns g in (0, 1), (B, C, H, W): one value per position and channel.

        Args:
            x1: the block's input, (B, C, H, W).
            logits: the gate's convolution of it, where that is known.
        """
        logits = self.conv(x1) if logits is None else logits
        return normalised_gate(logits) if self.gate == "normalised" else torch.sigmoid(logits)

    def update_map(self, x1: Tensor) -> Tensor:
        """Returns the weight of x2, which is g or 1 - g depending on the direction."""
        g = self.gate_map(x1)
        return g if self.gate == "normalised" else 1 - g

    def forward(self, x1: Tensor, x2: Tensor, logits: Tensor | None = None) -> Tensor:
        """Merges input x1 and learned residual x2, both (B, C, H, W); `logits` as in `gate_map`."""
        g = self.gate_map(x1, logits)
        x1 = x1.to(x2.dtype)  # lerp wants one type; under autocast convolutions return another
        return torch.lerp(x1, x2, g) if self.gate == "normalised" else torch.lerp(x2, x1, g)


class GatedConvResidual(nn.Module):
    """x1 + x2 s, s = sigmoid(conv(x1)): Table 6's "GatedConv", which the paper leaves open.

    Gated convolution multiplies features by a learned soft selection computed from the layer's
    input; here the features are x2, and the input is kept by an identity connection.

    Args:
        channels: C.
        added: False leaves the identity connection out: x2 s.
    """

    def __init__(self, channels: int, added: bool = True):
        super().__init__()
        self.added = added
        self.conv = conv3x3(channels, channels)

    def forward(self, x1: Tensor, x2: Tensor, logits: Tensor | None = None) -> Tensor:
        """Merges input x1 and learned residual x2, both (B, C, H, W).

        `logits` are the convolution of x1, where that is known.
        """
        selected = x2 * torch.sigmoid(self.conv(x1) if logits is None else logits)
        return x1 + selected if self.added else selected


class ConcatResidual(nn.Module):
    """A 1x1 convolution of [x1, x2]: Table 6's "1x1 conv.".

    Args:
        channels: C.
        added: True adds it to x1.
    """

    def __init__(self, channels: int, added: bool = False):
        super().__init__()
        self.added = added
        self.conv = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Merges input x1 and learned residual x2, both (B, C, H, W)."""
        mixed = self.conv(torch.cat([x1, x2], dim=1))
        return x1 + mixed if self.added else mixed


def make_residual(name: str, channels: int, gate: str) -> nn.Module:
    """Builds one of `RESIDUALS`."""
    if name == "gated":
        return GatedResidual(channels, gate)
    if name.startswith("gatedconv"):
        return GatedConvResidual(channels, added=name == "gatedconv")
    if name.startswith("concat1x1"):
        return ConcatResidual(channels, added=name == "concat1x1-added")
    return IdentityResidual()


class AOTBlock(nn.Module):
    """Split, transform, aggregate, merge (section 3.1, Fig. 3b).

    Args:
        channels: C, 256 in the paper.
        rates: dilation rate of each branch, (1, 2, 4, 8) in the paper; any list works.
        residual: how input and learned residual are merged, one of `RESIDUALS` (Table 6).
        gate: one of `GATES`, read by the gated residual alone.

    Raises:
        InputError: an unknown option, a rate below 1 or more rates than channels.
    """

    def __init__(
        self,
        channels: int,
        rates: Sequence[int] = (1, 2, 4, 8),
        residual: str = "gated",
        gate: str = "sigmoid",
    ):
        super().__init__()
        check_choice("residual", residual, RESIDUALS)
        check_choice("gate", gate, GATES)
        # True is an int to isinstance, and no rate
        if not all(type(rate) is int and rate >= 1 for rate in rates):
            raise InputError(
                f"dilation rates {list(rates)}: each must be an integer of at least 1."
            )
        widths = branch_widths(channels, len(rates))
        self.branches = nn.ModuleList(
            conv3x3(channels, width, rate) for width, rate in zip(widths, rates, strict=True)
        )
        self.fuse = conv3x3(channels, channels)
        self.merge = make_residual(residual, channels, gate)

    def residual(self, x1: Tensor) -> Tensor:
        """Returns the learned residual x2 of x1, both (B, C, H, W)."""
        return self.fuse(split(x1, self.branches)[0])

    def forward(self, x1: Tensor) -> Tensor:
        """Returns x3, the block's output, (B, C, H, W)."""
        if not isinstance(self.merge, GatedResidual | GatedConvResidual):
            return self.merge(x1, self.residual(x1))
        # branches and gate read the same input, which is transformed once for the gate and a branch
        views, logits = split(x1, self.branches, self.merge.conv)  # each (B, C, H, W)
        return self.merge(x1, self.fuse(views), logits)


class ResidualBlock(nn.Module):
    """Fig. 3a: two 3x3 convolutions, the first with one dilation rate, and an identity connection.

    The yardstick of section 3.1: an AOT block without its gate has exactly its parameters and
    multiply-adds.
    """

    def __init__(self, channels: int, rate: int = 2):
        super().__init__()
        self.dilated = conv3x3(channels, channels, rate)
        self.conv = conv3x3(channels, channels)

    def forward(self, x1: Tensor) -> Tensor:
        """Returns the block's output, (B, C, H, W)."""
        return x1 + self.conv(F.relu(self.dilated(x1)))

"""The generator of AOT-GAN in its two readings (section 3.1; Figs. 2 and 3).

Encoder to a quarter of the size, a stack of AOT blocks, decoder; no normalisation layers (section
3.4). The text and the released code disagree in three places, each an option here:

    variant      gate                    upsampling                 value of erased pixels
    "paper"      Eq. 1, plain sigmoid    transposed convolutions    0
    "released"   standardised, reversed  bilinear + convolution     +1 (white)

Three further options are neither's; they let a short training get farther. Eq. 1 leaves the gate's
bias open: with 0 a block halves the features it is given, and eight pass 1 to 2 % of their scale.
Erased pixels may be a smooth surface through the known ones, and the prediction a correction of it.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aotgan.errors import InputError, check_choice
from aotgan.models.blocks import AOTBlock
from aotgan.models.inpainter import SURFACE, Inpainter
from aotgan.winograd.convolution import Conv2d

VARIANTS: dict[str, dict[str, str | float]] = {
    "paper": {"gate": "sigmoid", "upsampling": "transposed", "fill": 0.0},
    "released": {"gate": "normalised", "upsampling": "bilinear", "fill": 1.0},
}
UPSAMPLINGS = ("transposed", "bilinear")
STRIDE = 4  # image pixels per feature position
Doubling = Callable[[Tensor], Tensor]


def doubled(x: Tensor) -> Tensor:
    """Doubles the size bilinearly, corners aligned: (B, C, H, W) to (B, C, 2H, 2W)."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


class Upsample(nn.Module):
    """`doubled`, then a 3x3 convolution (released: model/aotgan.py:40-47)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor, double: Doubling = doubled) -> Tensor:
        """Doubles the size: (B, C, H, W) to (B, C', 2H, 2W)."""
        return self.conv(double(x))


class Generator(Inpainter):
    """Completes an image from its known pixels and the mask of its hole.

    Args:
        variant: "paper" or "released"; sets the three options whose value is None.
        width: channels after the first convolution; the AOT blocks have 4 width. 64 in the paper.
        blocks: number of AOT blocks, 8 in the paper.
        rates: dilation rates of the branches of each block.
        residual: one of `aotgan.models.blocks.RESIDUALS` (Table 6).
        gate: "sigmoid" or "normalised".
        gate_bias: initial bias b of the gate's convolution. The signal x1 passes a block of Eq. 1
            by a share of about sigmoid(b): 0.5, or with 2, 0.88.
        upsampling: "transposed" or "bilinear".
        fill: value that the erased pixels have in the masked image, or "surface": see `erase`.
        correction: the prediction is the masked image plus what the network says, in [-2, 2].

    Raises:
        InputError: an unknown option, or options that do not go together.

    `config` holds all of these, resolved: `Generator(**generator.config)` builds the same network.
    """

    multiple = STRIDE

    def __init__(
        self,
        variant: str = "paper",
        *,
        width: int = 64,
        blocks: int = 8,
        rates: Sequence[int] = (1, 2, 4, 8),
        residual: str = "gated",
        gate: str | None = None,
        gate_bias: float = 0.0,
        upsampling: str | None = None,
        fill: float | str | None = None,
        correction: bool = False,
    ):
        super().__init__()
        # options that are not given are those of the variant
        check_choice("variant", variant, tuple(VARIANTS))
        preset = VARIANTS[variant]
        gate = str(preset["gate"]) if gate is None else gate
        upsampling = str(preset["upsampling"]) if upsampling is None else upsampling
        check_choice("upsampling", upsampling, UPSAMPLINGS)
        if width < 1 or blocks < 1:
            raise InputError(f"width={width}, blocks={blocks}: both must be at least 1.")
        # refused are combinations that would do nothing or something else than their names say
        self.fill = _checked_fill(preset["fill"] if fill is None else fill)
        self.correction = correction
        if gate_bias and (residual, gate) != ("gated", "sigmoid"):
            raise InputError(
                f"gate_bias={gate_bias} with residual={residual!r} and gate={gate!r}: only Eq. 1 "
                "has such a bias (gated, sigmoid); a standardised gate takes it out again. Leave "
                "it at 0."
            )
        if correction and self.fill != SURFACE:
            raise InputError(
                f"correction of fill={self.fill!r}: only a surface is worth correcting. Set "
                f"fill={SURFACE!r}, too."
            )
        # all options, resolved: a weights file holds them
        self.config = {
            "variant": variant,
            "width": width,
            "blocks": blocks,
            "rates": list(rates),
            "residual": residual,
            "gate": gate,
            "gate_bias": gate_bias,
            "upsampling": upsampling,
            "fill": self.fill,
            "correction": correction,
        }
        channels = 4 * width
        self.encoder = encoder(width)
        self.middle = nn.Sequential(
            *(AOTBlock(channels, rates, residual, gate) for _ in range(blocks))
        )
        self.decoder = decoder(width, upsampling)
        # at full width the released code's draws
        init_normal(self, width)
        init_normal(self.encoder[0], 64)  # sums the same four channels at every width
        if gate_bias:
            for block in self.middle:
                nn.init.constant_(block.get_parameter("merge.conv.bias"), gate_bias)

    def forward(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Returns the raw prediction G(x (1 - m), m), (B, 3, H, W) in [-1, 1].

        With `correction` the range is [-2, 2], so that every gradient passes; `complete` cuts it
        off.

        Args:
            masked_image: (B, 3, H, W) in [-1, 1], its hole already set to `fill` by `erase`.
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.

        Raises:
            InputError: integers or booleans, shapes that do not match, a side that 4 does not
                divide, or an image too small for the reflection padding of the largest rate.
        """
        self.check(masked_image, mask)
        return self.decode(self.middle(self.encode(masked_image, mask)), masked_image)

    def encode(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Returns the features that the first AOT block sees, (B, 4 width, H / 4, W / 4)."""
        return self.encoder(torch.cat([masked_image, mask], dim=1))

    def decode(self, features: Tensor, masked_image: Tensor, double: Doubling = doubled) -> Tensor:
        """Returns the prediction, (B, 3, H, W).

        Args:
            features: of the last AOT block, (B, 4 width, H / 4, W / 4).
            masked_image: (B, 3, H, W), added to what the network says where it is a correction.
            double: how bilinear layers double the size, where not over all of the image.
        """
        x = features
        for layer in self.decoder:
            x = layer(x, double) if isinstance(layer, Upsample) else layer(x)
        own = torch.tanh(x)
        return masked_image + own if self.correction else own

    @property
    def min_side(self) -> int:
        """Smallest image side: reflection needs features wider than the largest rate."""
        return STRIDE * (max(self.config["rates"]) + 1)


def _checked_fill(fill: float | str) -> float | str:
    if fill == SURFACE:
        return fill
    if isinstance(fill, str):
        raise InputError(f"fill={fill!r}: expected a number or {SURFACE!r}.")
    return float(fill)


def encoder(width: int) -> nn.Sequential:
    """Three convolutions, 7x7 then two of stride 2 (released: model/aotgan.py:14-21)."""
    return nn.Sequential(
        nn.Conv2d(4, width, 7, padding=3, padding_mode="reflect"),  # (B, width, H, W)
        nn.ReLU(inplace=True),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),  # (B, 2 width, H / 2, W / 2)
        nn.ReLU(inplace=True),
        nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),  # (B, 4 width, H / 4, W / 4)
        nn.ReLU(inplace=True),
    )


def decoder(width: int, upsampling: str) -> nn.Sequential:
    """Three layers back to the full size.

    The text has three transposed convolutions; with an encoder that divides the size by four, two
    of them double it and the third keeps it. The released code doubles twice by bilinear
    interpolation and ends with a convolution (model/aotgan.py:25-27).
    """
    if upsampling == "bilinear":
        up1: nn.Module = Upsample(4 * width, 2 * width)
        up2: nn.Module = Upsample(2 * width, width)
        last: nn.Module = Conv2d(width, 3, 3, padding=1)
    else:
        up1 = nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1)
        up2 = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
        last = nn.ConvTranspose2d(width, 3, 3, padding=1)
    return nn.Sequential(up1, nn.ReLU(inplace=True), up2, nn.ReLU(inplace=True), last)


def init_normal(network: nn.Module, width: int) -> None:
    """Draws weights from N(0, 0.02 sqrt(64 / width)) and sets biases to 0.

    At full width this is the released code's N(0, 0.02) (model/common.py:19-51). A narrower
    layer sums fewer terms; the factor gives its output the variance that it has at full width.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02 * (64 / width) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

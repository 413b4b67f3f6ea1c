"""HiFill: two stages of light gated convolutions, and detail that large images lend their holes.

Contextual Residual Aggregation for Ultra High-Resolution Image Inpainting (Yi et al., 2020); layers
as in a maintainer's release (duxingren14/Hifill-tensorflow, model.py and ops.py).
"""

import math
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.models.baselines.attention import match, paste, propagate, valid_keys, weigh
from aotgan.models.inpainter import Inpainter, composite, erase
from aotgan.winograd.convolution import Conv2d

CELL = 16  # image pixels per cell of the attention scores
DILATIONS_COARSE = (1, 1, 1, 2, 2, 2, 2, 2, 4, 4, 4, 4, 8, 8)
DILATIONS_REFINE = (1, 2, 4, 8, 16)
FLOOR = 1e-8  # of the norm of a key
BLUR_TAPS, BLUR_SIGMA = 7, 1.0  # of the mask that blends a large image


class HiFillStages(NamedTuple):
    """What HiFill makes of an image.

    Attributes:
        coarse: prediction of the first network, (B, 3, H, W) in [-1, 1].
        refined: prediction of the second network, (B, 3, H, W) in [-1, 1].
        weights: of the attention, (B, K, K) for K = H / 16 W / 16 cells in row-major order,
            queries in rows and keys in columns.
    """

    coarse: Tensor
    refined: Tensor
    weights: Tensor


class LightGatedConv(nn.Module):
    """ELU of a convolution times a sigmoid gate that costs little (section 3.2).

    Args:
        in_channels: C.
        out_channels: C'.
        kernel: side, odd.
        stride: of features and gate.
        dilation: of the features, and of a single-channel gate.
        single: whether the gate is a convolution of the same kind with one output channel, for
            all features together; otherwise it is a 1x1 convolution with C'.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        *,
        single: bool,
    ):
        super().__init__()
        layer = partial(
            Conv2d, in_channels, stride=stride, padding=kernel // 2 * dilation, dilation=dilation
        )
        self.features = layer(out_channels, kernel)
        self.gate = layer(1, kernel) if single else nn.Conv2d(in_channels, out_channels, 1)
        # A stride in the 1x1 convolution itself corrupts the heap on CPUs: oneDNN's gradient of its
        # weights, for four input channels in channels-last layout.
        self.gate_step = 1 if single else stride

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, C', H / stride, W / stride)."""
        inputs = x[:, :, :: self.gate_step, :: self.gate_step]
        return F.elu(self.features(x)) * torch.sigmoid(self.gate(inputs))


single_gated = partial(LightGatedConv, single=True)
point_gated = partial(LightGatedConv, single=False)


def double() -> nn.Module:
    """Bilinear x2."""
    return nn.Upsample(scale_factor=2, mode="bilinear")


def coarse_network(width: int) -> nn.Sequential:
    """Image and mask at half of the size to a picture, all gates single-channel."""
    inner = 2 * width
    return nn.Sequential(
        single_gated(4, width, 5, 2),  # (B, width, H / 4, W / 4)
        single_gated(width, width),
        single_gated(width, inner, 3, 2),  # (B, 2 width, H / 8, W / 8)
        *(single_gated(inner, inner) for _ in range(3)),
        *(single_gated(inner, inner, dilation=rate) for rate in DILATIONS_COARSE),
        *(single_gated(inner, inner) for _ in range(3)),
        double(),
        single_gated(inner, width),  # (B, width, H / 4, W / 4)
        single_gated(width, width),
        double(),
        single_gated(width, 3),  # (B, 3, H / 2, W / 2)
    )


class RefineNetwork(nn.Module):
    """Encoder and decoder whose every level is rebuilt by one and the same attention.

    Args:
        width: channels of the first level; the others have 2 and 4 times that.
    """

    def __init__(self, width: int):
        super().__init__()
        one, two, four = width, 2 * width, 4 * width
        self.encoder = nn.ModuleList(
            nn.Sequential(point_gated(before, after, stride=2), point_gated(after, after))
            for before, after in ((4, one), (one, two), (two, four))
        )
        self.middle = nn.Sequential(
            *(point_gated(four, four, dilation=d) for d in DILATIONS_REFINE)
        )
        self.after_attention = point_gated(four, four)
        self.merge = point_gated(2 * four, four)
        # from the deeper level to the shallower
        self.decoder = nn.ModuleList(
            nn.Sequential(double(), point_gated(before, after), point_gated(after, after))
            for before, after in ((four, two), (2 * two, one))
        )
        self.skips = nn.ModuleList(
            nn.Sequential(point_gated(count, count), point_gated(count, count, dilation=2))
            for count in (two, one)
        )
        self.head = nn.Sequential(double(), point_gated(2 * one, 3))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Returns a picture before clipping, (B, 3, H, W), and the attention weights, (B, K, K).

        Args:
            x: image and mask, (B, 4, H, W).
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.
        """
        levels = []
        for block in self.encoder:
            x = block(x)
            levels.append(x)  # 1/2, 1/4 and 1/8 of the size
        x = self.middle(x)  # (B, 4 width, H / 8, W / 8)
        weights = attention(x, mask)
        rebuilt = paste(weights, x, side=3, stride=2)  # as released, not 4
        x = self.merge(torch.cat([x, self.after_attention(rebuilt)], dim=1))
        for up, skip, level, stride in zip(
            self.decoder, self.skips, levels[1::-1], (4, 8), strict=True
        ):
            rebuilt = paste(weights, level, side=2 * stride, stride=stride)
            x = torch.cat([skip(rebuilt), up(x)], dim=1)  # (B, 4 or 2 width, ...)
        return self.head(x), weights


def attention(features: Tensor, mask: Tensor) -> Tensor:
    """Weights of all cells for all cells, without those that touch or neighbour the hole.

    Args:
        features: (B, C, H / 8, W / 8).
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.

    Returns:
        (B, K, K); zeros in an image without any valid cell.
    """
    cells = features[:, :, ::2, ::2]  # (B, C, H / 16, W / 16)
    scores = match(cells, floor=FLOOR)
    scores = propagate(scores, (cells.shape[2], cells.shape[3]))
    return weigh(scores, valid_keys(F.max_pool2d(mask, CELL)))


class HiFill(Inpainter):
    """Coarse network at half of the size, refinement at the full one, and aggregated residuals.

    `complete_large` fills an image that is several times as large as what the networks see. At
    their own size there are no residuals, and `complete` is all of the method.

    Simplified: see `simplified`.

    Args:
        width: channels of the first level, 32 as published. Weights start from a normal
            distribution of 0.05 cut at twice that, as published, times sqrt(32 / width).
        gain: of the initial weights' deviation, 1 as published. Each layer of the first network
            then halves the signal, so that its gradients start at 1e-12, below the epsilon of
            Adam, and it paints a single colour for thousands of steps; 2 nearly keeps the signal.

    Raises:
        InputError: a width below 1, or a gain that is not above 0.
    """

    simplified: tuple[str, ...] = (
        "Sizes follow the image, the coarse network at half of its side and attention at a 16th; "
        "published for 512 pixels alone.",
        "Convolutions are padded evenly on all sides and pixels have their centres in common when "
        "they are resized, unlike in TensorFlow.",
        "The blend of a large result with its image never looks into the hole.",
        "The three critic steps see the generator's batch instead of batches of their own.",
    )
    multiple = CELL
    published_width = 32

    def __init__(self, width: int = 32, gain: float = 1.0):
        super().__init__()
        if width < 1 or not 0 < gain < math.inf:
            raise InputError(f"width={width}, gain={gain}: give at least 1 and a number above 0.")
        self.config = {"model": "hifill", "width": width, "gain": gain}
        self.fill = 0.0
        self.coarse = coarse_network(width)
        self.refine = RefineNetwork(width)
        init_truncated(self, 32 / width, gain)
        if gain != 1:
            text = f"Initial weights are {gain:g} times the published ones, with which it stalls."
            self.simplified = (text, *self.simplified)

    @property
    def min_side(self) -> int:
        """Smallest side of an image: with fewer than 4 x 4 cells a hole leaves hardly any key."""
        return 4 * CELL

    def forward(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Returns the refined prediction, (B, 3, H, W) in [-1, 1].

        Args:
            masked_image: (B, 3, H, W) in [-1, 1], its hole already set to `fill` by `erase`.
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.

        Raises:
            InputError: integers or booleans, shapes that do not match, a side that 16 does not
                divide or that is below 64.
        """
        return self.stages(masked_image, mask).refined

    def stages(self, masked_image: Tensor, mask: Tensor) -> HiFillStages:
        """Returns both predictions and the attention weights; arguments as of `forward`."""
        self.check(masked_image, mask)
        x = torch.cat([masked_image, mask], dim=1)  # (B, 4, H, W)
        small = F.interpolate(x, scale_factor=0.5, mode="bilinear")
        coarse = enlarge(self.coarse(small).clamp(-1, 1), 2)  # (B, 3, H, W)
        x = torch.cat([composite(masked_image, coarse, mask), mask], dim=1)
        refined, weights = self.refine(x, mask)
        return HiFillStages(coarse, refined.clamp(-1, 1), weights)

    def complete_large(self, image: Tensor, mask: Tensor, times: int) -> Tensor:
        """Fills an image that the networks see at a fraction of its size (section 3.1).

        Around the hole, prediction and image are blended by a blurred mask, so that known pixels
        next to it change.

        Args:
            image: (B, 3, t H, t W) in [-1, 1]; what it shows inside the hole is not looked at.
            mask: (B, 1, t H, t W) in {0, 1}, 1 = hole.
            times: t, published with 6 and 8 for H = W = 512.

        Returns:
            (B, 3, t H, t W) in [-1, 1].

        Raises:
            InputError: as `forward`, for sides H and W.
        """
        # imported here, because it takes seconds that only large images are worth
        from torchvision.transforms.functional import gaussian_blur

        prediction = self.predict_large(image, mask, times)
        blurred = gaussian_blur(
            F.max_pool2d(mask, times), [BLUR_TAPS, BLUR_TAPS], [BLUR_SIGMA, BLUR_SIGMA]
        )
        return composite(image, prediction, torch.maximum(enlarge(blurred, times), mask))

    def predict_large(self, image: Tensor, mask: Tensor, times: int) -> Tensor:
        """Contextual residual aggregation: what `complete_large` blends into the image.

        The enlarged prediction lacks detail. Every cell gets that of the known cells, in the
        proportions of the attention. For t = 1 this is the prediction itself.
        """
        self.check(image, mask)
        unit = CELL * times
        if times < 1 or any(side % unit or side < self.min_side * times for side in mask.shape[2:]):
            raise InputError(
                f"an image of {mask.shape[2]}x{mask.shape[3]} pixels at times={times}: both sides "
                f"must be multiples of {CELL} times {times} and at least {self.min_side} times "
                "that. Pad or resize it first."
            )
        low_mask = F.max_pool2d(mask, times)  # (B, 1, H, W), a block with any hole is hole
        low = erase(F.avg_pool2d(image, times), low_mask, self.fill)  # (B, 3, H, W)
        stages = self.stages(low, low_mask)
        # the hole and the cells around it, where residuals mean nothing, have no weight
        residual = image - enlarge(low, times)  # (B, 3, t H, t W)
        detail = paste(stages.weights, residual, side=unit, stride=unit)
        return (enlarge(stages.refined, times) + detail).clamp(-1, 1)


def enlarge(x: Tensor, times: int) -> Tensor:
    """Bilinear: (B, C, H, W) to (B, C, t H, t W); exactly `x` for t = 1."""
    return F.interpolate(x, scale_factor=times, mode="bilinear")


def init_truncated(network: nn.Module, narrowing: float, gain: float = 1.0) -> None:
    """Draws weights from N(0, 0.05) cut at 0.1 and sets biases to 0, as released.

    Args:
        network: its convolutions are drawn.
        narrowing: published width / width. A narrower layer sums fewer terms; its weights are
            sqrt(narrowing) times as large, unless it sums the channels of image and mask.
        gain: multiplies all weights.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            deviation = 0.05 * gain * (narrowing if layer.in_channels > 4 else 1.0) ** 0.5
            nn.init.trunc_normal_(layer.weight, 0.0, deviation, -2 * deviation, 2 * deviation)
            nn.init.zeros_(layer.bias)

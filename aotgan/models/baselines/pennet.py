"""PEN-Net: a U-Net whose skips are filled from the deepest level to the shallowest.

Learning Pyramid-Context Encoder Network for High-Quality Image Inpainting (Zeng et al., 2019);
layers as in the authors' PyTorch release (researchmm/PEN-Net-for-Inpainting, model/pennet.py).
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.losses.checks import full_precision
from aotgan.models.baselines.attention import attend
from aotgan.models.blocks import branch_widths
from aotgan.models.generator import Upsample, init_normal
from aotgan.models.inpainter import Inpainter
from aotgan.winograd.convolution import Conv2d

RATES = (1, 2, 4, 8)  # of the convolutions after an attention transfer
LOWEST = 1e-8  # weight of a key, valid or not
WIDEST = 16  # times the width, channels of the deepest levels
FEWEST_LEVELS = 4  # three attention transfers
PUBLISHED_LEVELS = 6


class PENNetStages(NamedTuple):
    """What PEN-Net makes of an image.

    Attributes:
        prediction: (B, 3, H, W) in [-1, 1].
        sides: (B, 3, H / 2^k, W / 2^k) in [-1, 1] for k = 1, 2, ..., one for each transfer.
    """

    prediction: Tensor
    sides: tuple[Tensor, ...]


class AttentionTransfer(nn.Module):
    """ATN: rebuilds a map of patches of itself that the next deeper map finds alike.

    Similarity is that of the deeper, already filled map. The result replaces the whole map, known
    positions included; four dilated convolutions side by side then refine it, which is where AOT
    blocks come from.

    Args:
        channels: of the shallower map, at least 4.
        deepest: whether the deeper map is the encoder's last: its keys are single cells and
            nothing refines the result.
    """

    def __init__(self, channels: int, deepest: bool = False):
        super().__init__()
        self.kernel = 1 if deepest else 3
        widths = [] if deepest else branch_widths(channels, len(RATES))
        self.branches = nn.ModuleList(
            Conv2d(channels, width, 3, padding=rate, dilation=rate)
            for width, rate in zip(widths, RATES[: len(widths)], strict=True)
        )

    def forward(self, low: Tensor, high: Tensor, mask: Tensor) -> Tensor:
        """Returns the filled shallower map, of the shape of `low`.

        Args:
            low: (B, C, 2h, 2w).
            high: (B, C', h, w).
            mask: (B, 1, H, W) in {0, 1}, 1 = hole; h divides H and w divides W by the same number.
        """
        valid = known_keys(mask, mask.shape[2] // high.shape[2], self.kernel)  # (B, h w)
        x = attend(high, low, valid, kernel=self.kernel, lowest=LOWEST)  # (B, C, 2h, 2w)
        if not self.branches:
            return x
        return torch.cat([F.relu(branch(x)) for branch in self.branches], dim=1)


def known_keys(mask: Tensor, factor: int, kernel: int) -> Tensor:
    """Tells the keys that show the least hole: none, if any of them does.

    The mask is sampled where the strided convolutions are centred. The release shrinks it
    bilinearly and demands a mean of exactly 0, which leaves many images without a key at the deep
    levels, and their maps near zero.

    Args:
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.
        factor: pixels between neighbouring cells.
        kernel: side of a key in cells.

    Returns:
        (B, H / factor W / factor), 1 = valid, 0 = not; at least one key of every image is valid.
    """
    cells = full_precision(mask[:, :, ::factor, ::factor])
    share = F.avg_pool2d(cells, kernel, 1, kernel // 2, count_include_pad=False).flatten(1)
    return (share <= share.amin(dim=1, keepdim=True)).to(share.dtype)


class PENNet(Inpainter):
    """Pyramid-context encoder, attention transfer network and multi-scale decoder.

    Simplified: see `simplified`.

    Args:
        width: channels of the first level, 32 as published; at least 4. Weights start from
            N(0, 0.02) as published, with the factor of `init_normal` at other widths.
        levels: strided convolutions of the encoder, 6 as published; sides divide by 2^levels.

    Raises:
        InputError: fewer than 4 channels or levels.
    """

    simplified = (
        "Masks shrink by sampling, not bilinearly; where no attention key is all known, the keys "
        "with the least hole are used instead of none.",
        "Below 256 px there are fewer levels, so that the deepest map keeps four cells a side.",
        "The learning rate stays constant, as released for CelebA-HQ; for Places2 it drops "
        "tenfold at a tenth of the steps.",
        "The generator learns from the discriminator of before its step, not of after it.",
    )
    published_width = 32
    width_step = 4

    @classmethod
    def scaled(cls, share: float, size_px: int) -> dict[str, Any]:
        """Levels for images of this side: the deepest map has four cells a side, as at 256 px."""
        levels = min(max(size_px.bit_length() - 3, FEWEST_LEVELS), PUBLISHED_LEVELS)
        return super().scaled(share, size_px) | {"levels": levels}

    def __init__(self, width: int = 32, levels: int = PUBLISHED_LEVELS):
        super().__init__()
        if width < len(RATES) or levels < FEWEST_LEVELS:
            raise InputError(
                f"width={width}, levels={levels}: PEN-Net needs at least {len(RATES)} channels, "
                f"one for each dilation rate, and {FEWEST_LEVELS} levels."
            )
        self.config = {"model": "pen-net", "width": width, "levels": levels}
        self.fill = 1.0
        self.multiple = 2**levels
        # each level halves the size; channels double up to the published limit
        channels = [width * min(2**level, WIDEST) for level in range(levels)]
        self.encoder = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1)
            for before, after in zip([4, *channels], channels, strict=False)
        )
        skips = channels[:-1]
        # everything below is listed from the shallowest level to the deepest
        self.transfers = nn.ModuleList(
            AttentionTransfer(count, deepest=level == len(skips))
            for level, count in enumerate(skips, start=1)
        )
        # a decoder sees the transferred features beside the decoded ones: twice as many channels
        joined = [2 * count for count in skips]
        self.decoder = nn.ModuleList(
            Upsample(before, after)
            for before, after in zip([*joined[1:], channels[-1]], skips, strict=True)
        )
        self.side_heads = nn.ModuleList(nn.Conv2d(count, 3, 1) for count in joined)
        self.head = nn.Sequential(
            Upsample(joined[0], width), nn.ReLU(), nn.Conv2d(width, 3, 3, padding=1)
        )
        # the published width of 32 has the published spread
        init_normal(self, 2 * width)
        init_normal(self.encoder[0], 64)  # sums the same four channels at every width

    def forward(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Returns the raw prediction, (B, 3, H, W) in [-1, 1].

        Args:
            masked_image: (B, 3, H, W) in [-1, 1], its hole already set to `fill` by `erase`.
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.

        Raises:
            InputError: integers or booleans, shapes that do not match, or a side that 2^levels
                does not divide.
        """
        return self.stages(masked_image, mask).prediction

    def stages(self, masked_image: Tensor, mask: Tensor) -> PENNetStages:
        """Returns the prediction and the smaller ones beside it; arguments as of `forward`."""
        self.check(masked_image, mask)
        encoded = self.encode(torch.cat([masked_image, mask], dim=1))
        x = encoded[-1]  # (B, C, H / 2^levels, W / 2^levels)
        filled, high = [], x
        for transfer, low in zip(reversed(self.transfers), encoded[-2::-1], strict=True):
            high = transfer(low, high, mask)
            filled.append(high)
        sides = []
        for up, head, skip in zip(
            reversed(self.decoder), reversed(self.side_heads), filled, strict=True
        ):
            x = torch.cat([F.relu(up(x)), skip], dim=1)  # (B, 2 C, H / 2^k, W / 2^k)
            sides.append(torch.tanh(head(x)))
        return PENNetStages(torch.tanh(self.head(x)), tuple(reversed(sides)))

    def encode(self, x: Tensor) -> list[Tensor]:
        """Returns the map of every level, (B, C, H / 2^k, W / 2^k) for k = 1, 2, ...

        Args:
            x: image and mask, (B, 4, H, W).
        """
        encoded = []
        for conv in self.encoder[:-1]:
            x = F.leaky_relu(conv(x), 0.2)
            encoded.append(x)
        return [*encoded, F.relu(self.encoder[-1](x))]

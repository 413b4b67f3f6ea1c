"""The layout that CA and GatedConv share: a coarse network, then two branches that are merged.

    coarse network    image, ones and mask to a picture, convolutions of which four are dilated
    hallucination     that picture inside the hole, through the same kind of convolutions
    attention branch  the same input, through convolutions and contextual attention
    merge             both branches to the final picture

Generative Image Inpainting with Contextual Attention (Yu et al., 2018), sections 3 and 4; layers as
released (JiahuiYu/generative_inpainting, inpaint_model.py in v1.0.0 and in v2.0.0).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aotgan.models.baselines.attention import match, paste, propagate, valid_keys, weigh
from aotgan.models.inpainter import Inpainter, composite

FEATURE_STRIDE = 4  # image pixels per cell of the attended features
VALUE_SIDE, VALUE_STRIDE = 4, 2  # of the patches that are pasted, in such cells


class Layer(NamedTuple):
    """One convolution of the plan.

    Attributes:
        channels: in multiples of the network's width.
        kernel: side.
        stride: of the convolution.
        rate: dilation.
        doubled: whether its input is enlarged by nearest x2 first.
    """

    channels: float
    kernel: int = 3
    stride: int = 1
    rate: int = 1
    doubled: bool = False


DILATED = tuple(Layer(4, rate=rate) for rate in (2, 4, 8, 16))
DECODER = (
    *(Layer(4), Layer(4)),  # (B, 4 width, H / 4, W / 4)
    *(Layer(2, doubled=True), Layer(2)),  # (B, 2 width, H / 2, W / 2)
    *(Layer(1, doubled=True), Layer(0.5)),  # (B, width / 2, H, W)
)
COARSE = (
    *(Layer(1, 5), Layer(2, stride=2), Layer(2), Layer(4, stride=2), Layer(4), Layer(4)),
    *DILATED,
    *DECODER,
)
HALLUCINATION = (
    *(Layer(1, 5), Layer(1, stride=2), Layer(2), Layer(2, stride=2), Layer(4), Layer(4)),
    *DILATED,
)
ATTENDED = (Layer(1, 5), Layer(1, stride=2), Layer(2), Layer(4, stride=2), Layer(4))
MATCHED = (Layer(4),)  # with ReLU, so that scores are never negative
AFTER_ATTENTION = (Layer(4), Layer(4))


class Stages(NamedTuple):
    """Both predictions, (B, 3, H, W) in [-1, 1].

    Attributes:
        coarse: of the first network.
        refined: of the second one, which is the model's.
    """

    coarse: Tensor
    refined: Tensor


class TwoStageInpainter(Inpainter):
    """Coarse prediction, then refinement with contextual attention.

    A subclass says what a convolution and its activation are, and how a picture ends. Weights start
    from Glorot's uniform distribution and biases from 0, as TensorFlow's do.

    Args:
        width: channels of the first convolutions.
    """

    multiple = FEATURE_STRIDE * VALUE_STRIDE
    fill = 0.0
    refinement_sees_mask: bool  # whether the second network has the ones and the mask too

    def __init__(self, width: int):
        super().__init__()
        self.coarse = self._picture(COARSE, 5, width)
        channels = 5 if self.refinement_sees_mask else 3
        self.hallucination, hallucinated = self._column(HALLUCINATION, channels, width)
        attended, channels = self._column(ATTENDED, channels, width)
        matched, channels = self._column(MATCHED, channels, width, nn.ReLU())
        self.attended = nn.Sequential(attended, matched)
        self.after_attention, channels = self._column(AFTER_ATTENTION, channels, width)
        self.merge = self._picture(DECODER, hallucinated + channels, width)
        init_glorot(self)

    def forward(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Returns the refined prediction, (B, 3, H, W) in [-1, 1].

        Args:
            masked_image: (B, 3, H, W) in [-1, 1], its hole already set to 0 by `erase`.
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.

        Raises:
            InputError: integers or booleans, shapes that do not match, or a side that 8 does not
                divide.
        """
        return self.stages(masked_image, mask).refined

    def stages(self, masked_image: Tensor, mask: Tensor) -> Stages:
        """Returns both predictions; arguments as of `forward`."""
        self.check(masked_image, mask)
        ones = torch.ones_like(mask)  # with zero padding they tell where the image ends
        coarse = self.end(self.coarse(torch.cat([masked_image, ones, mask], dim=1)))
        x = composite(masked_image, coarse, mask)  # (B, 3, H, W)
        if self.refinement_sees_mask:
            x = torch.cat([x, ones, mask], dim=1)  # (B, 5, H, W)
        rebuilt = contextual_attention(self.attended(x), mask)
        x = torch.cat([self.hallucination(x), self.after_attention(rebuilt)], dim=1)
        return Stages(coarse, self.end(self.merge(x)))

    def convolution(
        self, in_channels: int, channels: int, layer: Layer, activation: nn.Module
    ) -> tuple[nn.Module, int]:
        """Makes a hidden layer.

        Args:
            in_channels: of its input.
            channels: of its convolution.
            layer: kernel, stride and dilation.
            activation: of its features.

        Returns:
            The layer, which keeps size / stride, and the number of its features.
        """
        raise NotImplementedError

    def end(self, picture: Tensor) -> Tensor:
        """Brings the last convolution's output, (B, 3, H, W), into [-1, 1]."""
        raise NotImplementedError

    def _column(
        self,
        plan: Sequence[Layer],
        channels: int,
        width: int,
        activation: nn.Module | None = None,
    ) -> tuple[nn.Sequential, int]:
        layers: list[nn.Module] = []
        for layer in plan:
            if layer.doubled:
                layers.append(nn.Upsample(scale_factor=2))
            convolution, channels = self.convolution(
                channels, int(layer.channels * width), layer, activation or nn.ELU()
            )
            layers.append(convolution)
        return nn.Sequential(*layers), channels

    def _picture(self, plan: Sequence[Layer], channels: int, width: int) -> nn.Sequential:
        column, channels = self._column(plan, channels, width)
        return column.append(nn.Conv2d(channels, 3, 3, padding=1))


def contextual_attention(features: Tensor, mask: Tensor) -> Tensor:
    """Rebuilds a map of patches of its own known part (section 4).

    Keys are compared at half of the map's size. The mask shrinks by sampling, as released.

    Args:
        features: (B, C, H / 4, W / 4).
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.

    Returns:
        The shape of `features`; zeros in an image without a valid key.
    """
    cells = features[:, :, ::VALUE_STRIDE, ::VALUE_STRIDE]  # (B, C, h, w), h w = K
    step = FEATURE_STRIDE * VALUE_STRIDE
    valid = valid_keys(mask[:, :, ::step, ::step])  # (B, K)
    scores = propagate(match(cells), (cells.shape[2], cells.shape[3]))  # (B, K, K)
    return paste(
        weigh(scores, valid),
        features,
        side=VALUE_SIDE,
        stride=VALUE_STRIDE,
        divisor=(VALUE_SIDE / VALUE_STRIDE) ** 2,  # patches that cover a cell
    )


def same_padding(layer: Layer) -> int:
    """Zeros on every side with which a layer keeps size / stride."""
    return layer.kernel // 2 * layer.rate


def init_glorot(network: nn.Module) -> None:
    """Draws weights from Glorot's uniform distribution and sets biases to 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

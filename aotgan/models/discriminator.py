"""The 70x70 PatchGAN discriminator (sections 3.2 and 3.4) and receptive-field arithmetic.

The text says "four layers of convolutions with stride as two following 70x70 PatchGAN"; four
stride-2 layers and an output layer see 94 pixels, the released strides 2, 2, 2, 1, 1 see 70
(model/aotgan.py:88-98). These strides are used.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from aotgan.errors import InputError
from aotgan.models.generator import init_normal

KERNEL = 4
PADDING = 1
STRIDES = (2, 2, 2, 1, 1)
SMALLEST = 24  # pixels a side, below which there is no score
TEXT_STRIDES = (2, 2, 2, 2, 1)  # "four layers with stride two", then the output layer


def receptive_field(layers: Sequence[tuple[int, int] | tuple[int, int, int]]) -> int:
    """Side in pixels of the input patch that one output of a convolution stack sees.

    Args:
        layers: (kernel, stride) or (kernel, stride, dilation) of each layer, first to last.
    """
    field, jump = 1, 1
    for kernel, stride, *dilation in layers:
        field += (kernel - 1) * (dilation[0] if dilation else 1) * jump
        jump *= stride
    return field


def spectral_convs(
    channels: Sequence[int], kernel: int, strides: Sequence[int], width: int
) -> Iterator[nn.Module]:
    """Convolutions with spectral normalisation and without bias, drawn by `init_normal`.

    Args:
        channels: of the input, then of each layer.
        kernel: side; one pixel is padded whatever it is.
        strides: of each layer.
        width: as `init_normal` takes it.
    """
    for (before, after), stride in zip(pairwise(channels), strides, strict=True):
        conv = nn.Conv2d(before, after, kernel, stride, padding=PADDING, bias=False)
        # drawn first: spectral_norm puts a parametrisation in the weight's place
        init_normal(conv, width)
        yield spectral_norm(conv)


def patch_layers(width: int, kernel: int = KERNEL) -> nn.Sequential:
    """Four layers of `spectral_convs` with leaky ReLU, then a plain one that gives the scores."""
    channels = (3, width, 2 * width, 4 * width, 8 * width)
    layers: list[nn.Module] = []
    for conv in spectral_convs(channels, kernel, STRIDES[:-1], width):
        layers += [conv, nn.LeakyReLU(0.2)]
    last = nn.Conv2d(channels[-1], 1, kernel, STRIDES[-1], padding=PADDING)
    init_normal(last, width)
    return nn.Sequential(*layers, last)


class Discriminator(nn.Module):
    """Scores each 70x70 patch of an image: 1 for real, 0 for synthesised under Eq. 3.

    Five 4x4 convolutions; the first four have spectral normalisation and no bias. No sigmoid: the
    losses are least squares.

    Args:
        width: channels of the first layer, 64 in the paper; the others have 2, 4 and 8 times that.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        if width < 1:
            raise InputError(f"width={width}: must be at least 1.")
        self.config = {"width": width}
        self.conv = patch_layers(width)

    def forward(self, image: Tensor) -> Tensor:
        """Maps images (B, 3, H, W) in [-1, 1] to scores (B, 1, H / 8 - 2, W / 8 - 2).

        Raises:
            InputError: another shape, or an image smaller than 24 pixels on a side, which has no
                score.
        """
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < SMALLEST:
            raise InputError(
                f"image {tuple(image.shape)}: the discriminator needs (B, 3, H, W) with at least "
                f"{SMALLEST} pixels on each side."
            )
        return self.conv(image)

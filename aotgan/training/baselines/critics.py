"""The networks that judge the compared models in training; AOT-GAN's is in `aotgan.models`.

CA's and HiFill's are Wasserstein critics with gradient penalty (Gulrajani et al., 2017): each image
has one number of any size, and its gradient between real and completed images should have length 1.
CA looks at the gradient inside the hole alone, HiFill at all of it. The others score patches, most
of them kept steady by spectral normalisation.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from aotgan.errors import InputError
from aotgan.models.baselines.mnps import init_batch_norm
from aotgan.models.baselines.two_stage import init_glorot
from aotgan.models.discriminator import KERNEL, SMALLEST, STRIDES, patch_layers, spectral_convs
from aotgan.models.generator import init_normal

SN_PATCH_CHANNELS = (1, 2, 4, 4, 4, 4)  # of GatedConv's critic, in multiples of its width
PENNET_SMALLEST = 48  # pixels a side that PEN-Net's still has a score for


class WassersteinCritic(nn.Module):
    """Convolutions 5x5 of stride 2 with leaky ReLU, then one linear output; no normalisation.

    Weights start from Glorot's uniform distribution and biases from 0: the default of TensorFlow,
    which CA's release keeps.

    Args:
        size: side of the square images in pixels.
        channels: of the layers, first to last; (64, 128, 256, 256) for CA's global critic.

    Raises:
        InputError: no layers, or a size or number of channels below 1.
    """

    def __init__(self, size: int, channels: Sequence[int]):
        super().__init__()
        if not channels or min(size, *channels) < 1:
            raise InputError(
                f"size={size}, channels={tuple(channels)}: give at least one layer, and 1 or more "
                "for each."
            )
        self.size = size
        layers: list[nn.Module] = []
        for before, after in zip((3, *channels), channels, strict=False):
            layers += [nn.Conv2d(before, after, 5, stride=2, padding=2), nn.LeakyReLU(0.2)]
            size = (size + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * size * size, 1))
        init_glorot(self)

    def forward(self, image: Tensor) -> Tensor:
        """Returns one score for each image, higher for real: (B, 3, size, size) to (B,).

        Raises:
            InputError: images of another shape.
        """
        if image.shape[1:] != (3, self.size, self.size):
            raise InputError(
                f"images {tuple(image.shape)}: this critic needs (B, 3, {self.size}, {self.size})."
            )
        return self.layers(image)[:, 0]


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    noise: torch.Generator,
    mask: Tensor | None = None,
) -> Tensor:
    """Mean of (|g| - 1)^2 for the critic's gradient g at random points between real and fake.

    Args:
        critic: maps (B, 3, H, W) to (B,), each score a function of its own image alone. The plain
            module rather than the one that Fabric has set up, which refuses gradients that are not
            its own, and outside of autocast: in bfloat16 |g| - 1 would be mostly rounding.
        real: (B, 3, H, W).
        fake: (B, 3, H, W); no gradient reaches the generator.
        noise: draws one point on each image's line, on the CPU.
        mask: (B, 1, H, W), multiplies g where it is given: 1 = counts (CA: the hole).

    Returns:
        Scalar, differentiable in the critic's weights. An image without a hole adds 1 to the sum
        and no gradient.
    """
    share = torch.rand(real.shape[0], 1, 1, 1, generator=noise, dtype=real.dtype).to(real.device)
    between = torch.lerp(real, fake, share).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    if mask is not None:
        gradient = gradient * mask
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


class GatedConvCritic(nn.Module):
    """SN-PatchGAN: six convolutions 5x5 of stride 2 with spectral norm and leaky ReLU.

    There is no last layer with one channel: every element of the final map is a score.

    Args:
        width: channels of the first layer, 64 as published; the others have 2 and 4 times that.

    Raises:
        InputError: a width below 1.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        if width < 1:
            raise InputError(f"width={width}: must be at least 1.")
        channels = (4, *(factor * width for factor in SN_PATCH_CHANNELS))
        convs = [
            nn.Conv2d(before, after, 5, stride=2, padding=2)
            for before, after in zip(channels, channels[1:], strict=False)
        ]
        for conv in convs:
            init_glorot(conv)
        self.layers = nn.Sequential(
            *(layer for conv in convs for layer in (spectral_norm(conv), nn.LeakyReLU(0.2)))
        )

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Scores patches, higher for real.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            mask: (B, 1, H, W) in {0, 1}, 1 = hole; of a real image the one that it is compared by.

        Returns:
            (B, 4 width, H / 64, W / 64), rounded up.
        """
        return self.layers(torch.cat([image, mask], dim=1))


class EdgeConnectCritic(nn.Module):
    """Judges 70 x 70 patches: five 4x4 convolutions, all with spectral normalisation and no bias.

    AOT-GAN's `Discriminator` has the same shape, but a plain last layer with a bias.

    Args:
        in_channels: 2 for gray and edges, 3 for images.
        width: channels of the first layer, 64 as published.
    """

    def __init__(self, in_channels: int, width: int = 64):
        super().__init__()
        if width < 1:
            raise InputError(f"width={width}: must be at least 1.")
        channels = (in_channels, width, 2 * width, 4 * width, 8 * width, 1)
        self.convs = nn.ModuleList(spectral_convs(channels, KERNEL, STRIDES, width))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns what each layer makes of x (B, C, H, W) in [0, 1].

        Four activations (B, C_i, H_i, W_i), then the logits (B, 1, H / 8 - 2, W / 8 - 2), above 0
        for real.

        Raises:
            InputError: an image smaller than 24 pixels on a side, which has no score.
        """
        if min(x.shape[2:]) < SMALLEST:
            raise InputError(
                f"images of {x.shape[2]}x{x.shape[3]} pixels: the discriminator needs at least "
                f"{SMALLEST} pixels on each side."
            )
        outputs = []
        for conv in self.convs[:-1]:
            x = F.leaky_relu(conv(x), 0.2)
            outputs.append(x)
        return [*outputs, self.convs[-1](x)]


class PENNetCritic(nn.Module):
    """AOT-GAN's discriminator with 5x5 convolutions.

    Args:
        width: channels of the first layer, 64 as published; the others have 2, 4 and 8 times that.
            Weights as of `init_normal`, 0.02 as published.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        self.layers = patch_layers(width, kernel=5)

    def forward(self, image: Tensor) -> Tensor:
        """Maps images (B, 3, H, W) in [-1, 1] to scores (B, 1, about H / 8 - 5, ...).

        Raises:
            InputError: another shape, or an image too small to have a score.
        """
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < PENNET_SMALLEST:
            raise InputError(
                f"image {tuple(image.shape)}: the discriminator needs (B, 3, H, W) with at least "
                f"{PENNET_SMALLEST} pixels on each side."
            )
        return self.layers(image)


class MNPSCritic(nn.Module):
    """Judges the centre of an image: 4x4 convolutions with batch normalisation from the second on.

    The published sigmoid is part of the loss. Weights as those of `ContentNetwork`.

    Args:
        width: channels of the first convolution, 64 in full.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        channels = (3, width, 2 * width, 4 * width, 8 * width)
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip(channels, channels[1:], strict=False)):
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
            layers += [nn.BatchNorm2d(after)] if i else []
            layers.append(nn.LeakyReLU(0.2))
        layers.append(nn.Conv2d(channels[-1], 1, 4))
        self.layers = nn.Sequential(*layers)
        init_normal(self, width)
        init_normal(layers[0], 64)  # sums the same three channels at every width
        init_batch_norm(self)

    def forward(self, centre: Tensor) -> Tensor:
        """Maps (B, 3, 64, 64) in [-1, 1] to logits, (B, 1): large for photographs."""
        return self.layers(centre).flatten(1)

"""Wasserstein critics with gradient penalty: what the training of CA and of HiFill has in common.

Both follow Gulrajani et al. (2017): a critic gives each image one number of any size, and its
gradient between real and completed images should have length 1. CA looks at the gradient inside the
hole alone, HiFill at all of it.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.models.baselines.two_stage import init_glorot


class Critic(nn.Module):
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

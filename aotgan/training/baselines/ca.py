"""How CA is trained: two Wasserstein critics, one of them for the surroundings of the hole."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from aotgan.losses.checks import full_precision
from aotgan.models.baselines.ca import CA
from aotgan.models.baselines.two_stage import Stages
from aotgan.models.inpainter import composite, erase
from aotgan.training.baselines.critics import WassersteinCritic, gradient_penalty
from aotgan.training.config import TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning.fabric import Fabric

CRITIC_STEPS = 5
RECONSTRUCTION, KNOWN, COARSE = 1.2, 1.2, 1.2
ADVERSARIAL, PENALTY = 0.001, 10.0
DISCOUNT = 0.9  # a pixel, in images of `PUBLISHED_PX`
PUBLISHED_PX = 256  # side of the training images
GLOBAL, LOCAL = (1, 2, 4, 4), (1, 2, 4, 8)  # channels of the critics, in multiples of the width


class CAStep(Recipe):
    """Updates CA and its critics on a batch: five steps of the critics, then one of CA.

    All of them take the same batch and the same completed images, so that CA sees as many images as
    the other models. The global critic judges whole composites, the local one a square around the
    hole of each (`hole_windows`); their gradient penalty counts hole pixels alone. The coarse
    prediction has reconstruction losses only.

    Published: Adam at 1e-4, betas (0.5, 0.9), all networks; batch 16 at 256.

    Args:
        config: what to train.
        fabric: device and precision.
        options: memory layout; the networks are not compiled.

    Attributes:
        global_critic: sees (B, 3, H, W).
        local_critic: sees (B, 3, H / 2, W / 2).

    Raises:
        InputError: images whose sides 8 does not divide.
    """

    generator: CA

    def __init__(self, config: TrainConfig, fabric: "Fabric", options: RunOptions | None = None):
        super().__init__(config, fabric, options)
        width, size = config.discriminator_width, config.data.size_px
        self.run_generator, self.run_optim_g = self.train_network("generator", self.generator)
        self.run_generator.mark_forward_method("stages")
        self.reseed()
        self.global_critic = WassersteinCritic(size, [width * times for times in GLOBAL])
        self.reseed()
        self.local_critic = WassersteinCritic(size // 2, [width * times for times in LOCAL])
        self.critics = (
            (self.global_critic, *self.train_network("global critic", self.global_critic)),
            (self.local_critic, *self.train_network("local critic", self.local_critic)),
        )

    def __call__(self, image: Tensor, mask: Tensor, done: int = 0) -> dict[str, Tensor]:
        """Updates all networks on a batch; see `Recipe`.

        "discriminator" and "penalty" are sums over both critics, at the last of their steps.
        """
        with self.fabric.autocast():  # which only `forward` has by itself
            stages = self.run_generator.stages(erase(image, mask, self.generator.fill), mask)
        z = composite(image, stages.refined, mask)  # (B, 3, H, W)
        losses = reconstruction_losses(image, stages, mask)

        windows = hole_windows(mask)
        losses |= self.update_critics(image, z.detach(), mask, windows, self.noise(done))
        leaf = z.detach().requires_grad_()
        scores = [
            run(view).mean()
            for (_, run, _), view in zip(self.critics, views(leaf, windows), strict=True)
        ]
        losses["adversarial"] = -torch.stack(scores).sum()
        pull = self.pull_on(leaf, ADVERSARIAL * losses["adversarial"])

        total = RECONSTRUCTION * losses["reconstruction"] + KNOWN * losses["known"]
        self.update(self.run_optim_g, total + (z * pull).sum())
        return {name: value.detach() for name, value in losses.items()}

    def update_critics(
        self,
        image: Tensor,
        z: Tensor,
        mask: Tensor,
        windows: Tensor,
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        """Steps both critics five times.

        Args:
            image: (B, 3, H, W), real.
            z: (B, 3, H, W), completed, without a gradient.
            mask: (B, 1, H, W).
            windows: of `hole_windows`.
            noise: draws the places of the gradient penalty.

        Returns:
            "discriminator", the critics' estimate of minus the distance of the distributions, and
            "penalty", each summed over the critics.
        """
        sights = list(zip(*(views(x, windows) for x in (image, z, mask)), strict=True))
        for _ in range(CRITIC_STEPS):
            distance, penalty = image.new_zeros(()), image.new_zeros(())
            for (critic, run, optimiser), (real, fake, hole) in zip(
                self.critics, sights, strict=True
            ):
                gap = run(fake).mean() - run(real).mean()
                slope = gradient_penalty(critic, real, fake, noise, hole)
                self.update(optimiser, gap + PENALTY * slope)
                distance, penalty = distance + gap.detach(), penalty + slope.detach()
        return {"discriminator": distance, "penalty": penalty}


def reconstruction_losses(image: Tensor, stages: Stages, mask: Tensor) -> dict[str, Tensor]:
    """L1 of both predictions inside the hole, discounted, and on known pixels.

    Both are means over each image's own pixels of the kind, then over the images; that of the
    coarse prediction counts 1.2 times.

    Args:
        image: (B, 3, H, W) in [-1, 1].
        stages: predictions of CA.
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.

    Returns:
        "reconstruction" for the hole and "known", scalars.
    """
    error = COARSE * _distance(stages.coarse, image) + _distance(stages.refined, image)
    return {
        "reconstruction": _mean_over(error * discount(mask), mask),
        "known": _mean_over(error, 1 - mask),
    }


def discount(mask: Tensor) -> Tensor:
    """Weight of hole pixels that falls with the distance from what is known (section 5).

    0.9^(d - 1), where d is the distance to the nearest known pixel of the same row or column in
    pixels of a 256 px image. For a rectangle this is the published
    max(0.9^min(i, h - i), 0.9^min(j, w - j)), except that all four sides count alike. Nothing
    outside of the image is known.

    Args:
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.

    Returns:
        (B, 1, H, W): 1 beside known pixels and on them, 0 where neither row nor column has any.
    """
    nearest = torch.full_like(mask, torch.inf)
    for axis in (2, 3):
        nearest = torch.minimum(nearest, _steps_back(mask, axis))
        nearest = torch.minimum(nearest, _steps_back(mask.flip(axis), axis).flip(axis))
    return DISCOUNT ** ((nearest - 1).clamp(min=0) * PUBLISHED_PX / mask.shape[3])


def hole_windows(mask: Tensor) -> Tensor:
    """Finds the square that the local critic sees of each image.

    It is centred on the hole's bounding box and holds it, has at least half of the image's side, as
    published for 128 of 256 px, and lies inside the image. The whole image where there is no hole.

    Args:
        mask: (B, 1, S, S) in {0, 1}, 1 = hole.

    Returns:
        (B, 3), left, top and side in pixels, whole numbers.
    """
    size = mask.shape[3]
    spans = []
    for other in (2, 3):
        line = mask.amax(dim=(1, other))  # (B, S), the hole's shadow on x, then on y
        first = line.argmax(dim=1)
        spans.append((first, size - line.flip(1).argmax(dim=1)))
    sides = [end - first for first, end in spans]
    side = torch.maximum(*sides).clamp(min=size // 2)
    starts = [
        torch.minimum(((first + end - side) // 2).clamp(min=0), size - side) for first, end in spans
    ]
    return torch.stack([*starts, side], dim=1)


def views(x: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
    """What the global and the local critic see: all of `x`, and its windows at half of the side.

    A window of that side is cut out as it is, a larger one is scaled bilinearly.

    Args:
        x: (B, C, S, S).
        windows: (B, 3) of `hole_windows`.

    Returns:
        (B, C, S, S) and (B, C, S / 2, S / 2).
    """
    size, half = x.shape[3], x.shape[3] // 2
    left, top, side = (windows.to(x.dtype) / size).unbind(1)  # in shares of the image
    zero = torch.zeros_like(side)
    rows = [side, zero, 2 * left + side - 1], [zero, side, 2 * top + side - 1]
    theta = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)  # (B, 2, 3)
    grid = F.affine_grid(theta, [len(x), x.shape[1], half, half], align_corners=False)
    return x, F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _distance(prediction: Tensor, image: Tensor) -> Tensor:
    """Mean absolute difference over the colours: (B, 1, H, W)."""
    return (full_precision(prediction) - image).abs().mean(dim=1, keepdim=True)


def _mean_over(error: Tensor, region: Tensor) -> Tensor:
    """Mean of the error over each image's region, 0 where that is empty, then over the images."""
    count = region.sum(dim=(1, 2, 3))  # (B,)
    return ((error * region).sum(dim=(1, 2, 3)) / count.clamp(min=1)).mean()


def _steps_back(mask: Tensor, axis: int) -> Tensor:
    """Steps towards smaller indices until a known pixel, infinite without any; as `mask`."""
    shape = [1, 1, 1, 1]
    shape[axis] = mask.shape[axis]
    index = torch.arange(mask.shape[axis], dtype=mask.dtype, device=mask.device).view(shape)
    last = torch.where(mask == 0, index, -torch.inf).cummax(dim=axis).values
    return index - last

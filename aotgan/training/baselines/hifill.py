"""How HiFill is trained: L1 of both stages and a Wasserstein critic with gradient penalty."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from aotgan.losses.checks import full_precision
from aotgan.models.baselines.hifill import HiFill, HiFillStages, init_truncated
from aotgan.models.inpainter import composite, erase
from aotgan.training.baselines.critics import WassersteinCritic, gradient_penalty
from aotgan.training.config import TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning.fabric import Fabric

COARSE = 1.2  # of the first stage's errors, in the hole and elsewhere
HOLE, VALID, ADVERSARIAL = 1.2, 1.2, 0.001
PENALTY = 10.0
CRITIC_STEPS = 3
CRITIC_CHANNELS = (1, 2, 4, 4, 4, 4)  # times its width
TINY = 1e-8  # share of an image below that of any pixel


class HiFillStep(Recipe):
    """Updates HiFill and its critic on a batch.

    Three steps of the critic, then one of the generator, all on the same batch and on the
    composites of one pass of the generator, so that every compared model sees the same images.

    Published: Adam at 1e-4, betas (0.5, 0.9), for both networks; batch 8 at 512.

    Args:
        config: what to train.
        fabric: device and precision.
        options: memory layout; the networks are not compiled.

    Attributes:
        critic: beside `generator` the other plain module.

    Raises:
        InputError: training images that HiFill cannot take.
    """

    generator: HiFill

    def __init__(self, config: TrainConfig, fabric: "Fabric", options: RunOptions | None = None):
        super().__init__(config, fabric, options)
        self.run_generator, self.run_optim_g = self.train_network("generator", self.generator)
        self.run_generator.mark_forward_method("stages")
        self.reseed()
        width = config.discriminator_width
        self.critic = WassersteinCritic(
            config.data.size_px, [width * factor for factor in CRITIC_CHANNELS]
        )
        init_truncated(self.critic, 64 / width)
        self.run_critic, self.run_optim_d = self.train_network("critic", self.critic)

    def __call__(self, image: Tensor, mask: Tensor, done: int = 0) -> dict[str, Tensor]:
        """Updates both networks on a batch; see `Recipe`."""
        masked = erase(image, mask, self.generator.fill)
        with self.fabric.autocast():  # on one device, Fabric applies it to `forward` alone
            stages: HiFillStages = self.run_generator.stages(masked, mask)
        z = composite(image, stages.refined, mask)  # (B, 3, H, W)
        losses = reconstruction_losses(image, stages, mask)
        noise = self.noise(done)
        for _ in range(CRITIC_STEPS):
            judged = self.update_critic(image, z.detach(), noise)
        pull, losses["adversarial"] = self.pull(z)
        total = (
            HOLE * losses["hole"]
            + VALID * losses["valid"]
            + (z * pull).sum()  # the same gradient as that of the weighted adversarial loss
        )
        self.update(self.run_optim_g, total)
        return {name: value.detach() for name, value in (losses | judged).items()}

    def update_critic(
        self, image: Tensor, fake: Tensor, noise: torch.Generator
    ) -> dict[str, Tensor]:
        """Steps the critic and returns its two losses, without weights."""
        scores = full_precision(self.run_critic(torch.cat([image, fake])))  # (2 B,)
        real_score, fake_score = scores.chunk(2)
        losses = {
            "discriminator": fake_score.mean() - real_score.mean(),
            "penalty": gradient_penalty(self.critic, image, fake, noise),
        }
        self.update(self.run_optim_d, losses["discriminator"] + PENALTY * losses["penalty"])
        return losses

    def pull(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the gradient of the weighted adversarial loss with respect to z, and the loss."""
        leaf = z.detach().requires_grad_()
        loss = -full_precision(self.run_critic(leaf)).mean()
        return self.pull_on(leaf, ADVERSARIAL * loss), loss


def reconstruction_losses(image: Tensor, stages: HiFillStages, mask: Tensor) -> dict[str, Tensor]:
    """L1 of both stages together, in the hole and elsewhere, without weights.

    Only the second is divided by the share of its part, as released.

    Args:
        image: (B, 3, H, W) in [-1, 1].
        stages: what HiFill made of it.
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.
    """
    coarse, refined = full_precision(stages.coarse), full_precision(stages.refined)
    error = COARSE * (coarse - image).abs() + (refined - image).abs()  # (B, 3, H, W)
    known = 1 - mask
    return {
        "hole": (error * mask).mean(),
        "valid": (error * known).mean() / known.mean().clamp(min=TINY),
    }

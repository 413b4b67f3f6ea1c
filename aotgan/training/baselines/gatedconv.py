"""How GatedConv is trained: L1 and SN-PatchGAN with the hinge loss, nothing else."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from aotgan.losses.checks import full_precision
from aotgan.losses.reconstruction import l1_loss
from aotgan.models.baselines.gatedconv import GatedConv
from aotgan.models.inpainter import composite, erase
from aotgan.training.baselines.critics import GatedConvCritic
from aotgan.training.config import TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning.fabric import Fabric

ADVERSARIAL = 1.0


class GatedConvStep(Recipe):
    """Updates the discriminator, then GatedConv by the updated one.

    Published: Adam at 1e-4, betas (0.5, 0.999), both networks; batch 16 at 256.

    Args:
        config: what to train.
        fabric: device and precision.
        options: memory layout; the networks are not compiled.

    Attributes:
        critic: beside `generator` the other plain module.

    Raises:
        InputError: images whose sides 8 does not divide.
    """

    generator: GatedConv

    def __init__(self, config: TrainConfig, fabric: "Fabric", options: RunOptions | None = None):
        super().__init__(config, fabric, options)
        self.run_generator, self.run_optim_g = self.train_network("generator", self.generator)
        self.run_generator.mark_forward_method("stages")
        self.reseed()
        self.critic = GatedConvCritic(config.discriminator_width)
        self.run_critic, self.run_optim_d = self.train_network("discriminator", self.critic)

    def __call__(self, image: Tensor, mask: Tensor, done: int = 0) -> dict[str, Tensor]:
        """Updates both networks on a batch; see `Recipe`.

        "reconstruction" is the sum of both predictions' L1 over the whole image.
        """
        with self.fabric.autocast():  # which only `forward` has by itself
            stages = self.run_generator.stages(erase(image, mask, self.generator.fill), mask)
        z = composite(image, stages.refined, mask)  # (B, 3, H, W)
        losses = {
            "reconstruction": l1_loss(stages.coarse, image) + l1_loss(stages.refined, image),
            "discriminator": self.update_critic(image, z.detach(), mask),
        }
        leaf = z.detach().requires_grad_()
        losses["adversarial"] = -full_precision(self.run_critic(leaf, mask)).mean()
        pull = self.pull_on(leaf, ADVERSARIAL * losses["adversarial"])

        self.update(self.run_optim_g, losses["reconstruction"] + (z * pull).sum())
        return {name: value.detach() for name, value in losses.items()}

    def update_critic(self, image: Tensor, z: Tensor, mask: Tensor) -> Tensor:
        """Steps the discriminator on real and completed images and returns its loss.

        Args:
            image: (B, 3, H, W), real.
            z: (B, 3, H, W), completed, without a gradient.
            mask: (B, 1, H, W), shown beside both.
        """
        # one pass, so that spectral norms are estimated once and are the same for both
        scores = self.run_critic(torch.cat([image, z]), torch.cat([mask, mask]))
        real, fake = full_precision(scores).chunk(2)  # (B, C, h, w) each
        loss = (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2
        self.update(self.run_optim_d, loss)
        return loss

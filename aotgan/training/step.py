"""One training step of AOT-GAN: both losses from one forward pass of each network (Eq. 8).

Lean by construction: one generator pass, one feature pass to relu5_2 that serves the perceptual and
the style loss, none of its gradients for real images, and one discriminator pass on the composite
that serves both players. The gradient that the adversary sends to the generator is taken with
respect to the composite alone, so the discriminator's weights never receive any of it.
"""

from collections.abc import Callable
from typing import cast

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Adam

from aotgan.errors import InputError
from aotgan.losses.adversarial import make_objective
from aotgan.losses.features import VGG19Features
from aotgan.losses.perceptual import perceptual_loss, style_loss
from aotgan.losses.reconstruction import l1_loss
from aotgan.models.discriminator import Discriminator
from aotgan.models.generator import Generator, composite, erase
from aotgan.training.config import NO_ADVERSARY, LossConfig, TrainConfig


class Players:
    """The two networks with their optimisers, placed on the device.

    Attributes:
        generator, discriminator: the plain modules; their state is what checkpoints hold.
        run_generator, run_discriminator: the same weights as the device runs them (distributed,
            compiled, mixed precision).

    Raises:
        InputError: training images too small for the generator's dilation rates.
    """

    def __init__(self, config: TrainConfig, fabric: Fabric, compiled: bool, channels_last: bool):
        optim = config.optim
        torch.manual_seed(config.seed)  # the same weights on every process
        self.generator = Generator(**config.generator)
        torch.manual_seed(config.seed)  # and beside every architecture of the generator
        self.discriminator = Discriminator(config.discriminator_width)
        if config.data.size_px < self.generator.min_side:
            raise InputError(
                f"size_px={config.data.size_px}: dilation rates {self.generator.config['rates']} "
                f"need at least {self.generator.min_side}."
            )
        layout = torch.channels_last if channels_last else torch.contiguous_format
        for network in (self.generator, self.discriminator):
            network.to(memory_format=layout)
        betas = (float(optim.betas[0]), float(optim.betas[1]))  # Adam refuses the integer 0
        self.optim_g = Adam(self.generator.parameters(), optim.learning_rate, betas)
        self.optim_d = Adam(self.discriminator.parameters(), optim.learning_rate, betas)
        faster = torch.compile(self.generator) if compiled else self.generator
        self.run_generator, self.run_optim_g = fabric.setup(cast(nn.Module, faster), self.optim_g)
        self.run_discriminator, self.run_optim_d = fabric.setup(self.discriminator, self.optim_d)


class Step:
    """Computes the losses of a batch and updates both players.

    Args:
        config: weights and readings of the losses.
        players: the networks.
        features: the frozen feature network.
        fabric: device and precision.
    """

    def __init__(
        self, config: LossConfig, players: Players, features: VGG19Features, fabric: Fabric
    ):
        self.config = config
        self.players = players
        self.fabric = fabric
        self.features: Callable[[Tensor], dict[str, Tensor]] = features
        adversarial = config.objective != NO_ADVERSARY
        self.objective = make_objective(config.objective) if adversarial else None

    def __call__(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Updates both players on a batch and returns its losses, unweighted scalars.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.
        """
        players = self.players
        masked = erase(image, mask, players.generator.fill)
        prediction = players.run_generator(masked, mask)  # (B, 3, H, W)
        z = composite(image, prediction, mask)  # Eq. 2

        losses = self.reconstruction_losses(image, prediction, z)
        total = self.weighted(losses)
        if self.objective is not None:
            pull, adversarial = self.update_discriminator(image, z, mask)
            losses |= adversarial
            total = total + (z * pull).sum()  # the same gradient as lambda_adv L_adv^G

        players.run_optim_g.zero_grad()
        self.fabric.backward(total)
        players.run_optim_g.step()
        return {name: value.detach() for name, value in losses.items()}

    def reconstruction_losses(
        self, image: Tensor, prediction: Tensor, z: Tensor
    ) -> dict[str, Tensor]:
        """Eq. 5, 6 and 7; the feature network sees z or, as released, the raw prediction."""
        judged = z if self.config.on_composite else prediction
        with self.fabric.autocast():
            with torch.no_grad():
                real = self.features(image)
            fake = self.features(judged)
        return {
            "reconstruction": l1_loss(prediction, image),
            "perceptual": perceptual_loss(real, fake),
            "style": style_loss(real, fake),
        }

    def weighted(self, losses: dict[str, Tensor]) -> Tensor:
        """The sum of Eq. 8 without its adversarial term."""
        config = self.config
        return (
            config.reconstruction * losses["reconstruction"]
            + config.perceptual * losses["perceptual"]
            + config.style * losses["style"]
        )

    def update_discriminator(
        self, image: Tensor, z: Tensor, mask: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Steps D by Eq. 3 and returns lambda_adv times the gradient of Eq. 4 with respect to z."""
        if self.objective is None:
            raise RuntimeError("update_discriminator needs an adversarial objective")
        players = self.players
        leaf = z.detach().requires_grad_()
        d_real = players.run_discriminator(image)
        d_fake = players.run_discriminator(leaf)  # (B, 1, H / 8 - 2, W / 8 - 2)
        loss_d = self.objective.discriminator_loss(d_real, d_fake, mask)
        loss_g = self.objective.generator_loss(d_fake, mask)
        weighted = self.config.adversarial * loss_g
        # into `leaf` alone; by way of Fabric, which mixed precision insists on
        self.fabric.backward(weighted, inputs=[leaf], retain_graph=True)
        pull, leaf.grad = cast(Tensor, leaf.grad), None  # (B, 3, H, W)

        leak = weighted if self.objective.leaks_into_discriminator else 0.0
        players.run_optim_d.zero_grad()
        self.fabric.backward(loss_d + leak)
        players.run_optim_d.step()
        return pull, {"discriminator": loss_d, "adversarial": loss_g}

"""One training step of AOT-GAN: both losses from one forward pass of each network (Eq. 8).

Lean by construction: one generator pass, one feature pass an image that serves the perceptual and
the style loss, none of its gradients for real images, and one discriminator pass on the composite
that serves both players. The gradient that the adversary sends to the generator is taken with
respect to the composite alone, so the discriminator's weights never receive any of it.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from aotgan.losses.adversarial import make_objective
from aotgan.losses.features import make_features
from aotgan.losses.network import FeatureNetwork
from aotgan.losses.perceptual import perceptual_loss, style_loss
from aotgan.losses.reconstruction import l1_loss
from aotgan.models.coarse import erase_from_coarse, most_levels
from aotgan.models.discriminator import Discriminator
from aotgan.models.inpainter import composite, erase
from aotgan.training.config import NO_ADVERSARY, TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.recipe import Recipe
from aotgan.training.schedule import learning_rate_factor

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class Step(Recipe):
    """Computes the losses of a batch and updates generator and discriminator.

    Args:
        config: what to train.
        fabric: device and precision.
        options: compilation and memory layout.
        features: the frozen feature network; by default the one that the configuration names.

    Attributes:
        discriminator: beside `generator` the other plain module.
        run_generator, run_discriminator: the same weights as the device runs them.

    Raises:
        InputError: training images too small for the generator's dilation rates.
    """

    def __init__(
        self,
        config: TrainConfig,
        fabric: "Fabric",
        options: RunOptions | None = None,
        features: FeatureNetwork | None = None,
    ):
        super().__init__(config, fabric, options)
        self.reseed()
        self.discriminator = Discriminator(config.discriminator_width)
        self.run_generator, self.run_optim_g = self.train_network("generator", self.generator)
        self.run_discriminator, self.run_optim_d = self.train_network(
            "discriminator", self.discriminator
        )
        loss = config.loss
        network = features or self._place(make_features(loss.features, loss.feature_width))
        self.features_name = network.name
        self.features = network.to(fabric.device)
        adversarial = loss.objective != NO_ADVERSARY
        self.objective = make_objective(loss.objective) if adversarial else None

    def __call__(self, image: Tensor, mask: Tensor, done: int = 0) -> dict[str, Tensor]:
        """Updates both networks on a batch; see `Recipe`."""
        self._set_learning_rates(done)
        masked = self.masked(image, mask, done)
        prediction = self.run_generator(masked, mask)  # (B, 3, H, W)
        z = composite(image, prediction, mask)  # Eq. 2

        losses = self.reconstruction_losses(image, prediction, z, mask)
        total = self.weighted(losses)
        if self.objective is not None:
            pull, adversarial = self.update_discriminator(image, z, mask)
            losses |= adversarial
            total = total + (z * pull).sum()  # the same gradient as lambda_adv L_adv^G

        self.update(self.run_optim_g, total, self.run_generator)
        return {name: value.detach() for name, value in losses.items()}

    def masked(self, image: Tensor, mask: Tensor, done: int) -> Tensor:
        """What the generator sees: a hole erased or, in some steps, filled from coarse to fine."""
        share = self.config.refine
        most = most_levels(self.generator, *image.shape[2:]) if share else 0
        if most == 0:
            return erase(image, mask, self.generator.fill)
        draw = np.random.default_rng([self.config.seed, 2, done])  # the same in all processes
        levels = int(draw.integers(1, most + 1)) if draw.random() < share else 0
        with torch.no_grad(), self.fabric.autocast():
            return erase_from_coarse(self.generator, image, mask, levels)

    def reconstruction_losses(
        self, image: Tensor, prediction: Tensor, z: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Eq. 5, 6 and 7; the feature network sees z or, as released, the raw prediction."""
        judged = z if self.config.loss.on_composite else prediction
        hole = self.config.loss.hole
        weight = None if hole == 1 else 1 + (hole - 1) * mask
        with self.fabric.autocast():
            with torch.no_grad():
                real = self.features(image)
            fake = self.features(judged)
        return {
            "reconstruction": l1_loss(prediction, image, weight),
            "perceptual": perceptual_loss(real, fake, self.features.perceptual_layers),
            "style": style_loss(real, fake, self.features.style_layers),
        }

    def weighted(self, losses: dict[str, Tensor]) -> Tensor:
        """The sum of Eq. 8 without its adversarial term."""
        weights = self.config.loss
        return (
            weights.reconstruction * losses["reconstruction"]
            + weights.perceptual * losses["perceptual"]
            + weights.style * losses["style"]
        )

    def update_discriminator(
        self, image: Tensor, z: Tensor, mask: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Steps D by Eq. 3 and returns lambda_adv times the gradient of Eq. 4 with respect to z."""
        if self.objective is None:
            raise RuntimeError("update_discriminator needs an adversarial objective")
        leaf = z.detach().requires_grad_()
        d_real = self.run_discriminator(image)
        d_fake = self.run_discriminator(leaf)  # (B, 1, H / 8 - 2, W / 8 - 2)
        loss_d = self.objective.discriminator_loss(d_real, d_fake, mask)
        loss_g = self.objective.generator_loss(d_fake, mask)
        weighted = self.config.loss.adversarial * loss_g
        pull = self.pull_on(leaf, weighted, retain_graph=True)  # (B, 3, H, W)

        leak = weighted if self.objective.leaks_into_discriminator else 0.0
        self.update(self.run_optim_d, loss_d + leak, self.run_discriminator)
        return pull, {"discriminator": loss_d, "adversarial": loss_g}

    def _set_learning_rates(self, done: int) -> None:
        """Set at every step, so that a resumed run changes nothing."""
        optim, steps = self.config.optim, self.config.steps
        factor = learning_rate_factor(optim.schedule, optim.warmup_steps, steps, done)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = optim.learning_rate * factor

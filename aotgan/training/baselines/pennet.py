"""How PEN-Net is trained: L1 of hole, rest and pyramid, and a patch discriminator."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from aotgan.losses.checks import full_precision
from aotgan.losses.reconstruction import l1_loss
from aotgan.models.baselines.pennet import PENNet, PENNetStages
from aotgan.models.inpainter import composite, erase
from aotgan.training.baselines.critics import PENNetCritic
from aotgan.training.config import TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning.fabric import Fabric

HOLE, VALID, PYRAMID, ADVERSARIAL = 6.0, 1.0, 0.5, 0.1
TINY = 1e-8  # share of a hole below that of any pixel


class PENNetStep(Recipe):
    """Updates PEN-Net and its discriminator on a batch.

    One pass of the discriminator on the composite serves both players, so that the generator
    learns from the discriminator of before its step; released, from that of after it.

    Published: Adam at 1e-4, betas (0.5, 0.999), for both networks; batch 16 at 256; hinge losses,
    as for CelebA-HQ and Places2.

    Args:
        config: what to train.
        fabric: device and precision.
        options: memory layout; the networks are not compiled.

    Attributes:
        discriminator: beside `generator` the other plain module.

    Raises:
        InputError: training images that PEN-Net's levels do not divide.
    """

    generator: PENNet

    def __init__(self, config: TrainConfig, fabric: "Fabric", options: RunOptions | None = None):
        super().__init__(config, fabric, options)
        self.run_generator, self.run_optim_g = self.train_network("generator", self.generator)
        self.run_generator.mark_forward_method("stages")
        self.reseed()
        self.discriminator = PENNetCritic(config.discriminator_width)
        self.run_discriminator, self.run_optim_d = self.train_network(
            "discriminator", self.discriminator
        )

    def __call__(self, image: Tensor, mask: Tensor, done: int = 0) -> dict[str, Tensor]:
        """Updates both networks on a batch; see `Recipe`."""
        masked = erase(image, mask, self.generator.fill)
        with self.fabric.autocast():  # on one device, Fabric applies it to `forward` alone
            stages: PENNetStages = self.run_generator.stages(masked, mask)
        z = composite(image, stages.prediction, mask)  # (B, 3, H, W)
        losses = reconstruction_losses(image, stages, mask)
        pull, adversarial = self.update_discriminator(image, z)
        total = (
            HOLE * losses["hole"]
            + VALID * losses["valid"]
            + PYRAMID * losses["pyramid"]
            + (z * pull).sum()  # the same gradient as that of the weighted adversarial loss
        )
        self.update(self.run_optim_g, total)
        return {name: value.detach() for name, value in (losses | adversarial).items()}

    def update_discriminator(self, image: Tensor, z: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Steps D by its hinge loss and returns the gradient that z gets from the one of before."""
        leaf = z.detach().requires_grad_()
        real = full_precision(self.run_discriminator(image))
        fake = full_precision(self.run_discriminator(leaf))  # (B, 1, h, w)
        loss_g = -fake.mean()
        pull = self.pull_on(leaf, ADVERSARIAL * loss_g, retain_graph=True)  # (B, 3, H, W)

        loss_d = (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2
        self.update(self.run_optim_d, loss_d)
        return pull, {"discriminator": loss_d, "adversarial": loss_g}


def reconstruction_losses(image: Tensor, stages: PENNetStages, mask: Tensor) -> dict[str, Tensor]:
    """L1 of the hole, of what is known, and of all side outputs together, without weights.

    Args:
        image: (B, 3, H, W) in [-1, 1].
        stages: what PEN-Net made of it.
        mask: (B, 1, H, W) in {0, 1}, 1 = hole. The first two losses are means over that part of
            the batch, 0 for an empty part.
    """
    sides = [l1_loss(side, shrink(image, side)) for side in stages.sides]
    return {
        "hole": part_loss(image, stages.prediction, mask),
        "valid": part_loss(image, stages.prediction, 1 - mask),
        "pyramid": torch.stack(sides).sum(),
    }


def part_loss(image: Tensor, prediction: Tensor, part: Tensor) -> Tensor:
    """Mean absolute difference where `part`, (B, 1, H, W), is 1."""
    return l1_loss(prediction * part, image * part) / part.mean().clamp(min=TINY)


def shrink(image: Tensor, side: Tensor) -> Tensor:
    """Image at the size of a side output, bilinear with aligned corners as released."""
    return F.interpolate(image, size=side.shape[2:], mode="bilinear", align_corners=True)

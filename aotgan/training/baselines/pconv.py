"""How PConv is trained: no discriminator, losses on features, batch statistics in two phases."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from aotgan.errors import InputError
from aotgan.losses.features import make_features
from aotgan.losses.network import FeatureNetwork
from aotgan.losses.perceptual import perceptual_loss, style_loss
from aotgan.losses.vgg16 import VGG16Features
from aotgan.models.baselines.pconv import PConv
from aotgan.models.inpainter import composite, erase
from aotgan.training.config import LossConfig, TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning.fabric import Fabric

# Liu et al., Eq. 7
VALID, HOLE, PERCEPTUAL, STYLE, VARIATION = 1.0, 6.0, 0.05, 120.0, 0.1
FIRST_PHASE = 0.5  # share of the steps; 500 k and 500 k in naoto0804's port
SECOND_RATE = 0.25  # of the learning rate: 2e-4, then 5e-5


class PConvStep(Recipe):
    """Updates PConv on a batch.

    In the first phase all batch normalisation uses the batch's statistics. In the second the
    encoder's uses its moving statistics, which holes in a batch no longer disturb, at a quarter of
    the learning rate.

    Published: Adam at 2e-4, PyTorch's betas (0.9, 0.999), batch 6 at 512 x 512.

    Args:
        config: what to train.
        fabric: device and precision.
        options: compilation and memory layout.
        features: the frozen feature network; by default the one that the configuration names,
            with VGG-16 for a VGG, as published.

    Raises:
        InputError: images that the levels do not suit, or a single image a process whose deepest
            features are one position, which have no variance to normalise by.
    """

    generator: PConv
    staged = True

    def __init__(
        self,
        config: TrainConfig,
        fabric: "Fabric",
        options: RunOptions | None = None,
        features: FeatureNetwork | None = None,
    ):
        super().__init__(config, fabric, options)
        size, multiple = config.data.size_px, self.generator.multiple
        # the deepest features would be one value, which normalises to 0
        if size == multiple and config.optim.batch_size <= fabric.world_size:
            raise InputError(
                f"size_px={size} with {self.generator.config['levels']} levels and one image a "
                "process: batch normalisation needs more than one value. Give fewer levels or a "
                "larger batch_size."
            )
        self.run_generator, self.run_optimiser = self.train_network("generator", self.generator)
        loss = config.loss
        network = features or self._place(
            make_features(loss.features, loss.feature_width, VGG16Features)
        )
        self.features_name = network.name
        self.features = network.to(fabric.device)

    def __call__(self, image: Tensor, mask: Tensor, done: int = 0) -> dict[str, Tensor]:
        """Updates the network on a batch; see `Recipe`."""
        self._set_phase(second=done >= FIRST_PHASE * self.config.steps)
        prediction = self.run_generator(erase(image, mask, self.generator.fill), mask)
        losses = self.losses(image, prediction, mask)
        self.update(self.run_optimiser, self.weighted(losses))
        return {name: value.detach() for name, value in losses.items()}

    def losses(self, image: Tensor, prediction: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The terms of Liu et al., Eq. 7, without their weights.

        The means of the first two are over whole images, not over the hole or the rest. Perceptual
        and style loss see the raw prediction and the composite, and are summed over both.
        """
        z = composite(image, prediction, mask)
        with self.fabric.autocast():
            with torch.no_grad():
                real = self.features(image)
            fake = self.features(torch.cat([prediction, z]))  # (2 B, C, H / 2^s, W / 2^s)
        fakes = [{name: tap.chunk(2)[i] for name, tap in fake.items()} for i in range(2)]
        error = (prediction - image).abs()
        return {
            "valid": (error * (1 - mask)).mean(),
            "hole": (error * mask).mean(),
            "perceptual": torch.stack(
                [perceptual_loss(real, one, self.features.perceptual_layers) for one in fakes]
            ).sum(),
            "style": torch.stack(
                [style_loss(real, one, self.features.style_layers) for one in fakes]
            ).sum(),
            "variation": total_variation(z, mask),
        }

    def weighted(self, losses: dict[str, Tensor]) -> Tensor:
        """The sum of Liu et al., Eq. 7."""
        # other features than VGG's have another weight than the default, by the same factor here
        style = STYLE * self.config.loss.style / LossConfig.style
        return (
            VALID * losses["valid"]
            + HOLE * losses["hole"]
            + PERCEPTUAL * losses["perceptual"]
            + style * losses["style"]
            + VARIATION * losses["variation"]
        )

    def _set_phase(self, second: bool) -> None:
        """Set at every step, so that a resumed run and an evaluation in between change nothing."""
        self.generator.freeze_encoder(second)
        rate = self.config.optim.learning_rate * (SECOND_RATE if second else 1.0)
        for group in self.optimisers["generator"].param_groups:
            group["lr"] = rate


def total_variation(z: Tensor, mask: Tensor) -> Tensor:
    """Liu et al., Eq. 6: absolute differences of neighbours in the hole and one pixel around it.

    Args:
        z: composite, (B, 3, H, W) in [-1, 1].
        mask: (B, 1, H, W) in {0, 1}, 1 = hole.

    Returns:
        Scalar: the sum over pairs that both lie in the dilated hole, divided by the number of
        values of z.
    """
    region = F.max_pool2d(mask, 3, stride=1, padding=1)  # (B, 1, H, W)
    across = (z[..., 1:] - z[..., :-1]).abs() * (region[..., 1:] * region[..., :-1])
    down = (z[..., 1:, :] - z[..., :-1, :]).abs() * (region[..., 1:, :] * region[..., :-1, :])
    return (across.sum() + down.sum()) / z.numel()

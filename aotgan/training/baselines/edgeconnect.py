"""How EdgeConnect is trained: the edge network, the image network, then the second on the first."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aotgan.losses.checks import full_precision
from aotgan.losses.features import make_features
from aotgan.losses.network import FeatureNetwork
from aotgan.losses.perceptual import perceptual_loss, style_loss
from aotgan.losses.reconstruction import l1_loss
from aotgan.models.baselines.edgeconnect import (
    EdgeConnect,
    canny_edges,
    edge_input,
    image_input,
    to_gray,
)
from aotgan.models.inpainter import composite, erase
from aotgan.training.baselines.critics import EdgeConnectCritic
from aotgan.training.config import LossConfig, TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning.fabric import Fabric

EDGES_UNTIL, TRUE_EDGES_UNTIL = 0.3, 0.7  # shares of the steps at which stages 1 and 2 end
MATCHING = 10.0
PERCEPTUAL, STYLE, ADVERSARIAL = 0.1, 250.0, 0.1
CRITIC_RATE = 0.1  # of the learning rate
LOSSES = ("reconstruction", "perceptual", "style", "matching", "discriminator", "adversarial")
BLACK = -1.0

Judge = Callable[[list[Tensor], list[Tensor]], Tensor]


class EdgeConnectStep(Recipe):
    """Updates one of EdgeConnect's networks and its discriminator on a batch.

    Stage 1 trains G1 alone, stage 2 G2 on the true edges, stage 3 G2 on G1's edges in the hole and
    the true ones elsewhere, without a gradient to G1. True edges are Canny's of the whole image.
    Until stage 2 the measured image network is untrained.

    Published: Adam at 1e-4, betas (0, 0.9), a tenth of that for the discriminators; batch 8 at 256.

    Args:
        config: what to train.
        fabric: device and precision.
        options: memory layout; the networks are not compiled.
        features: the frozen feature network; by default the one that the configuration names.
            The trained VGG-19 sees images in [0, 1] without ImageNet's mean and deviation, as
            released; other networks see them as they are meant to, like those that the weight of
            their style loss was measured with.

    Attributes:
        edge_critic: judges gray and edges.
        image_critic: judges images.

    Raises:
        InputError: images too small for the networks.
    """

    generator: EdgeConnect
    staged = True

    def __init__(
        self,
        config: TrainConfig,
        fabric: "Fabric",
        options: RunOptions | None = None,
        features: FeatureNetwork | None = None,
    ):
        super().__init__(config, fabric, options)
        model, width = self.generator, config.discriminator_width
        rate = CRITIC_RATE * config.optim.learning_rate
        self.edges = self.train_network("edges", model.edge_network)
        self.images = self.train_network("images", model.image_network)
        self.reseed()
        self.edge_critic = EdgeConnectCritic(2, width)
        self.edge_judge = self.train_network("edge critic", self.edge_critic, rate)
        self.reseed()
        self.image_critic = EdgeConnectCritic(3, width)
        self.image_judge = self.train_network("image critic", self.image_critic, rate)
        loss = config.loss
        network = features or self._place(
            make_features(loss.features, loss.feature_width, raw=loss.features == "imagenet")
        )
        self.features_name = network.name
        self.features = network.to(fabric.device)

    def __call__(self, image: Tensor, mask: Tensor, done: int = 0) -> dict[str, Tensor]:
        """Updates a network and its discriminator; see `Recipe`.

        Losses that the stage does not have are 0, so that each row of a table has all of them.
        """
        share = done / self.config.steps
        learning = share < EDGES_UNTIL
        self.generator.edge_network.train(learning)  # spectral norms rest with their weights
        gray = to_gray(image)
        edges = canny_edges(gray)
        if learning:
            losses = self.train_edges(gray, edges, mask)
        else:
            if share >= TRUE_EDGES_UNTIL:
                with torch.no_grad():
                    edges = composite(edges, self.edges[0](edge_input(gray, edges, mask)), mask)
            losses = self.train_images(image, edges, mask)
        nothing = torch.zeros_like(losses["discriminator"])
        return {name: losses.get(name, nothing).detach() for name in LOSSES}

    def train_edges(self, gray: Tensor, edges: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Stage 1: G1 by its discriminator's verdict and by that one's features."""
        network, optimiser = self.edges
        predicted = network(edge_input(gray, edges, mask))  # (B, 1, H, W)
        fake = torch.cat([gray, predicted], dim=1)
        losses: dict[str, Tensor] = {}

        def judge(real_maps: list[Tensor], fake_maps: list[Tensor]) -> Tensor:
            losses["adversarial"] = gan_loss(fake_maps[-1], real=True)
            losses["matching"] = matching_loss(real_maps, fake_maps)
            return losses["adversarial"] + MATCHING * losses["matching"]

        real = torch.cat([gray, edges], dim=1)
        pull, losses["discriminator"] = self._update_critic(self.edge_judge, real, fake, judge)
        self.update(optimiser, (fake * pull).sum())
        return losses

    def train_images(self, image: Tensor, edges: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Stages 2 and 3: G2 on the edges that it is given.

        The reconstruction loss is not finite where no image of the batch has a hole, as released.
        """
        network, optimiser = self.images
        prediction = network(image_input(image, edges, mask))  # (B, 3, H, W)
        losses = self.reconstruction_losses(image, prediction, mask)

        def judge(real_maps: list[Tensor], fake_maps: list[Tensor]) -> Tensor:
            losses["adversarial"] = gan_loss(fake_maps[-1], real=True)
            return ADVERSARIAL * losses["adversarial"]

        fake, real = (prediction + 1) / 2, (image + 1) / 2
        pull, losses["discriminator"] = self._update_critic(self.image_judge, real, fake, judge)
        # other features than VGG-19's have another weight than the default, by the same factor here
        style = STYLE * self.config.loss.style / LossConfig.style
        total = (
            losses["reconstruction"]
            + PERCEPTUAL * losses["perceptual"]
            + style * losses["style"]
            + (fake * pull).sum()
        )
        self.update(optimiser, total)
        return losses

    def reconstruction_losses(
        self, image: Tensor, prediction: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """L1 in [0, 1] by the share of the hole, features of whole images, style of the hole.

        All see the raw prediction; for the style what is known is black in both images.
        """
        with self.fabric.autocast():
            with torch.no_grad():
                real = self.features(image)
                real_hole = self.features(erase(image, 1 - mask, BLACK))
            fake = self.features(prediction)
            fake_hole = self.features(erase(prediction, 1 - mask, BLACK))
        return {
            "reconstruction": l1_loss(prediction, image) / 2 / mask.mean(),
            "perceptual": perceptual_loss(real, fake, self.features.perceptual_layers),
            "style": style_loss(real_hole, fake_hole, self.features.style_layers),
        }

    def _update_critic(
        self, critic: tuple[Any, Any], real: Tensor, fake: Tensor, judge: Judge
    ) -> tuple[Tensor, Tensor]:
        """Steps a discriminator on one pass of each kind of input.

        Args:
            critic: as the device runs it, and its optimiser.
            real: what it should accept, (B, C, H, W).
            fake: what it should refuse, the same shape.
            judge: the generator's loss of the discriminator's outputs for both.

        Returns:
            The gradient of the generator's loss with respect to `fake`, from before the step and
            without any to the discriminator; the discriminator's loss.
        """
        network, optimiser = critic
        leaf = fake.detach().requires_grad_()
        real_maps, fake_maps = network(real), network(leaf)
        pull = self.pull_on(leaf, judge(real_maps, fake_maps), retain_graph=True)
        loss = (gan_loss(real_maps[-1], real=True) + gan_loss(fake_maps[-1], real=False)) / 2
        self.update(optimiser, loss)
        return pull, loss


def gan_loss(logits: Tensor, real: bool) -> Tensor:
    """Mean binary cross-entropy of a discriminator's logits (B, 1, h, w) with one answer."""
    logits = full_precision(logits)
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def matching_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Sum over a discriminator's layers of the mean absolute difference; real ones are fixed."""
    distances = [
        (full_precision(b) - full_precision(a.detach())).abs().mean()
        for a, b in zip(real, fake, strict=True)
    ]
    return torch.stack(distances).sum()

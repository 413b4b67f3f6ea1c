"""Training of MNPS's content network, as the Context Encoder was trained (Pathak et al., 2016)."""

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from aotgan.errors import InputError
from aotgan.models.baselines.mnps import (
    CENTRE_PX,
    MNPS,
    RIM_PX,
    network_input,
    network_target,
)
from aotgan.training.baselines.critics import MNPSCritic
from aotgan.training.config import TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning.fabric import Fabric

ADVERSARIAL = 0.001  # its share of the loss; the squared error has the rest
RIM_WEIGHT = 10.0  # of the squared error where prediction and known pixels overlap
CRITIC_RATE = 0.1  # learning rate of the critic, of the content network's


class MNPSStep(Recipe):
    """0.999 squared error and 0.001 binary cross-entropy on the centre at 128 px.

    The squared error counts tenfold on the rim of 4 px where the prediction covers known pixels.
    First the critic steps, on the photographs and on the predictions, then the content network
    against the new critic, on the same batch. The texture optimisation has nothing to train.

    The learning rate is the content network's (published: 2e-3); the critic's is a tenth of it.

    Args:
        config: what to train; the masks must be "centre".
        fabric: device and precision.
        options: compilation and memory layout.

    Attributes:
        critic: the discriminator.

    Raises:
        InputError: other masks, or a single image a process, for which batch normalisation at the
            bottleneck of one pixel has no statistics.
    """

    def __init__(self, config: TrainConfig, fabric: "Fabric", options: RunOptions | None = None):
        super().__init__(config, fabric, options)
        if config.data.masks != "centre":
            raise InputError(
                f"masks={config.data.masks!r}: MNPS learns centred squares alone; give 'centre'."
            )
        if config.optim.batch_size // fabric.world_size < 2:
            raise InputError(
                f"batch_size={config.optim.batch_size} on {fabric.world_size} processes: MNPS "
                "needs at least 2 images on each."
            )
        generator = cast(MNPS, self.generator)
        # loaded now, so that missing weights are noticed before the training
        self.features_name = generator.features(fabric.device, torch.get_default_dtype()).name
        self.run_content, self.run_optim_g = self.train_network("generator", generator.content)
        self.reseed()
        self.critic = MNPSCritic(config.discriminator_width)
        self.run_critic, self.run_optim_d = self.train_network(
            "discriminator", self.critic, CRITIC_RATE * config.optim.learning_rate
        )
        self.weight = rim_weight(fabric.device)

    def __call__(self, image: Tensor, mask: Tensor, done: int = 0) -> dict[str, Tensor]:
        """Updates both networks on a batch; see `Recipe`."""
        target = network_target(image)  # (B, 3, 64, 64)
        prediction = self.run_content(network_input(image))
        loss_d = self.update_critic(target, prediction.detach())
        pull, adversarial = self.judge(prediction)

        reconstruction = (self.weight * (prediction - target).square()).mean()
        total = (1 - ADVERSARIAL) * reconstruction + (prediction * pull).sum()
        self.update(self.run_optim_g, total)
        return {
            "reconstruction": reconstruction.detach(),
            "adversarial": adversarial,
            "discriminator": loss_d,
        }

    def update_critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Steps the critic on two batches, each normalised by itself; returns its loss."""
        loss = entropy(self.run_critic(real), 1.0) + entropy(self.run_critic(fake), 0.0)
        self.update(self.run_optim_d, loss)
        return loss.detach()

    def judge(self, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the gradient of the weighted loss at the prediction, and the loss itself."""
        leaf = prediction.detach().requires_grad_()
        loss = entropy(self.run_critic(leaf), 1.0)
        return self.pull_on(leaf, ADVERSARIAL * loss), loss.detach()


def entropy(logits: Tensor, label: float) -> Tensor:
    """Binary cross-entropy of logits of any shape with one label for all."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def rim_weight(device: torch.device) -> Tensor:
    """Weights of the squared error, (1, 1, 64, 64): 10 on the rim, 1 inside."""
    weight = torch.full((1, 1, CENTRE_PX, CENTRE_PX), RIM_WEIGHT, device=device)
    weight[:, :, RIM_PX:-RIM_PX, RIM_PX:-RIM_PX] = 1.0
    return weight

"""What the training loop asks of a model: its networks, their optimisers, and one step.

`aotgan.models.registry` declares which recipe trains which model. Data, resuming, interruption,
moving average, records and devices are the loop's and the same for all.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from aotgan.errors import InputError
from aotgan.models.registry import DECLARED, build, imported, split_config
from aotgan.training.config import TrainConfig
from aotgan.training.devices import RunOptions

if TYPE_CHECKING:
    from lightning.fabric import Fabric

NO_FEATURES = "none"
Network = TypeVar("Network", bound=nn.Module)


class Recipe(ABC):
    """Trains one model, a batch at a time.

    Args:
        config: what to train.
        fabric: device and precision.
        options: compilation and memory layout.

    Attributes:
        networks: by name. "generator" is the model that is saved, averaged and measured.
        optimisers: by name.
        features_name: feature network of the losses, for the record.
        staged: whether what the recipe does depends on the share of `config.steps` that is done,
            so that a run cannot be prolonged.

    Raises:
        InputError: training images that the model cannot take.
    """

    staged = False
    features_name = NO_FEATURES

    def __init__(self, config: TrainConfig, fabric: "Fabric", options: RunOptions | None = None):
        options = options or RunOptions()
        self.config, self.fabric = config, fabric
        self.compiled, self.channels_last = options.compiled, options.channels_last
        self.networks: dict[str, nn.Module] = {}
        self.optimisers: dict[str, Optimizer] = {}
        self.reseed()
        self.generator = self._place(build(config.generator))
        self.networks["generator"] = self.generator
        self._check_size()

    @abstractmethod
    def __call__(self, image: Tensor, mask: Tensor, done: int = 0) -> dict[str, Tensor]:
        """Updates the networks on a batch and returns its losses, unweighted detached scalars.

        The result depends on the arguments, the networks and the seed alone.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            mask: (B, 1, H, W) in {0, 1}, 1 = hole.
            done: steps before this one.
        """

    def train_network(
        self,
        name: str,
        network: nn.Module,
        learning_rate: float | None = None,
        betas: tuple[float, float] | None = None,
    ) -> tuple[Any, Any]:
        """Gives a network an Adam optimiser and sets both up on the device.

        Args:
            name: key of the optimiser, and of the network unless it is a part of the generator.
            network: the generator, a part of it, or another network.
            learning_rate: the configuration's by default.
            betas: the configuration's by default.

        Returns:
            The network as the device runs it (distributed, compiled, mixed precision), and its
            optimiser.
        """
        optim = self.config.optim
        first, second = betas or optim.betas
        self._place(network)
        optimiser = Adam(
            network.parameters(),
            learning_rate or optim.learning_rate,
            (float(first), float(second)),  # Adam refuses the integer 0
        )
        self.optimisers[name] = optimiser
        if not any(network is part for part in self.generator.modules()):
            self.networks[name] = network
        run = torch.compile(network) if self.compiled and network is self.generator else network
        return self.fabric.setup(cast(nn.Module, run), optimiser)

    def update(self, optimiser: Any, loss: Tensor, clipped: Any = None) -> None:
        """Takes a step of an optimiser of `train_network` down the gradient of a scalar loss.

        Args:
            optimiser: from `train_network`.
            loss: scalar.
            clipped: the network from `train_network` whose gradient is shortened to the
                configuration's `clip_norm` if it is longer; by default none is.
        """
        optimiser.zero_grad()
        self.fabric.backward(loss)
        longest = self.config.optim.clip_norm
        if clipped is not None and longest is not None:
            # what is not finite goes on into the weights, where the loop finds and names it
            self.fabric.clip_gradients(
                clipped, optimiser, max_norm=longest, error_if_nonfinite=False
            )
        optimiser.step()

    def pull_on(self, leaf: Tensor, loss: Tensor, retain_graph: bool = False) -> Tensor:
        """Gradient of a generator's adversarial loss with respect to what a critic saw of it.

        None of it reaches the critic's weights. (z * pull).sum() passes it on to the generator,
        where z is what `leaf` is a copy of.

        Args:
            leaf: (B, C, H, W), detached and requiring a gradient.
            loss: scalar that was computed from it.
            retain_graph: whether another loss of the same pass of the critic follows.

        Returns:
            (B, C, H, W).
        """
        # into `leaf` alone; by way of Fabric, which mixed precision insists on
        self.fabric.backward(loss, inputs=[leaf], retain_graph=retain_graph)
        pull, leaf.grad = cast(Tensor, leaf.grad), None
        return pull

    def reseed(self) -> None:
        """Restarts the stream of initial weights.

        Called before each network, so that it starts from the same weights on every process and
        beside every architecture of the others.
        """
        torch.manual_seed(self.config.seed)

    def noise(self, done: int) -> torch.Generator:
        """Random numbers of a step: a function of the seed, the step and the process alone."""
        mixed = np.random.SeedSequence([self.config.seed, done, self.fabric.global_rank])
        return torch.Generator().manual_seed(int(mixed.generate_state(1)[0]))

    def state_dict(self) -> dict[str, Any]:
        """Returns what the next step depends on."""
        return {
            "networks": {name: part.state_dict() for name, part in self.networks.items()},
            "optimisers": {name: part.state_dict() for name, part in self.optimisers.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` returned; without "optimisers" these start anew."""
        for name, part in self.networks.items():
            part.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            if "optimisers" in state:
                optimiser.load_state_dict(state["optimisers"][name])

    def _place(self, network: Network) -> Network:
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return network.to(memory_format=layout)

    def _check_size(self) -> None:
        data, model = self.config.data, self.generator
        for size in (data.size_px, *(side for _, side in data.stages)):
            if size < model.min_side or size % model.multiple:
                name, options = split_config(self.config.generator)
                raise InputError(
                    f"size_px={size}: {name} with {options} needs a multiple of {model.multiple} "
                    f"and at least {model.min_side}."
                )


def make_recipe(config: TrainConfig, fabric: "Fabric", options: RunOptions | None = None) -> Recipe:
    """Returns the recipe of the model that a configuration names, its networks untrained.

    Raises:
        InputError: a filling that is not trained, or what the recipe refuses.
    """
    name = split_config(config.generator)[0]
    training = DECLARED[name].training
    if training is None:
        raise InputError(f"{name} is not trained: measure it as it is (aotgan evaluate).")
    return imported(training)(config, fabric, options)

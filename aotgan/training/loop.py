"""The training loop of section 3.4: resumable, interruptible, the same on CPU, one GPU and many.

Sample n of a run is a pure function of the seed and n, and nothing else in a step is random, so the
step count is the whole state of the data stream: k steps, a kill, a resume and k more steps are 2k
steps, bit for bit on the CPU.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from aotgan.data.catalogue import load as load_images
from aotgan.data.dataset import SampleOrder, TrainingSamples
from aotgan.errors import InputError
from aotgan.losses.features import VGG19Features
from aotgan.models.generator import Generator
from aotgan.models.weights import save_generator
from aotgan.training.checkpoint import load_state, save_state
from aotgan.training.config import TrainConfig
from aotgan.training.log import Interrupt, LossLog, Progress
from aotgan.training.step import Players, Step

STATE = "state.pt"
WEIGHTS = "generator.safetensors"
EMA_WEIGHTS = "generator-ema.safetensors"
CACHE_BYTES = 2**28  # decoded photographs that each loading process keeps


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; none of these changes what is computed beyond rounding."""

    device: str = "auto"  # Fabric's accelerator: "auto", "cpu", "cuda", "mps"
    devices: int = 1  # processes, one a device
    workers: int = 2  # data-loading processes
    compiled: bool = False  # torch.compile the generator; pays from some thousand steps on
    channels_last: bool = True
    log_every_steps: int = 50
    save_every_steps: int = 500  # training state and weights
    sample_every_steps: int = 500
    minutes: float | None = None  # stop after this much training time, resumes included
    progress: str = "bar"  # "bar", "lines" (batch jobs, notebooks) or "none"


class Trainer:
    """Trains one configuration inside one directory, going on from what the directory holds.

    Args:
        config: what to train.
        directory: run directory; gets `state.pt`, `log.csv` and the weights.
        options: how to run it.
        data_root: folder of the named data sets, see `aotgan.data.catalogue.load`.
        on_sample: called with the trainer every `sample_every_steps`, to draw pictures.

    Raises:
        InputError: data or features that are not there, a directory of another configuration.
    """

    def __init__(
        self,
        config: TrainConfig,
        directory: str | Path,
        options: RunOptions = RunOptions(),
        data_root: str | Path | None = None,
        on_sample: Callable[["Trainer"], None] | None = None,
    ):
        self.config = config
        self.directory = Path(directory)
        self.options = options
        self.on_sample = on_sample
        self.images = load_images(config.data.name, "train", data_root)
        self.fabric = make_fabric(config, options)
        if config.optim.batch_size % self.fabric.world_size:
            raise InputError(
                f"batch_size={config.optim.batch_size} on {self.fabric.world_size} processes: "
                "must be divisible."
            )
        self._build()
        self.step = 0
        self.seconds = 0.0
        self.log = LossLog(self.directory / "log.csv")
        if (self.directory / STATE).exists():
            self._resume()

    def fit(self) -> str:
        """Trains until the steps or the minutes are used up, or until an interrupt.

        Returns:
            Why it stopped: "steps", "minutes" or "interrupt". The state is saved in each case.

        Raises:
            FloatingPointError: a loss that is not finite; names the batch, leaves the last good
                state on disk.
        """
        reason = self._stop_reason(interrupted=False)
        if reason:
            return reason
        progress = Progress(self.options.progress, self.config.steps, self.step)
        mark = time.perf_counter()
        with Interrupt() as interrupt, progress:
            for image, mask, _ in self._batches():
                self._one_step(image, mask)
                now = time.perf_counter()
                self.seconds, mark = self.seconds + now - mark, now
                self._report(progress)
                reason = self._stop_reason(interrupt.requested)
                if reason:
                    break
        self.save()
        return reason

    def save(self) -> None:
        """Writes weights and training state, after checking that both are finite."""
        self._check_losses()
        for parameter in self.players.generator.parameters():
            if not torch.isfinite(parameter).all():
                raise FloatingPointError(f"a weight is not finite after step {self.step}")
        if self.fabric.is_global_zero:
            save_generator(self.players.generator, self.directory / WEIGHTS, self._facts())
            if self.average is not None:
                save_generator(self.averaged, self.directory / EMA_WEIGHTS, self._facts())
            save_state(self.directory / STATE, self.state())
        self.fabric.barrier()

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        players = self.players
        return {
            "config": self.config.to_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "log": self.log.state(),
            "generator": players.generator.state_dict(),
            "discriminator": players.discriminator.state_dict(),
            "optim_g": players.optim_g.state_dict(),
            "optim_d": players.optim_d.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    @property
    def averaged(self) -> Generator:
        """The generator whose weights are the moving average; the plain one where that is off."""
        return self.players.generator if self.average is None else self.average.module

    def _build(self) -> None:
        config, options = self.config, self.options
        self.players = Players(config, self.fabric, options.compiled, options.channels_last)
        features = VGG19Features(config.loss.features, config.loss.feature_width)
        if options.channels_last:
            features.to(memory_format=torch.channels_last)
        features.to(self.fabric.device)
        self.features_name = features.name
        self.update = Step(config.loss, self.players, features, self.fabric)
        decay = config.optim.ema_decay
        self.average: AveragedModel | None = None
        if decay is not None:
            self.average = AveragedModel(
                self.players.generator, multi_avg_fn=get_ema_multi_avg_fn(decay)
            )

    def _resume(self) -> None:
        state = load_state(self.directory / STATE)
        found, own = dict(state["config"]), self.config.to_dict()
        found["steps"] = own["steps"]  # a run may be prolonged
        if found != own:
            names = [key for key in own if found.get(key) != own[key]]
            raise InputError(
                f"{self.directory} holds a run with another {', '.join(names)}. Choose another "
                "directory, or move this one away."
            )
        players = self.players
        players.generator.load_state_dict(state["generator"])
        players.discriminator.load_state_dict(state["discriminator"])
        players.optim_g.load_state_dict(state["optim_g"])
        players.optim_d.load_state_dict(state["optim_d"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.log.restore(state["log"], self.step, write=self.fabric.is_global_zero)

    def _batches(self) -> DataLoader:
        data, optim, fabric = self.config.data, self.config.optim, self.fabric
        samples = TrainingSamples(
            self.images.files,
            size=data.size_px,
            seed=self.config.seed,
            masks=data.masks,
            mask_ratio=data.mask_ratio,
            border_fraction=data.border_fraction,
            crop_scale=data.crop_scale,
            crop_aspect=data.crop_aspect,
            jitter=data.jitter,
            cache_bytes=CACHE_BYTES,
        )
        self.samples = samples
        order = SampleOrder(
            start=self.step,
            stop=self.config.steps,
            batch=optim.batch_size,
            rank=fabric.global_rank,
            world=fabric.world_size,
        )
        loader = DataLoader(
            samples,
            sampler=order,
            batch_size=optim.batch_size // fabric.world_size,
            num_workers=self.options.workers,
            persistent_workers=self.options.workers > 0,
            pin_memory=fabric.device.type == "cuda",
            worker_init_fn=Interrupt.ignore_in_worker,
        )
        return fabric.setup_dataloaders(loader, use_distributed_sampler=False)

    def _one_step(self, image: Tensor, mask: Tensor) -> None:
        losses = self.update(image, mask)
        self.step += 1
        if self.average is not None:
            self.average.update_parameters(self.players.generator)
        self.log.add(self.step, losses)

    def _report(self, progress: Any) -> None:
        options = self.options
        last = self.step == self.config.steps
        if self.step % options.log_every_steps == 0 or last:
            self._check_losses()
            self.log.flush(self.fabric, self.seconds, self.config.optim.batch_size)
        progress.update(self.step, self.log.latest, self.config.optim.batch_size)
        if self.step % options.save_every_steps == 0 and not last:
            self.save()
        if self.on_sample and (self.step % options.sample_every_steps == 0 or last):
            self.on_sample(self)

    def _check_losses(self) -> None:
        bad = self.log.first_bad_step()
        if bad is not None:
            size = self.config.optim.batch_size
            raise FloatingPointError(
                f"a loss is not finite in step {bad} (samples {(bad - 1) * size} to "
                f"{bad * size - 1} of seed {self.config.seed}). The state on disk is from before. "
                "Try precision 32-true or a lower learning rate."
            )

    def _stop_reason(self, interrupted: bool) -> str:
        if self.step >= self.config.steps:
            return "steps"
        limit = self.options.minutes
        late = limit is not None and self.seconds >= 60 * limit
        if self.fabric.world_size > 1:
            late, interrupted = self.fabric.broadcast((late, interrupted))
        return "minutes" if late else "interrupt" if interrupted else ""

    def _facts(self) -> dict[str, str]:
        return {
            "step": str(self.step),
            "data": self.config.data.name,
            "seed": str(self.config.seed),
            "objective": self.config.loss.objective,
            "features": self.features_name,
        }


def make_fabric(config: TrainConfig, options: RunOptions) -> Fabric:
    """Starts Fabric on the devices asked for; several of them run as data-parallel processes."""
    from lightning.fabric.strategies import DDPStrategy

    several = options.devices > 1
    strategy = DDPStrategy(broadcast_buffers=False) if several else "auto"
    fabric = Fabric(
        accelerator=options.device,
        devices=options.devices,
        strategy=strategy,
        precision=config.precision,
    )
    fabric.launch()
    return fabric

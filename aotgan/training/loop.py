"""The training loop of section 3.4: resumable, interruptible, the same on CPU, one GPU and many.

Sample n of a run is a pure function of the seed and n, and nothing else in a step is random, so the
step count is the whole state of the data stream: k steps, a kill, a resume and k more steps are 2k
steps, bit for bit on the CPU.
"""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from aotgan.data.catalogue import load as load_images
from aotgan.data.dataset import SampleOrder, TrainingSamples
from aotgan.devices import device_name
from aotgan.errors import InputError
from aotgan.files import check_writable, remove_leftovers
from aotgan.models.inpainter import Inpainter
from aotgan.models.weights import save_generator
from aotgan.training.checkpoint import load_state, not_finite, save_state, spare, unspared
from aotgan.training.config import TrainConfig, changes, with_defaults
from aotgan.training.devices import (
    RunOptions,
    check_processes,
    check_shared_memory,
    loading_processes,
    over_processes,
    start_fabric,
)
from aotgan.training.log import Interrupt, LossLog, Progress
from aotgan.training.photographs import check_same, remarks
from aotgan.training.recipe import make_recipe
from aotgan.training.schedule import size_changes

__all__ = ["RunOptions", "Trainer"]

STATE = "state.pt"
SPARE = "spare.pt"  # of an interrupted run; see `aotgan.training.checkpoint`
WEIGHTS = "generator.safetensors"
EMA_WEIGHTS = "generator-ema.safetensors"
FLOAT_BYTES = 4  # of an image's three channels and its mask
CACHE_BYTES = 2**28  # decoded photographs that each loading process keeps
UNRECORDED = "a device that was not recorded"  # of states that do not say where they come from
AGREE_EVERY_STEPS = 10  # several processes ask one another whether to stop


class Trainer:
    """Trains one configuration inside one directory, going on from what the directory holds.

    Args:
        config: what to train.
        directory: run directory; gets `state.pt`, `log.csv` and the weights, and where it
            is interrupted `spare.pt`.
        options: how to run it.
        data_root: folder of the named data sets, see `aotgan.data.catalogue.load`.
        on_sample: called with the trainer every `sample_every_steps`, to draw pictures.
        on_mark: called with the trainer after each step of `marks`, to measure it; that is not
            training time. A run that was stopped and resumed may come to a mark twice.
        marks: numbers of steps.

    Raises:
        InputError: data, features or a device that are not there, a directory that cannot be
            written or that holds another configuration.
    """

    def __init__(
        self,
        config: TrainConfig,
        directory: str | Path,
        options: RunOptions | None = None,
        data_root: str | Path | None = None,
        on_sample: Callable[["Trainer"], None] | None = None,
        on_mark: Callable[["Trainer"], None] | None = None,
        marks: Sequence[int] = (),
    ):
        self.config = config
        self.directory = Path(directory)
        self.options = options or RunOptions()
        self.on_sample, self.on_mark, self.marks = on_sample, on_mark, frozenset(marks)
        check_processes(config, self.options)
        self.images = load_images(config.data.name, "train", data_root)
        self.photographs = self.images.facts()  # as they are now; some may vanish on the way
        notes = remarks(self.images, config.data.size_px)
        self.samples = self._samples()
        prepare(self.directory)
        self.fabric = start_fabric(config, self.options)
        self._build()
        self.step = 0
        self.device_name = device_name(self.fabric.device)
        self.seconds_on: dict[str, float] = {}  # of training, by device
        self.restarts: list[int] = []  # steps after which it went on from a spare
        self.log = LossLog(self.directory / "log.csv")
        if (self.directory / STATE).exists():
            self._resume()
        if self.fabric.is_global_zero:
            for note in notes:
                print(note, file=sys.stderr)

    def fit(self) -> str:
        """Trains until the steps or the minutes are used up, or until an interrupt.

        Returns:
            Why it stopped: "steps", "minutes" or "interrupt". The state is saved in each case.

        Raises:
            FloatingPointError: a loss or weight that is not finite; names the batch, leaves the
                last good state on disk.
            InputError: the state cannot be written, or no training image can be read any more.
        """
        # a finished run is left as it is
        reason = self._stop_reason(interrupted=False)
        if reason:
            return reason
        first = self.fabric.is_global_zero
        progress = Progress(
            self.options.progress if first else "none", self.config.steps, self.step
        )
        # training time is that of the steps and what they wait for, without the marks' measurements
        mark = time.perf_counter()
        with Interrupt(announce=first) as interrupt, progress:
            for image, mask, _ in self._batches():
                self._one_step(image, mask)
                now = time.perf_counter()
                spent = self.seconds_on.get(self.device_name, 0.0)
                self.seconds_on[self.device_name] = spent + now - mark
                mark = now
                if self.on_mark and self.step in self.marks:  # before the state of this step
                    self.on_mark(self)
                    mark = time.perf_counter()
                self._report(progress)
                reason = self._stop_reason(interrupt.requested)
                if reason:
                    break
        self.save()
        # the spare is for a run that may have to go on elsewhere
        if reason == "interrupt" and first:
            save_state(self.directory / SPARE, spare(self.state()))
        else:
            (self.directory / SPARE).unlink(missing_ok=True)
        self._tell_problems()
        return reason

    def save(self) -> None:
        """Writes weights and training state, after checking that everything in them is finite."""
        self._check_losses()
        state = self.state()
        bad = next(not_finite(state), None)
        if bad is not None:
            raise FloatingPointError(f"{bad} is not finite after {self._about(self.step)}")
        if self.fabric.is_global_zero:
            save_generator(self.recipe.generator, self.directory / WEIGHTS, self._facts())
            if self.average is not None:
                save_generator(self.averaged, self.directory / EMA_WEIGHTS, self._facts())
            save_state(self.directory / STATE, state)
        self.fabric.barrier()

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {
            "config": self.config.to_dict(),
            "data": self.photographs,
            "step": self.step,
            "seconds": self.seconds,
            "seconds_on": dict(self.seconds_on),
            "restarts": self.restarts,
            "log": self.log.state(),
            "recipe": self.recipe.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    @property
    def seconds(self) -> float:
        """Training time on all devices, resumes included."""
        return sum(self.seconds_on.values())

    @property
    def averaged(self) -> Inpainter:
        """The generator whose weights are the moving average; the plain one where that is off."""
        if self.average is None:
            return self.recipe.generator
        return cast("Inpainter", self.average.module)

    def _samples(self) -> TrainingSamples:
        data = self.config.data
        return TrainingSamples(
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
            stages=size_changes(data.stages, self.config.steps, self.config.optim.batch_size),
        )

    def _build(self) -> None:
        self.recipe = make_recipe(self.config, self.fabric, self.options)
        decay = self.config.optim.ema_decay
        self.average: AveragedModel | None = None
        if decay is not None:
            self.average = AveragedModel(
                self.recipe.generator, multi_avg_fn=get_ema_multi_avg_fn(decay)
            )

    def _resume(self) -> None:
        # settings must be the same, those that are newer than the run at their defaults
        state = unspared(load_state(self.directory / STATE))
        own = self.config.to_dict()
        stored = with_defaults(state["config"])
        previous = {**stored, "steps": max(state["step"], own["steps"])}  # may be prolonged
        if previous != own:
            raise InputError(
                f"{self.directory} holds a run of other settings ({changes(previous, own)}). "
                "Choose another directory, or move this one away."
            )
        # a schedule over the share that is done would have been another one for more steps
        staged = self.recipe.staged or self.config.staged
        if staged and stored["steps"] != own["steps"]:
            raise InputError(
                f"{self.directory} holds a run of {stored['steps']} steps, not {own['steps']}, "
                "whose stages or learning rates follow the share that is done. Choose another "
                "directory."
            )
        check_same(state.get("data"), self.photographs, self.directory)
        # the networks, then where the run stood; the log loses what came after the state
        self.recipe.load_state_dict(state["recipe"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.step = state["step"]
        self.seconds_on = dict(state.get("seconds_on", {UNRECORDED: state["seconds"]}))
        self.restarts = [*state.get("restarts", ()), *([self.step] if "spare" in state else ())]
        self.log.restore(state["log"], self.step, write=self.fabric.is_global_zero)

    def _batches(self) -> Iterable[Any]:
        batch, fabric, options = self.config.optim.batch_size, self.fabric, self.options
        order = SampleOrder(
            start=self.step,
            stop=self.config.steps,
            batch=batch,
            rank=fabric.global_rank,
            world=fabric.world_size,
        )
        workers = loading_processes(options.workers, fabric.device.type, options.devices)
        side = self.config.data.size_px
        check_shared_memory(workers, batch // fabric.world_size * 4 * side**2 * FLOAT_BYTES)
        loader = DataLoader(
            self.samples,
            sampler=order,
            batch_size=batch // fabric.world_size,
            num_workers=workers,
            pin_memory=fabric.device.type == "cuda",
            worker_init_fn=Interrupt.ignore_in_worker,
        )
        return fabric.setup_dataloaders(loader, use_distributed_sampler=False)

    def _one_step(self, image: Tensor, mask: Tensor) -> None:
        losses = self.recipe(image, mask, self.step)
        self.step += 1
        if self.average is not None:
            self.average.update_parameters(self.recipe.generator)
        self.log.add(self.step, losses)

    def _report(self, progress: Progress) -> None:
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
        bad = self.log.first_bad_step(self.fabric)
        if bad is not None:
            raise FloatingPointError(
                f"a loss is not finite in {self._about(bad)}. What is on disk is from before. Try "
                "precision 32-true or a lower learning rate."
            )

    def _about(self, step: int) -> str:
        """Names the batch of a step."""
        size = self.config.optim.batch_size
        samples = f"samples {(step - 1) * size} to {step * size - 1}"
        return f"step {step} ({samples} of seed {self.config.seed})"

    def _stop_reason(self, interrupted: bool) -> str:
        """Why to stop now, or "". Any process can stop all of them, at steps that all agree on."""
        if self.step >= self.config.steps:
            return "steps"
        limit, until = self.options.minutes, self.options.until
        late = limit is not None and self.seconds >= 60 * limit
        interrupted = interrupted or (until is not None and time.monotonic() >= until)
        if self.fabric.world_size > 1:
            if self.step % AGREE_EVERY_STEPS:
                return ""
            votes = torch.tensor(
                [late, interrupted], dtype=torch.float32, device=self.fabric.device
            )
            late, interrupted = over_processes(self.fabric, votes, "max").bool().tolist()
        return "minutes" if late else "interrupt" if interrupted else ""

    def _tell_problems(self) -> None:
        """Lists photographs that could not be read while training."""
        for skipped in self.samples.problems:
            print(f"replaced by the next photograph: {skipped.reason}", file=sys.stderr)

    def _facts(self) -> dict[str, str]:
        return {
            "step": str(self.step),
            "data": self.images.name,
            "seed": str(self.config.seed),
            "objective": self.config.loss.objective,
            "features": self.recipe.features_name,
        }


def prepare(directory: Path) -> None:
    """Makes a run directory, and removes the half-written files that a kill left there.

    Raises:
        InputError: it cannot be made or written.
    """
    check_writable(directory)
    remove_leftovers(directory)

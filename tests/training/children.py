"""What the tests run in processes that they kill; see the fixture `start`."""

import multiprocessing
import os
import resource
import time

import torch

from aotgan.errors import InputError
from aotgan.training.checkpoint import save_state
from aotgan.training.config import TrainConfig
from aotgan.training.loop import RunOptions, Trainer


def train(config, directory, options, last):
    """A run whose steps last 50 ms or more and whose step `last` lasts until it is killed."""
    multiprocessing.set_start_method("fork", force=True)  # as where no test has chosen another
    os.setsid()  # its processes have a group of their own
    torch.set_num_threads(1)
    trainer = Trainer(
        TrainConfig.from_dict(config),
        directory,
        RunOptions(device="cpu", progress="none", sample_every_steps=1, **options),
        on_sample=lambda trainer: time.sleep(3600 if trainer.step == last else 0.05),
    )
    trainer.fit()


def train_as(environment, config, directory, poison=None):
    """One of several processes, as torchrun starts them; its batch `poison` is NaN."""
    os.environ |= environment
    torch.set_num_threads(1)
    options = RunOptions(
        device="cpu", devices=2, workers=0, log_every_steps=1, save_every_steps=2, progress="none"
    )
    trainer = Trainer(TrainConfig.from_dict(config), directory, options)
    one_step = trainer._one_step

    def poisoned(image, mask):
        one_step(image * torch.nan if trainer.step == poison else image, mask)

    trainer._one_step = poisoned
    try:
        outcome = trainer.fit()
    except FloatingPointError as error:
        outcome = str(error)
    rank = environment["RANK"]
    (trainer.directory / f"outcome{rank}").write_text(f"{outcome} {trainer.step}")


def save_for_ever(path):
    """Saves one state after another; all numbers in state n are n."""
    torch.set_num_threads(1)
    for number in range(10**6):
        save_state(path, {"step": number, "weights": torch.full((50_000,), float(number))})


def save_on_full_disk(path, outcome):
    """Saves a state where files may have 100 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        save_state(path, {"weights": torch.zeros(100_000)})
    except InputError as error:
        outcome.write_text(str(error))

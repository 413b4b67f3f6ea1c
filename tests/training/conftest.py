"""A tiny run, and processes that can be killed without harm to the tests."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aotgan.training.config import DataConfig, LossConfig, OptimConfig, TrainConfig

CHILDREN = Path(__file__).with_name("children.py")


@pytest.fixture
def double():
    """New tensors have 64 bits, so that rounding hides nothing."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory) -> Path:
    """Folder of small photographs: two colours and noise."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(8):
        colours = rng.integers(0, 200, (2, 3)).repeat([20, 28], axis=0)[:, None]
        noise = rng.integers(0, 50, (48, 56, 3))
        Image.fromarray((colours + noise).astype(np.uint8)).save(folder / f"photo{number}.png")
    return folder


@pytest.fixture(scope="session")
def tiny(photographs):
    """Makes configurations whose step takes milliseconds; arguments replace single settings."""

    def make(**settings) -> TrainConfig:
        def part(kind, **own):
            names = kind.__dataclass_fields__
            return kind(**own | {name: settings.pop(name) for name in names if name in settings})

        data = part(DataConfig, name=str(photographs), size_px=40)
        loss = part(LossConfig, features="random", feature_width=2)
        optim = part(OptimConfig, batch_size=2)
        own = {"generator": {"width": 4, "blocks": 1}, "discriminator_width": 4, "steps": 12}
        return TrainConfig(data=data, loss=loss, optim=optim, **own | settings)

    return make


@pytest.fixture(scope="session")
def _forks():
    """A server that has imported the package and forks a process for each request."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["aotgan.training.loop"])
    return context


@pytest.fixture
def start(_forks):
    """Starts a function of children.py in a process of its own, and ends it after the test."""
    processes = []

    def start(function: str, *arguments) -> multiprocessing.Process:
        program = "import runpy\nrunpy.run_path(path)[function](*arguments)"
        names = {"path": str(CHILDREN), "function": function, "arguments": arguments}
        process = _forks.Process(target=exec, args=(program, names))
        processes.append(process)
        process.start()
        return process

    yield start
    for process in processes:
        process.kill()
        process.join()

"""What every test shares: one thread, a fixed seed, and the research photographs where they are."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

pytest_plugins = ["synthetic_runs"]
STAND_INS = ("faces", "scenes", "logos", "imagenet", "masks")


@pytest.fixture(autouse=True)
def fixed_seeds():
    """Test order and number of processes change nothing."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (libraries under test may use the global state)
    torch.manual_seed(0)


def pytest_configure(config):
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def stand_in_data() -> Path:
    """Folder of the research-only photographs; tests that need them skip where it is absent."""
    checkout = Path(__file__).parents[1]
    folder = Path(os.environ.get("AOTGAN_DATA") or checkout.parent / "shared" / "data")
    if not all((folder / name).is_dir() for name in STAND_INS):
        pytest.skip(f"no stand-in photographs in {folder}; set AOTGAN_DATA")
    return folder

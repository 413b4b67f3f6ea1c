"""What is trained, how big, and how a run becomes a record (sections 4.2 to 4.8).

`aotgan.reproduce.runs.run.run` trains; the names below are what one needs around it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aotgan.reproduce.runs.experiments import EXPERIMENTS
    from aotgan.reproduce.runs.record import Record, load_record
    from aotgan.reproduce.runs.run import SAMPLES, run_directory, train_briefly
    from aotgan.reproduce.runs.samples import read_samples
    from aotgan.reproduce.runs.scales import get_scale, make_config

__all__ = [
    "EXPERIMENTS",
    "SAMPLES",
    "Record",
    "get_scale",
    "load_record",
    "make_config",
    "read_samples",
    "run_directory",
    "train_briefly",
]

# Loaded on first use: `aotgan list` needs the declarations and no PyTorch.
_HOMES = {
    "EXPERIMENTS": "experiments",
    "Record": "record",
    "SAMPLES": "run",
    "get_scale": "scales",
    "load_record": "record",
    "make_config": "scales",
    "read_samples": "samples",
    "run_directory": "run",
    "train_briefly": "run",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

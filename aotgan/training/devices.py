"""Where and how a run is carried out: devices, processes, intervals, progress display."""

import ctypes
import inspect
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor
from torch.distributed import is_torchelastic_launched
from torch.nn.parallel import DistributedDataParallel

from aotgan.devices import DEVICES, check_device
from aotgan.errors import InputError, check_choice
from aotgan.training.config import TrainConfig

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from lightning.fabric.strategies.ddp import DDPStrategy

PROGRESS = ("bar", "lines", "none")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # which Docker makes 64 MB large
# of glibc's malloc.h: never map a block by itself; never shrink the heap; grow it by so many bytes
KEEPING = {"M_MMAP_MAX": (-4, 0), "M_TRIM_THRESHOLD": (-1, 2**31 - 1), "M_TOP_PAD": (-2, 2**28)}


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; none of these changes what is computed beyond rounding."""

    device: str = "auto"  # Fabric's accelerator: "auto", "cpu", "cuda", "mps"
    devices: int = 1  # processes on this machine, one a device
    nodes: int = 1  # machines, started by torchrun or Slurm
    workers: int = -1  # data-loading processes of each process; -1: see `loading_processes`
    compiled: bool = False  # torch.compile the generator; pays from some thousand steps on
    channels_last: bool = True
    log_every_steps: int = 50
    save_every_steps: int = 500  # training state and weights
    sample_every_steps: int = 500
    minutes: float | None = None  # stop after this much training time, resumes included
    until: float | None = None  # time.monotonic() from which on to stop as after Ctrl-C
    progress: str = "bar"  # "bar", "lines" (batch jobs, notebooks) or "none"

    def __post_init__(self) -> None:
        """Refuses impossible values."""
        check_choice("device", self.device, DEVICES)
        check_choice("progress", self.progress, PROGRESS)
        for name, low in (
            ("devices", 1),
            ("nodes", 1),
            ("workers", -1),
            ("log_every_steps", 1),
            ("save_every_steps", 1),
            ("sample_every_steps", 1),
        ):
            if getattr(self, name) < low:
                raise InputError(f"{name}={getattr(self, name)}: must be at least {low}.")
        if self.minutes is not None and not self.minutes > 0:
            raise InputError(f"minutes={self.minutes}: must be above 0.")


def loading_processes(workers: int, device_type: str, processes: int = 1) -> int:
    """Returns how many processes load data: what was asked for, or for -1 what keeps pace.

    Two feed a CPU. A GPU gets up to eight, as far as the cores of the machine go round.

    Args:
        workers: `RunOptions.workers`.
        device_type: "cpu", "cuda" or "mps".
        processes: training processes on this machine.
    """
    if workers >= 0:
        return workers
    return 2 if device_type == "cpu" else min(8, max(2, (os.cpu_count() or 1) // processes))


def check_shared_memory(workers: int, batch_bytes: int, folder: Path = SHARED_MEMORY) -> None:
    """Refuses loading processes whose batches do not fit where they are handed over.

    Args:
        workers: loading processes, each of which keeps two batches ready.
        batch_bytes: of one batch.
        folder: where Linux has its shared memory; without it there is no such limit.

    Raises:
        InputError: says how much there is, how much is needed, and the ways out.
    """
    if not workers or not folder.is_dir():
        return
    free, needed = shutil.disk_usage(folder).free, (2 * workers + 1) * batch_bytes
    if free < needed:
        raise InputError(
            f"{folder} has {free >> 20} MB of shared memory free, and {workers} loading processes "
            f"need {needed >> 20} MB. Give --workers 0, or more of it (docker run --shm-size=2g)."
        )


def check_processes(config: TrainConfig, options: RunOptions) -> None:
    """Refuses what cannot be started, before anything is built.

    Raises:
        InputError: a device that is not there, a launcher that started another number of processes
            than the options say, or a batch that the processes cannot share evenly.
    """
    check_device(options.device, options.devices)
    world = options.devices * options.nodes
    launched = int(os.environ.get("WORLD_SIZE", 1))
    if is_torchelastic_launched() and launched != world:
        raise InputError(
            f"torchrun started {launched} processes, but devices={options.devices} and "
            f"nodes={options.nodes} were given: their product must be that number."
        )
    if config.optim.batch_size % world:
        raise InputError(
            f"batch_size={config.optim.batch_size} on {world} processes: must be divisible. Use "
            "another number of devices."
        )


def start_fabric(config: TrainConfig, options: RunOptions) -> "Fabric":
    """Starts Fabric on the devices asked for; several of them run as data-parallel processes.

    Raises:
        InputError: Fabric refuses; `check_processes` has found the likely reasons before.
    """
    from lightning.fabric import Fabric  # takes seconds

    world = options.devices * options.nodes
    keep_freed_memory()
    try:
        fabric = Fabric(
            accelerator=options.device,
            devices=options.devices,
            num_nodes=options.nodes,
            strategy=data_parallel() if world > 1 else "auto",
            precision=config.precision,  # type: ignore[arg-type]  # the configuration checked it
        )
        fabric.launch()
    except (ValueError, RuntimeError) as error:
        raise InputError(f"Lightning Fabric cannot start {world} processes: {error}") from error
    return fabric


def keep_freed_memory() -> bool:
    """Lets this process keep the memory of freed tensors for the next ones; returns whether it can.

    glibc gives large blocks back to the system, which hands them out again page by page and zeroed:
    some 20,000 page faults in a training step on the CPU. The peak stays. Other C libraries do not
    know the setting.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):
        return False
    return all([libc.mallopt(name, value) for name, value in KEEPING.values()])


def data_parallel() -> "DDPStrategy":
    """Returns the strategy for several processes.

    The only buffers, spectral normalisation's vectors, follow from the weights, which are equal
    everywhere; sending them around before each forward pass would be in vain.
    """
    from lightning.fabric.strategies.ddp import DDPStrategy

    names = inspect.signature(DistributedDataParallel).parameters
    new, old = "forward_sync_buffers", "broadcast_buffers"  # newer PyTorch warns of the old name
    off: dict[str, Any] = {new if new in names else old: False}
    return DDPStrategy(**off)


def over_processes(fabric: "Fabric", values: Tensor, how: str = "mean") -> Tensor:
    """Returns the "mean", "min" or "max" of each value over all processes, on all of them."""
    return cast(Tensor, fabric.all_reduce(values.clone(), reduce_op=how))


def is_first_process() -> bool:
    """Whether this process is the one that writes and prints; true where there is only one."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    return not getattr(rank_zero_only, "rank", 0)

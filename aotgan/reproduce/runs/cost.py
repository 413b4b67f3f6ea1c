"""What filling one image costs a model: parameters, multiply-adds, time and memory (Table 1, 2)."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from aotgan.data.masks import centre_mask
from aotgan.models.inpainter import Inpainter

ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """Of one image, completed alone.

    Attributes:
        parameters: of the network; buffers do not count.
        gmacs: 1e9 multiply-adds of convolutions and matrix products.
        seconds: median of three, after one that is not timed.
        memory_mb: largest sum of the tensors alive at one time, weights left out, 2^20 bytes each;
            on a GPU what PyTorch's allocator had given out.
    """

    parameters: int
    gmacs: float
    seconds: float
    memory_mb: float


def measure_cost(model: Inpainter, size_px: int) -> Cost:
    """Measures `model.complete` on noise with a centre square as its hole, where the model lies."""
    device = model.device
    image = torch.rand(1, 3, size_px, size_px, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mask = torch.from_numpy(centre_mask(size_px, size_px)).float()[None, None]
    image, mask = image.to(device), mask.to(device)

    @torch.no_grad()
    def complete() -> None:
        model.complete(image, mask)

    # counted as they run, so that a network cannot be described wrongly
    with FlopCounterMode(display=False) as counter:
        complete()
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        gmacs=counter.get_total_flops() / 2e9,  # PyTorch counts product and sum
        # the counted pass came first, so that nothing is set up in a timed one
        seconds=median(_seconds(complete, device) for _ in range(ROUNDS)),
        memory_mb=_peak_bytes(complete, device) / 2**20,
    )


def cost_row(model: Inpainter, size_px: int) -> dict[str, Any]:
    """Returns `measure_cost` in JSON types of four significant digits, for a record."""
    values = asdict(measure_cost(model, size_px))
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items()}


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    # a call returns before the GPU is done
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _peak_bytes(work: Callable[[], None], device: torch.device) -> int:
    if device.type != "cuda":
        with _LiveTensors() as live:
            work()
        return live.peak
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return torch.cuda.max_memory_allocated(device) - before


class _LiveTensors(TorchDispatchMode):
    """Sums the storages that operations made and that are still alive, after each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._old: set[int] = set()
        self._made: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Runs an operation and looks at what it returned."""
        result = func(*args, **(kwargs or {}))
        # what an operation takes and none has made was there before: weights and the image
        for argument in tree_leaves((args, kwargs)):
            if isinstance(argument, Tensor) and argument.untyped_storage()._cdata not in self._made:
                self._old.add(argument.untyped_storage()._cdata)
        for made in tree_leaves(result):
            if isinstance(made, Tensor):
                # views share a storage, which counts once; held weakly, or it would never be freed
                storage = made.untyped_storage()
                if storage._cdata not in self._old:
                    self._made[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self._made = {key: entry for key, entry in self._made.items() if not entry[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._made.values()))
        return result

"""The kernels on as many threads as PyTorch has, each with its own scratch."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import local
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aotgan.winograd.kernels import POINTS
from aotgan.winograd.transforms import GAP, TILES

Array = NDArray[np.float32]
Job = Callable[[], object]


class _Scratch(local):
    """A thread's buffers, as large as was ever needed: V and M of `kernels`, and U."""

    def __init__(self) -> None:
        self.buffers: dict[str, Array] = {}
        self.offsets = np.empty(6, np.int64), np.empty(6, np.int64)
        self.lines = np.empty(8 * POINTS, np.float32)

    def buffer(self, name: str, size: int) -> Array:
        """At least `size` floats."""
        if name not in self.buffers or self.buffers[name].size < size:
            self.buffers[name] = np.zeros(size, np.float32)
        return self.buffers[name]


_scratch = _Scratch()


def call(kernel: Any, given: tuple, channels: int, outputs: int) -> None:
    """Calls a kernel with this thread's scratch behind what is given."""
    V, M = (
        _scratch.buffer(name, POINTS * (TILES * count + GAP))
        for name, count in (("V", channels), ("M", outputs))
    )
    kernel(*given, (V, M, *_scratch.offsets, _scratch.lines))


def panels(size: int) -> Array:
    """This thread's scratch for transformed weights, of at least `size` floats."""
    return _scratch.buffer("U", size)


def lines() -> Array:
    """This thread's scratch for one tile."""
    return _scratch.lines


def run_jobs(jobs: Iterable[Job]) -> None:
    """Runs jobs on PyTorch's number of threads, this one among them."""
    first, *others = jobs
    threads = torch.get_num_threads()
    if threads == 1 or not others:
        for job in (first, *others):
            job()
        return
    waiting = [_pool(threads - 1, os.getpid()).submit(job) for job in others]
    first()
    for one in waiting:
        one.result()


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads of this process: a fork starts with none of its parent's."""
    return ThreadPoolExecutor(threads, thread_name_prefix="aotgan-winograd")

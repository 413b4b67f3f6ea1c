"""Measures something in a process of its own: its peak memory is then that of nothing else."""

import multiprocessing
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import torch

from aotgan.bench.cases import Benchmark, Setting
from aotgan.bench.timing import on_threads, sample
from aotgan.errors import InputError

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Alone:
    """What one process needed.

    Attributes:
        wall_s, processor_s: medians over the runs after the first.
        peak_mb: most memory that the whole process ever held, Python, PyTorch and the compiled
            kernels included; on a GPU what PyTorch's allocator had given out. 2^20 bytes.
        before_mb: what it held before the first run, with libraries, weights and input.
    """

    wall_s: float
    processor_s: float
    peak_mb: float
    before_mb: float


def alone(case: Benchmark, variant: str, setting: Setting, runs: int = 1) -> Alone:
    """Runs a variant in a new process, once and then `runs` times.

    Raises:
        InputError: the process was killed, as systems do when memory runs out.
        RuntimeError: it failed.
    """
    # a fork would count this process's memory as its own
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, case, variant, setting, runs))
    with _without_interrupts():  # of the child, which inherits that; this process ends it
        process.start()
    # without our end of the pipe, a killed child is an end of file
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError as error:
        process.join()
        text = f"{case.title}, {variant}: its process ended with status {process.exitcode}"
        if process.exitcode == -signal.SIGKILL:
            raise InputError(
                f"{text}, as where memory runs out. Choose less with --what."
            ) from error
        raise RuntimeError(text) from error  # which has said why
    finally:
        # Ctrl-C does not reach the child
        process.terminate()
        process.join()
    if isinstance(answer, Exception):
        raise answer
    return Alone(*answer)


def _measure(
    sender: Connection, case: Benchmark, variant: str, setting: Setting, runs: int
) -> None:
    try:
        with on_threads(setting.threads):
            work = case.make(variant, setting)
            before = memory_mb(setting.place)[0]
            work()
            # the run before allocates and tunes: it counts for the memory, not for the time
            samples = [sample(work, setting.place) for _ in range(runs)]
            answer: Any = (
                median(one.wall for one in samples),
                median(one.processor for one in samples),
                memory_mb(setting.place)[1],
                before,
            )
    # any other error ends this process with a traceback, and its status tells
    except InputError as error:
        answer = error
    sender.send(answer)


def memory_mb(device: torch.device) -> tuple[float, float]:
    """Memory of this process now and at most, in units of 2^20 bytes.

    Linux' own account of the peak begins with the program; that of `getrusage`, which stands in for
    it elsewhere, also for the memory now, may begin with the parent's.
    """
    if device.type == "cuda":
        now, peak = torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)
        return now / 2**20, peak / 2**20
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        now, peak = (int(lines[name].split()[0]) for name in ("VmRSS", "VmHWM"))
        return now / 2**10, peak / 2**10
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else kB
    most_mb = most / (2**20 if sys.platform == "darwin" else 2**10)
    return most_mb, most_mb


@contextmanager
def _without_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

"""Times several ways of doing one thing, alternately: what else the machine does falls on all.

A round runs each once, in the same order. Ratios are taken within a round, and their median over
the rounds has a 95 % interval that assumes nothing of their distribution: between two of the sorted
ratios, which the true median leaves on one side in fewer than one of twenty such series.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import comb
from pathlib import Path
from statistics import median

import torch

from aotgan.errors import InputError

Work = Callable[[], object]

FEWEST_ROUNDS = 6  # the ends of five cover only 94 %
PEAK_SIDE = 4096  # of the matrix product that measures the device's peak; a quarter of it on a CPU
STATISTICS = Path("/proc/stat")


@dataclass(frozen=True)
class Sample:
    """Seconds on the clock of the wall, and processor seconds of all threads of this process."""

    wall: float
    processor: float


@dataclass(frozen=True)
class Ratio:
    """Median over rounds, and the ends of its 95 % interval."""

    median: float
    low: float
    high: float


@contextmanager
def on_threads(number: int) -> Iterator[None]:
    """Has PyTorch, and with it the package's own kernels, use so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def sample(work: Work, device: torch.device) -> Sample:
    """Runs something once and waits until the device has done it."""
    # what was begun before is not this work's
    _synchronise(device)
    wall, processor = time.perf_counter(), time.process_time()
    work()
    _synchronise(device)
    return Sample(time.perf_counter() - wall, time.process_time() - processor)


def alternate(
    works: Mapping[str, Work], rounds: int, device: torch.device
) -> dict[str, list[Sample]]:
    """Runs all works in turn, `rounds` times, and returns the samples of each.

    Raises:
        InputError: too few rounds for an interval.
    """
    if rounds < FEWEST_ROUNDS:
        raise InputError(f"rounds={rounds}: a 95 % interval needs at least {FEWEST_ROUNDS}.")
    samples: dict[str, list[Sample]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            samples[name].append(sample(work, device))
    return samples


def ratio(slow: Sequence[float], fast: Sequence[float]) -> Ratio:
    """How many times as long the first took, from seconds by round.

    The interval ends at the k-th smallest and the k-th largest ratio, k as large as 95 % allow.
    """
    ratios = sorted(a / b for a, b in zip(slow, fast, strict=True))
    n = len(ratios)
    if n < FEWEST_ROUNDS:
        raise InputError(f"{n} rounds: a 95 % interval needs at least {FEWEST_ROUNDS}.")
    beyond, k = 1, 1  # sets of rounds, of all 2^n, in which fewer than k ratios lie below
    while 2 * (beyond + comb(n, k)) <= 0.05 * 2**n:
        beyond, k = beyond + comb(n, k), k + 1
    return Ratio(median(ratios), ratios[k - 1], ratios[n - k])


def peak_flops(device: torch.device, clock: str) -> float:
    """Floating-point operations a second of a large float32 matrix product: best of five."""
    side = PEAK_SIDE if device.type != "cpu" else PEAK_SIDE // 4
    a = torch.randn(side, side, device=device)
    # the best: other programs can only make it slower
    least = min(getattr(sample(lambda: a @ a, device), clock) for _ in range(5))
    return float(2 * side**3 / least)


class OtherPrograms:
    """What other programs used of the processors since this was made; known on Linux alone."""

    def __init__(self) -> None:
        self.start = self._now()

    @property
    def share(self) -> float | None:
        """Between 0 and 1 of all processors, the time a hypervisor took included."""
        if self.start is None:
            return None
        all_before, own_before, wall = self.start
        everything, own, now = self._now() or self.start
        processors = os.cpu_count() or 1
        used = everything - all_before - (own - own_before)
        # both accounts are in ticks, so that their difference may come out negative
        return max(0.0, used / max(now - wall, 1e-9) / processors)

    @staticmethod
    def _now() -> tuple[float, float, float] | None:
        """Processor seconds of everything and of this process with its children, and the time."""
        if not STATISTICS.exists():
            return None
        # left out are idle and waiting for disks; guests are in user already
        user, nice, system, _, _, irq, soft, steal, *_ = map(
            int, STATISTICS.read_text().split("\n", 1)[0].split()[1:]
        )
        ticks = user + nice + system + irq + soft + steal
        return ticks / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4]), time.perf_counter()


def _synchronise(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)

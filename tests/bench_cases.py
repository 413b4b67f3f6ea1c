"""What the benchmark's tests run in other processes, which have to be able to import it."""

import os
import signal

import numpy as np

from aotgan.bench.cases import DIRECT, Benchmark


def hold(megabytes, variant, setting):
    """Holds so much memory while it runs."""
    return lambda: np.ones(megabytes << 17)


def stop(variant, setting):
    """Dies as a process does that the system ends."""
    return lambda: os.kill(os.getpid(), signal.SIGKILL)


def fail(variant, setting):
    """Has a mistake in it."""
    raise KeyError("mistake")


def case_of(make):
    """A case that consists of this."""
    return Benchmark("case", "a case", 8, (DIRECT,), DIRECT, make)

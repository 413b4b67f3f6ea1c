"""Ratios by round, their interval, and what the clocks count."""

import itertools
import math
import time

import pytest
import torch

from aotgan.bench.timing import OtherPrograms, alternate, on_threads, peak_flops, ratio, sample
from aotgan.errors import InputError

CPU = torch.device("cpu")


def coverage(n: int, k: int) -> float:
    """Chance that a fair coin thrown n times falls on either side at least k times, by counting."""
    heads = [sum(throws) for throws in itertools.product((0, 1), repeat=n)]
    return sum(k <= h <= n - k for h in heads) / 2**n


@pytest.mark.parametrize("n", [6, 9, 12, 15])
def test_the_interval_is_the_narrowest_of_order_statistics_that_covers_95_percent(n: int) -> None:
    found = ratio([float(i) for i in range(1, n + 1)], [1.0] * n)
    k = int(found.low)
    assert found.high == n + 1 - k and found.median == (n + 1) / 2
    assert coverage(n, k) >= 0.95 > coverage(n, k + 1)


def test_ratios_are_taken_within_a_round() -> None:
    fast = [1.0, 10.0, 2.0, 5.0, 3.0, 7.0]
    found = ratio([3 * seconds for seconds in fast], fast)
    assert math.isclose(found.low, 3) and math.isclose(found.high, 3)


@pytest.mark.parametrize("rounds", [0, 5])
def test_too_few_rounds_are_refused(rounds: int) -> None:
    with pytest.raises(InputError, match=f"rounds={rounds}: .* at least 6"):
        alternate({"a": int}, rounds, CPU)
    with pytest.raises(InputError, match="at least 6"):
        ratio([1.0] * rounds, [1.0] * rounds)


def test_rounds_alternate() -> None:
    calls: list[str] = []
    works = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    samples = alternate(works, 6, CPU)
    assert "".join(calls) == "abc" * 6
    assert {name: len(found) for name, found in samples.items()} == dict.fromkeys("abc", 6)


def test_waiting_is_on_the_clock_of_the_wall_alone() -> None:
    found = sample(lambda: time.sleep(0.2), CPU)
    assert found.wall >= 0.2 > 0.1 > found.processor


def test_threads_are_those_asked_for_and_then_as_before() -> None:
    before = torch.get_num_threads()
    with on_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_peak_and_other_programs_are_plausible() -> None:
    others = OtherPrograms()
    assert 1e8 < peak_flops(CPU, "processor") < 1e14
    assert others.share is None or 0 <= others.share <= 1.1

"""Learning rates and sizes of images are functions of the step alone."""

import math

import pytest

from aotgan.training.schedule import learning_rate_factor, size_changes


def factors(schedule, warmup, steps):
    return [learning_rate_factor(schedule, warmup, steps, done) for done in range(steps)]


def test_the_papers_rate_is_constant():
    assert factors("constant", 0, 5) == [1.0] * 5


def test_the_warm_up_rises_in_equal_parts():
    assert factors("constant", 4, 6) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_the_cosine_falls_from_1_after_the_warm_up_towards_0():
    found = factors("cosine", 2, 10)
    assert found[:3] == [0.5, 1.0, 1.0]
    assert found[6] == pytest.approx(0.5)
    assert found == sorted(found[:2]) + sorted(found[2:], reverse=True)
    assert found[-1] == pytest.approx((1 - math.cos(math.pi / 8)) / 2)


def test_sizes_change_between_batches():
    assert size_changes((), 100, 8) == ()
    assert size_changes(((0.3, 64), (1.0, 128)), 10, 8) == ((24, 64), (80, 128))
    assert size_changes(((0.34, 64), (1.0, 128)), 10, 8) == ((24, 64), (80, 128))

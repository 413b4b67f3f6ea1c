"""Fréchet and kernel distance against their definitions, and what their intervals are worth."""

import math
import time

import numpy as np
import pytest
import torch
from scipy import linalg
from tolerances import DOUBLE, DOUBLE_NET, SINGLE_FEW, SINGLE_SUM
from torchmetrics.image.fid import FrechetInceptionDistance

from aotgan.metrics import distances
from aotgan.metrics.distances import draws, frechet_distance, kernel_distances, measure


def features(count, size, seed=0):
    """Correlated normal numbers of one law, float64 (N, d)."""
    mixing = torch.randn(size, size, generator=torch.Generator().manual_seed(99)).double()
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=generator).double() @ mixing / size**0.5


def ones(count):
    return torch.ones(count, dtype=torch.float64)


def names(count, photographs):
    return [f"p{i % photographs}" for i in range(count)]


def by_matrix_root(x, y):
    """Heusel et al.'s definition with scipy's matrix square root, on features (N, d)."""
    x, y = x.numpy(), y.numpy()
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(s @ t).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root)


def test_frechet_distance_equals_the_definition_with_a_matrix_square_root():
    x, y = features(300, 40), features(300, 40, seed=1) * 1.3 + 0.2
    expected = by_matrix_root(x, y)
    assert frechet_distance(x, y, ones(300)).item() == pytest.approx(expected, rel=DOUBLE_NET)


@pytest.mark.parametrize("count", [4, 60])
def test_frechet_distance_is_torchmetrics_even_of_few_images(count):
    x, y = features(count, 40), features(count, 40, seed=1) + 0.2

    class Given(torch.nn.Identity):
        num_features = 40

    metric = FrechetInceptionDistance(Given())
    metric.update(x, real=True)
    metric.update(y, real=False)
    found = frechet_distance(x, y, ones(count)).item()
    assert found == pytest.approx(float(metric.compute()), rel=SINGLE_SUM)


def test_frechet_distance_of_shifted_and_of_scaled_features_has_its_closed_form():
    x = features(80, 30)
    shifted, scaled = (frechet_distance(x, y, ones(80)).item() for y in (x + 0.1, 2 * x))
    assert shifted == pytest.approx(30 * 0.1**2, rel=SINGLE_FEW)
    # the mean moves by itself, the standard deviations double: |mu|^2 + tr S
    assert scaled == pytest.approx(float((x.mean(0) ** 2).sum() + x.var(0).sum()), rel=SINGLE_FEW)


@pytest.mark.parametrize("count", [3, 80])
def test_a_set_is_at_no_frechet_distance_from_itself(count):
    x = features(count, 30)
    assert 0 <= frechet_distance(x, x.flip(0), ones(count)).item() < SINGLE_FEW


def test_weights_are_repeated_images():
    x, y = features(50, 20), features(50, 20, seed=1)
    weights = torch.randint(0, 3, (50,), generator=torch.Generator().manual_seed(0)).double()
    times = weights.long()
    repeated = [part.repeat_interleave(times, dim=0) for part in (x, y)]
    expected = frechet_distance(*repeated, ones(int(weights.sum())))
    torch.testing.assert_close(frechet_distance(x, y, weights), expected)


def kernel_by_loop(x, y, photographs, counts):
    """The mean over ordered pairs of different photographs, term by term."""

    def k(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    total = pairs = 0.0
    for i, j in np.ndindex(len(x), len(x)):
        if photographs[i] != photographs[j]:
            weight = float(counts[photographs[i]] * counts[photographs[j]])
            h = k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(y[i], x[j])
            total, pairs = total + weight * h, pairs + weight
    return total / pairs


def test_kernel_distance_equals_a_loop_over_pairs(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 5)
    x, y = features(14, 6), features(14, 6, seed=1)
    photographs = torch.tensor([0, 0, 0, 1, 2, 2, 3, 4, 4, 4, 4, 5, 6, 6])
    counts = torch.tensor([[1.0] * 7, [2, 0, 1, 0, 3, 1, 0]], dtype=torch.float64).T
    found = kernel_distances(x, y, photographs, counts)
    for column, value in zip(counts.T, found, strict=True):
        assert value.item() == pytest.approx(kernel_by_loop(x, y, photographs, column), rel=DOUBLE)


def test_kernel_distance_is_unbiased_where_fills_resemble_their_originals():
    """Over many sets its mean is 0 for equal laws, where that of KID's formula is far below."""
    found, customary = [], []
    n, alone = 8, torch.arange(8)
    for seed in range(400):
        shared, own = features(n, 3, seed), features(2 * n, 3, 1000 + seed)
        x, y = shared + 0.3 * own[:n], shared + 0.3 * own[n:]
        found.append(kernel_distances(x, y, alone, ones(n)[:, None]).item())
        cross = (x @ y.T / 3 + 1) ** 3
        within = [(part @ part.T / 3 + 1) ** 3 for part in (x, y)]
        off = sum((k.sum() - k.trace()) / (n * (n - 1)) for k in within)
        customary.append(float(off - 2 * cross.mean()))
    assert abs(np.mean(found)) < 3 * np.std(found) / 20
    assert np.mean(customary) < -10 * np.std(found) / 20


def test_a_set_is_at_no_kernel_distance_from_itself():
    x = features(12, 5)
    assert kernel_distances(x, x, torch.arange(12), ones(12)[:, None]).abs().item() < DOUBLE


def test_the_interval_is_the_spread_between_sets_of_photographs():
    """Three pairs of each photograph: as wide as repeated draws say, not narrower by sqrt 3."""
    size, photographs, values, halves = 4, 40, [], []
    for seed in range(60):
        x = features(photographs, size, seed).repeat(3, 1)
        y = 1.2 * x + 0.3 + 0.05 * features(3 * photographs, size, seed + 500)
        found = measure(x, y, names(3 * photographs, photographs))
        values.append([found["fd"], found["kd"]])
        halves.append([found["fd_high"] - found["fd"], found["kd_high"] - found["kd"]])
    ratio = np.mean(halves, axis=0) / (2.02 * np.std(values, axis=0))
    assert (ratio > 0.75).all() and (ratio < 1.3).all(), ratio


def test_intervals_are_symmetric_seeded_and_none_of_few_photographs():
    x, y = features(60, 5), features(60, 5, seed=1) + 1
    found = measure(x, y, names(60, 20))
    assert found == measure(x, y, names(60, 20))
    for name in ("fd", "kd"):
        low, value, high = (found[name + end] for end in ("_low", "", "_high"))
        assert low < value < high and high - value == pytest.approx(value - low)
    few = measure(x, y, names(60, 9))
    assert few["fd"] == pytest.approx(found["fd"]) and math.isfinite(few["kd"])
    assert all(math.isnan(few[f"{n}_{end}"]) for n in ("fd", "kd") for end in ("low", "high"))
    assert draws(20).shape == (20, 201) and (draws(20).sum(0) == 20).all()


def test_no_frechet_distance_of_fewer_images_than_features():
    x, y = features(31, 30), features(31, 30, seed=1)
    found = measure(x, y, names(31, 31))
    assert math.isfinite(found["fd"]) and math.isfinite(found["fd_high"])
    found = measure(x[:30], y[:30], names(30, 30))
    assert math.isnan(found["fd"]) and math.isnan(found["fd_low"])
    assert math.isfinite(found["kd"]) and math.isfinite(found["kd_low"])


def test_of_one_photograph_there_is_no_distance():
    found = measure(features(3, 8), features(3, 8, seed=1), ["a"] * 3)
    assert all(map(math.isnan, found.values())) and found.keys() == distances.unknown().keys()


def test_six_hundred_pairs_take_seconds():
    x, y = features(600, 240), features(600, 240, seed=1)
    start = time.process_time()
    measure(x, y, names(600, 100))
    assert time.process_time() - start < 8  # 2 s on a core of its own


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cpu_and_gpu_agree():
    x, y = features(60, 20), features(60, 20, seed=1)
    found = measure(x.cuda(), y.cuda(), names(60, 12))
    assert found == pytest.approx(measure(x, y, names(60, 12)), rel=SINGLE_FEW)


def test_resamples_of_two_models_are_the_same_so_that_their_difference_is_surer():
    real, photographs = features(90, 4), names(90, 30)
    first = real + 0.3 * features(90, 4, seed=1)
    second = first + 0.02
    frames = [distances.resampled(real, fake, photographs) for fake in (first, second)]
    found = [distances.summary(frame, 30) for frame in frames]
    assert found[0] == measure(real, first, photographs)
    change = distances.summary(frames[1] - frames[0], 30)
    for name in distances.DISTANCES:
        assert change[name] == pytest.approx(found[1][name] - found[0][name])
        width, alone = (x[f"{name}_high"] - x[f"{name}_low"] for x in (change, found[0]))
        assert 0 < width < 0.5 * alone
    assert math.isnan(distances.summary(frames[0], 9)["kd_low"])

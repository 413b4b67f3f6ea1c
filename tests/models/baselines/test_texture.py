"""The texture optimisation: its energy against loops, and where its patches come from."""

import numpy as np
import pytest
import torch
from tolerances import DOUBLE, DOUBLE_NET, SINGLE_SUM

from aotgan.losses.features import VGG19Features
from aotgan.models.baselines.mnps import hole_of
from aotgan.models.baselines.texture import (
    LEVELS,
    TextureEnergy,
    activations,
    cells,
    clear_patches,
    feature_network,
    hole_patches,
    most_similar,
    total_variation,
)


def random_image(side):
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def energy_of(side, alpha=5e-6, beta=5e-6, width=2):
    """The energy of a random image in double precision."""
    network = feature_network("random", width, torch.device("cpu"), torch.float64)
    return TextureEnergy(random_image(side).double(), hole_of(side), network, alpha, beta)


def test_total_variation_equals_a_loop():
    image = np.random.default_rng(0).normal(size=(2, 3, 5, 7))
    expected = 0.0
    for b, c, y, x in np.ndindex(*image.shape):
        if y + 1 < 5:
            expected += (image[b, c, y + 1, x] - image[b, c, y, x]) ** 2
        if x + 1 < 7:
            expected += (image[b, c, y, x + 1] - image[b, c, y, x]) ** 2
    assert total_variation(torch.from_numpy(image)).item() == pytest.approx(expected, rel=DOUBLE)


def patches_by_loop(features, hole, stride):
    """Patches (9 C,) by upper left cell: those centred in the hole, those that no hole touches."""
    channels, height, width = features.shape
    inside = np.zeros((height, width), dtype=bool)
    for y, x in np.ndindex(height, width):
        rows = set(range(y * stride, (y + 1) * stride)) & set(range(*hole))
        columns = set(range(x * stride, (x + 1) * stride)) & set(range(*hole))
        inside[y, x] = bool(rows and columns)
    own, clear = [], []
    for y, x in np.ndindex(height - 2, width - 2):
        patch = features[:, y : y + 3, x : x + 3].reshape(-1)
        if inside[y + 1, x + 1]:
            own.append(patch)
        if not inside[y : y + 3, x : x + 3].any():
            clear.append(patch)
    return np.array(own), np.array(clear)


def energy_by_loop(energy, content, alpha, beta, width):
    first, stop = energy.hole
    image = energy.image.clone()
    image[..., first:stop, first:stop] = content
    total = ((content - energy.image[..., first:stop, first:stop]) ** 2).sum().item()
    network = VGG19Features("random", width).double()
    before, after = network(energy.image), network(image)
    for layer, stride in (("relu3_1", 4), ("relu4_1", 8)):
        start, clear = patches_by_loop(before[layer][0].numpy(), energy.hole, stride)
        now, _ = patches_by_loop(after[layer][0].numpy(), energy.hole, stride)
        if not len(clear):
            continue
        nearest = [clear[np.argmin(((clear - patch) ** 2).sum(1))] for patch in start]
        texture_term = np.mean([((p - q) ** 2).sum() for p, q in zip(now, nearest, strict=True)])
        total += alpha * LEVELS**2 * (64 / width) * texture_term
    return total + beta * total_variation(image).item()


@pytest.mark.parametrize("side", [64, 128])
def test_the_energy_equals_one_by_loops(side):
    alpha, beta, width = 3e-4, 2e-3, 2
    energy = energy_of(side, alpha, beta, width)
    content = energy.start + 0.1 * torch.randn_like(energy.start)
    expected = energy_by_loop(energy, content, alpha, beta, width)
    assert energy(content).item() == pytest.approx(expected, rel=DOUBLE_NET)
    assert sorted(energy.matched) == (["relu3_1"] if side == 64 else ["relu3_1", "relu4_1"])


def test_activations_are_those_of_the_whole_network():
    network = feature_network("random", 2, torch.device("cpu"), torch.float32)
    image = random_image(64)
    whole, found = network(image), activations(network, image)
    assert list(found) == ["relu3_1", "relu4_1"]
    assert all(torch.equal(found[layer], whole[layer]) for layer in found)


@pytest.mark.parametrize(("side", "stride"), [(64, 4), (128, 4), (128, 8), (160, 8), (512, 8)])
def test_patches_that_touch_the_hole_never_match(side, stride):
    """Cells of the hole are marked, and no candidate holds a mark; no clear patch is left out."""
    count, inside = side // stride, cells(hole_of(side), stride)
    pixels = torch.zeros(1, 1, side, side)
    first, stop = hole_of(side)
    pixels[..., first:stop, first:stop] = 1
    marks = torch.nn.functional.max_pool2d(pixels, stride)
    clear = clear_patches(marks, inside)
    touched = torch.nn.functional.max_pool2d(marks, 3, stride=1)
    assert clear.shape == (9, int((touched == 0).sum())) and clear.shape[1] > 0
    assert clear.max() == 0
    own = hole_patches(marks, inside)
    assert own.shape == (9, int(marks.sum())) and bool((own[4] == 1).all())
    assert count == marks.shape[-1]


def test_the_most_similar_patch_is_the_nearest():
    rng = np.random.default_rng(0)
    own, candidates = rng.normal(size=(9, 5)), rng.normal(size=(9, 20))
    found = most_similar(torch.from_numpy(own), torch.from_numpy(candidates)).numpy()
    for column, patch in enumerate(own.T):
        distances = ((candidates.T - patch) ** 2).sum(1)
        assert np.array_equal(found[:, column], candidates[:, distances.argmin()])


def test_the_gradient_is_that_of_the_energy():
    energy = energy_of(64, alpha=1e-3, beta=1e-2)
    content = (energy.start + 0.05).requires_grad_()
    (gradient,) = torch.autograd.grad(energy(content), content)
    direction = torch.randn_like(gradient)
    step = 1e-6 * direction
    slope = (energy(content + step) - energy(content - step)).item() / 2e-6
    assert slope == pytest.approx((gradient * direction).sum().item(), rel=SINGLE_SUM)

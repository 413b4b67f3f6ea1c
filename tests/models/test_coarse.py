"""Filling from coarse to fine, against the same steps written with numpy and by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tolerances import DOUBLE

from aotgan.data.masks import thick_mask
from aotgan.errors import InputError
from aotgan.models.coarse import complete_from_coarse, erase_from_coarse, halve, most_levels
from aotgan.models.generator import Generator


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = Generator(width=4, rates=(1,), blocks=1, fill="surface", correction=True)
    return network.double().eval()


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.uniform(-1, 1, (2, 3, 64, 48)))
    masks = [thick_mask(64, 48, (0.3, 0.4), rng) for _ in range(2)]
    return image, torch.from_numpy(np.stack(masks))[:, None].double()


def test_a_cell_is_the_mean_of_its_known_pixels(case):
    image, mask = case
    small, hole = halve(image, mask)
    for b, y, x in ((0, 0, 0), (0, 13, 20), (1, 31, 23), (1, 9, 7)):
        pixels = image[b, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].reshape(3, 4).numpy()
        known = mask[b, 0, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].reshape(4).numpy() == 0
        assert hole[b, 0, y, x] == (not known.any())
        expected = pixels[:, known].mean(axis=1) if known.any() else 0
        np.testing.assert_allclose(small[b, :, y, x].numpy(), expected, atol=DOUBLE)
    assert 0 < hole.sum() < mask.sum() / 4, "cells at the rim are known in part"


@torch.no_grad()
def test_without_levels_it_is_the_fill_of_one_pass(network, case):
    assert torch.equal(complete_from_coarse(network, *case, 0), network.complete(*case))


@torch.no_grad()
def test_the_hole_shows_the_fill_of_the_smaller_image(network, case):
    image, mask = case
    small, hole = halve(image, mask)
    coarse = F.interpolate(network.complete(small, hole), scale_factor=2, mode="bilinear")
    seen = torch.where(mask > 0, coarse, image)
    assert torch.equal(erase_from_coarse(network, image, mask, 1), seen)
    expected = torch.where(mask > 0, network(seen, mask).clamp(-1, 1), image)
    torch.testing.assert_close(complete_from_coarse(network, image, mask, 1), expected)
    twice = complete_from_coarse(network, image, mask, 2)
    assert not torch.equal(twice, expected)
    assert torch.equal(twice[mask.expand_as(image) == 0], image[mask.expand_as(image) == 0])


@torch.no_grad()
def test_what_the_hole_hides_is_not_looked_at(network, case):
    image, mask = case
    other = torch.where(mask > 0, torch.rand_like(image), image)
    for levels in (1, 2):
        assert torch.equal(
            complete_from_coarse(network, image, mask, levels),
            complete_from_coarse(network, other, mask, levels),
        )


def test_levels_end_where_the_network_does(network, case):
    least = network.min_side
    assert least == 8
    sizes = {(64, 48): 2, (64, 64): 3, (8, 8): 0, (16, 16): 1, (16, 20): 0, (40, 48): 1}
    assert {size: most_levels(network, *size) for size in sizes} == sizes
    with pytest.raises(InputError, match="levels=3 for 64x48 px: expected 0 to 2"):
        complete_from_coarse(network, *case, 3)

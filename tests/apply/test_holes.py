"""Holes that grow and fade by the pixel."""

import numpy as np
import pytest

from aotgan.apply.holes import feather_mask, grow_mask
from aotgan.errors import InputError

SIZE = (9, 14)


@pytest.fixture
def hole():
    mask = np.zeros(SIZE, bool)
    mask[2:5, 3:9] = True
    return mask


@pytest.mark.parametrize("px", [0, 1, 1.5, 3, 100])
def test_growing_is_dilation_by_a_disc(px):
    rng = np.random.default_rng(1)
    mask = rng.random((23, 31)) > 0.995
    mask[4, 5] = True
    y, x = np.mgrid[:23, :31]
    expected = np.zeros_like(mask)
    for row, column in np.argwhere(mask):
        expected |= (y - row) ** 2 + (x - column) ** 2 <= px**2
    if px == 100:
        with pytest.raises(InputError, match="grow=100: the hole would cover the whole image"):
            grow_mask(mask, px)
    else:
        assert np.array_equal(grow_mask(mask, px), expected)


def test_the_fill_fades_over_the_band_and_nowhere_else(hole):
    weight = feather_mask(hole, 3)
    assert (weight[hole] == 1).all()
    assert weight[3, 9:14].tolist() == [0.75, 0.5, 0.25, 0, 0]
    outside = ~grow_mask(hole, 3)
    assert (weight[outside] == 0).all() and (weight[~outside] > 0).all()
    assert np.array_equal(feather_mask(hole, 0), hole)
    assert not feather_mask(np.zeros(SIZE, bool), 3).any()


@pytest.mark.parametrize("px", [-1, float("nan"), float("inf"), "2", True, None])
@pytest.mark.parametrize(("name", "change"), [("grow", grow_mask), ("feather", feather_mask)])
def test_impossible_widths_are_refused(hole, name, change, px):
    with pytest.raises(InputError, match=f"{name}=.*: expected a number of pixels, 0 or more"):
        change(hole, px)

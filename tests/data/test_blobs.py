"""Thick masks: deep in their middle, ragged at their rim, anywhere in the image."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from skimage.measure import label

from aotgan.data.masks import free_form_mask, thick_mask


def rng(*seed):
    return np.random.default_rng(list(seed))


DEPTHS = {(0.1, 0.2): 15, (0.2, 0.3): 21, (0.3, 0.4): 26, (0.4, 0.5): 30, (0.5, 0.6): 30}


def depth(mask):
    """95th percentile of the distance of a hole pixel to the nearest known one, px."""
    return np.percentile(distance_transform_edt(mask)[mask], 95)


@pytest.mark.parametrize("bounds", DEPTHS)
@pytest.mark.parametrize("size", [64, 128, 256])
def test_thick_holes_are_deep_and_free_form_ones_are_not(size, bounds):
    numbers = range(4096 // size)
    thick = [depth(thick_mask(size, size, bounds, rng(8, i), i % 2 == 0)) for i in numbers]
    assert min(thick) * 128 / size >= DEPTHS[bounds]
    strokes = [depth(free_form_mask(size, size, bounds, rng(8, i), i % 2 == 0)) for i in numbers]
    assert np.median(strokes) * 128 / size < 0.6 * DEPTHS[bounds]


def test_the_depth_of_a_thick_hole_goes_with_its_size():
    """At least 0.66 times the radius of a disk of that size, wherever and in whatever image."""
    for number in range(60):
        mask = thick_mask(80, 120, (0.01, 0.6), rng(9, number))
        assert depth(mask) >= 0.66 * np.sqrt(mask.sum() / np.pi)


def test_thick_holes_are_irregular_and_lie_everywhere():
    masks = [thick_mask(128, 128, (0.4, 0.5), rng(6, i), i % 2 == 0) for i in range(200)]
    pieces = [label(mask, background=0).max() for mask in masks]
    assert np.mean([count == 1 for count in pieces]) > 0.4 and max(pieces) < 12
    ragged = [2 * np.sqrt(np.pi * mask.sum()) / outline(mask) for mask in masks[1::2]]
    assert np.mean(ragged) < 0.75, "a disk has 0.79 when its outline is counted in pixel edges"
    coarse = np.mean(masks, axis=0).reshape(4, 32, 4, 32).mean(axis=(1, 3))
    assert coarse.min() > 0.1 and coarse.max() < 0.9


def outline(mask):
    """Number of pixel edges between hole and known pixels."""
    return (mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum()

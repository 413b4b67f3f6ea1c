"""Masks that are drawn: exact hole sizes, margins, strokes like those of Liu et al."""

import time

import numpy as np
import pytest
from skimage.measure import label
from tolerances import PERCENT, TENTH

from aotgan.data.mask_files import read_mask
from aotgan.data.masks import (
    DRAWN,
    RATIO_BINS,
    bin_label,
    box_mask,
    centre_mask,
    draw_box,
    free_form_mask,
    random_box_mask,
)
from aotgan.errors import InputError


def rng(*seed):
    return np.random.default_rng(list(seed))


@pytest.mark.slow
@pytest.mark.parametrize("bounds", RATIO_BINS)
def test_a_thousand_masks_lie_inside_their_bin(bounds):
    fractions = [free_form_mask(64, 64, bounds, rng(1, i), i % 2 == 0).mean() for i in range(1000)]
    assert min(fractions) >= bounds[0] and max(fractions) <= bounds[1]
    # Uniform inside the bin: mean and spread of 1,000 draws.
    assert abs(np.mean(fractions) - np.mean(bounds)) < 0.005
    assert abs(np.std(fractions) - (bounds[1] - bounds[0]) / 12**0.5) < 0.003


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("bounds", RATIO_BINS)
@pytest.mark.parametrize("size", [(16, 16), (17, 61), (512, 512)])
def test_any_size_and_bin_has_masks(kind, bounds, size):
    for number in range(4):
        mask = DRAWN[kind](*size, bounds, rng(2, number), number % 2 == 0)
        assert mask.shape == size and mask.dtype == bool
        assert bounds[0] <= mask.mean() <= bounds[1]


@pytest.mark.parametrize("kind", DRAWN)
def test_the_hole_size_can_be_named_to_the_pixel(kind):
    for pixels in (1, 333, 2048, 2450):
        ratio = pixels / 64**2
        for border in (True, False):
            mask = DRAWN[kind](64, 64, (ratio, ratio), rng(pixels), border)
            assert mask.sum() == pixels


@pytest.mark.parametrize("kind", DRAWN)
def test_masks_depend_on_the_seed_alone(kind):
    first, again, other = (DRAWN[kind](96, 64, (0.2, 0.3), rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", DRAWN)
def test_without_border_a_margin_stays_known(kind):
    for number in range(20):
        mask = DRAWN[kind](512, 256, (0.5, 0.6), rng(number), border=False)
        assert not mask[:50].any() and not mask[-50:].any()
        assert not mask[:, :25].any() and not mask[:, -25:].any()
    touching = [DRAWN[kind](64, 64, (0.3, 0.4), rng(i))[0].any() for i in range(20)]
    assert any(touching) and not all(touching)


def test_holes_are_strokes_and_not_noise():
    """Connected pieces are few, and stroke thickness differs between masks."""
    pieces, thickness = [], []
    for number in range(30):
        mask = free_form_mask(128, 128, (0.2, 0.3), rng(number))
        pieces.append(label(mask).max())
        thickness.append(thickness_of(mask))
    assert max(pieces) < 60
    assert max(thickness) > 2 * min(thickness) > 3


def outline(mask):
    """Number of pixel edges between hole and known pixels."""
    return (mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum()


def thickness_of(mask):
    """Mean width of the hole, px: twice its area over its outline."""
    return 2 * mask.sum() / outline(mask)


def test_strokes_are_as_thick_as_those_of_liu_et_al(stand_in_data):
    files = sorted((stand_in_data / "masks").glob("nv_*.png"))[::10]
    theirs = [thickness_of(read_mask(file)) for file in files]
    ours = [
        thickness_of(free_form_mask(512, 512, (0.3, 0.4), rng(i), i % 2 == 0)) for i in range(76)
    ]
    for quantile in (0.1, 0.5, 0.9):
        assert 0.7 < np.quantile(ours, quantile) / np.quantile(theirs, quantile) < 1.4


def test_masks_cover_the_whole_square_alike():
    """Averaged over many masks the hole probability is level, apart from the borders."""
    mean = np.mean([free_form_mask(64, 64, (0.3, 0.4), rng(5, i)) for i in range(400)], axis=0)
    coarse = mean.reshape(4, 16, 4, 16).mean(axis=(1, 3))
    assert coarse.min() > 0.2 and coarse.max() < 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((64, 64), (0.4, 0.2)), "low <= high"),
        (((64, 64), (-0.1, 0.2)), "low <= high"),
        (((64, 64), (0.4, 1.5)), "low <= high <= 1"),
        (((64, 64), (float("nan"), 0.2)), "low <= high"),
        (((64, 64), (0.2, 0.99)), "border=True|lower"),
        (((8, 64), (0.2, 0.3)), "16 or more"),
        (((16, 16), (0.3001, 0.3002)), "no whole number"),
    ],
)
def test_impossible_requests_are_refused(arguments, message):
    (height, width), bounds = arguments
    with pytest.raises(InputError, match=message):
        free_form_mask(height, width, bounds, rng(0))


@pytest.mark.parametrize("kind", DRAWN)
def test_too_large_for_the_margin_is_refused(kind):
    with pytest.raises(InputError, match="border=True"):
        DRAWN[kind](512, 512, (0.6, 0.7), rng(0), border=False)


@pytest.mark.parametrize(("kind", "asked"), [("free-form", 200), ("thick", 50)])
def test_irregular_masks_are_fast_enough(kind, asked):
    """So many a second at 512 px on one free core; here a quarter of that is asked."""
    DRAWN[kind](512, 512, (0.5, 0.6), rng(0))
    start = time.process_time()
    for bounds in RATIO_BINS:
        for number in range(10):
            DRAWN[kind](512, 512, bounds, rng(number), number % 2 == 0)
    assert 60 / (time.process_time() - start) > asked / 4


def test_bins_are_named_as_in_the_tables():
    assert [bin_label(b) for b in RATIO_BINS][:2] == ["1-10%", "10-20%"]
    assert bin_label((0.5, 0.6)) == "50-60%"


def test_centre_hole_of_table_2():
    mask = centre_mask(512, 512)
    assert mask.sum() == 224**2
    assert mask[144:368, 144:368].all()
    assert centre_mask(2048, 2048).sum() == 896**2, "the same share of other sides"
    assert centre_mask(100, 60, 10).sum() == 100
    assert centre_mask(100, 60, 10)[45:55, 25:35].all()  # the middle of the height, then the width
    with pytest.raises(InputError, match="does not fit"):
        centre_mask(32, 64, 33)


def test_boxes_are_left_top_width_height():
    mask = box_mask(10, 20, [(3, 1, 5, 2), (18, 8, 9, 9)])
    expected = np.zeros((10, 20), bool)
    expected[1:3, 3:8] = True
    expected[8:, 18:] = True
    assert np.array_equal(mask, expected)
    assert box_mask(10, 20, [(19, 9, 1, 1)]).sum() == 1
    for box in [(0, 0, 0, 5), (20, 0, 2, 2), (-5, 0, 5, 2)]:
        with pytest.raises(InputError, match="no area"):
            box_mask(10, 20, [box])


def test_random_boxes_are_rectangles_of_the_asked_size():
    for number in range(200):
        mask = random_box_mask(64, 48, (0.1, 0.6), rng(number))
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        assert mask.sum() == rows.sum() * columns.sum()
        assert 0.08 < mask.mean() < 0.62


def test_random_boxes_have_every_shape_alike():
    boxes = [draw_box(400, 400, (0.1, 0.11), rng(number))[2:] for number in range(600)]
    shapes = np.log([height / width for width, height in boxes])  # uniform between -1 and 1
    assert np.abs(shapes).max() < 1 + PERCENT
    assert np.abs(np.quantile(shapes, [0.25, 0.5, 0.75]) - [-0.5, 0, 0.5]).max() < TENTH
    assert {draw_box(20, 800, (0.5, 0.6), rng(number))[3] for number in range(9)} == {20}

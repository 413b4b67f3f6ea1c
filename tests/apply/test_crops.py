"""Windows show what a tile depends on, overlap no more than they must, and are found fast."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aotgan.apply.crops import (
    CELL,
    box_area,
    padded_size,
    plan_tiles,
    reduction,
    reflected,
)


def holes(size, *boxes):
    mask = np.zeros(size, bool)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("length", [1, 2, 3, 7, 12])
def test_an_image_goes_on_as_numpy_reflects_it(length):
    expected = np.pad(np.arange(length), (0, 40), mode="symmetric")
    assert np.array_equal(reflected(0, length + 40, length), expected)
    assert np.array_equal(reflected(5, length + 9, length), expected[5 : length + 9])


def test_padded_sides_are_multiples_of_4_and_large_enough():
    assert padded_size((1, 36), 36) == (36, 36)
    assert padded_size((37, 1001), 36) == (40, 1004)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    context=st.integers(0, 90),
    most=st.sampled_from([4_000, 30_000, 10**9]),
    seed=st.integers(0, 99),
)
def test_tiles_cover_each_pixel_once_and_windows_show_the_context(size, context, most, seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros(size, bool)
    for _ in range(rng.integers(1, 6)):
        top, left = rng.integers(size[0]), rng.integers(size[1])
        mask[top : top + rng.integers(1, 80), left : left + rng.integers(1, 80)] = True
    covered = np.zeros(size, int)
    height, width = padded_size(size, 12)
    for tile in plan_tiles(mask, context, 12, most):
        (y0, x0, y1, x1), (top, left, bottom, right) = tile.target, tile.window
        covered[y0:y1, x0:x1] += 1
        assert 0 <= top <= max(0, y0 - context) and 0 <= left <= max(0, x0 - context)
        assert min(height, y1 + context) <= bottom <= height
        assert min(width, x1 + context) <= right <= width
        assert all(edge % 4 == 0 for edge in tile.window)
        assert bottom - top >= 12 and right - left >= 12
        fits = box_area(tile.window) <= most
        assert fits or (y1 - y0 <= CELL and x1 - x0 <= CELL)
    assert covered.max() == 1 and (covered[mask] == 1).all()


def test_far_holes_get_windows_of_their_own_and_near_ones_share():
    far = plan_tiles(
        holes((2000, 3000), (100, 100, 150, 150), (1800, 2800, 1850, 2850)), 64, 36, 10**9
    )
    assert [tile.target for tile in far] == [(100, 100, 150, 150), (1800, 2800, 1850, 2850)]
    near = plan_tiles(
        holes((2000, 3000), (100, 100, 150, 150), (100, 200, 150, 250)), 300, 36, 10**9
    )
    assert [tile.target for tile in near] == [(100, 100, 150, 250)]


def test_the_work_grows_with_the_holes_and_not_with_the_image():
    tiles = plan_tiles(holes((4000, 6000), (1000, 1000, 1512, 1512)), 301, 36, 10**9)
    assert [tile.window for tile in tiles] == [(696, 696, 1816, 1816)]


def test_a_large_hole_is_cut_into_parts_of_similar_size():
    tiles = plan_tiles(holes((4000, 4000), (500, 500, 3500, 3500)), 300, 36, 2_000_000)
    assert max(box_area(tile.window) for tile in tiles) <= 2_000_000
    sides = [edge for tile in tiles for edge in np.subtract(tile.target[2:], tile.target[:2])]
    assert min(sides) >= 300 and len(tiles) <= 36


def test_thousands_of_specks_are_planned_fast():
    rng = np.random.default_rng(0)
    mask = rng.random((2000, 3000)) > 0.999  # some 6,000 of them
    start = time.process_time()
    tiles = plan_tiles(mask, 301, 36, 2_000_000)
    assert time.process_time() - start < 5
    assert sum(box_area(tile.window) for tile in tiles) < 8 * mask.size


def test_large_images_are_reduced_by_whole_cells():
    assert reduction((400, 600), 36, 240_000) == (1, 1)
    assert reduction((400, 600), 36, 239_000) == (2, 2)
    assert reduction((4000, 6000), 36, 1_500_000) == (4, 4)
    assert reduction((72, 50_000), 36, 100_000) == (2, 6)

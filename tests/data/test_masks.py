"""Masks: exact hole sizes, every encoding read alike, named errors for the rest."""

import time

import numpy as np
import pytest
from PIL import Image
from skimage.measure import label

from aotgan.data.mask_files import fit_mask, masks_from_folder, read_mask
from aotgan.data.masks import (
    DRAWN,
    RATIO_BINS,
    bin_label,
    box_mask,
    centre_mask,
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
    assert centre_mask(100, 60, 10).sum() == 100
    with pytest.raises(InputError, match="does not fit"):
        centre_mask(32, 64, 33)


def test_boxes_are_left_top_width_height():
    mask = box_mask(10, 20, [(3, 1, 5, 2), (18, 8, 9, 9)])
    expected = np.zeros((10, 20), bool)
    expected[1:3, 3:8] = True
    expected[8:, 18:] = True
    assert np.array_equal(mask, expected)
    for box in [(0, 0, 0, 5), (20, 0, 2, 2), (-5, 0, 5, 2)]:
        with pytest.raises(InputError, match="no area"):
            box_mask(10, 20, [box])


def test_random_boxes_are_rectangles_of_the_asked_size():
    for number in range(200):
        mask = random_box_mask(64, 48, (0.1, 0.6), rng(number))
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        assert mask.sum() == rows.sum() * columns.sum()
        assert 0.08 < mask.mean() < 0.62


@pytest.fixture
def hole():
    """(24, 32) bool, a third is hole, nothing symmetric."""
    mask = np.zeros((24, 32), bool)
    mask[2:15, 5:25] = True
    return mask


def encodings(hole):
    white = hole.astype(np.uint8)
    yield "bool", hole
    yield "0/1", white
    yield "int64 0/1", white.astype(np.int64)
    yield "0/255", white * 255
    yield "16 bit", white.astype(np.uint16) * 65535
    yield "float", white.astype(np.float32)
    yield "float 0/255", white * 255.0
    yield "one channel", white[..., None]
    yield "three channels", np.repeat(white[..., None] * 255, 3, axis=2)
    yield "opaque alpha", np.dstack([white * 255] * 3 + [np.full_like(white, 255)])
    photo = np.random.default_rng(0).integers(0, 256, (*hole.shape, 3), dtype=np.uint8)
    yield "erased photo", np.dstack([photo, 255 - white * 255])
    yield "soft edges", np.where(hole, 200, 90).astype(np.uint8)


def test_every_encoding_of_a_mask_reads_alike(hole):
    for name, array in encodings(hole):
        assert np.array_equal(read_mask(array), hole), name


def test_every_file_of_a_mask_reads_alike(hole, tmp_path):
    white = Image.fromarray(hole.astype(np.uint8) * 255)
    palette = Image.fromarray(hole.astype(np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 255, 255, 255])
    alpha = Image.new("LA", white.size)
    alpha.putalpha(Image.fromarray(255 - np.array(white)))
    kinds = {
        "bit.png": Image.fromarray(hole),
        "grey.png": white,
        "grey.bmp": white,
        "lossy.jpg": white,
        "sixteen.png": Image.fromarray(hole.astype(np.uint16) * 65535),
        "palette.png": palette,
        "rgb.webp": white.convert("RGB"),
        "alpha.png": alpha,
        "zero_one.png": Image.fromarray(hole.astype(np.uint8)),
    }
    for name, image in kinds.items():
        image.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
        assert np.array_equal(read_mask(tmp_path / name, size=hole.shape), hole), name


def test_polarity_can_be_turned(hole):
    assert np.array_equal(read_mask((~hole).astype(np.uint8) * 255, hole="black"), hole)
    with pytest.raises(InputError, match="white"):
        read_mask(hole, hole="grey")


def test_reading_leaves_the_array_alone(hole):
    result = read_mask(hole)
    result[:] = False
    assert hole.any()


def coloured(hole):
    return np.dstack([hole * np.uint8(255), hole * np.uint8(0), hole * np.uint8(0)])


def two_masks(hole):
    other = np.roll(hole, 9, axis=1).astype(np.uint8) * 255
    return np.dstack([other] * 3 + [hole.astype(np.uint8) * 255])


def white_strokes_on_nothing(hole):
    white = hole.astype(np.uint8) * 255
    return np.dstack([white] * 4)  # as drawing programs save a layer


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (white_strokes_on_nothing, "ambiguous. Put a black layer below"),
        (lambda hole: hole & False, "no hole"),
        (lambda hole: hole | True, 'hole="black"'),
        (lambda hole: hole * np.uint8(40), "neither 0/1 nor 0/255"),
        (lambda hole: hole * 3.7, "neither"),
        (lambda hole: hole * -1, "negative"),
        (lambda hole: np.where(hole, np.nan, 0), "non-finite"),
        (coloured, "coloured"),
        (two_masks, "ambiguous"),
        (lambda hole: np.zeros((3, 24, 32)), r"expected \(H, W\)"),
        (lambda hole: np.zeros((0, 0)), "empty"),
    ],
)
def test_ambiguous_masks_are_named(hole, spoil, message):
    with pytest.raises(InputError, match=message):
        read_mask(spoil(hole))


def test_inverted_masks_get_the_advice_for_their_polarity(hole):
    nearly_all = np.ones((24, 32), bool)
    nearly_all[0, 0] = False
    with pytest.raises(InputError, match='hole="black"'):
        read_mask(nearly_all)
    with pytest.raises(InputError, match='hole="white"'):
        read_mask(~nearly_all, hole="black")


def test_a_mask_of_another_size_is_refused(hole):
    with pytest.raises(InputError, match=r"24 x 32.*32 x 24"):
        read_mask(hole, size=(32, 24))


def test_a_folder_of_masks_is_listed_whole_or_not_at_all(hole, tmp_path):
    for name in ("b.png", "a.png"):
        Image.fromarray(hole).save(tmp_path / name)
    assert [file.name for file in masks_from_folder(tmp_path)] == ["a.png", "b.png"]
    (tmp_path / "c.png").write_text("broken")
    with pytest.raises(InputError, match=r"c\.png"):
        masks_from_folder(tmp_path)


def test_a_mask_file_cut_short_is_named(hole, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.kron(hole, np.ones((9, 9), bool))).save(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"a\.png: the mask cannot be decoded"):
        read_mask(path)


def test_fitting_a_mask_keeps_it_binary(hole):
    assert fit_mask(hole, 24, 32) is hole
    half = fit_mask(np.kron(hole, np.ones((2, 2), bool)), 24, 32)
    assert half.dtype == bool and np.array_equal(half, hole)


def test_stand_in_masks_read_with_their_documented_fraction(stand_in_data):
    files = masks_from_folder(stand_in_data / "masks")[::40]
    fractions = [read_mask(file).mean() for file in files]
    assert 0.25 < min(fractions) and max(fractions) < 0.61

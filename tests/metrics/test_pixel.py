"""Pixel metrics against float64 references written here, and scikit-image for SSIM."""

import math
import time

import numpy as np
import pytest
from skimage.metrics import structural_similarity
from tolerances import DOUBLE, SINGLE

from aotgan.errors import InputError
from aotgan.metrics import pixel
from aotgan.metrics.pixel import PIXEL_METRICS, measure

WHOLE = {"l1": pixel.l1, "l1_released": pixel.l1_released, "psnr": pixel.psnr, "ssim": pixel.ssim}
HOLE = {"l1_hole": pixel.l1_hole, "psnr_hole": pixel.psnr_hole}


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def near(image, amplitude, seed=1):
    shift = np.random.default_rng(seed).integers(-amplitude, amplitude + 1, image.shape)
    return np.clip(image.astype(int) + shift, 0, 255).astype(np.uint8)


def smooth(height, width):
    y, x = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(x / 9 + c) * np.cos(y / (7 + c)) for c in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def hole(height, width, seed=2):
    return np.random.default_rng(seed).random((height, width)) < 0.3


def reference(x, z, m):
    """All but SSIM, straight from the definitions in float64."""
    x, z = x.astype(np.float64), z.astype(np.float64)
    error = np.abs(x - z)
    with np.errstate(divide="ignore"):
        return {
            "l1": error.mean() / 255,
            "l1_hole": error[m].mean() / 255,
            "l1_released": error.sum() / (x + z).sum(),
            "psnr": 20 * np.log10(255) - 10 * np.log10((error**2).mean()),
            "psnr_hole": 20 * np.log10(255) - 10 * np.log10((error[m] ** 2).mean()),
        }


def reference_ssim(x, z):
    """Wang et al.'s index over every 7x7 window inside, channel by channel, in float64."""
    c1, c2, values = (0.01 * 255) ** 2, (0.03 * 255) ** 2, []
    for row in range(x.shape[0] - 6):
        for column in range(x.shape[1] - 6):
            for channel in range(3):
                where = (slice(row, row + 7), slice(column, column + 7), channel)
                a, b = x[where].astype(np.float64), z[where].astype(np.float64)
                (va, cab), (_, vb) = np.cov(a.ravel(), b.ravel())
                above = (2 * a.mean() * b.mean() + c1) * (2 * cab + c2)
                values.append(above / ((a.mean() ** 2 + b.mean() ** 2 + c1) * (va + vb + c2)))
    return np.mean(values)


IMAGES = {
    "noise against noise": (noise((40, 33, 3)), noise((40, 33, 3), 5)),
    "small errors": (smooth(71, 50), near(smooth(71, 50), 3)),
    "inverted": (smooth(64, 64), 255 - smooth(64, 64)),
    "black against white": (np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 255, np.uint8)),
    "flat": (np.full((20, 20, 3), 100, np.uint8), np.full((20, 20, 3), 110, np.uint8)),
    "one window": (noise((7, 7, 3)), noise((7, 7, 3), 3)),
}


@pytest.mark.parametrize("case", IMAGES)
def test_errors_equal_their_definitions_in_float64(case):
    x, z = IMAGES[case]
    m = hole(*x.shape[:2])
    values = measure(x, z, m)
    for name, expected in reference(x, z, m).items():
        assert values[name] == pytest.approx(expected, rel=DOUBLE, abs=DOUBLE), name


@pytest.mark.parametrize("case", IMAGES)
def test_ssim_equals_scikit_image(case):
    x, z = IMAGES[case]
    expected = structural_similarity(x, z, channel_axis=-1, data_range=255)
    assert pixel.ssim(x, z) == pytest.approx(expected, abs=SINGLE)


def test_ssim_equals_its_definition_window_by_window():
    x = smooth(16, 13)
    z = near(x, 40)
    assert pixel.ssim(x, z) == pytest.approx(reference_ssim(x, z), abs=SINGLE)


@pytest.mark.parametrize("height", [31, 32, 37, 38, 39, 70])
def test_ssim_does_not_depend_on_where_row_blocks_end(height):
    x = smooth(height, 24)
    z = near(x, 25)
    expected = structural_similarity(x, z, channel_axis=-1, data_range=255)
    assert pixel.ssim(x, z) == pytest.approx(expected, abs=SINGLE)


def test_released_l1_grows_as_images_darken_while_the_true_one_stays():
    def ten_levels_on(mean):
        x = np.full((8, 8, 3), mean, np.uint8)
        return x, x + np.uint8(10)

    released = [round(pixel.l1_released(*ten_levels_on(mean)), 3) for mean in (40, 110, 200)]
    assert released == [0.111, 0.043, 0.024]
    assert {round(pixel.l1(*ten_levels_on(mean)), 3) for mean in (40, 110, 200)} == {0.039}


def test_extreme_differences_do_not_overflow():
    x, z = IMAGES["black against white"]
    values = measure(x, z, np.ones(x.shape[:2], bool))
    assert values["l1"] == values["l1_hole"] == values["l1_released"] == 1
    assert values["psnr"] == values["psnr_hole"] == 0


def test_identical_images_score_perfectly():
    x = noise((30, 30, 3))
    values = measure(x, x.copy(), hole(30, 30))
    assert values["l1"] == values["l1_hole"] == values["l1_released"] == 0
    assert values["psnr"] == values["psnr_hole"] == math.inf
    assert values["ssim"] == 1


def test_black_images_have_a_released_error_of_zero_and_not_nan():
    black = np.zeros((8, 8, 3), np.uint8)
    assert pixel.l1_released(black, black) == 0


def test_hole_errors_ignore_every_pixel_outside():
    x, m = noise((20, 20, 3)), hole(20, 20)
    z = np.where(m[..., None], near(x, 9), x)
    elsewhere = np.where(m[..., None], z, 255 - x)
    for name, function in HOLE.items():
        assert function(x, z, m) == function(x, elsewhere, m), name
    assert pixel.l1(x, z) < pixel.l1_hole(x, z, m)


def test_hole_errors_of_a_full_mask_are_the_whole_images():
    x, z = IMAGES["small errors"]
    full = np.ones(x.shape[:2], bool)
    assert pixel.l1_hole(x, z, full) == pixel.l1(x, z)
    assert pixel.psnr_hole(x, z, full) == pixel.psnr(x, z)


def test_a_stack_gives_the_values_of_its_images():
    x, z, m = noise((3, 12, 15, 3)), noise((3, 12, 15, 3), 4), noise((3, 12, 15), 6) > 99
    for name, function in WHOLE.items():
        values = function(x, z)
        assert values.shape == (3,) and values.dtype == np.float64
        assert values.tolist() == [function(a, b) for a, b in zip(x, z, strict=True)], name
    for name, function in HOLE.items():
        singles = [function(a, b, c) for a, b, c in zip(x, z, m, strict=True)]
        assert function(x, z, m).tolist() == singles, name


def test_measure_gives_every_metric_in_one_pass():
    (x, z), m = IMAGES["small errors"], hole(71, 50)
    values = measure(x, z, m)
    assert tuple(values) == PIXEL_METRICS
    assert values == {
        name: WHOLE[name](x, z) if name in WHOLE else HOLE[name](x, z, m) for name in PIXEL_METRICS
    }


def test_inputs_stay_as_they_are_and_need_not_be_contiguous():
    x, z = noise((20, 24, 3)), noise((20, 24, 3), 8)
    m = hole(20, 24)
    copies = x.copy(), z.copy(), m.copy()
    flipped = measure(x[:, ::-1], z[:, ::-1], m[:, ::-1])
    assert flipped == pytest.approx(measure(x, z, m), rel=SINGLE)
    assert all(np.array_equal(a, b) for a, b in zip((x, z, m), copies, strict=True))


GOOD, MASK = noise((9, 9, 3)), np.ones((9, 9), bool)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((GOOD / 255, GOOD, MASK), "original image is float64"),
        ((GOOD, GOOD.tolist(), MASK), "composite image is int64"),
        ((GOOD[..., 0], GOOD[..., 0], MASK), "one \\(H, W, 3\\) image"),
        ((GOOD[..., :2], GOOD[..., :2], MASK), "expected \\(H, W, 3\\)"),
        ((GOOD, GOOD[:8], MASK), "images of one size"),
        ((GOOD, GOOD, MASK[:8]), "expected bool of shape \\(9, 9\\)"),
        ((GOOD, GOOD, MASK.astype(np.uint8)), "expected bool"),
        ((GOOD, GOOD, ~MASK), "no hole pixel"),
        ((GOOD[:6], GOOD[:6], MASK[:6]), "at least 7 px"),
        ((GOOD[None], GOOD[None], MASK[None]), "one \\(H, W, 3\\) image"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        measure(*arguments)


def test_each_mask_of_a_stack_has_a_hole():
    stack, masks = np.stack([GOOD, GOOD]), np.stack([MASK, ~MASK])
    for metric in (pixel.l1_hole, pixel.psnr_hole):
        with pytest.raises(InputError, match="no hole pixel"):
            metric(stack, stack, masks)


def test_ssim_is_not_slower_than_scikit_image():
    x, z = noise((256, 256, 3)), noise((256, 256, 3), 1)

    def seconds(function):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return min(times)

    ours = seconds(lambda: pixel.ssim(x, z))
    theirs = seconds(lambda: structural_similarity(x, z, channel_axis=-1, data_range=255))
    assert ours < theirs


def test_shown_numbers_are_in_the_unit_of_their_title():
    for metric in pixel.METRICS:
        assert metric.factor == (100 if "(1e-2)" in metric.title else 1), metric.key


def test_as_many_digits_are_shown_as_the_paper_prints():
    printed = {metric.key: metric.digits for metric in pixel.METRICS if metric.paper}
    assert printed == {"l1": 2, "psnr": 2, "ssim": 3}

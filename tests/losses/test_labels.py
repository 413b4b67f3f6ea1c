"""The masks of Section 3.2 at the size of D's map: geometry first, then numbers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tolerances import (
    DOUBLE,
    DOUBLE_NET,
    DOUBLE_SUM,
    HALF_PERCENT,
    LAST_BITS,
    SINGLE_FEW,
    SINGLE_SUM,
)

from aotgan.errors import InputError
from aotgan.losses import hard_mask, label_map, patch_mask, soft_mask
from aotgan.losses.labels import cell_rows, released_blur


def random_mask(seed, *shape):
    """Blocky random masks in float64, (B, 1, H, W)."""
    rng = np.random.default_rng(seed)
    blocks = rng.random((shape[0], 1, -(-shape[1] // 12), -(-shape[2] // 12))) < 0.4
    full = blocks.repeat(12, axis=2).repeat(12, axis=3)[:, :, : shape[1], : shape[2]]
    return full.astype(np.float64)


def map_of(mask):
    return mask.shape[2] // 8 - 2, mask.shape[3] // 8 - 2


def discriminator_map(x):
    """D's geometry with all weights one: kernel 4, padding 1, strides 2, 2, 2, 1, 1."""
    for stride in (2, 2, 2, 1, 1):
        x = F.conv2d(x, torch.ones(1, 1, 4, 4, dtype=x.dtype), stride=stride, padding=1)
    return x


def numpy_soft(mask, taps=70, sigma=10.0):
    """Brute force: a dense Gaussian over the pixels that each cell sees, cut at the border."""
    batch, _, height, width = mask.shape
    h, w = map_of(mask)
    out = np.zeros((batch, 1, h, w))
    for i in range(h):
        for j in range(w):
            total, weight_sum = np.zeros(batch), 0.0
            for y in range(8 * i + 12 - taps // 2, 8 * i + 12 + taps // 2):
                for x in range(8 * j + 12 - taps // 2, 8 * j + 12 + taps // 2):
                    if 0 <= y < height and 0 <= x < width:
                        square = (y - 8 * i - 11.5) ** 2 + (x - 8 * j - 11.5) ** 2
                        weight = np.exp(-square / (2 * sigma**2))
                        total += weight * mask[:, 0, y, x]
                        weight_sum += weight
            out[:, 0, i, j] = total / weight_sum
    return out


def numpy_released(mask):
    """The dense 71 x 71 kernel over zero padding."""
    line = np.exp(-((np.arange(71) - 35.0) ** 2) / 200)
    line /= line.sum()
    padded = np.pad(mask, ((0, 0), (0, 0), (35, 35), (35, 35)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (71, 71), axis=(2, 3))
    return np.einsum("bchwyx,yx->bchw", windows, np.outer(line, line))


@pytest.mark.parametrize("height", [128, 133])
def test_cell_sees_exactly_the_pixels_of_its_row(height):
    x = torch.ones(1, 1, height, height, dtype=torch.float64, requires_grad=True)
    out = discriminator_map(x)
    cells = out.shape[-1]
    rows = cell_rows(cells, height, 70, 10.0, x.device, x.dtype)
    assert cells == height // 8 - 2
    for j in range(cells):
        (seen,) = torch.autograd.grad(out[0, 0, cells // 2, j], x, retain_graph=True)
        assert torch.equal(seen[0, 0].sum(0) > 0, rows[j] > 0)


def test_interior_cell_is_centred_at_8j_plus_11_and_a_half():
    rows = cell_rows(30, 256, 70, 10.0, torch.device("cpu"), torch.float64)
    for j in range(3, 26):  # cells whose 70 pixels lie inside the image
        support = rows[j].nonzero().flatten()
        assert (support[0], support[-1]) == (8 * j - 23, 8 * j + 46)
        assert abs((rows[j] * torch.arange(256)).sum() - (8 * j + 11.5)) < DOUBLE_NET
        assert torch.allclose(rows[j, support], rows[j, support].flip(0), atol=LAST_BITS)


def test_one_hole_pixel_peaks_in_the_cells_around_it():
    mask = torch.zeros(1, 1, 256, 256, dtype=torch.float64)
    mask[..., 8 * 12 + 11 : 8 * 12 + 13, 8 * 20 + 11 : 8 * 20 + 13] = 1  # centre of cell (12, 20)
    soft = soft_mask(mask, (30, 30))[0, 0]
    assert divmod(soft.argmax().item(), 30) == (12, 20)
    assert torch.allclose(soft[12, 19], soft[12, 21], atol=LAST_BITS)
    assert torch.allclose(soft[11, 20], soft[13, 20], atol=LAST_BITS)


@pytest.mark.parametrize("shape", [(2, 48, 72), (1, 101, 60)])
def test_soft_mask_equals_brute_force(shape):
    mask = random_mask(0, *shape)
    got = soft_mask(torch.from_numpy(mask), map_of(mask))
    np.testing.assert_allclose(got.numpy(), numpy_soft(mask), rtol=0, atol=DOUBLE_SUM)


def test_soft_mask_takes_kernel_and_sigma():
    mask = random_mask(1, 1, 56, 56)
    got = soft_mask(torch.from_numpy(mask), map_of(mask), kernel=32, sigma=5.0)
    np.testing.assert_allclose(got.numpy(), numpy_soft(mask, 32, 5.0), rtol=0, atol=DOUBLE_SUM)


def test_soft_mask_commutes_with_flips_and_transposition():
    mask = torch.from_numpy(random_mask(2, 1, 96, 96))
    soft = soft_mask(mask, (10, 10))
    for move in (lambda x: x.flip(2), lambda x: x.flip(3), lambda x: x.mT):
        torch.testing.assert_close(soft_mask(move(mask), (10, 10)), move(soft))


def test_full_hole_is_labelled_zero_and_no_hole_one():
    hole = torch.ones(1, 1, 128, 96)
    assert torch.equal(label_map("paper", hole, (14, 10)), torch.zeros(1, 1, 14, 10))
    label = label_map("paper", torch.zeros_like(hole), (14, 10))
    torch.testing.assert_close(label, torch.ones(1, 1, 14, 10), rtol=0, atol=SINGLE_FEW)


def test_known_pixels_at_borders_keep_label_one():
    mask = torch.zeros(1, 1, 256, 256)
    mask[..., 96:160, 96:160] = 1
    label = label_map("paper", mask, (30, 30))[0, 0]
    border = torch.cat([label[0], label[-1], label[:, 0], label[:, -1]])
    torch.testing.assert_close(border, torch.ones_like(border), rtol=0, atol=SINGLE_FEW)
    assert label[14:16, 14:16].max() < 0.01


def test_hole_at_a_border_is_as_much_hole_as_inside():
    mask = torch.zeros(1, 1, 256, 256)
    mask[..., :128] = 1  # left half
    label = label_map("paper", mask, (30, 30))[0, 0]
    assert label[0, 0] < SINGLE_FEW
    torch.testing.assert_close(label[0], label[15], rtol=0, atol=SINGLE_FEW)
    assert 0 < label[0, 14] < 0.5 < label[0, 15] < 1
    torch.testing.assert_close(
        label[0, 14] + label[0, 15], torch.tensor(1.0), rtol=0, atol=SINGLE_SUM
    )


def test_patch_and_hard_mask_equal_numpy():
    mask = random_mask(3, 2, 91, 120)
    h, w = map_of(mask)
    share = np.zeros((2, 1, h, w))
    for i in range(h):
        for j in range(w):
            centre = mask[:, 0, 8 * i + 8 : 8 * i + 16, 8 * j + 8 : 8 * j + 16]
            share[:, 0, i, j] = centre.mean((1, 2))
    tensor = torch.from_numpy(mask)
    np.testing.assert_allclose(patch_mask(tensor, (h, w)).numpy(), share, rtol=0, atol=DOUBLE)
    np.testing.assert_array_equal(hard_mask(tensor, (h, w)).numpy(), share >= 0.5)


def test_half_a_cell_of_hole_is_hole():
    mask = torch.zeros(1, 1, 40, 40)
    mask[..., 8:12, 8:16] = 1  # upper half of cell (0, 0)
    mask[..., 8:16, 16:19] = 1  # three eighths of cell (0, 1)
    assert hard_mask(mask, (3, 3))[0, 0, 0].tolist() == [1, 0, 0]


def test_released_blur_equals_the_dense_kernel():
    mask = random_mask(4, 2, 40, 52)
    got = released_blur(torch.from_numpy(mask))
    np.testing.assert_allclose(got.numpy(), numpy_released(mask), rtol=0, atol=DOUBLE_SUM)


def test_released_blur_fades_at_the_border():
    label = released_blur(torch.ones(1, 1, 128, 128))[0, 0]
    assert label[64, 64] == pytest.approx(1, abs=SINGLE_FEW)
    assert label[0, 64].item() == pytest.approx(0.52, abs=HALF_PERCENT)
    assert label[0, 0].item() == pytest.approx(0.27, abs=HALF_PERCENT)


def test_matrices_are_built_once():
    mask = torch.from_numpy(random_mask(5, 1, 64, 80))
    soft_mask(mask, (6, 8))
    before = cell_rows.cache_info()
    soft_mask(mask, (6, 8))
    after = cell_rows.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 2)


@pytest.mark.parametrize("name", ["paper", "hm-patchgan", "patchgan", "released", "mmagic"])
def test_labels_are_full_precision_under_autocast_and_half(name):
    mask = torch.from_numpy(random_mask(6, 2, 64, 80)).float()
    expected = label_map(name, mask, (6, 8))
    assert expected.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(label_map(name, mask, (6, 8)), expected)
    assert torch.equal(label_map(name, mask.bfloat16(), (6, 8)), expected)


@pytest.mark.parametrize("function", [soft_mask, patch_mask, hard_mask])
def test_sizes_that_do_not_belong_together_are_refused(function):
    with pytest.raises(InputError, match="does not belong"):
        function(torch.zeros(1, 1, 64, 64), (8, 8))
    with pytest.raises(InputError, match="24 x 24"):
        function(torch.zeros(1, 1, 16, 16), (0, 0))
    with pytest.raises(InputError, match="1 = hole"):
        function(torch.zeros(1, 3, 64, 64), (6, 6))
    with pytest.raises(InputError, match="floats"):
        function(torch.zeros(1, 1, 64, 64, dtype=torch.bool), (6, 6))


@pytest.mark.parametrize("arguments", [{"kernel": 71}, {"kernel": 0}, {"sigma": 0.0}])
def test_kernels_that_cannot_be_centred_are_refused(arguments):
    with pytest.raises(InputError, match="even kernel"):
        soft_mask(torch.zeros(1, 1, 64, 64), (6, 6), **arguments)

"""The smooth surface: against the exact solution of Laplace's equation, and what it looks at."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from tolerances import DOUBLE, PERCENT, SINGLE_SUM

from aotgan.data.masks import free_form_mask
from aotgan.models.surface import smooth_surface

SIZES = ((1, 1), (1, 7), (5, 3), (36, 36), (64, 128), (127, 130))


def laplace(image, hole):
    """Each hole pixel the mean of its neighbours inside the image: (C, H, W) float64, (H, W)."""
    height, width = hole.shape
    number = np.arange(hole.size).reshape(hole.shape)
    rows, columns = [], []
    for y, x in zip(*np.nonzero(hole), strict=True):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= v < height and 0 <= u < width:
                rows.append(number[y, x])
                columns.append(number[v, u])
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(hole.size,) * 2).tocsr()
    degree = np.where(hole.ravel(), np.asarray(links.sum(1)).ravel(), 1)
    matrix = (coo_matrix((degree, (number.ravel(),) * 2)) - links).tocsc()
    known = np.where(hole, 0, image).reshape(len(image), -1)
    return spsolve(matrix, known.T).T.reshape(image.shape)


def case(height, width, dtype=torch.float32, seed=0):
    """Images between smooth and rough, in [-1, 1], and free-form holes of two fifths."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((2, 3, height, width))
    image = gaussian_filter(noise, (0, 0, 3, 3)) * 4 + noise / 8
    masks = [
        free_form_mask(height, width, (0.4, 0.5), rng)
        if min(height, width) > 16
        else rng.random((height, width)) < 0.5
        for _ in range(2)
    ]
    mask = torch.from_numpy(np.stack(masks))[:, None]
    return torch.from_numpy(image.clip(-1, 1)).to(dtype), mask.to(dtype)


@pytest.mark.parametrize("size", [(64, 128), (127, 130)], ids=str)
def test_it_is_nearly_the_solution_of_laplaces_equation(size):
    image, mask = case(*size, dtype=torch.float64)
    exact = np.stack(
        [laplace(i, m[0] > 0) for i, m in zip(image.numpy(), mask.numpy(), strict=True)]
    )
    hole = np.broadcast_to(mask.numpy() > 0, exact.shape)
    error = (smooth_surface(image, mask).numpy() - exact)[hole]
    away = (image.numpy() - exact)[hole]
    assert np.sqrt((error**2).mean()) < 0.03  # 4 levels of 255
    assert np.sqrt((error**2).mean()) < 0.1 * np.sqrt((away**2).mean())


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_known_pixels_are_kept_and_the_hole_is_not_looked_at(size):
    image, mask = case(*size)
    surface = smooth_surface(image, mask)
    known = (mask == 0).expand_as(image)
    assert torch.equal(surface[known], image[known])
    assert surface.abs().max() <= 1
    for hidden in (torch.nan, torch.inf, 7.0):
        assert torch.equal(smooth_surface(torch.where(known, image, hidden), mask), surface)


def test_a_constant_and_a_slope_are_continued():
    mask = torch.zeros(1, 1, 48, 64, dtype=torch.float64)
    mask[..., 10:30, 12:50] = 1
    flat = torch.full((1, 3, 48, 64), 0.3, dtype=torch.float64)
    torch.testing.assert_close(smooth_surface(flat, mask), flat, rtol=0, atol=DOUBLE)
    slope = torch.linspace(-1, 1, 64, dtype=torch.float64).expand(1, 3, 48, 64)
    torch.testing.assert_close(smooth_surface(slope, mask), slope, rtol=0, atol=PERCENT)


def test_all_hole_is_grey_and_no_hole_the_image():
    image, mask = case(36, 40)
    assert torch.equal(smooth_surface(image, torch.ones_like(mask)), torch.zeros_like(image))
    assert torch.equal(smooth_surface(image, torch.zeros_like(mask)), image)


def test_it_does_not_depend_on_the_batch_the_layout_or_the_precision():
    image, mask = case(60, 92)
    surface = smooth_surface(image, mask)
    alone = [smooth_surface(i[None], m[None]) for i, m in zip(image, mask, strict=True)]
    assert torch.equal(torch.cat(alone), surface)
    last = smooth_surface(image.to(memory_format=torch.channels_last), mask)
    torch.testing.assert_close(last, surface, rtol=0, atol=SINGLE_SUM)
    wide = smooth_surface(image.double(), mask.double())
    torch.testing.assert_close(surface.double(), wide, rtol=0, atol=SINGLE_SUM)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(smooth_surface(image, mask), surface)


def test_what_lies_behind_the_rim_matters_little():
    image, mask = case(128, 128, dtype=torch.float64)
    mask = torch.zeros_like(mask)
    mask[..., 50:80, 48:90] = 1
    rim = torch.zeros_like(mask)
    rim[..., 48:82, 46:92] = 1
    other = torch.where(rim > 0, image, -image)
    hole = (mask > 0).expand_as(image)
    change = (smooth_surface(image, mask) - smooth_surface(other, mask))[hole]
    assert change.square().mean().sqrt() < 0.1 * image.std()

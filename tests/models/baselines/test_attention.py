"""Contextual attention: every step against loops in NumPy, and what it must do to a texture."""

import itertools

import numpy as np
import pytest
import torch
from tolerances import DOUBLE, ROUNDED
from torch.utils._python_dispatch import TorchDispatchMode

from aotgan.errors import InputError
from aotgan.models.baselines.attention import (
    attend,
    match,
    paste,
    propagate,
    valid_keys,
    weigh,
)

SIZE = (3, 4)  # of the grid
GEOMETRIES = [(4, 2, 4.0), (3, 2, 1.0), (8, 4, 1.0), (4, 4, 1.0), (3, 1, 9.0)]


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).double() * 2 - 1


def cells(size=SIZE):
    return list(np.ndindex(*size))


def pixel(x, c, y, z):
    inside = 0 <= y < x.shape[1] and 0 <= z < x.shape[2]
    return x[c, y, z] if inside else 0.0


def cut(x, y, z, side):
    """A square patch with its first corner at y, z; zeros outside."""
    offsets = itertools.product(range(len(x)), range(side), range(side))
    return np.array([pixel(x, c, y + dy, z + dz) for c, dy, dz in offsets])


def matched(x, kernel, floor=1e-4):
    around = [cut(x, y - kernel // 2, z - kernel // 2, kernel) for y, z in cells(x.shape[1:])]
    return np.array([[q @ k / max(np.sqrt(k @ k), floor) for k in around] for q in around])


def propagated(scores, size):
    height, width = size
    for turned in (False, True):
        order = sorted(range(height * width), key=lambda n: (n % width, n)) if turned else None
        order = order or list(range(height * width))
        old, scores = scores, np.zeros_like(scores)
        for a, b in np.ndindex(old.shape):
            for t in (-1, 0, 1):
                if 0 <= a + t < len(order) and 0 <= b + t < len(order):
                    scores[order[a], order[b]] += old[order[a + t], order[b + t]]
    return scores


def weighed(scores, valid, scale=10.0, lowest=None):
    weights = np.zeros_like(scores)
    for i in range(len(scores)):
        logits = [scale * s if v else 0.0 for s, v in zip(scores[i], valid, strict=True)]
        powers = np.exp(np.array(logits) - max(logits))
        weights[i] = powers / powers.sum() * valid
    return weights if lowest is None else np.where(weights < lowest, lowest, weights)


def pasted(weights, values, size, side, stride, divisor):
    result = np.zeros_like(values)
    before = (side - stride) // 2
    for i, (y, z) in enumerate(cells(size)):
        for j, (ky, kz) in enumerate(cells(size)):
            patch = cut(values, ky * stride - before, kz * stride - before, side)
            for (c, dy, dz), value in np.ndenumerate(patch.reshape(-1, side, side)):
                at = y * stride - before + dy, z * stride - before + dz
                if 0 <= at[0] < values.shape[1] and 0 <= at[1] < values.shape[2]:
                    result[c, at[0], at[1]] += weights[i, j] * value
    return result / divisor


def close(result, expected):
    np.testing.assert_allclose(result.detach().numpy(), np.stack(expected), atol=DOUBLE)


@pytest.mark.parametrize("kernel", [1, 3])
def test_match_is_the_product_with_normalised_keys(kernel):
    x = random(2, 2, *SIZE)
    x[0, :, 0] *= 1e-7  # norms below the floor
    close(match(x, kernel), [matched(one, kernel) for one in x.numpy()])
    close(match(x, kernel, 1e-8), [matched(one, kernel, 1e-8) for one in x.numpy()])


@pytest.mark.parametrize("size", [(3, 4), (4, 3), (1, 5), (1, 1)])
def test_propagate_follows_both_orders_of_reading(size):
    count = size[0] * size[1]
    scores = random(2, count, count)
    close(propagate(scores, size), [propagated(one, size) for one in scores.numpy()])


@pytest.mark.parametrize("lowest", [None, 1e-3])
def test_weigh_drops_the_share_of_invalid_keys(lowest):
    scores, valid = random(3, 5, 12), (random(3, 12, seed=1) > 0).double()
    valid[1] = 1
    expected = [
        weighed(s, v, lowest=lowest) for s, v in zip(scores.numpy(), valid.numpy(), strict=True)
    ]
    close(weigh(scores, valid, lowest=lowest), expected)
    expected = [weighed(s, v, 2.0) for s, v in zip(scores.numpy(), valid.numpy(), strict=True)]
    close(weigh(scores, valid, 2.0), expected)


@pytest.mark.parametrize(("side", "stride", "divisor"), GEOMETRIES)
def test_paste_puts_every_patch_at_every_place(side, stride, divisor):
    weights, values = random(2, 12, 12), random(2, 2, SIZE[0] * stride, SIZE[1] * stride, seed=1)
    expected = [
        pasted(w, v, SIZE, side, stride, divisor)
        for w, v in zip(weights.numpy(), values.numpy(), strict=True)
    ]
    close(paste(weights, values, side, stride, divisor), expected)


def test_paste_is_a_transposed_convolution():
    weights, values = random(1, 12, 12), random(1, 3, 6, 8, seed=1)
    kernels = torch.nn.functional.unfold(values, 4, padding=1, stride=2)[0].T.view(12, 3, 4, 4)
    maps = weights[0].T.reshape(1, 12, *SIZE)
    expected = torch.nn.functional.conv_transpose2d(maps, kernels, stride=2, padding=1) / 4
    torch.testing.assert_close(paste(weights, values, 4, 2, 4.0), expected)


@pytest.mark.parametrize("kernel", [1, 3])
def test_keys_that_touch_the_hole_are_not_valid(kernel):
    holes = torch.zeros(3, 1, *SIZE)
    holes[0, 0, 0, 1] = 1
    holes[1, 0, 2, 3] = 0.25  # of a blurred mask
    expected = [
        [cut(one.numpy(), y - kernel // 2, z - kernel // 2, kernel).max() == 0 for y, z in cells()]
        for one in holes
    ]
    assert valid_keys(holes, kernel).tolist() == expected
    assert valid_keys(holes, kernel)[2].all()


@pytest.mark.parametrize("live", [2**24, 2 * 12 * 5, 1])
@pytest.mark.parametrize("kernel", [1, 3])
def test_attend_is_the_three_steps_in_chunks_of_any_size(kernel, live):
    x, values = random(2, 2, *SIZE), random(2, 3, 6, 8, seed=1)
    valid = (random(2, 12, seed=2) > 0).double()
    leaves = x.requires_grad_(), values.requires_grad_()
    plain = paste(weigh(match(x, kernel), valid, 10.0, 1e-3), values, 4, 2, 4.0)
    chunked = attend(x, values, valid, kernel=kernel, lowest=1e-3, live=live)
    torch.testing.assert_close(chunked, plain)
    pull = random(*plain.shape, seed=3)
    for one, other in zip(
        torch.autograd.grad((chunked * pull).sum(), leaves),
        torch.autograd.grad((plain * pull).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


class Largest(TorchDispatchMode):
    """Remembers the largest tensor of an attention's scores."""

    def __init__(self, keys):
        super().__init__()
        self.keys, self.scores = keys, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **kwargs or {})
        if isinstance(result, torch.Tensor) and result.shape[-1:] == (self.keys,):
            self.scores = max(self.scores, result.numel())
        return result


@pytest.mark.parametrize("train", [False, True])
def test_attend_never_holds_more_scores_than_a_chunk(train):
    x, values = torch.rand(1, 1, 16, 16), torch.rand(1, 1, 32, 32)
    x.requires_grad_(train)
    kept = []

    def keep(tensor):
        kept.append(tensor.numel() if tensor.shape[-1:] == (256,) else 0)
        return tensor

    with Largest(256) as seen, torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        result = attend(x, values, torch.ones(1, 256), kernel=1, live=256 * 32)
        if train:
            result.sum().backward()
    # transposed lists of patches, 16 numbers for each key, end with the number of keys as well
    assert 256 * 16 < seen.scores <= 256 * 32
    assert sum(kept) <= 256 * 32, "scores are kept for the backward pass"


def texture(period, repeats):
    return random(1, 4, period, period, seed=5).tile(1, 1, repeats, repeats) * 10


@pytest.mark.parametrize("propagating", [False, True])
def test_a_hidden_period_of_a_texture_is_copied_back(propagating):
    fine = texture(8, 5)  # (1, 4, 40, 40), two cells of it for each key
    coarse = fine[:, :, ::2, ::2]
    hole = torch.zeros(1, 1, 20, 20)
    hole[..., 8:12, 8:12] = 1
    hidden = hole.repeat_interleave(2, 2).repeat_interleave(2, 3)
    values = fine.masked_fill(hidden.bool(), 1e3)
    scores = match(coarse)
    if propagating:
        scores = propagate(scores, (20, 20))
    weights = weigh(scores, valid_keys(hole))
    result = paste(weights, values, 4, 2, 4.0)
    error = ((result - fine) * hidden).abs().max()
    assert error < ROUNDED * fine.abs().max()
    if not propagating:
        torch.testing.assert_close(attend(coarse, values, valid_keys(hole)), result)


def test_without_a_valid_key_the_result_is_zero():
    x, values = random(2, 2, *SIZE) * 1e3, random(2, 2, 6, 8, seed=1)
    x.requires_grad_()
    valid = torch.zeros(2, 12).double()
    valid[1] = 1
    for live in (2**24, 12):
        result = attend(x, values, valid, live=live)
        assert (result[0] == 0).all() and (result[1] != 0).any()
        (gradient,) = torch.autograd.grad(result.sum(), x)
        assert gradient.isfinite().all() and (gradient[0] == 0).all()


def test_features_of_zero_have_finite_results_and_gradients():
    x = torch.zeros(1, 2, *SIZE, requires_grad=True)
    result = paste(
        weigh(propagate(match(x), SIZE), torch.ones(1, 12)), torch.ones(1, 1, 6, 8), 4, 2
    )
    result.sum().backward()
    assert result.isfinite().all() and x.grad.isfinite().all()


def test_every_image_has_its_own_keys():
    x, values = random(3, 2, *SIZE), random(3, 2, 6, 8, seed=1)
    valid = (random(3, 12, seed=2) > 0).double()
    together = attend(x, values, valid)
    alone = [attend(x[i : i + 1], values[i : i + 1], valid[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert not torch.allclose(together[:1], attend(x[:1], values[:1], valid[1:2]))


def test_autocast_changes_nothing():
    x = random(1, 2, *SIZE).float() / 10  # weak, so that every score makes a difference
    values, valid = random(1, 2, 6, 8, seed=1).float(), torch.ones(1, 12)

    def both():
        weights = weigh(propagate(match(x), SIZE), valid)
        return (
            paste(weights, values, 4, 2),
            attend(x, values, valid),
            attend(x, values, valid, live=9),
        )

    plain = both()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = both()
    assert all(torch.equal(one, other) for one, other in zip(plain, mixed, strict=True))
    assert attend(x.bfloat16(), values.bfloat16(), valid).dtype == torch.float32


@pytest.mark.parametrize("shape", [(1, 2, 6, 6), (1, 2, 7, 8), (1, 2, 3, 4)])
def test_a_value_map_of_another_grid_is_refused(shape):
    with pytest.raises(InputError, match="expected 12 patches"):
        paste(torch.ones(1, 12, 12), torch.ones(shape), 4, 2)
    with pytest.raises(InputError, match="expected 12 patches"):
        attend(torch.ones(1, 2, *SIZE), torch.ones(shape), torch.ones(1, 12))


def test_patches_with_gaps_are_refused():
    with pytest.raises(InputError, match="no gaps"):
        paste(torch.ones(1, 12, 12), torch.ones(1, 2, 12, 16), 3, 4)


@pytest.mark.parametrize("shape", [(1, 12), (2, 11), (12,)])
def test_valid_keys_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match="shrink the mask"):
        weigh(torch.ones(2, 5, 12), torch.ones(shape))

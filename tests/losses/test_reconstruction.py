"""Eq. 5: the L1 loss is a mean over the whole image and refuses silent broadcasting."""

import numpy as np
import pytest
import torch
from tolerances import DOUBLE_SUM

from aotgan.errors import InputError
from aotgan.losses import l1_loss


def test_l1_equals_numpy():
    rng = np.random.default_rng(0)
    prediction, target = rng.uniform(-1, 1, (2, 3, 3, 5, 7))
    expected = np.abs(target - prediction).sum() / (3 * 3 * 5 * 7)
    got = l1_loss(torch.from_numpy(prediction), torch.from_numpy(target))
    assert got.shape == ()
    assert abs(got.item() - expected) < DOUBLE_SUM


def test_l1_weighs_pixels_when_it_is_told_to():
    rng = np.random.default_rng(0)
    prediction, target = rng.uniform(-1, 1, (2, 3, 3, 5, 7))
    mask = rng.random((3, 1, 5, 7)) < 0.4
    expected = (np.abs(target - prediction) * np.where(mask, 6, 1)).sum() / (3 * 3 * 5 * 7)
    weight = torch.from_numpy(1 + 5 * mask)
    got = l1_loss(torch.from_numpy(prediction), torch.from_numpy(target), weight)
    assert abs(got.item() - expected) < DOUBLE_SUM


def test_l1_gradient():
    target = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    prediction = (target + 0.1 + torch.rand_like(target)).requires_grad_()
    assert torch.autograd.gradcheck(l1_loss, (prediction, target))


def test_l1_is_full_precision_for_half_inputs():
    prediction = torch.full((1, 3, 64, 64), 0.5, dtype=torch.bfloat16)
    target = torch.zeros_like(prediction)
    assert l1_loss(prediction, target).dtype == torch.float32
    assert l1_loss(prediction, target).item() == 0.5


def test_l1_refuses_to_broadcast():
    with pytest.raises(InputError, match="equal shapes"):
        l1_loss(torch.zeros(4, 3, 8, 8), torch.zeros(1, 3, 8, 8))

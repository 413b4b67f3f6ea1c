"""Eq. 6 and 7 against numpy, with the scale on which the paper's weights depend."""

import numpy as np
import pytest
import torch
from tolerances import DOUBLE, DOUBLE_SUM, SINGLE_SUM

from aotgan.errors import InputError
from aotgan.losses import PERCEPTUAL_LAYERS, STYLE_LAYERS, gram, perceptual_loss, style_loss

LAYERS = PERCEPTUAL_LAYERS + STYLE_LAYERS


def activations(seed, batch=2):
    """Activations of different sizes, so that a layer counted with a wrong size shows."""
    rng = np.random.default_rng(seed)
    return {name: rng.random((batch, 3 + i, 6 + i, 9 - i)) for i, name in enumerate(LAYERS)}


def to_torch(arrays, dtype=torch.float64):
    return {name: torch.from_numpy(x).to(dtype) for name, x in arrays.items()}


def numpy_gram(x):
    b, c, h, w = x.shape
    return np.einsum("bihw,bjhw->bij", x, x) / (c * h * w)


def test_layers_are_the_released_ones():
    assert PERCEPTUAL_LAYERS == ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    assert STYLE_LAYERS == ("relu2_2", "relu3_4", "relu4_4", "relu5_2")


def test_perceptual_equals_numpy():
    real, fake = activations(0), activations(1)
    layers = [f"relu{i}_1" for i in range(1, 6)]
    expected = sum(np.abs(real[n] - fake[n]).sum() / real[n].size for n in layers)
    assert abs(perceptual_loss(to_torch(real), to_torch(fake)).item() - expected) < DOUBLE_SUM


def test_style_equals_numpy_and_sums_the_layers():
    real, fake = activations(0), activations(1)
    expected = sum(
        np.abs(numpy_gram(real[n]) - numpy_gram(fake[n])).mean()
        for n in ("relu2_2", "relu3_4", "relu4_4", "relu5_2")
    )
    assert abs(style_loss(to_torch(real), to_torch(fake)).item() - expected) < DOUBLE_SUM


def test_gram_equals_numpy_in_either_memory_layout():
    x = activations(2)["relu3_4"]
    tensor = torch.from_numpy(x)
    for layout in (torch.contiguous_format, torch.channels_last):
        got = gram(tensor.contiguous(memory_format=layout))
        np.testing.assert_allclose(got.numpy(), numpy_gram(x), atol=DOUBLE)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_equal_finite_differences(layout):
    """The Gram matrix with an upstream gradient that is not symmetric, in both layouts."""
    rng = np.random.default_rng(3)
    real, fake, weight = (torch.from_numpy(rng.random(s)) for s in (*[(2, 4, 3, 5)] * 2, (2, 4, 4)))
    fake = fake.contiguous(memory_format=layout).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: (gram(x) * weight).sum(), fake)
    layers = {name: real for name in LAYERS}
    for loss in (perceptual_loss, style_loss):
        assert torch.autograd.gradcheck(
            lambda x, loss=loss: loss(layers, dict.fromkeys(LAYERS, x)), fake
        )


def test_identical_images_cost_nothing():
    real = to_torch(activations(0))
    assert perceptual_loss(real, real).item() == 0
    assert style_loss(real, real).item() == 0


@pytest.mark.parametrize("loss", [perceptual_loss, style_loss])
def test_gradients(loss):
    real = to_torch({n: x[:1, :2, :3, :3] for n, x in activations(0).items()})
    fake = [x.clone().add_(0.5).requires_grad_() for x in real.values()]
    names = list(real)
    assert torch.autograd.gradcheck(
        lambda *values: loss(real, dict(zip(names, values, strict=True))), fake
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_activations_are_compared_in_full_precision(dtype):
    real, fake = (to_torch(activations(seed), dtype) for seed in (0, 1))
    for loss in (perceptual_loss, style_loss):
        expected = loss(*({n: x.double() for n, x in d.items()} for d in (real, fake)))
        got = loss(real, fake)
        assert got.dtype == torch.float32
        assert abs(got.item() / expected.item() - 1) < SINGLE_SUM


def test_gram_is_full_precision_under_autocast():
    x = to_torch(activations(3), torch.float32)["relu4_4"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = gram(x)
    assert got.dtype == torch.float32
    assert torch.equal(got, gram(x))


@pytest.mark.parametrize("loss", [perceptual_loss, style_loss])
def test_bad_dictionaries_are_refused(loss):
    real = to_torch(activations(0))
    with pytest.raises(InputError, match="missing"):
        loss(real, {})
    with pytest.raises(InputError, match="equal shapes"):
        loss(real, to_torch(activations(0, batch=1)))

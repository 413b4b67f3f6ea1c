"""CA against a plain walk through the published table of layers."""

import pytest
import torch
from two_stage_reference import example, parameters, plain

from aotgan.errors import InputError
from aotgan.models.baselines.ca import CA
from aotgan.models.baselines.two_stage import contextual_attention
from aotgan.models.registry import build


@pytest.mark.parametrize(
    ("width", "count", "millions"), [(32, 3_601_542, 3.60), (16, 904_518, 0.90), (8, 228_198, 0.23)]
)
def test_size_is_the_published_one(width, count, millions):
    assert parameters(CA(width)) == count
    assert round(count / 1e6, 2) == millions


def test_the_prediction_is_that_of_the_table():
    model = CA(4).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, 0, 0.2)  # strong enough for clipping, with biases
    image, mask = (x.double() for x in example())
    made = model.stages(image, mask)
    coarse, refined = plain(model, image, mask, lambda y, f: f(y), lambda y: y.clamp(-1, 1), True)
    torch.testing.assert_close(made.coarse, coarse)
    torch.testing.assert_close(made.refined, refined)
    torch.testing.assert_close(model(image, mask), refined)
    for x in (coarse, refined):
        assert (x.abs() == 1).any() and (x.abs() < 1).any()


def test_weights_start_as_tensorflow_draws_them():
    torch.manual_seed(0)
    for layer in CA(16).modules():
        if isinstance(layer, torch.nn.Conv2d):
            o, i, k, _ = layer.weight.shape
            limit = (6 / ((i + o) * k * k)) ** 0.5
            assert 0.9 * limit < layer.weight.abs().max() <= limit
            assert (layer.bias == 0).all()


def test_every_weight_has_a_gradient():
    model = CA(4)
    made = model.stages(*example())
    (made.coarse.square().sum() + made.refined.square().sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert all((p.grad != 0).any() for p in model.parameters())


def test_a_batch_is_its_images():
    model = CA(4)
    image, mask = example(batch=3)
    alone = [model(image[i : i + 1], mask[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(model(image, mask), torch.cat(alone))


def test_the_hole_of_the_image_is_not_looked_at():
    model = CA(4)
    image, mask = example()
    noise = torch.rand(image.shape)
    assert torch.equal(model.complete(image, mask), model.complete(image + noise * mask, mask))


def test_attention_reads_the_mask_at_every_eighth_pixel():
    features = torch.rand(1, 2, 8, 8)
    missed, hit = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    missed[..., 1:8, 1:8], hit[..., 8, 8] = 1, 1
    none = torch.zeros(1, 1, 32, 32)
    whole = contextual_attention(features, none)
    assert torch.equal(contextual_attention(features, missed), whole)
    assert not torch.allclose(contextual_attention(features, hit), whole)


@pytest.mark.parametrize("filled", [0.0, 1.0])
def test_no_hole_and_nothing_known_are_finite(filled):
    image, mask = example()
    assert CA(4)(image * (1 - filled), torch.full_like(mask, filled)).isfinite().all()


@pytest.mark.parametrize("size", [8, 64, 128])
def test_sizes(size):
    image, mask = example((size, size), 1)
    with torch.no_grad():
        assert CA(2)(image, mask).shape == image.shape


@pytest.mark.parametrize("width", [0, -2, 3])
def test_a_width_that_cannot_be_halved_is_refused(width):
    with pytest.raises(InputError, match="even number"):
        CA(width)


def test_sides_must_be_multiples_of_eight():
    with pytest.raises(InputError, match="multiples of 8"):
        CA(2)(*example((36, 40)))


def test_config_builds_the_same_network():
    again = build(CA(4).config)
    assert isinstance(again, CA) and parameters(again) == parameters(CA(4))

"""PConv's step against a plain formulation in double precision; its phases."""

import copy
import functools

import numpy as np
import pytest
import torch
from recipes import on_cpu, pictures
from tolerances import DOUBLE, DOUBLE_NET
from torch import nn

from aotgan.errors import InputError
from aotgan.losses.vgg16 import VGG16Features
from aotgan.training.baselines.pconv import PConvStep, total_variation
from aotgan.training.recipe import make_recipe


@pytest.fixture
def config(tiny):
    generator = {"model": "pconv", "width": 2, "levels": 3}

    def make(**settings):
        return tiny(**{"generator": generator, "objective": "published", "size_px": 32} | settings)

    return make


@functools.cache
def random_features():
    return VGG16Features("random", 2)


def example(size=32, batch=2, seed=1):
    mask = torch.zeros(batch, 1, size, size)
    for i in range(batch):
        mask[i, :, 4 + 3 * i : 22, 8 : 20 + 5 * i] = 1
    mask[0, :, :, 0] = 1
    return pictures(size, batch, seed), mask


def make(config, precision="32-true"):
    features = copy.deepcopy(random_features()).to(torch.get_default_dtype())
    return PConvStep(config, on_cpu(precision), features=features), features


def by_loops(z, mask):
    """Liu et al., Eq. 6, pair by pair."""
    z, mask = z.detach().numpy(), mask.numpy()
    height, width = mask.shape[2:]
    total = 0.0
    for b, i, j in np.ndindex(len(z), height, width):
        for y, x in ((i + 1, j), (i, j + 1)):
            if y < height and x < width and near(mask[b, 0], i, j) and near(mask[b, 0], y, x):
                total += np.abs(z[b, :, i, j] - z[b, :, y, x]).sum()
    return total / z.size


def near(mask, i, j):
    return mask[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].any()


def gram(x):
    return torch.einsum("bchw,bdhw->bcd", x, x) / x[0].numel()


def plain_losses(generator, features, image, mask):
    hole = mask.bool()
    out = generator(image.masked_fill(hole, 0), mask)
    z = torch.where(hole, out, image)
    known = torch.where(hole, 0, (out - image).abs()).sum() / out.numel()
    inside = torch.where(hole, (out - image).abs(), 0).sum() / out.numel()
    perceptual, style = 0, 0
    for name in ("pool1", "pool2", "pool3"):
        real = features(image)[name]
        for judged in (out, z):
            fake = features(judged)[name]
            perceptual = perceptual + (fake - real).abs().mean()
            style = style + (gram(fake) - gram(real)).abs().mean()
    return {
        "valid": known,
        "hole": inside,
        "perceptual": perceptual,
        "style": style,
        "variation": total_variation(z, mask),
    }


def test_total_variation_equals_its_definition(double):
    image, mask = example()
    found = total_variation(image, mask).item()
    assert found == pytest.approx(by_loops(image, mask), rel=DOUBLE)
    assert total_variation(image, torch.zeros_like(mask)) == 0


@pytest.mark.parametrize("style", [250.0, 8.0])
def test_losses_and_gradients_equal_a_plain_formulation(double, config, style):
    step, features = make(config(style=style))
    generator = copy.deepcopy(step.generator)
    image, mask = example()
    losses = plain_losses(generator, features, image, mask)
    weights = {"valid": 1, "hole": 6, "perceptual": 0.05, "style": 120 * style / 250}
    total = sum(weight * losses[name] for name, weight in weights.items())
    total = total + 0.1 * losses["variation"]
    expected = torch.autograd.grad(total, list(generator.parameters()))

    found = step(image, mask)
    assert list(found) == list(losses)
    for name, value in found.items():
        torch.testing.assert_close(value, losses[name].detach())
        assert not value.requires_grad
    for parameter, gradient in zip(step.generator.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=DOUBLE_NET, atol=DOUBLE)


def test_every_weight_learns_and_the_features_do_not(config):
    step, features = make(config())
    before = copy.deepcopy(step.generator)
    step(*example())
    pairs = zip(before.named_parameters(), step.generator.parameters(), strict=True)
    still = [name for (name, old), new in pairs if torch.equal(old, new)]
    assert still == []
    assert all(p.grad is None and not p.requires_grad for p in features.parameters())
    assert set(step.networks) == set(step.optimisers) == {"generator"}


def statistics(step, part):
    return [
        buffer.clone()
        for layer in getattr(step.generator, part)
        for buffer in layer.norm.buffers()
        if buffer.is_floating_point()
    ]


def test_the_second_half_freezes_the_encoder_and_learns_a_quarter_as_fast(config):
    step, _ = make(config(steps=12, learning_rate=2e-4))
    for done, second in ((0, False), (5, False), (6, True), (11, True)):
        encoder, decoder = statistics(step, "encoder"), statistics(step, "decoder")
        scale = step.generator.encoder[1].norm.weight.detach().clone()
        step(*example(), done)
        same = [
            torch.equal(a, b) for a, b in zip(encoder, statistics(step, "encoder"), strict=True)
        ]
        assert all(same) if second else not any(same)
        assert not torch.equal(decoder[0], statistics(step, "decoder")[0])
        assert not torch.equal(scale, step.generator.encoder[1].norm.weight)
        rate = step.optimisers["generator"].param_groups[0]["lr"]
        assert rate == pytest.approx(5e-5 if second else 2e-4)
    assert step.staged


@pytest.mark.parametrize("done", [0, 9])
def test_measuring_in_between_changes_nothing(config, done):
    results = []
    for measured in (False, True):
        step, _ = make(config())
        step(*example(), done)
        if measured:
            step.generator.eval()
            with torch.no_grad():
                assert step.generator.complete(*example()).isfinite().all()
            step.generator.train()
        results.append(step(*example(seed=2), done + 1))
        results[-1] |= {"statistics": statistics(step, "encoder")[-1]}
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_training_lowers_the_losses(config):
    step, _ = make(config(learning_rate=2e-3, steps=1000))
    first = step(*example())
    for done in range(1, 40):
        last = step(*example(), done)
    assert last["hole"] < 0.8 * first["hole"]


def test_processors_may_compute_in_bfloat16(config):
    step, _ = make(config(), "bf16-mixed")
    for done in (0, 8):
        losses = step(*example(), done)
        assert all(value.isfinite() and value.dtype == torch.float32 for value in losses.values())
    assert {p.dtype for p in step.generator.parameters()} == {torch.float32}


def test_the_features_are_named(config):
    step = make_recipe(config(), on_cpu())
    assert isinstance(step, PConvStep)
    assert step.features_name == "random-vgg16-2-seed0"
    assert isinstance(step.features, nn.Module)


def test_what_batch_normalisation_cannot_take_is_refused(config):
    deep = {"model": "pconv", "width": 2, "levels": 5}
    with pytest.raises(InputError, match="more than one value"):
        make(config(generator=deep, batch_size=1))
    step, _ = make(config(generator=deep))
    assert step(*example())["hole"].isfinite()
    with pytest.raises(InputError, match="needs a multiple of 64"):
        make(config(generator={"model": "pconv", "width": 2, "levels": 6}))

"""GatedConv's step against a plain formulation in double precision."""

import copy
from dataclasses import replace

import pytest
import torch
from recipes import on_cpu, pictures
from tolerances import DOUBLE_NET

from aotgan.training.baselines.gatedconv import GatedConvStep
from aotgan.training.recipe import make_recipe

SIZE = 32


@pytest.fixture
def config(tiny):
    own = {"objective": "published", "size_px": SIZE, "discriminator_width": 2}
    return tiny(generator={"model": "gatedconv", "width": 8}, **own)


def example(batch=2, seed=1, size=SIZE):
    mask = torch.zeros(batch, 1, size, size)
    for i in range(batch):
        mask[i, :, 4 + 3 * i : 14, 8 : 13 + 3 * i] = 1  # leaves valid keys
    return pictures(size, batch, seed), mask


def make(config, precision="32-true"):
    step = make_recipe(config, on_cpu(precision))
    assert isinstance(step, GatedConvStep) and not step.staged
    torch.manual_seed(3)
    for p in step.generator.parameters():
        torch.nn.init.normal_(p, 0, 0.2)  # strong enough for every gradient to matter
    return step


def plain_step(generator, critic, optimisers, image, mask):
    """As published, every network by itself; returns the losses."""
    hole = mask.bool()
    coarse, refined = generator.stages(image.masked_fill(hole, 0), mask)
    z = torch.where(hole, refined, image)
    scores = critic(torch.cat([image, z.detach()]), torch.cat([mask, mask]))
    real, fake = scores[: len(image)], scores[len(image) :]
    loss_d = 0.5 * (1 - real).clamp(min=0).mean() + 0.5 * (1 + fake).clamp(min=0).mean()
    follow(critic, optimisers[1], torch.autograd.grad(loss_d, list(critic.parameters())))
    adversarial = -critic(z, mask).mean()
    reconstruction = (coarse - image).abs().mean() + (refined - image).abs().mean()
    total = reconstruction + adversarial
    follow(generator, optimisers[0], torch.autograd.grad(total, list(generator.parameters())))
    named = {
        "reconstruction": reconstruction,
        "discriminator": loss_d,
        "adversarial": adversarial,
    }
    return {name: value.item() for name, value in named.items()}


def follow(network, optimiser, gradients):
    for p, gradient in zip(network.parameters(), gradients, strict=True):
        p.grad = gradient
    optimiser.step()


def test_a_step_is_the_published_one(config, double):
    step = make(config)
    generator, critic = copy.deepcopy(step.generator), copy.deepcopy(step.critic)
    optimisers = [
        torch.optim.Adam(n.parameters(), config.optim.learning_rate, config.optim.betas)
        for n in (generator, critic)
    ]
    image, mask = example()
    losses = step(image, mask)
    expected = plain_step(generator, critic, optimisers, image, mask)
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(expected)
    assert not any(value.requires_grad for value in losses.values())
    for ours, plain in ((step.generator, generator), (step.critic, critic)):
        for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(one, other, atol=DOUBLE_NET, rtol=0)


def test_a_step_updates_every_weight(config):
    step = make(config)
    before = copy.deepcopy(step.state_dict()["networks"])
    assert set(before) == {"generator", "discriminator"}
    step(*example())
    for name, network in step.networks.items():
        for key, value in network.state_dict().items():
            # within the margins, scores of one sign for real and fake cancel in the last bias
            if key != "layers.10.bias":
                assert not torch.equal(value, before[name][key]), f"{name} {key}"


def test_mixed_precision_and_empty_masks_are_finite(config):
    size = 64  # on a map of a single position, CPUs return garbage as bfloat16 weight gradients
    step = make(replace(config, data=replace(config.data, size_px=size)), "bf16-mixed")
    image, mask = example(size=size)
    mask[0], mask[1] = 0, 1
    assert all(value.isfinite() for value in step(image, mask).values())
    assert all(p.isfinite().all() for n in step.networks.values() for p in n.parameters())

"""HiFill's step against a plain formulation in double precision; what it updates."""

import copy

import pytest
import torch
from recipes import on_cpu, pictures
from tolerances import DOUBLE_NET, LAST_BITS

from aotgan.errors import InputError
from aotgan.training.baselines.hifill import HiFillStep, reconstruction_losses
from aotgan.training.recipe import make_recipe

LOSSES = {"hole", "valid", "discriminator", "penalty", "adversarial"}


@pytest.fixture
def config(tiny):
    def make(**settings):
        own = {"generator": {"model": "hifill", "width": 4, "gain": 2.0}, "objective": "published"}
        return tiny(**own | {"size_px": 64, "discriminator_width": 2} | settings)

    return make


def example(seed=1):
    mask = torch.zeros(2, 1, 64, 64)
    mask[0, :, :9, 3:12] = 1
    mask[1, :, 50:, 30:] = 1
    return pictures(64, seed=seed, cells=8), mask


def make(config, precision="32-true"):
    step = make_recipe(config, on_cpu(precision))
    assert isinstance(step, HiFillStep)
    return step


def plain_penalty(critic, real, fake, shares):
    """Mean of (|g| - 1)^2, with g of one image after the other."""
    total = 0
    for r, f, share in zip(real, fake, shares, strict=True):
        point = (r + share * (f - r)).requires_grad_()
        (g,) = torch.autograd.grad(critic(point[None])[0], point, create_graph=True)
        total += ((g**2).sum().sqrt() - 1) ** 2
    return total / len(real)


def plain_step(step, image, mask, done):
    """The losses, the generator's gradient and the critic that three steps lead to."""
    hole = mask.bool()
    made = step.generator.stages(torch.where(hole, 0.0, image), mask)
    z = torch.where(hole, made.refined, image)
    first, second = (made.coarse - image).abs(), (made.refined - image).abs()
    losses = {}
    inside, outside = hole.expand_as(first), ~hole.expand_as(first)
    losses["hole"] = (1.2 * first[inside].sum() + second[inside].sum()) / first.numel()
    losses["valid"] = 1.2 * first[outside].mean() + second[outside].mean()

    optim = step.config.optim
    critic = copy.deepcopy(step.critic)
    adam = torch.optim.Adam(critic.parameters(), optim.learning_rate, optim.betas)
    noise = step.noise(done)
    for _ in range(3):
        adam.zero_grad()
        losses["discriminator"] = critic(z.detach()).mean() - critic(image).mean()
        shares = torch.rand(len(image), 1, 1, 1, generator=noise)
        losses["penalty"] = plain_penalty(critic, image, z.detach(), shares)
        (losses["discriminator"] + 10 * losses["penalty"]).backward()
        adam.step()
    losses["adversarial"] = -critic(z).mean()
    total = 1.2 * losses["hole"] + 1.2 * losses["valid"] + 0.001 * losses["adversarial"]
    gradient = torch.autograd.grad(total, list(step.generator.parameters()))
    return {name: value.detach() for name, value in losses.items()}, gradient, critic


def assert_close(found, expected, tolerance=DOUBLE_NET):
    for a, b in zip(found, expected, strict=True):
        assert (a - b).abs().max() <= tolerance * b.abs().max() + LAST_BITS


def test_a_step_equals_a_plain_one(double, config):
    image, mask = example()
    step = make(config(betas=(0.5, 0.9)))
    losses, gradient, critic = plain_step(step, image, mask, 4)
    before = copy.deepcopy(step.networks)
    found = step(image, mask, 4)
    assert found.keys() == losses.keys() == LOSSES
    assert_close([found[name] for name in losses], list(losses.values()))
    assert_close([p.grad for p in step.generator.parameters()], gradient)
    assert_close(step.critic.parameters(), critic.parameters())
    assert set(step.networks) == set(step.optimisers) == {"generator", "critic"}
    for name, network in step.networks.items():
        old = list(before[name].parameters())
        moved = [not torch.equal(a, b) for a, b in zip(old, network.parameters(), strict=True)]
        # the bias of the critic's score cancels
        assert moved == [True] * (len(old) - 1) + [name == "generator"]


def test_the_generators_loss_does_not_reach_the_critic(config):
    step = make(config())
    image, mask = example()
    step.critic.zero_grad()
    z = image.requires_grad_()
    pull, _ = step.pull(z)
    assert pull.abs().max() > 0
    assert z.grad is None
    assert all(parameter.grad is None for parameter in step.critic.parameters())


def test_noise_depends_on_the_step_alone(config):
    image, mask = example()
    penalties = [make(config())(image, mask, done)["penalty"] for done in (0, 0, 1)]
    assert penalties[0] == penalties[1] != penalties[2]


def test_a_full_mask_leaves_no_known_part(config):
    image, mask = example()
    step = make(config())
    full = torch.ones_like(mask)
    assert reconstruction_losses(image, step.generator.stages(image, full), full)["valid"] == 0
    assert all(loss.isfinite() for loss in step(image, full).values())


def test_the_critic_starts_alike_beside_every_generator(config):
    first, second = (
        make(config(generator={"model": "hifill", "width": width})).critic.state_dict()
        for width in (4, 5)
    )
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_mixed_precision_applies_to_the_generator(config):
    step = make(config(precision="bf16-mixed"), "bf16-mixed")
    types = []
    step.generator.refine.head[1].features.register_forward_hook(
        lambda *a: types.append(a[2].dtype)
    )
    losses = step(*example())
    assert types == [torch.bfloat16]
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    assert all(p.dtype == torch.float32 for p in step.generator.parameters())


def test_critic(config):
    step = make(config(discriminator_width=64, learning_rate=3e-4, betas=(0.5, 0.9)))
    convs = [layer for layer in step.critic.layers if isinstance(layer, torch.nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [64, 128, 256, 256, 256, 256]
    assert 0.097 < convs[2].weight.abs().max() <= 0.1
    assert step.critic(torch.zeros(2, 3, 64, 64)).shape == (2,)
    for optimiser in step.optimisers.values():
        assert optimiser.param_groups[0]["lr"] == 3e-4
        assert optimiser.param_groups[0]["betas"] == (0.5, 0.9)


def test_images_of_another_size_are_refused(config):
    with pytest.raises(InputError, match="multiple of 16 and at least 64"):
        make(config(size_px=48))

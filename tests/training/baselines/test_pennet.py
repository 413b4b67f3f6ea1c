"""PEN-Net's step against a plain formulation in double precision; what it updates."""

import copy

import pytest
import torch
import torch.nn.functional as F
from recipes import on_cpu, pictures
from tolerances import DOUBLE_NET, LAST_BITS

from aotgan.errors import InputError
from aotgan.training.baselines.pennet import PENNetStep, reconstruction_losses
from aotgan.training.recipe import make_recipe


@pytest.fixture
def config(tiny):
    def make(**settings):
        own = {"generator": {"model": "pen-net", "width": 4}, "objective": "published"}
        return tiny(**own | {"size_px": 64, "discriminator_width": 2} | settings)

    return make


def example(seed=1):
    mask = torch.zeros(2, 1, 64, 64)
    mask[0, :, 6:40, 9:33] = 1
    mask[1, :, 21:30, 30:] = 1
    return pictures(64, seed=seed, cells=8), mask


def make(config, precision="32-true"):
    step = make_recipe(config, on_cpu(precision))
    assert isinstance(step, PENNetStep)
    return step


def plain_losses(step, image, mask):
    """Losses by sums over pixels, from passes of their own for each player; nothing is updated."""
    hole = mask.bool()
    made = step.generator.stages(torch.where(hole, 1.0, image), mask)
    error = (made.prediction - image).abs()
    z = torch.where(hole, made.prediction, image)
    inside, outside = hole.expand_as(error), ~hole.expand_as(error)
    losses = {"hole": error[inside].mean(), "valid": error[outside].mean(), "pyramid": 0}
    for level, side in enumerate(made.sides):
        size = (32 // 2**level,) * 2
        target = F.interpolate(image, size, mode="bilinear", align_corners=True)
        losses["pyramid"] += (side - target).abs().sum() / target.numel()
    d = step.discriminator
    real, fake = d(image), d(z.detach())
    losses["discriminator"] = ((1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()) / 2
    d.eval()  # the same weights as in d(z.detach()): no power iteration
    losses["adversarial"] = -d(z).mean()
    d.train()
    weights = {"hole": 6, "valid": 1, "pyramid": 0.5, "adversarial": 0.1}
    return losses, sum(weight * losses[name] for name, weight in weights.items())


def gradients(network):
    return [parameter.grad for parameter in network.parameters()]


def assert_close(found, expected, tolerance=DOUBLE_NET):
    for a, b in zip(found, expected, strict=True):
        assert (a - b).abs().max() <= tolerance * b.abs().max() + LAST_BITS


def test_a_step_equals_separate_passes(double, config):
    image, mask = example()
    step = make(config())
    losses, total = plain_losses(step, image, mask)
    g = torch.autograd.grad(total, list(step.generator.parameters()), retain_graph=True)
    d = torch.autograd.grad(losses["discriminator"], list(step.discriminator.parameters()))

    step = make(config())  # the same weights and power-iteration vectors again
    before = copy.deepcopy(step.networks)
    found = step(image, mask)
    assert found.keys() == losses.keys()
    assert_close([found[name] for name in losses], [value.detach() for value in losses.values()])
    assert_close(gradients(step.generator), g)
    assert_close(gradients(step.discriminator), d)
    assert set(step.networks) == set(step.optimisers) == {"generator", "discriminator"}
    for name, network in step.networks.items():
        old = list(before[name].parameters())
        moved = [not torch.equal(a, b) for a, b in zip(old, network.parameters(), strict=True)]
        # the bias of the scores cancels as long as none is beyond the hinge's margin
        assert moved == [key != "layers.8.bias" for key, _ in network.named_parameters()], name


@pytest.mark.parametrize("part", ["hole", "valid"])
def test_an_empty_part_costs_nothing(config, part):
    image, mask = example()
    mask = torch.full_like(mask, float(part == "valid"))
    step = make(config())
    losses = reconstruction_losses(image, step.generator.stages(image, mask), mask)
    assert losses[part] == 0
    assert all(loss.isfinite() for loss in losses.values())
    assert all(loss.isfinite() for loss in step(image, mask).values())


def test_the_discriminator_starts_alike_beside_every_generator(config):
    first, second = (
        make(config(generator={"model": "pen-net", "width": width})).discriminator.state_dict()
        for width in (4, 5)
    )
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_mixed_precision_applies_to_the_generator(config):
    step = make(config(precision="bf16-mixed"), "bf16-mixed")
    types = []
    step.generator.head[2].register_forward_hook(lambda *a: types.append(a[2].dtype))
    losses = step(*example())
    assert types == [torch.bfloat16]
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    assert all(p.dtype == torch.float32 for p in step.generator.parameters())


def test_optimisers_and_widths_are_those_of_the_configuration(config):
    step = make(config(learning_rate=3e-4, betas=(0.5, 0.999), discriminator_width=3))
    for optimiser in step.optimisers.values():
        assert optimiser.param_groups[0]["lr"] == 3e-4
        assert optimiser.param_groups[0]["betas"] == (0.5, 0.999)
    assert step.discriminator.layers[0].out_channels == 3


def test_images_that_the_levels_do_not_divide_are_refused(config):
    with pytest.raises(InputError, match="multiple of 64"):
        make(config(size_px=96))

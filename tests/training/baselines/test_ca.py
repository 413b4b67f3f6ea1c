"""CA's step against a plain formulation in double precision; windows, discount."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from recipes import on_cpu, pictures
from tolerances import DOUBLE_NET, SINGLE_NET

from aotgan.training.baselines.ca import CAStep, discount, hole_windows, views
from aotgan.training.recipe import make_recipe

SIZE = 32


@pytest.fixture
def config(tiny):
    own = {"objective": "published", "size_px": SIZE, "discriminator_width": 2}
    return tiny(generator={"model": "ca", "width": 2}, **own)


def example(batch=2, seed=1):
    mask = torch.zeros(batch, 1, SIZE, SIZE)
    mask[0, :, 5:15, 3:12] = 1  # fits a window of 16
    mask[0, :, 7, 12:17] = 1
    for i in range(1, batch):
        mask[i, :, 2:29, 4 + i : 20] = 1  # does not
    return pictures(SIZE, batch, seed), mask


def make(config, precision="32-true"):
    step = make_recipe(config, on_cpu(precision))
    assert isinstance(step, CAStep) and not step.staged
    return step


def random_masks(count=6, size=SIZE):
    """Blocks of holes of many shapes, an empty mask and a full one."""
    rng = np.random.default_rng(0)
    masks = np.zeros((count, 1, size, size))
    for mask in masks[2:]:
        for _ in range(int(rng.integers(1, 5))):
            y, x, h, w = rng.integers(0, size // 2, 4)
            mask[0, y : y + h + 1, x : x + w + 1] = 1
    masks[1] = 1
    return torch.from_numpy(masks).float()


def by_steps(mask, y, x):
    """Steps to the nearest known pixel of the row or the column."""
    size, found = len(mask), np.inf
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        steps = 0
        while 0 <= y + steps * dy < size and 0 <= x + steps * dx < size:
            if not mask[y + steps * dy, x + steps * dx]:
                found = min(found, steps)
                break
            steps += 1
    return found


def test_discount_falls_with_the_distance_from_known_pixels():
    masks = random_masks()
    weights = discount(masks)
    for mask, weight in zip(masks[:, 0].numpy(), weights[:, 0].numpy(), strict=True):
        for (y, x), value in np.ndenumerate(weight):
            steps = by_steps(mask, y, x)
            assert value == pytest.approx(0.9 ** (max(steps - 1, 0) * 256 / SIZE), rel=SINGLE_NET)
    assert (weights[0] == 1).all() and (weights[1] == 0).all()


def test_discount_of_a_rectangle_is_the_published_one():
    mask = torch.zeros(1, 1, 256, 256)
    h, w = 20, 31
    mask[..., 40 : 40 + h, 70 : 70 + w] = 1
    weight = discount(mask)[0, 0, 40 : 40 + h, 70 : 70 + w]
    for i, j in np.ndindex(h // 2, w // 2):  # the far sides are one pixel further when published
        expected = max(0.9 ** min(i, h - i), 0.9 ** min(j, w - j))
        assert weight[i, j].item() == pytest.approx(expected, rel=SINGLE_NET)
    torch.testing.assert_close(weight, weight.flip(0, 1))


def test_windows_hold_their_holes():
    masks = random_masks(40)
    for mask, (left, top, side) in zip(masks[:, 0], hole_windows(masks).tolist(), strict=True):
        assert left >= 0 and top >= 0 and max(left, top) + side <= SIZE
        ys, xs = torch.nonzero(mask, as_tuple=True)
        if not len(ys):
            assert (left, top, side) == (0, 0, SIZE)
            continue
        assert mask[top : top + side, left : left + side].sum() == mask.sum()
        extent = max(ys.max() - ys.min(), xs.max() - xs.min()).item() + 1
        assert side == max(extent, SIZE // 2)
        middle = (ys.max() + ys.min() + 1).item() / 2
        if 0 < top < SIZE - side:
            assert abs(top + side / 2 - middle) <= 0.5


def test_local_view_is_the_window_at_half_of_the_side(double):
    image, mask = example(3)
    image.requires_grad_()
    windows = hole_windows(mask)
    whole, local = views(image, windows)
    assert torch.equal(whole, image)
    for x, made, (left, top, side) in zip(image, local, windows.tolist(), strict=True):
        crop = x[None, :, top : top + side, left : left + side]
        expected = F.interpolate(crop, size=SIZE // 2, mode="bilinear")[0]
        torch.testing.assert_close(made, expected)
    assert windows[:, 2].tolist() == [16, 27, 27]
    (gradient,) = torch.autograd.grad(local.sum(), image)
    assert gradient.sum().item() == pytest.approx(local.numel())


def plain_views(x, mask):
    result = []
    for one, hole in zip(x, mask[:, 0], strict=True):
        ys, xs = torch.nonzero(hole, as_tuple=True)
        y0, y1, x0, x1 = (int(n) for n in (ys.min(), ys.max() + 1, xs.min(), xs.max() + 1))
        side = max(y1 - y0, x1 - x0, SIZE // 2)
        top, left = (min(max((a + b - side) // 2, 0), SIZE - side) for a, b in ((y0, y1), (x0, x1)))
        crop = one[None, :, top : top + side, left : left + side]
        result.append(F.interpolate(crop, size=SIZE // 2, mode="bilinear"))
    return x, torch.cat(result)


def plain_penalty(critic, real, fake, hole, noise):
    t = torch.rand(len(real), 1, 1, 1, generator=noise)
    x = (real + t * (fake - real)).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    norms = (gradient * hole).square().sum((1, 2, 3)).sqrt()
    return ((norms - 1) ** 2).mean()


def plain_step(generator, critics, optimisers, image, mask, noise):
    """As published, every network by itself; returns the losses."""
    hole = mask.bool()
    coarse, refined = generator.stages(image.masked_fill(hole, 0), mask)
    z = torch.where(hole, refined, image)
    losses = {}
    for _ in range(5):
        losses |= {"discriminator": 0.0, "penalty": 0.0}
        for place, critic in enumerate(critics):
            real, fake, inside = (plain_views(x, mask)[place] for x in (image, z.detach(), mask))
            gap = critic(fake).mean() - critic(real).mean()
            penalty = plain_penalty(critic, real, fake, inside, noise)
            grads = torch.autograd.grad(gap + 10 * penalty, list(critic.parameters()))
            follow(critic, optimisers[1 + place], grads)
            losses["discriminator"] += gap.item()
            losses["penalty"] += penalty.item()
    adversarial = -sum(
        critic(view).mean() for critic, view in zip(critics, plain_views(z, mask), strict=True)
    )
    inside, known = 0, 0
    for i in range(len(image)):
        for weight, x in ((1.2, coarse), (1.0, refined)):
            error = (x[i] - image[i]).abs()
            kept = error[:, hole[i, 0]] * discount(mask)[i, 0][hole[i, 0]]
            inside = inside + weight * kept.mean() / len(image)
            known = known + weight * error[:, ~hole[i, 0]].mean() / len(image)
    total = 0.001 * adversarial + 1.2 * inside + 1.2 * known
    follow(generator, optimisers[0], torch.autograd.grad(total, list(generator.parameters())))
    named = {"reconstruction": inside, "known": known, "adversarial": adversarial}
    return losses | {name: value.item() for name, value in named.items()}


def follow(network, optimiser, gradients):
    for p, gradient in zip(network.parameters(), gradients, strict=True):
        p.grad = gradient
    optimiser.step()


def test_a_step_is_the_published_one(config, double):
    step = make(config)
    generator = copy.deepcopy(step.generator)
    critics = [copy.deepcopy(critic) for critic in (step.global_critic, step.local_critic)]
    optimisers = [
        torch.optim.Adam(n.parameters(), config.optim.learning_rate, config.optim.betas)
        for n in (generator, *critics)
    ]
    image, mask = example()
    losses = step(image, mask, 3)
    expected = plain_step(generator, critics, optimisers, image, mask, step.noise(3))
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(expected)
    assert not any(value.requires_grad for value in losses.values())
    for ours, plain in zip(
        (step.generator, step.global_critic, step.local_critic), (generator, *critics), strict=True
    ):
        for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(one, other, atol=DOUBLE_NET, rtol=0)


def last_bias(critic):
    return list(critic.state_dict())[-1]


def test_a_step_updates_every_weight(config):
    step = make(config)
    before = copy.deepcopy(step.state_dict()["networks"])
    assert set(before) == {"generator", "global critic", "local critic"}
    step(*example())
    for name, network in step.networks.items():
        for key, value in network.state_dict().items():
            # the difference of two scores does not depend on the last bias
            if name == "generator" or key != last_bias(network):
                assert not torch.equal(value, before[name][key]), f"{name} {key}"


def test_published_widths(config):
    step = make(config)
    channels = [
        [m.out_channels for m in critic.modules() if isinstance(m, torch.nn.Conv2d)]
        for critic in (step.global_critic, step.local_critic)
    ]
    assert channels == [[2, 4, 8, 8], [2, 4, 8, 16]]


def test_mixed_precision_and_empty_masks_are_finite(config):
    step = make(config, "bf16-mixed")
    image, mask = example()
    mask[0], mask[1] = 0, 1
    assert all(value.isfinite() for value in step(image, mask).values())
    assert all(p.isfinite().all() for n in step.networks.values() for p in n.parameters())

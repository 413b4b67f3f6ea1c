"""Critics of the Wasserstein distance: layers, and the penalty of critics whose slope is known."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aotgan.errors import InputError
from aotgan.models.baselines.ca import CA
from aotgan.training.baselines.critics import Critic, gradient_penalty


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=3, size=8, seed=0):
    return torch.rand(count, 3, size, size, generator=seeded(seed)).double() * 2 - 1


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_the_published_ones():
    wide, local = (64, 128, 256, 256), (64, 128, 256, 512)
    assert parameters(Critic(256, wide)) == 2_733_441
    assert parameters(Critic(128, local)) == 4_339_329
    # the count of a published training log, with images of 64 px and boxes of 32
    total = parameters(CA()) + parameters(Critic(64, wide)) + parameters(Critic(32, local))
    assert total == 10_582_152


@pytest.mark.parametrize("size", [16, 20])
def test_a_score_is_that_of_the_layers(size):
    critic = Critic(size, (2, 3, 4)).double()
    x = image = images(size=size)
    convs = [m for m in critic.modules() if isinstance(m, nn.Conv2d)]
    (linear,) = (m for m in critic.modules() if isinstance(m, nn.Linear))
    for conv, channels in zip(convs, (2, 3, 4), strict=True):
        assert conv.weight.shape == (channels, x.shape[1], 5, 5)
        x = F.leaky_relu(F.conv2d(x, conv.weight, conv.bias, 2, 2), 0.2)
    expected = (x.flatten(1) * linear.weight).sum(1) + linear.bias
    torch.testing.assert_close(critic(image), expected)
    assert expected.shape == (3,)


@pytest.mark.parametrize(("size", "channels"), [(0, (2,)), (8, ()), (8, (2, 0))])
def test_impossible_critics_are_refused(size, channels):
    with pytest.raises(InputError, match="at least one layer"):
        Critic(size, channels)


@pytest.mark.parametrize("shape", [(1, 3, 8, 9), (1, 3, 16, 16), (1, 4, 8, 8)])
def test_other_images_are_refused(shape):
    with pytest.raises(InputError, match="this critic needs"):
        Critic(8, (2,))(torch.ones(shape))


def test_the_slope_of_a_linear_critic_is_its_weights():
    weights = images(1, seed=3)
    mask = (images(3, seed=4)[:, :1] > 0).double()

    def critic(x):
        return (x * weights).sum((1, 2, 3))

    real, fake = images(), images(seed=1)
    expected = (weights.norm() - 1) ** 2
    torch.testing.assert_close(gradient_penalty(critic, real, fake, seeded()), expected)
    norms = (weights * mask).flatten(1).norm(dim=1)
    masked = gradient_penalty(critic, real, fake, seeded(), mask)
    torch.testing.assert_close(masked, ((norms - 1) ** 2).mean())


def test_each_image_has_a_point_of_its_own_between_real_and_fake():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.square().sum((1, 2, 3)) / 2  # its gradient is x

    real, fake = images(), images(seed=1)
    penalty = gradient_penalty(critic, real, fake, seeded(7))
    share = ((seen[0] - real) / (fake - real)).flatten(1)
    assert ((share >= 0) & (share < 1)).all()
    torch.testing.assert_close(share, share[:, :1].expand_as(share))
    assert len(set(share[:, 0].tolist())) == 3
    torch.testing.assert_close(penalty, ((seen[0].flatten(1).norm(dim=1) - 1) ** 2).mean())
    gradient_penalty(critic, real, fake, seeded(8))
    assert not torch.equal(seen[0], seen[1])


def test_the_penalty_moves_the_critic_alone():
    critic = Critic(8, (2, 3)).double()
    real, fake = images(), images(seed=1).requires_grad_()
    gradient_penalty(critic, real, fake, seeded()).backward()
    assert fake.grad is None
    first = critic.layers[0].weight
    analytic, step = first.grad[0, 0, 2, 2].item(), 1e-6
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            first[0, 0, 2, 2] += sign * step
        values.append(gradient_penalty(critic, real, fake, seeded()).item())
        with torch.no_grad():
            first[0, 0, 2, 2] -= sign * step
    assert analytic == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4)


def test_an_image_without_a_hole_adds_one_and_no_gradient():
    critic = Critic(8, (2,)).double()
    mask = torch.zeros(1, 1, 8, 8).double()
    penalty = gradient_penalty(critic, images(1), images(1, seed=1), seeded(), mask)
    penalty.backward()
    assert penalty == 1
    assert all(p.grad is None or (p.grad == 0).all() for p in critic.parameters())

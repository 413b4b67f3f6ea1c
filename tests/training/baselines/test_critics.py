"""Critics of the compared models: layers, and the penalty of critics whose slope is known."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from tolerances import SINGLE_NET, TWO_PERCENT
from torch import nn
from two_stage_reference import example

from aotgan.errors import InputError
from aotgan.models.baselines.ca import CA
from aotgan.models.discriminator import Discriminator
from aotgan.training.baselines.critics import (
    EdgeConnectCritic,
    GatedConvCritic,
    MNPSCritic,
    PENNetCritic,
    WassersteinCritic,
    gradient_penalty,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=3, size=8, seed=0):
    return torch.rand(count, 3, size, size, generator=seeded(seed)).double() * 2 - 1


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_the_published_ones():
    wide, local = (64, 128, 256, 256), (64, 128, 256, 512)
    assert parameters(WassersteinCritic(256, wide)) == 2_733_441
    assert parameters(WassersteinCritic(128, local)) == 4_339_329
    # the count of a published training log, with images of 64 px and boxes of 32
    networks = (CA(), WassersteinCritic(64, wide), WassersteinCritic(32, local))
    assert sum(map(parameters, networks)) == 10_582_152


@pytest.mark.parametrize("size", [16, 20])
def test_a_score_is_that_of_the_layers(size):
    critic = WassersteinCritic(size, (2, 3, 4)).double()
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
        WassersteinCritic(size, channels)


@pytest.mark.parametrize("shape", [(1, 3, 8, 9), (1, 3, 16, 16), (1, 4, 8, 8)])
def test_other_images_are_refused(shape):
    with pytest.raises(InputError, match="this critic needs"):
        WassersteinCritic(8, (2,))(torch.ones(shape))


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
    critic = WassersteinCritic(8, (2, 3)).double()
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
    assert analytic == pytest.approx((values[0] - values[1]) / (2 * step), rel=SINGLE_NET)


def test_an_image_without_a_hole_adds_one_and_no_gradient():
    critic = WassersteinCritic(8, (2,)).double()
    mask = torch.zeros(1, 1, 8, 8).double()
    penalty = gradient_penalty(critic, images(1), images(1, seed=1), seeded(), mask)
    penalty.backward()
    assert penalty == 1
    assert all(p.grad is None or (p.grad == 0).all() for p in critic.parameters())


def test_gatedconvs_critic_has_the_published_size():
    assert parameters(GatedConvCritic()) == 5_946_816


def test_every_element_of_gatedconvs_map_is_a_score():
    critic = GatedConvCritic(2).double()
    image, mask = (x.double() for x in example((64, 128)))
    critic(image, mask)
    critic.eval()  # what follows sees the same estimate of the norms
    x = torch.cat([image, mask], 1)
    convs = [m for m in critic.modules() if isinstance(m, nn.Conv2d)]
    channels = (4, 2, 4, 8, 8, 8, 8)
    for conv, before, after in zip(convs, channels, channels[1:], strict=False):
        assert conv.weight.shape == (after, before, 5, 5)
        x = F.leaky_relu(F.conv2d(x, conv.weight, conv.bias, 2, 2), 0.2)
    torch.testing.assert_close(critic(image, mask), x)
    assert x.shape == (2, 8, 1, 2) and len(convs) == 6


def test_gatedconvs_critic_has_layers_of_norm_one():
    critic = GatedConvCritic(4)
    for _ in range(60):
        critic(*example())
    for conv in critic.modules():
        if isinstance(conv, nn.Conv2d):
            norm = torch.linalg.matrix_norm(conv.weight.flatten(1), 2)
            torch.testing.assert_close(norm, torch.ones(()), atol=TWO_PERCENT, rtol=0)


def test_gatedconvs_critic_sees_the_mask():
    critic = GatedConvCritic(2).eval()
    image, mask = example()
    assert not torch.equal(critic(image, mask), critic(image, 1 - mask))


def test_edgeconnects_critic_equals_the_released_formula():
    critic = EdgeConnectCritic(2, 4).double().eval()
    for parameter in critic.parameters():
        nn.init.normal_(parameter, 0, 0.3)
    x = torch.rand(2, 2, 40, 48, dtype=torch.float64)
    found = critic(x)
    assert len(found) == 5 and len(list(critic.parameters())) == 5
    for i, (conv, stride) in enumerate(zip(critic.convs, (2, 2, 2, 1, 1), strict=True)):
        x = F.conv2d(x, conv.weight, stride=stride, padding=1)
        x = x if i == 4 else torch.where(x > 0, x, 0.2 * x)
        torch.testing.assert_close(found[i], x)
        assert conv.bias is None
    assert found[-1].shape == (2, 1, 3, 4)


def test_edgeconnects_critic_has_the_published_size():
    assert parameters(EdgeConnectCritic(2)) == 2_762_752
    assert parameters(EdgeConnectCritic(3)) == 2_763_776
    with pytest.raises(InputError, match="at least 24"):
        EdgeConnectCritic(3, 2)(torch.zeros(1, 3, 16, 32))


def test_pennets_critic_has_the_published_layers():
    torch.manual_seed(0)
    network = PENNetCritic()
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_318_401
    deviation = network.layers[6].parametrizations.weight.original.std().item()
    assert deviation == pytest.approx(0.02, rel=TWO_PERCENT)
    convs = list(network.layers[::2])
    assert [conv.stride for conv in convs] == [(s, s) for s in (2, 2, 2, 1, 1)]
    assert [conv.out_channels for conv in convs] == [64, 128, 256, 512, 1]
    assert [conv.bias is not None for conv in convs] == [False] * 4 + [True]
    small = PENNetCritic(2)
    assert small(torch.zeros(2, 3, 64, 64)).shape == (2, 1, 3, 3)
    assert small(torch.zeros(2, 3, 48, 48)).shape == (2, 1, 1, 1)
    with pytest.raises(InputError, match="at least 48 pixels"):
        small(torch.zeros(2, 3, 47, 64))


def test_mnpss_critic_has_the_published_layers():
    critic = MNPSCritic()
    widths = (3, 64, 128, 256, 512, 1)
    expected = sum(16 * a * b + b for a, b in zip(widths, widths[1:], strict=False))
    assert parameters(critic) == expected + 2 * (128 + 256 + 512)
    assert critic(torch.zeros(2, 3, 64, 64)).shape == (2, 1)


@pytest.mark.parametrize(
    ("critic", "place"),
    [
        (WassersteinCritic(8, (2,)), "layers"),
        (GatedConvCritic(1), "layers"),
        (EdgeConnectCritic(3, 1), "convs"),
        (PENNetCritic(1), "layers"),
        (MNPSCritic(1), "layers"),
        (Discriminator(1), "conv"),
    ],
)
def test_training_states_name_the_layers_as_ever(critic, place):
    normalised = not isinstance(critic, WassersteinCritic | MNPSCritic)
    first = "0.parametrizations.weight.original" if normalised else "0.weight"
    assert {key.partition(".")[0] for key in critic.state_dict()} == {place}
    assert f"{place}.{first}" in critic.state_dict()


@pytest.mark.parametrize("critic", [GatedConvCritic, partial(EdgeConnectCritic, 3)])
def test_a_critic_without_channels_is_refused(critic):
    with pytest.raises(InputError, match="width=0"):
        critic(0)

"""PEN-Net against plain formulations in double precision; its size, its keys and its memory."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tolerances import DOUBLE, DOUBLE_SUM, TENTH, TWO_PERCENT
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aotgan.errors import InputError
from aotgan.models.baselines.attention import valid_keys
from aotgan.models.baselines.pennet import AttentionTransfer, PENNet, known_keys
from aotgan.models.registry import build


def example(size=64, batch=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(batch, 3, size, size, generator=generator, dtype=dtype) * 2 - 1
    mask = torch.zeros(batch, 1, size, size, dtype=dtype)
    for i in range(batch):
        mask[i, :, 9 + 3 * i : 30, 21 : 40 + 5 * i] = 1
    return image, mask


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    "width, count, millions", [(32, 10_231_538, 10.23), (16, 2_560_642, 2.56), (8, 641_546, 0.64)]
)
def test_parameter_counts(width, count, millions):
    assert parameters(PENNet(width)) == count
    assert round(count / 1e6, 2) == millions


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (64, 192)])
def test_shapes(size):
    check_shapes(PENNet(4), *size)


def check_shapes(network, *size):
    made = network.stages(torch.zeros(1, 3, *size), torch.zeros(1, 1, *size))
    halves = [(1, 3, size[0] // 2**k, size[1] // 2**k) for k in range(1, 6)]
    assert made.prediction.shape == (1, 3, *size)
    assert [tuple(side.shape) for side in made.sides] == halves
    return made


class Largest(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor)]
        self.elements = max(self.elements, *sizes, 0)
        return made


def test_no_tensor_holds_all_scores_at_512_pixels():
    with FakeTensorMode(), Largest() as largest:
        check_shapes(PENNet(), 512, 512).prediction.sum().backward()
        assert 2**23 < largest.elements <= 2**24  # of 2^28 scores


def patches(x, side, stride, pad):
    """Patches of (C, H, W) in row-major order as a list."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    starts = [range(0, length - side + 1, stride) for length in x.shape[1:]]
    return [x[:, i : i + side, j : j + side] for i, j in itertools.product(*starts)]


def loop_transfer(low, high, valid, kernel):
    """One image: softmax over valid keys of scores on `high`, pasting patches of `low`."""
    keys = patches(high, kernel, 1, kernel // 2)
    values = patches(low, 4, 2, 1)
    out = np.zeros((low.shape[0], low.shape[1] + 2, low.shape[2] + 2))
    for query, centre in enumerate(itertools.product(*map(range, high.shape[1:]))):
        scores = [
            (keys[query] * key).sum() / max(np.sqrt((key**2).sum()), 1e-4) * known
            for key, known in zip(keys, valid, strict=True)
        ]
        powers = np.exp(10 * np.array(scores))
        weights = np.maximum(powers / powers.sum() * valid, 1e-8)
        top, left = 2 * centre[0], 2 * centre[1]
        for weight, value in zip(weights, values, strict=True):
            out[:, top : top + 4, left : left + 4] += weight * value / 4
    return out[:, 1:-1, 1:-1]


@pytest.mark.parametrize("deepest", [False, True])
def test_attention_transfer_equals_loops(deepest):
    generator = torch.Generator().manual_seed(0)
    low = torch.randn(2, 4, 10, 12, generator=generator, dtype=torch.float64)
    high = torch.randn(2, 3, 5, 6, generator=generator, dtype=torch.float64) / 2
    mask = torch.zeros(2, 1, 20, 24, dtype=torch.float64)
    mask[0, :, 3:9, 6:14] = 1
    mask[1, :, 12:, :3] = 1
    transfer = AttentionTransfer(4, deepest).double()
    found = transfer(low, high, mask)
    for i in range(2):
        kernel = 1 if deepest else 3
        cells = mask[i, :, ::4, ::4].numpy()
        valid = np.array([p.mean() == 0 for p in patches(cells, kernel, 1, kernel // 2)], float)
        assert 0 < valid.sum() < 30
        expected = torch.from_numpy(loop_transfer(low[i].numpy(), high[i].numpy(), valid, kernel))
        if not deepest:
            layers = [
                F.conv2d(expected[None], b.weight, b.bias, padding=rate, dilation=rate)
                for b, rate in zip(transfer.branches, (1, 2, 4, 8), strict=True)
            ]
            expected = torch.cat(layers, dim=1).relu()[0]
        torch.testing.assert_close(found[i], expected, rtol=DOUBLE_SUM, atol=DOUBLE)


def test_keys_without_hole_are_valid():
    _, mask = example(128)
    for factor, kernel in [(4, 3), (8, 3), (16, 1)]:
        plain = valid_keys(mask[:, :, ::factor, ::factor], kernel)
        assert 0 < plain.sum() < plain.numel()
        assert torch.equal(known_keys(mask, factor, kernel), plain)


def test_keys_with_least_hole_are_valid_where_none_is_known():
    mask = torch.ones(2, 1, 32, 32)
    mask[0, :, 8, 8] = 0
    mask[0, :, 16, 8] = 0  # key at row 1, column 0 has both in 6 cells, those elsewhere less
    found = known_keys(mask, 8, 3).reshape(2, 4, 4)
    expected = torch.zeros(4, 4)
    expected[1, 0] = expected[2, 0] = 1
    assert torch.equal(found[0], expected)
    assert found[1].min() == 1  # all hole: no key is worse than another


def test_layers_are_connected_as_published():
    torch.manual_seed(0)
    network = PENNet(4, levels=4).double()
    for parameter in network.parameters():
        parameter.data *= 8  # so that every layer matters
    image, mask = example(dtype=torch.float64)
    white = torch.where(mask.bool(), 1.0, image)

    def up(x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)

    e, a, d, s = network.encoder, network.transfers, network.decoder, network.side_heads
    e1 = F.leaky_relu(e[0](torch.cat([white, mask], 1)), 0.2)
    e2 = F.leaky_relu(e[1](e1), 0.2)
    e3 = F.leaky_relu(e[2](e2), 0.2)
    e4 = F.relu(e[3](e3))
    a3 = a[2](e3, e4, mask)
    a2 = a[1](e2, a3, mask)
    a1 = a[0](e1, a2, mask)
    u3 = torch.cat([d[2].conv(up(e4)).relu(), a3], 1)
    u2 = torch.cat([d[1].conv(up(u3)).relu(), a2], 1)
    u1 = torch.cat([d[0].conv(up(u2)).relu(), a1], 1)
    sides = [torch.tanh(head(u)) for head, u in zip(s, (u1, u2, u3), strict=True)]
    out = torch.tanh(network.head[2](network.head[0].conv(up(u1)).relu()))

    assert [x.shape[1] for x in (e1, e2, e3, e4)] == [4, 8, 16, 32]
    made = network.stages(white, mask)
    torch.testing.assert_close(made.prediction, out)
    for found, expected in zip(made.sides, sides, strict=True):
        torch.testing.assert_close(found, expected)
    assert torch.equal(network(white, mask), made.prediction)


def test_published_channels():
    channels = [conv.out_channels for conv in PENNet().encoder]
    assert channels == [32, 64, 128, 256, 512, 512]


@pytest.mark.parametrize("width", [8, 32])
def test_initial_weights(width):
    torch.manual_seed(0)
    network = PENNet(width)
    deviation = network.decoder[3].conv.weight.std().item()
    assert deviation == pytest.approx(0.02 * (32 / width) ** 0.5, rel=TWO_PERCENT)
    assert network.encoder[0].weight.std().item() == pytest.approx(0.02, rel=TENTH)
    assert network.encoder[0].bias.abs().max() == 0


def test_hole_content_is_not_looked_at_and_every_weight_learns():
    torch.manual_seed(0)
    network = PENNet(4)
    image, mask = example()
    other = torch.where(mask.bool(), -image, image)
    assert torch.equal(network.complete(image, mask), network.complete(other, mask))
    made = network.stages(torch.where(mask.bool(), 1.0, image), mask)
    (made.prediction.sum() + sum(side.sum() for side in made.sides)).backward()
    assert all(p.grad.abs().max() > 0 for p in network.parameters())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_empty_and_full_masks_are_finite(share):
    image, mask = example()
    assert PENNet(4)(image, torch.full_like(mask, share)).isfinite().all()


def test_config_builds_the_same_network():
    network = build({"model": "pen-net", "width": 4, "levels": 5})
    assert isinstance(network, PENNet)
    assert build(network.config).config == {"model": "pen-net", "width": 4, "levels": 5}
    assert (network.multiple, network.min_side, network.fill) == (32, 32, 1.0)


@pytest.mark.parametrize(("size", "levels"), [(64, 4), (128, 5), (256, 6), (512, 6)])
def test_levels_leave_the_deepest_map_four_cells(size, levels):
    assert PENNet.scaled(1 / 4, size) == {"width": 8, "levels": levels}


@pytest.mark.parametrize("settings", [{"width": 3}, {"levels": 3}])
def test_too_small_networks_are_refused(settings):
    with pytest.raises(InputError, match=f"{next(iter(settings))}=3.*at least 4 channels"):
        PENNet(**settings)


def test_sides_that_do_not_divide_are_refused():
    image, mask = example(96)
    with pytest.raises(InputError, match="multiples of 64"):
        PENNet(4)(image, mask)

"""HiFill against plain formulations in double precision; residuals of large images."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tolerances import DOUBLE_NET, LAST_BITS, TWO_PERCENT

from aotgan.errors import InputError
from aotgan.models.baselines.hifill import HiFill, LightGatedConv, attention
from aotgan.models.registry import build


def example(size=64, batch=2, dtype=torch.float32):
    """Images with a hole in the corner cell, so that most keys of a 4 x 4 grid stay valid."""
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(batch, 3, size, size, generator=generator, dtype=dtype) * 2 - 1
    mask = torch.zeros(batch, 1, size, size, dtype=dtype)
    cell = size // 4
    for i in range(batch):
        mask[i, :, cell // 8 + i : cell // 2, cell // 4 : cell // 2 + 3 * i] = 1
    return image, mask


def network(width=4, dtype=torch.float32, kind=HiFill):
    torch.manual_seed(0)
    return kind(width).to(dtype)


def parameters(part):
    return sum(parameter.numel() for parameter in part.parameters())


@pytest.mark.parametrize(
    "width, count, millions", [(32, 2_722_791, 2.72), (16, 687_159, 0.69), (8, 175_071, 0.18)]
)
def test_parameter_counts(width, count, millions):
    assert parameters(HiFill(width)) == count
    assert abs(count / 1e6 - millions) < 0.006


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (256, 256), (512, 512), (64, 144)])
def test_shapes(size):
    made = network(1).stages(torch.zeros(1, 3, *size), torch.zeros(1, 1, *size))
    cells = size[0] // 16 * (size[1] // 16)
    assert made.coarse.shape == made.refined.shape == (1, 3, *size)
    assert made.weights.shape == (1, cells, cells)


@pytest.mark.parametrize("single, gate", [(True, (1, 3, 5, 5)), (False, (4, 3, 1, 1))])
def test_light_gated_convolution(single, gate):
    torch.manual_seed(0)
    layer = LightGatedConv(3, 4, 5, 2, single=single)
    x = torch.randn(2, 3, 8, 8)
    assert layer.gate.weight.shape == gate
    features = F.conv2d(x, layer.features.weight, layer.features.bias, 2, 2)
    logits = F.conv2d(x, layer.gate.weight, layer.gate.bias, 2, 2 if single else 0)
    elu = torch.where(features > 0, features, features.exp() - 1)
    torch.testing.assert_close(layer(x), elu / (1 + torch.exp(-logits)))
    assert layer(x).shape == (2, 4, 4, 4)


def test_dilation_reaches_the_single_gate_alone():
    assert LightGatedConv(3, 4, dilation=4, single=True).gate.dilation == (4, 4)
    assert LightGatedConv(3, 4, dilation=4, single=False).gate.dilation == (1, 1)


def plain_attention(features, mask):
    """One image, with loops: (C, H / 8, W / 8) and (H, W) to (K, K)."""
    cells = features[:, ::2, ::2]
    height, width = cells.shape[1:]
    grid = list(itertools.product(range(height), range(width)))
    count, padded = len(grid), np.pad(cells, ((0, 0), (1, 1), (1, 1)))
    patch = [padded[:, i : i + 3, j : j + 3] for i, j in grid]
    score = np.empty((count, count))
    for i, j in np.ndindex(count, count):
        score[i, j] = (patch[i] * patch[j]).sum() / max(np.sqrt((patch[j] ** 2).sum()), 1e-8)

    def diagonal(s):
        out = np.zeros_like(s)
        for i, j, t in itertools.product(range(count), range(count), (-1, 0, 1)):
            if 0 <= i + t < count and 0 <= j + t < count:
                out[i, j] += s[i + t, j + t]
        return out

    by_column = sorted(range(count), key=lambda k: (grid[k][1], grid[k][0]))
    back = np.argsort(by_column)
    score = diagonal(diagonal(score)[np.ix_(by_column, by_column)])[np.ix_(back, back)]

    touched = {(i, j) for i, j in grid if mask[16 * i : 16 * i + 16, 16 * j : 16 * j + 16].any()}
    near = itertools.product((-1, 0, 1), repeat=2)
    invalid = {(i + a, j + b) for (a, b), (i, j) in itertools.product(near, touched)}
    valid = np.array([cell not in invalid for cell in grid], float)
    powers = np.exp(10 * score * valid)
    return powers / powers.sum(1, keepdims=True) * valid


def test_attention_equals_loops():
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(2, 3, 8, 10, generator=generator, dtype=torch.float64) / 4
    mask = torch.zeros(2, 1, 64, 80, dtype=torch.float64)
    mask[0, :, 3:10, 20:33] = 1
    mask[1, :, 40:, 5] = 1
    found = attention(features, mask)
    for i in range(2):
        expected = plain_attention(features[i].numpy(), mask[i, 0].numpy())
        assert 0 < (expected.sum(0) == 0).sum() < 20
        np.testing.assert_allclose(found[i].numpy(), expected, rtol=DOUBLE_NET, atol=LAST_BITS)


def plain_transfer(weights, level, side, stride):
    """Overlapping sums of weighted patches at their new places, with loops; odd padding last."""
    before = (side - stride) // 2
    channels, height, width = level.shape
    grid = list(itertools.product(range(0, height, stride), range(0, width, stride)))
    padded = np.pad(level, ((0, 0), (before, side), (before, side)))
    out = np.zeros_like(padded)
    for (i, a), (j, b) in itertools.product(enumerate(grid), repeat=2):
        value = padded[:, b[0] : b[0] + side, b[1] : b[1] + side]
        out[:, a[0] : a[0] + side, a[1] : a[1] + side] += weights[i, j] * value
    return out[:, before : before + height, before : before + width]


def test_layers_are_connected_as_published():
    net = network(2, torch.float64)
    for parameter in net.parameters():
        parameter.data *= 3  # so that every layer matters
    image, mask = example(dtype=torch.float64)
    black = image * (1 - mask)

    def twice(x):
        return F.interpolate(x, scale_factor=2, mode="bilinear")

    x = F.avg_pool2d(torch.cat([black, mask], 1), 2)
    for layer in net.coarse:
        x = twice(x) if isinstance(layer, torch.nn.Upsample) else layer(x)
    coarse = twice(x.clamp(-1, 1))
    filled = torch.where(mask.bool(), coarse, image)

    r = net.refine
    e1 = r.encoder[0](torch.cat([filled, mask], 1))
    e2 = r.encoder[1](e1)
    x = r.middle(r.encoder[2](e2))
    weights = np.stack(
        [plain_attention(f.numpy(), m[0].numpy()) for f, m in zip(x.detach(), mask, strict=True)]
    )

    def transfer(level, side, stride):
        pairs = zip(weights, level.detach().numpy(), strict=True)
        return torch.from_numpy(np.stack([plain_transfer(*p, side, stride) for p in pairs]))

    x = r.merge(torch.cat([x, r.after_attention(transfer(x, 3, 2))], 1))
    x = r.decoder[0][2](r.decoder[0][1](twice(x)))
    x = torch.cat([r.skips[0](transfer(e2, 8, 4)), x], 1)
    x = r.decoder[1][2](r.decoder[1][1](twice(x)))
    x = torch.cat([r.skips[1](transfer(e1, 16, 8)), x], 1)
    refined = r.head[1](twice(x)).clamp(-1, 1)

    made = net.stages(black, mask)
    assert made.refined.std() > 1e-6
    torch.testing.assert_close(made.coarse, coarse)
    torch.testing.assert_close(made.weights, torch.from_numpy(weights))
    torch.testing.assert_close(made.refined, refined)
    assert torch.equal(net(black, mask), made.refined)


def test_pictures_are_clipped():
    net = network()
    for layer in (net.coarse[-1], net.refine.head[1]):
        layer.features.bias.data += 9
    image, mask = example()
    made = net.stages(image * (1 - mask), mask)
    assert made.coarse.max() == made.refined.max() == 1


def test_published_layers():
    def layers(part):
        kinds = [m.features for m in part.modules() if isinstance(m, LightGatedConv)]
        return [(c.kernel_size[0], c.stride[0], c.dilation[0], c.out_channels) for c in kinds]

    net = HiFill()
    chain = [(3, 1, d, 64) for d in (1, 1, 1, 2, 2, 2, 2, 2, 4, 4, 4, 4, 8, 8)]
    plain = [(3, 1, 1, 64)] * 3
    down = [(5, 2, 1, 32), (3, 1, 1, 32), (3, 2, 1, 64)]
    up = [(3, 1, 1, 32), (3, 1, 1, 32), (3, 1, 1, 3)]
    assert layers(net.coarse) == down + plain + chain + plain + up
    assert layers(net.refine.middle) == [(3, 1, d, 128) for d in (1, 2, 4, 8, 16)]
    encoder = [(3, s, 1, c) for c in (32, 64, 128) for s in (2, 1)]
    assert layers(net.refine.encoder) == encoder
    assert layers(net.refine.decoder) == [(3, 1, 1, c) for c in (64, 64, 32, 32)]
    assert layers(net.refine.skips) == [(3, 1, d, c) for c in (64, 32) for d in (1, 2)]


@pytest.mark.parametrize("width, gain", [(8, 1), (32, 1), (8, 1.5)])
def test_initial_weights(width, gain):
    torch.manual_seed(0)
    net = HiFill(width, gain)
    weight = net.refine.middle[0].features.weight
    largest = 0.1 * gain * (32 / width) ** 0.5
    assert 0.97 * largest < weight.abs().max() <= largest
    assert weight.std().item() == pytest.approx(0.88 * largest / 2, rel=TWO_PERCENT)
    assert net.coarse[0].features.weight.abs().max() <= 0.1 * gain
    assert net.coarse[0].features.bias.abs().max() == 0


@pytest.mark.parametrize("gain, low, high", [(1, 1e-14, 1e-10), (2, 1e-8, 1e-1)])
def test_gradient_that_reaches_the_first_layer(gain, low, high):
    torch.manual_seed(0)
    net = HiFill(8, gain)
    image, mask = example()
    made = net.stages(image * (1 - mask), mask)
    (made.coarse - image).abs().mean().backward()
    assert low < net.coarse[0].features.weight.grad.abs().mean() < high


def test_hole_content_is_not_looked_at_and_every_weight_learns():
    net = network()
    image, mask = example()
    other = torch.where(mask.bool(), -image, image)
    assert torch.equal(net.complete(image, mask), net.complete(other, mask))
    made = net.double().stages((image * (1 - mask)).double(), mask.double())
    made.refined.sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in net.parameters())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_empty_and_full_masks(share):
    image, mask = example()
    made = network().stages(image, torch.full_like(mask, share))
    assert made.refined.isfinite().all()
    assert made.weights.sum().item() == pytest.approx(2 * 16 * (1 - share))


def large_example(times, size=64):
    image, mask = example(size * times)
    return image, mask, F.max_pool2d(mask, times)


def test_residuals_of_a_single_scale_are_zero():
    net = network()
    image, mask = example()
    found = net.predict_large(image, mask, 1)
    assert torch.equal(found, net(image * (1 - mask), mask))
    blended = net.complete_large(image, mask, 1)
    far = F.max_pool2d(mask, 7, 1, 3) == 0
    assert torch.equal(blended * mask, found * mask)
    assert torch.equal(blended * far, image * far)
    between = (1 - mask) * ~far
    assert 0 < (blended * between - image * between).abs().max() < 2


@pytest.mark.parametrize("times", [2, 3])
def test_residuals_are_aggregated_by_the_attention(times):
    net = network(dtype=torch.float64)
    image, mask, low_mask = (x.double() for x in large_example(times))
    low = torch.stack(
        [image[..., i::times, j::times] for i, j in itertools.product(range(times), repeat=2)]
    ).mean(0)
    made = net.stages(low * (1 - low_mask), low_mask)
    known = low * (1 - low_mask)
    big = F.interpolate(known, scale_factor=times, mode="bilinear", align_corners=False)
    residual = torch.where(mask.bool(), 0.0, image - big)
    patch = 16 * times
    expected = F.interpolate(made.refined, scale_factor=times, mode="bilinear", align_corners=False)
    cells = list(itertools.product(range(4), repeat=2))
    for b, (i, (y, x)) in itertools.product(range(2), enumerate(cells)):
        for j, (v, u) in enumerate(cells):
            seen = residual[b, :, patch * v : patch * (v + 1), patch * u : patch * (u + 1)]
            place = expected[b, :, patch * y : patch * (y + 1), patch * x : patch * (x + 1)]
            place += made.weights[b, i, j] * seen
    found = net.predict_large(image, mask, times)
    torch.testing.assert_close(found, expected.clamp(-1, 1))


class Flat(HiFill):
    """Sees nothing but one grey, and gives all attention to the valid keys."""

    def stages(self, masked_image, mask):
        made = super().stages(masked_image, mask)
        weights = made.weights / made.weights.sum(2, keepdim=True)
        return made._replace(refined=torch.full_like(made.refined, 0.25), weights=weights)


def test_a_constant_residual_is_reproduced():
    times, patch = 2, 32
    net = network(dtype=torch.float64, kind=Flat)
    _, mask, _ = large_example(times)
    generator = torch.Generator().manual_seed(3)
    tile = torch.rand(1, 3, patch, patch, generator=generator, dtype=torch.float64) / 2
    tile = tile - F.interpolate(F.avg_pool2d(tile, times), scale_factor=times)
    image = 0.25 + tile.repeat(2, 1, 4, 4)
    erased = torch.where(mask.bool(), -0.5, image)
    found = net.complete_large(erased, mask.double(), times)
    torch.testing.assert_close(found, image)


def test_hole_of_a_large_image_is_not_looked_at():
    net = network()
    image, mask, _ = large_example(2)
    other = torch.where(mask.bool(), -image, image)
    found = net.complete_large(image, mask, 2)
    assert torch.equal(found, net.complete_large(other, mask, 2))


def test_detail_does_not_leave_the_range():
    times = 2
    net = network()
    _, mask, _ = large_example(times)
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).tile(64, 64).expand(2, 3, -1, -1)
    net.refine.head[1].features.bias.data += 9
    found = net.predict_large(checks, mask, times)
    assert 0 < found.min() < 1 == found.max()


@pytest.mark.parametrize("times", [0, 3, 4])
def test_large_images_of_other_sizes_are_refused(times):
    image, mask = example(128)
    with pytest.raises(InputError, match=f"times={times}"):
        network().complete_large(image, mask, times)


def test_config_builds_the_same_network():
    net = build({"model": "hifill", "width": 2})
    assert isinstance(net, HiFill)
    assert build(net.config).config == {"model": "hifill", "width": 2, "gain": 1.0}
    assert (net.multiple, net.min_side, net.fill) == (16, 64, 0.0)


def test_bad_input_is_refused():
    for width, gain in ((0, 1.0), (2, 0.0)):
        with pytest.raises(InputError, match=f"width={width}, gain={gain}"):
            HiFill(width, gain)
    for size in (48, 72):
        image, mask = example(size)
        with pytest.raises(InputError, match="multiples of 16 and at least 64"):
            network()(image, mask)

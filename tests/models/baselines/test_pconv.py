"""Partial convolutions against loops and against masks of every channel; the U-Net around them."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tolerances import SINGLE, SINGLE_FEW
from torch import nn

from aotgan import InputError
from aotgan.models.baselines.pconv import PartialConv2d, PConv
from aotgan.models.inpainter import erase
from aotgan.models.registry import build
from aotgan.models.weights import load_inpainter, save_generator


def batch(size=32, count=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(count, 3, size, size, generator=generator).to(dtype) * 2 - 1
    mask = torch.zeros(count, 1, size, size, dtype=dtype)
    mask[:, :, size // 4 : size // 2, 3 : size // 2 + 5] = 1
    mask[1:, :, :, : size // 8] = 1
    return image, mask


def features(channels, size=9, share=0.5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, channels, size, size, generator=generator).double()
    valid = (torch.rand(2, 1, size, size, generator=generator) > share).double()
    return x, valid


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def by_loops(layer, *parts):
    """Liu et al., Eq. 1 and 2, window by window, with a mask of as many channels as features."""
    x = np.concatenate([part.numpy() for part, _ in parts], axis=1)
    m = np.concatenate([np.broadcast_to(v.numpy(), p.shape) for p, v in parts], axis=1)
    weight = layer.conv.weight.detach().numpy()
    bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().numpy().ravel()
    kernel, stride = weight.shape[2], layer.conv.stride[0]
    pad = ((0, 0), (0, 0), (kernel // 2,) * 2, (kernel // 2,) * 2)
    x, m = np.pad(x, pad, constant_values=7.0), np.pad(m, pad)
    rows = (x.shape[2] - kernel) // stride + 1
    out, valid = np.zeros((len(x), len(weight), rows, rows)), np.zeros((len(x), 1, rows, rows))
    for b, o, i, j in np.ndindex(out.shape):
        window = np.s_[b, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
        total = m[window].sum()
        if total > 0:
            ratio = m[window].size / (total + 1e-8)
            out[b, o, i, j] = (weight[o] * x[window] * m[window]).sum() * ratio + bias[o]
            valid[b, 0, i, j] = 1
    return torch.from_numpy(out), torch.from_numpy(valid)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (7, 2)])
@pytest.mark.parametrize("bias", [False, True])
def test_a_partial_convolution_equals_its_definition(kernel, stride, bias):
    layer = PartialConv2d(3, 2, kernel, stride, bias).double()
    if bias:
        nn.init.normal_(layer.bias)
    found = layer(features(3, share=0.9))
    for a, b in zip(found, by_loops(layer, features(3, share=0.9)), strict=True):
        torch.testing.assert_close(a, b, rtol=SINGLE_FEW, atol=SINGLE)  # the 1e-8 of the release
    assert 0 < found[1].mean() < 1 or kernel > 3


def test_two_parts_weigh_in_by_their_channels():
    layer = PartialConv2d(5, 3, 3).double()
    parts = features(4, share=0.9), features(1, share=0.3, seed=1)
    for a, b in zip(layer(*parts), by_loops(layer, *parts), strict=True):
        torch.testing.assert_close(a, b, rtol=SINGLE_FEW, atol=SINGLE)  # the 1e-8 of the release


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 2), (7, 2)])
def test_without_holes_it_is_a_convolution_but_for_the_border(kernel, stride):
    layer = PartialConv2d(4, 3, kernel, stride, bias=True).double()
    nn.init.normal_(layer.bias)
    x, _ = features(4, size=24)
    found, valid = layer((x, torch.ones(2, 1, 24, 24).double()))
    plain = F.conv2d(x, layer.conv.weight, layer.bias.flatten(), stride, kernel // 2)
    rim = -(-(kernel // 2) // stride)  # outputs whose window overlaps the padding
    inner = np.s_[:, :, rim:-rim, rim:-rim]
    torch.testing.assert_close(found[inner], plain[inner])
    assert valid.min() == 1
    corner = (found - layer.bias)[:, :, 0, 0] / (plain - layer.bias)[:, :, 0, 0]
    seen = (kernel - kernel // 2) ** 2
    torch.testing.assert_close(corner, torch.full_like(corner, kernel**2 / seen))


def test_the_valid_region_grows_by_half_a_kernel():
    layer = PartialConv2d(1, 1, 3)
    valid = torch.zeros(1, 1, 9, 9)
    valid[..., 4, 4] = 1
    _, grown = layer((valid, valid))
    expected = torch.zeros(1, 1, 9, 9)
    expected[..., 3:6, 3:6] = 1
    assert torch.equal(grown, expected)
    assert not grown.requires_grad


def test_nothing_valid_gives_zero_and_finite_gradients():
    layer = PartialConv2d(2, 3, 3, bias=True)
    nn.init.ones_(layer.bias)
    x = torch.randn(1, 2, 6, 6, requires_grad=True)
    out, valid = layer((x, torch.zeros(1, 1, 6, 6)))
    out.sum().backward()
    assert out.abs().max() == valid.max() == 0
    assert x.grad.abs().max() == layer.conv.weight.grad.abs().max() == 0


@pytest.mark.parametrize("training", [False, True])
def test_what_the_hole_shows_does_not_matter(training):
    model = PConv(4, 5).train(training)
    image, mask = batch()
    results = [model(erase(image, mask, fill), mask) for fill in (0.0, 1.0, -0.7)]
    results.append(model(torch.where(mask > 0, 1e6 * image.flip(0), image), mask))
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_known_pixels_do_matter():
    model = PConv(4, 5).eval()
    image, mask = batch()
    other = torch.where(mask > 0, image, -image)
    assert (model(image, mask) - model(other, mask)).abs().max() > 0.1


@pytest.fixture(scope="module")
def full():
    return PConv()


def parameters(model):
    """Of the convolutions and of batch normalisation."""
    norms = sum(count(part) for part in model.modules() if isinstance(part, nn.BatchNorm2d))
    return count(model) - norms, norms


def test_full_size_is_that_of_the_specification(full):
    assert parameters(full) == (32_848_852, 10_880)
    assert parameters(PConv(levels=7)) == (25_770_964, 8_832)
    assert parameters(PConv(16))[0] == 2_055_220
    millions = [round(n / 1e6, 2) for n in (32_848_852, 10_880, 25_770_964, 2_055_220)]
    assert millions == [32.85, 0.01, 25.77, 2.06]


def table(layers):
    return [
        (
            layer.conv.conv.in_channels,
            layer.conv.conv.out_channels,
            layer.conv.conv.kernel_size[0],
            layer.conv.conv.stride[0],
            isinstance(layer.norm, nn.BatchNorm2d),
            layer.conv.bias is not None,
            type(layer.activation).__name__,
        )
        for layer in layers
    ]


def test_layers_are_those_of_the_specification(full):
    model = full
    assert table(model.encoder) == [
        (3, 64, 7, 2, False, False, "ReLU"),
        (64, 128, 5, 2, True, False, "ReLU"),
        (128, 256, 5, 2, True, False, "ReLU"),
        (256, 512, 3, 2, True, False, "ReLU"),
        *[(512, 512, 3, 2, True, False, "ReLU")] * 4,
    ]
    assert table(model.decoder) == [
        *[(1024, 512, 3, 1, True, False, "LeakyReLU")] * 4,
        (768, 256, 3, 1, True, False, "LeakyReLU"),
        (384, 128, 3, 1, True, False, "LeakyReLU"),
        (192, 64, 3, 1, True, False, "LeakyReLU"),
        (67, 3, 3, 1, False, True, "Identity"),
    ]
    slopes = {layer.activation.negative_slope for layer in model.decoder[:-1]}
    assert slopes == {0.2}
    assert all(conv.bias is None for conv in model.modules() if isinstance(conv, nn.Conv2d))


def with_masks_of_every_channel(model, image, mask):
    """The U-Net with multi-channel masks, as the authors' layer has them."""

    def layer(part, x, m):
        conv = part.conv.conv
        where = {"stride": conv.stride, "padding": conv.padding}
        total = F.conv2d(m, torch.ones_like(conv.weight), **where)
        seen = (total > 0).double()
        x = F.conv2d(x * m, conv.weight, **where) * conv.weight[0].numel() / (total + 1e-8)
        x = (x if part.conv.bias is None else x + part.conv.bias) * seen
        if isinstance(part.norm, nn.BatchNorm2d):
            n = part.norm
            x = F.batch_norm(x, n.running_mean, n.running_var, n.weight, n.bias)
        return x, seen

    x, m = image, (1 - mask).expand_as(image)
    skips = []
    for part in model.encoder:
        skips.append((x, m))
        x, m = layer(part, x, m)
        x = x.clamp_min(0)
    for i, part in enumerate(model.decoder):
        x, m = (v.repeat_interleave(2, 2).repeat_interleave(2, 3) for v in (x, m))
        before, m_before = skips.pop()
        x, m = layer(part, torch.cat([x, before], 1), torch.cat([m, m_before], 1))
        if i < len(model.decoder) - 1:
            x = torch.where(x > 0, x, 0.2 * x)
    return x


def test_the_network_equals_one_with_masks_of_every_channel():
    torch.manual_seed(0)
    model = PConv(4, 5).double()
    image, mask = batch(64, dtype=torch.float64)
    model(image, mask)  # moving statistics other than 0 and 1
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    nn.init.normal_(model.decoder[-1].conv.bias)
    expected = with_masks_of_every_channel(model, image, mask)
    assert expected.abs().max() > 1
    model.eval()
    torch.testing.assert_close(
        model(image, mask), expected.clamp(-1, 1), rtol=SINGLE_FEW, atol=SINGLE_FEW
    )


@pytest.mark.parametrize(("size", "levels"), [(64, 5), (64, 6), (128, 6), (256, 7), (512, 8)])
def test_image_sizes(size, levels):
    model = PConv(2, levels).eval()
    image, mask = batch(size)
    with torch.no_grad():
        z = model.complete(image, mask)
    assert z.shape == image.shape
    assert z.isfinite().all() and z.abs().max() <= 1
    assert torch.equal(z[mask.expand_as(z) == 0], image[mask.expand_as(z) == 0])


def test_oblong_images_and_images_that_are_all_hole():
    model = PConv(2, 3).eval()
    image = torch.rand(1, 3, 16, 40)
    assert model(image, torch.ones(1, 1, 16, 40)).isfinite().all()


def test_the_last_layer_is_clamped_in_evaluation_alone():
    model = PConv(4, 4)
    nn.init.constant_(model.decoder[-1].conv.bias, 30.0)
    image, mask = batch()
    assert model.train()(image, mask).max() > 1
    assert model.eval()(image, mask).max() == 1


def test_a_frozen_encoder_keeps_its_statistics_and_learns_its_scales():
    model = PConv(4, 4).train()
    model.freeze_encoder(True)
    before = {name: value.clone() for name, value in model.named_buffers()}
    model(*batch()).sum().backward()
    changed = {n.split(".")[0] for n, v in model.named_buffers() if not torch.equal(v, before[n])}
    assert changed == {"decoder"}
    assert model.encoder[1].norm.weight.grad.abs().max() > 0
    model.freeze_encoder(False)
    model(*batch())
    now = dict(model.named_buffers())
    assert not torch.equal(
        now["encoder.3.norm.running_mean"], before["encoder.3.norm.running_mean"]
    )


def test_processors_may_compute_in_bfloat16():
    model = PConv(4, 5).eval()
    image, mask = batch()
    with torch.no_grad():
        plain = model(image, mask)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(image, mask)
    assert rough.dtype == torch.float32
    assert (rough - plain).abs().max() < 0.1


def test_files_and_configurations_give_the_same_network_back(tmp_path):
    model = PConv(2, 3)
    model(*batch())
    config = json.loads(json.dumps(model.config))
    assert config == {"model": "pconv", "width": 2, "levels": 3}
    assert build(config).config == model.config
    loaded = load_inpainter(save_generator(model, tmp_path / "pconv.safetensors"))
    assert torch.equal(loaded(*batch()), model.eval()(*batch()))


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="multiples of 32 and at least 32"):
        PConv(2, 5)(torch.zeros(1, 3, 48, 64), torch.zeros(1, 1, 48, 64))
    with pytest.raises(InputError, match="levels=1"):
        PConv(2, 1)
    with pytest.raises(InputError, match="width=0"):
        PConv(0)

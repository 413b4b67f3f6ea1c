"""EdgeConnect's two networks, its discriminators and Canny's edges, with and without a hole."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from skimage.color import rgb2gray
from skimage.feature import canny
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from aotgan import InputError
from aotgan.models.baselines.edgeconnect import (
    CANNY_RADIUS,
    EdgeConnect,
    canny_edges,
    to_gray,
)
from aotgan.models.inpainter import erase
from aotgan.models.registry import build
from aotgan.models.weights import load_inpainter, save_generator


def scene(size=64, seed=0, noise=0.0):
    """Gray boxes of different brightness, (1, 1, size, size) in [0, 1], and a hole."""
    rng = np.random.default_rng(seed)
    gray = np.full((size, size), 0.5)
    for _ in range(12):
        y, x = rng.integers(0, size - 8, 2)
        h, w = rng.integers(8, size // 2, 2)
        gray[y : y + h, x : x + w] = rng.uniform()
    gray = np.clip(gray + noise * rng.normal(size=gray.shape), 0, 1)
    mask = torch.zeros(1, 1, size, size, dtype=torch.float64)
    mask[..., size // 3 : size // 2, size // 4 : size // 2] = 1
    return torch.from_numpy(gray)[None, None], mask


def batch(size=32, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    image = F.interpolate(torch.rand(2, 3, size // 8, size // 8, generator=generator), size=size)
    mask = torch.zeros(2, 1, size, size)
    mask[:, :, size // 3 : size // 2, size // 4 : size // 2] = 1
    return (image * 2 - 1).to(dtype), mask.to(dtype)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def lively(model):
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def full():
    return EdgeConnect()


def test_full_size_is_that_of_the_specification(full):
    model = full
    assert count(model.edge_network) == 10_761_089
    assert count(model.image_network) == 10_774_595
    assert count(model) == 21_535_684
    assert [round(n / 1e6, 2) for n in (10_761_089, 10_774_595)] == [10.76, 10.77]


def convolutions(network):
    return [
        layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]


@pytest.mark.parametrize("edges", [True, False])
def test_layers_are_those_of_the_specification(full, edges):
    convs = convolutions(full.edge_network if edges else full.image_network)
    conv, up = nn.Conv2d, nn.ConvTranspose2d
    found = [
        (conv if isinstance(c, conv) else up, c.in_channels, c.out_channels)
        + (c.kernel_size[0], c.stride[0], c.dilation[0], c.padding[0], c.padding_mode)
        + (c.bias is not None,)
        for c in convs
    ]
    residual = [
        (conv, 256, 256, 3, 1, 2, 2, "reflect", not edges),
        (conv, 256, 256, 3, 1, 1, 1, "reflect", not edges),
    ]
    assert found == [
        (conv, 3 if edges else 4, 64, 7, 1, 1, 3, "reflect", True),
        (conv, 64, 128, 4, 2, 1, 1, "zeros", True),
        (conv, 128, 256, 4, 2, 1, 1, "zeros", True),
        *residual * 8,
        (up, 256, 128, 4, 2, 1, 1, "zeros", True),
        (up, 128, 64, 4, 2, 1, 1, "zeros", True),
        (conv, 64, 1 if edges else 3, 7, 1, 1, 3, "reflect", True),
    ]
    assert [is_parametrized(c) for c in convs] == [edges] * (len(convs) - 1) + [False]


def weight_of(conv):
    """The weight, divided by its spectral norm from the stored vectors where it has one."""
    if not is_parametrized(conv):
        return conv.weight
    state = conv.parametrizations.weight
    original, u, v = state.original, state[0]._u, state[0]._v
    matrix = original.transpose(0, 1) if isinstance(conv, nn.ConvTranspose2d) else original
    return original / (u @ matrix.flatten(1) @ v)


def plain_network(network, x, head):
    """The layer table of the specification, from the convolutions' weights alone."""
    convs = convolutions(network)

    def conv(x, pad, stride=1, dilation=1, reflect=False):
        layer = convs.pop(0)
        if reflect:
            x, pad = F.pad(x, (pad,) * 4, mode="reflect"), 0
        return F.conv2d(x, weight_of(layer), layer.bias, stride, pad, dilation)

    def up(x):
        layer = convs.pop(0)
        return F.conv_transpose2d(x, weight_of(layer), layer.bias, 2, 1)

    def norm(x):
        mean = x.mean((2, 3), keepdim=True)
        return (x - mean) / (x.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()

    x = norm(conv(x, 3, reflect=True)).clamp_min(0)
    x = norm(conv(x, 1, 2)).clamp_min(0)
    x = norm(conv(x, 1, 2)).clamp_min(0)
    for _ in range(8):
        y = norm(conv(x, 2, dilation=2, reflect=True)).clamp_min(0)
        x = x + norm(conv(y, 1, reflect=True))
    x = norm(up(x)).clamp_min(0)
    x = norm(up(x)).clamp_min(0)
    return head(conv(x, 3, reflect=True))


def test_the_whole_equals_the_specification():
    model = lively(EdgeConnect(4).double())
    image, mask = batch(dtype=torch.float64)
    hole = mask.bool()
    gray = torch.from_numpy(rgb2gray((image.numpy() + 1) / 2, channel_axis=1))[:, None]
    known = torch.stack(
        [
            torch.from_numpy(canny(g.numpy(), sigma=2, mask=~m.numpy()))
            for g, m in zip(gray[:, 0], hole[:, 0], strict=True)
        ]
    )[:, None].double()
    assert known.sum() > 20
    seen = torch.cat([gray.masked_fill(hole, 1), known.masked_fill(hole, 0), mask], 1)
    guessed = plain_network(model.edge_network, seen, torch.sigmoid)
    edges = torch.where(hole, guessed, known)
    seen = torch.cat([((image + 1) / 2).masked_fill(hole, 1), edges], 1)
    expected = plain_network(model.image_network, seen, lambda x: (torch.tanh(x) + 1) / 2)
    torch.testing.assert_close(model.edges(image, mask), edges)
    torch.testing.assert_close(model(erase(image, mask, model.fill), mask), 2 * expected - 1)
    assert guessed.std() > 0.05 and expected.std() > 0.05


def test_what_the_hole_shows_does_not_matter():
    model = lively(EdgeConnect(2))
    image, mask = batch()
    other = torch.where(mask > 0, image.flip(0) * 0.3, image)
    assert torch.equal(model.edges(image, mask), model.edges(other, mask))
    assert torch.equal(model.complete(image, mask), model.complete(other, mask))
    assert not torch.equal(model.complete(image, mask), model.complete(image.flip(3), mask))


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_image_sizes(size):
    model = EdgeConnect(2).eval()
    image, mask = batch(size)
    with torch.no_grad():
        z = model.complete(image, mask)
    assert z.shape == image.shape
    assert z.isfinite().all() and z.abs().max() <= 1
    assert torch.equal(z[mask.expand_as(z) == 0], image[mask.expand_as(z) == 0])


def test_gray_is_that_of_scikit_image():
    image = torch.rand(2, 3, 5, 7, dtype=torch.float64) * 2 - 1
    expected = rgb2gray((image.numpy() + 1) / 2, channel_axis=1)
    torch.testing.assert_close(to_gray(image)[:, 0], torch.from_numpy(expected))


def differences(seed, noise, low, high):
    """Pixels outside the hole whose edge depends on it, and their distance to it."""
    gray, mask = scene(96, seed, noise)
    image, hole = gray[0, 0].numpy(), mask[0, 0].numpy() > 0
    whole, known = (
        canny(image, 2, low_threshold=low, high_threshold=high, mask=part) for part in (None, ~hole)
    )
    distance = ndimage.distance_transform_cdt(~hole, "chessboard")
    return (whole != known) & ~hole, distance


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.1, 0.2])
def test_the_hole_changes_no_edge_candidate_outside_its_radius(seed, threshold):
    """Candidates of one threshold are local; the farthest that a hole changes is at the radius."""
    changed, distance = differences(seed, 0.1, threshold, threshold)
    assert changed.any()
    assert distance[changed].max() <= CANNY_RADIUS


def test_the_radius_is_not_larger_than_need_be():
    """A hole pixel of unlimited brightness changes edges up to the radius and none beyond."""
    image = np.random.default_rng(0).uniform(size=(48, 48))
    image[24, 24] = 1e9
    hole = np.zeros((48, 48), bool)
    hole[24, 24] = True
    whole, known = (
        canny(image, 2, low_threshold=0.1, high_threshold=0.1, mask=part) for part in (None, ~hole)
    )
    distance = ndimage.distance_transform_cdt(~hole, "chessboard")
    assert distance[whole != known].max() == CANNY_RADIUS


@pytest.mark.parametrize("seed", range(8))
def test_edges_are_those_of_the_whole_image_outside_the_radius(seed):
    gray, mask = scene(96, seed)
    whole, known = canny_edges(gray), canny_edges(gray, mask)
    hole = mask[0, 0].numpy() > 0
    far = torch.from_numpy(ndimage.distance_transform_cdt(~hole, "chessboard") > CANNY_RADIUS)
    assert whole[0, 0][far].sum() > 50
    differ = (whole != known)[0, 0] & far
    # only chains of weak pixels that reach into the radius may differ
    weak = canny(gray[0, 0].numpy(), 2, low_threshold=0.1, high_threshold=0.1)
    chains, _ = ndimage.label(weak, np.ones((3, 3)))
    reaching = np.unique(chains[~far.numpy()])
    assert np.isin(chains[differ.numpy()], reaching[reaching > 0]).all()
    assert differ.sum() <= 0.02 * whole[0, 0][far].sum()


def test_edges_are_those_of_the_whole_image_far_from_a_hole_in_a_plain_place():
    gray = torch.zeros(1, 1, 64, 64)
    gray[..., 40:56, 8:56] = 1
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 4:20, 20:40] = 1
    assert canny_edges(gray).sum() > 80
    assert torch.equal(canny_edges(gray), canny_edges(gray, mask))


def test_the_border_of_the_hole_is_no_edge():
    gray = torch.full((1, 1, 32, 32), 0.3)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    white = erase(gray, mask, 1.0)
    assert canny_edges(white).sum() > 0
    assert canny_edges(white, mask).sum() == 0
    assert canny_edges(white, torch.ones_like(mask)).sum() == 0


def test_each_image_has_its_own_edges_and_hole():
    scenes = [scene(64, seed) for seed in (0, 1)]
    gray, mask = torch.cat([s[0] for s in scenes]), torch.cat([s[1] for s in scenes])
    mask[1] = mask[1].flip(2)
    together = canny_edges(gray, mask)
    for i in range(2):
        assert torch.equal(together[i : i + 1], canny_edges(gray[i : i + 1], mask[i : i + 1]))
    assert canny_edges(gray.float(), mask.float()).dtype == torch.float32


def test_files_and_configurations_give_the_same_network_back(tmp_path):
    model = EdgeConnect(2)
    model(*batch())  # one power iteration of the spectral norms
    config = json.loads(json.dumps(model.config))
    assert config == {"model": "edgeconnect", "width": 2}
    assert build(config).config == model.config
    loaded = load_inpainter(save_generator(model, tmp_path / "edgeconnect.safetensors"))
    assert torch.equal(loaded(*batch()), model.eval()(*batch()))


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="multiples of 4 and at least 12"):
        EdgeConnect(2)(torch.zeros(1, 3, 8, 64), torch.zeros(1, 1, 8, 64))
    with pytest.raises(InputError, match="expected"):
        EdgeConnect(2).edges(torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 20))
    with pytest.raises(InputError, match="width=0"):
        EdgeConnect(0)
